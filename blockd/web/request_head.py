"""The head of an HTTP/1 request (RFC 9112), read leniently and without input or output.

Whatever reaches the sinkhole was meant for another server, and who sent it is to learn why it did not arrive. So a head
is read for the few things that the answer depends on, as soon as those are known, and what is unusual about the rest of
it is no reason not to answer: methods that nobody knows, many or long header fields, octets that are not ASCII.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD = 64 * 1024  # octets of the request line and all header fields that are read; browsers send some hundreds

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # RFC 9110 section 5.6.2
_BEGINS = re.compile(_TOKEN)
_LINE = re.compile(rb"(" + _TOKEN + rb"+) ([^\x00-\x20\x7f]+) HTTP/[0-9]+(?:\.[0-9]+)?", re.ASCII)
_METHOD_AND_TARGET = re.compile(rb"(" + _TOKEN + rb"{1,64}) ([^\x00-\x20\x7f]*)")
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb"+:[^\x00\r\n]*\r?\n)*+")
_READ = re.compile(rb"^(host|accept|accept-language):([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PREFACE = b"PRI * HTTP/2.0"  # RFC 9113 section 3.4
_END = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is known of a request. `flaw` is 0, or the status for what is wrong: 400, 414 or 431.

    With 414 and 431 the head is longer than MAX_HEAD octets, and the rest is what its beginning says.
    """

    method: str = ""
    target: str = ""
    hosts: tuple[str, ...] = ()
    accept: str = ""
    accept_language: str = ""
    flaw: int = 0
    is_http2: bool = False


class RequestReader:
    """Assembles a head from octets that arrive in pieces of any size."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._searched = 0  # octets in which the head does not end
        self._has_line = False  # whether the first line is whole, and is a request's

    def feed(self, data: bytes) -> RequestHead | None:
        """Add received octets; return the head once the answer can be given, None while more is needed.

        Anything behind the head is ignored.
        """
        head = self._head
        if not head:
            data = data.lstrip(b"\r\n")  # RFC 9112 section 2.2
        head += data[: MAX_HEAD - len(head)]
        if not head:
            return None
        if not _BEGINS.match(head):
            return RequestHead(flaw=400)
        start = max(0, self._searched - 2)
        self._searched = len(head)
        if not self._has_line and (first := head.find(b"\n", start)) >= 0:
            self._has_line = bool(_LINE.fullmatch(head[:first].rstrip(b"\r")))
            if not self._has_line:
                return RequestHead(flaw=400)  # at once: some programs send one line and wait
        end = _END.search(head, start)
        if end:
            return _parsed(bytes(head[: end.start() + 1]))
        if len(head) >= MAX_HEAD:
            return _begun(bytes(head))
        return None

    def finish(self) -> RequestHead | None:
        """Return the head of a client that sends no more; None if it has sent nothing."""
        return RequestHead(flaw=400) if self._head else None


def _parsed(head: bytes) -> RequestHead:
    line, _, fields = head.partition(b"\n")
    line = line.rstrip(b"\r")
    if line == _PREFACE:
        return RequestHead(is_http2=True)
    found = _LINE.fullmatch(line)
    if not found or not _FIELDS.fullmatch(fields):
        return RequestHead(flaw=400)
    return _read(_text(found[1]), _text(found[2]), fields)


def _begun(head: bytes) -> RequestHead:
    """Return what the beginning of a head says that is too long; its last, cut line is left out."""
    line, newline, fields = head.partition(b"\n")
    found = _METHOD_AND_TARGET.match(line)
    if not found:
        return RequestHead(flaw=400)
    whole = fields[: fields.rfind(b"\n") + 1]
    return _read(_text(found[1]), _text(found[2]), whole, 431 if newline else 414)


def _read(method: str, target: str, fields: bytes, flaw: int = 0) -> RequestHead:
    values: dict[bytes, list[str]] = {b"host": [], b"accept": [], b"accept-language": []}
    for name, value in _READ.findall(fields):
        values[name.lower()].append(_text(value.strip(b" \t")))
    accept, languages = (",".join(values[name]) for name in (b"accept", b"accept-language"))
    return RequestHead(method, target, tuple(values[b"host"]), accept, languages, flaw)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", errors="surrogateescape")
