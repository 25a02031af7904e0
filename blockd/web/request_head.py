"""The head of an HTTP/1 request (RFC 9112), read leniently and without input or output.

Whatever reaches the sinkhole was meant for another server, and who sent it is to learn why it did not arrive. So a head
is read for the few things that the answer depends on, as soon as those are known, and what is unusual about the rest of
it is no reason not to answer: methods that nobody knows, many or long header fields, octets that are not ASCII.

It is read line by line, and of each line only the beginning is kept: a client takes some kilobytes however much it
sends, and what it sends costs a search for the ends of lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD = 1 << 20  # octets of the request line and all header fields that are read; browsers send some hundreds
MAX_LINE = 8 * 1024  # octets of one line that are kept; the rest of it is passed over
MAX_FIELDS = 100  # header fields that are read; browsers send some twenty
MAX_VALUE = 1024  # octets of a field's value that are kept, of all fields of a name together

_TOKEN = b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"  # RFC 9110 section 5.6.2
_BLANKS = bytes((*range(0x21), 0x7F))  # which no target has
_VERSION = re.compile(rb"HTTP/[0-9]{1,9}(?:\.[0-9]{1,9})?")
_MAX_METHOD = 64  # octets of a method in a line that is too long
_PREFACE = b"PRI * HTTP/2.0"  # RFC 9113 section 3.4
_READ = (b"host", b"accept", b"accept-language")
_MAX_NAME = max(map(len, _READ))
_MAX_HOSTS = 2  # Host fields that are kept: more than one are as wrong as two


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is known of a request. `flaw` is 0, or the status for what is wrong: 400, 414 or 431.

    With 414 and 431 the head is longer than is read, and the rest is what its beginning says.
    """

    method: str = ""
    target: str = ""
    hosts: tuple[str, ...] = ()
    accept: str = ""
    accept_language: str = ""
    flaw: int = 0
    is_http2: bool = False


_MALFORMED = RequestHead(flaw=400)


class RequestReader:
    """Assembles a head from octets that arrive in pieces of any size."""

    def __init__(self) -> None:
        self._line = bytearray()  # the beginning of a line that is not whole yet
        self._size = 0  # octets of that line
        self._total = 0
        self._first: tuple[str, str] | None = None  # method and target, once they are known
        self._fields = 0
        self._values: dict[bytes, list[bytes]] = {name: [] for name in _READ}

    def feed(self, data: bytes) -> RequestHead | None:
        """Add received octets; return the head once the answer can be given, None while more is needed.

        Anything behind the head is ignored.
        """
        if not self._total:
            data = data.lstrip(b"\r\n")  # RFC 9112 section 2.2
            if data and data[0] not in _TOKEN:
                self._total = len(data)
                return _MALFORMED
        data = data[: MAX_HEAD - self._total]
        self._total += len(data)
        position = 0
        while (end := data.find(b"\n", position)) >= 0:
            if self._size:
                self._keep(data, position, end)
                line, size = bytes(self._line), self._size
                self._line.clear()
                self._size = 0
            else:
                line, size = data[position : min(end, position + MAX_LINE)], end - position
            position = end + 1
            if head := self._take_line(line, size > MAX_LINE):
                return head
        self._keep(data, position, len(data))
        if self._total >= MAX_HEAD:
            return self._told(431) if self._first else self._begun()
        return None

    def finish(self) -> RequestHead | None:
        """Return the head of a client that sends no more; None if it has sent nothing."""
        return _MALFORMED if self._total else None

    def _keep(self, data: bytes, start: int, end: int) -> None:
        """Add a part of a line."""
        self._line += data[start : min(end, start + max(0, MAX_LINE - self._size))]
        self._size += end - start

    def _take_line(self, line: bytes, is_cut: bool) -> RequestHead | None:
        """Take a whole line, or the beginning of one; return the head if it is the last one, or one that decides."""
        if self._first is None:
            self._first = _begin_of(line) if is_cut else _request_line(line.rstrip(b"\r"))
            if self._first is None:  # at once: some programs send one line and wait
                return RequestHead(is_http2=True) if line.rstrip(b"\r") == _PREFACE else _MALFORMED
            return None
        if not is_cut:
            line = line.removesuffix(b"\r")
        if not line:
            return self._told(0)
        self._fields += 1
        return self._told(431) if self._fields > MAX_FIELDS else self._take_field(line)

    def _take_field(self, line: bytes) -> RequestHead | None:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN) or b"\r" in value or b"\0" in value:
            return _MALFORMED
        kept = self._values.get(name.lower()) if len(name) <= _MAX_NAME else None
        if kept is not None and len(kept) < _MAX_HOSTS and sum(map(len, kept)) < MAX_VALUE:
            kept.append(value.strip(b" \t")[:MAX_VALUE])
        return None

    def _begun(self) -> RequestHead:
        """Return what the beginning of a first line says that is too long."""
        self._first = _begin_of(bytes(self._line))
        return self._told(414) if self._first else _MALFORMED

    def _told(self, flaw: int) -> RequestHead:
        assert self._first is not None  # noqa: S101 - the callers have seen it
        hosts, accept, languages = ([_text(value) for value in self._values[name]] for name in _READ)
        return RequestHead(*self._first, tuple(hosts), ",".join(accept), ",".join(languages), flaw)


def _request_line(line: bytes) -> tuple[str, str] | None:
    """Return method and target of a whole first line; None if it is not a request's."""
    if line == _PREFACE:
        return None
    parts = line.split(b" ", 3)
    if len(parts) != 3 or not _VERSION.fullmatch(parts[2]):
        return None
    return _method_and_target(parts[0], parts[1])


def _begin_of(line: bytes) -> tuple[str, str] | None:
    """Return method and the target's beginning of a first line that is too long."""
    parts = line.split(b" ", 2)
    return _method_and_target(*parts) if len(parts) == 2 and len(parts[0]) <= _MAX_METHOD else None


def _method_and_target(method: bytes, target: bytes) -> tuple[str, str] | None:
    if not method or method.translate(None, _TOKEN) or not target:
        return None
    return (_text(method), _text(target)) if len(target.translate(None, _BLANKS)) == len(target) else None


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", errors="surrogateescape")
