"""Asking the running daemon for decisions, many at once over one kept connection."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from blockd.cli.squid_helper.lines import Decided, Question
from blockd.settings.listening import LocalAddress, UnixSocket

SECONDS = 5.0  # for an answer; one takes less than a millisecond
AT_ONCE = 32  # questions that are sent before their answers are read
MAX_HEAD = 1 << 14  # octets of an answer's head; one has some hundred
READ = 1 << 14  # octets read at once

_LINK = re.compile(r'<([^<>]*)>; rel="([a-z-]+)"')


class DecisionClient:
    """Asks at an address; it connects when it is asked first, and again if the connection has ended."""

    def __init__(self, address: LocalAddress, seconds: float = SECONDS) -> None:
        self._address = address
        self._seconds = seconds
        self._sock: socket.socket | None = None
        self._buffer = b""

    def close(self) -> None:
        """End the connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._buffer = b""

    def decided(self, questions: Sequence[Question]) -> tuple[list[Decided], str]:
        """Return the decisions in the order of the questions, and, if some are missing, why no more could be had.

        A connection that was kept may have ended meanwhile: then what is left is asked once more over another.
        """
        found: list[Decided] = []
        while (done := len(found)) < len(questions):
            is_kept = self._sock is not None
            try:
                self._exchange(questions[done : done + AT_ONCE], found)
            except OSError as error:
                self.close()
                if not is_kept and len(found) == done:
                    return found, f"blockd does not decide at {self._address.text}: {_cause(error)}"
        return found, ""

    def _exchange(self, questions: Sequence[Question], found: list[Decided]) -> None:
        """Ask, and add the decisions; raises OSError, also behind an answer with which the connection ends."""
        sock = self._connected()
        sock.sendall(b"".join(question.request for question in questions))
        for _ in questions:
            decided, is_last = _decided_by(self._head(sock))
            found.append(decided)
            if is_last:
                raise ConnectionResetError

    def _connected(self) -> socket.socket:
        if self._sock is None:
            family, place = _family_and_place(self._address)
            sock = socket.socket(family)
            try:
                sock.settimeout(self._seconds)
                sock.connect(place)
            except OSError:
                sock.close()
                raise
            self._sock = sock
        return self._sock

    def _head(self, sock: socket.socket) -> bytes:
        """Return the head of the next answer; raises OSError."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            octets = sock.recv(READ)
            if not octets or len(self._buffer) > MAX_HEAD:
                raise ConnectionResetError
            self._buffer += octets
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head


def _decided_by(head: bytes) -> tuple[Decided, bool]:
    """Return what the head of an answer says, and whether the connection ends with it; raises OSError for another's."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or fields.get("server") != "blockd":
        raise ConnectionRefusedError("what answers there is not blockd")
    status, is_last = words[1], fields.get("connection") == "close"
    if status == "204":
        return Decided(False), is_last
    if own := fields.get("blockd-status"):
        order = fields.get("blockd-order", "")
        called = f"order {order}" if order else f"list {fields.get('blockd-list', '')}"
        links = {rel: target for target, rel in _LINK.findall(fields.get("link", ""))}
        link = links.get("describedby") or links.get("blocked-by")
        why = f"blocked by {called}" + (f"; see {link}" if link else "")
        return Decided(True, why, int(own), order or fields.get("blockd-list", "")), is_last
    if status == "503":
        return Decided(True, "no list is enforced yet, and blockd is set to refuse until one is"), is_last
    if status in ("400", "414", "431"):
        return Decided(True, "the host cannot be read"), is_last
    return Decided(None, f"blockd answered with status {status}"), is_last


def _family_and_place(address: LocalAddress) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if isinstance(address, UnixSocket):
        return socket.AF_UNIX, str(address.path)
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET, (address.host, address.port)


def _cause(error: OSError) -> str:
    return error.strerror or str(error) or "it ended the connection"
