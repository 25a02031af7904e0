# cython: annotation_typing=False, binding=False
"""Requests of a proxy over a kept connection (HTTP/1.1, RFC 9112), read strictly and without input or output.

Who asks is a program, and what it forwards is a client's. So what two parsers could read differently is refused, and
ends the connection: nobody smuggles a request into another's (RFC 9112 section 11.2).
"""

from __future__ import annotations

from blockd.web.decide.request import ProxyRequest

MAX_HEAD = 1 << 15  # octets of a request line and all header fields; nginx passes on as much (4 buffers of 8 KB)
MAX_FIELDS = 200  # header fields; a client's are passed on by some proxies, with their own
MAX_BODY = 1 << 16  # octets of a body, which is passed over: no recipe sends one

_TOKEN = b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"  # RFC 9110 section 5.6.2
_BLANKS = bytes((*range(0x21), 0x7F))  # which no target has
_READ = frozenset(
    (
        b"host", b"x-forwarded-host", b"x-original-url", b"x-forwarded-for", b"accept", b"accept-language",
        b"connection", b"content-length", b"transfer-encoding", b"expect",
    )
)  # fmt: skip


class RequestStream:
    """Assembles requests from octets that arrive in pieces of any size; holds MAX_HEAD octets, and one piece more."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # octets of it without the end of a head
        self._skip = 0  # octets of a body that are still to come
        self._ended = False  # what follows is not read
        self.is_leaving = False  # the next request is the last that is read

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be read."""
        return not self._buffer or self._ended

    def feed(self, octets: memoryview | bytes) -> None:
        """Take octets that have come."""
        if self._ended:
            return
        if self._skip:
            size = len(octets)
            if size <= self._skip:
                self._skip -= size
                return
            octets = octets[self._skip :]
            self._skip = 0
        self._buffer += octets

    def has_request(self) -> bool:
        """Return whether `next` would return one."""
        if self._ended:
            return False
        buffer = self._buffer
        return buffer.find(b"\r\n\r\n", self._searched) >= 0 or len(buffer) > MAX_HEAD

    def next(self) -> ProxyRequest | None:
        """Return the next request; None if it has not come whole. After one that is the last there is none."""
        if self._ended:
            return None
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112 section 2.2
            del buffer[:2]
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(buffer) > MAX_HEAD:
                return self._last(ProxyRequest(flaw=431))
            self._searched = max(len(buffer) - 3, 0)
            return None
        if end > MAX_HEAD:
            return self._last(ProxyRequest(flaw=431))
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        self._searched = 0
        request = _request_of(head)
        if not request.flaw:
            request.flaw = self._begin_body(request)
        return self._last(request) if request.flaw or request.is_last or self.is_leaving else request

    def _begin_body(self, request: ProxyRequest) -> int:
        """Have the request's body passed over; return 0, or the status for why that cannot be."""
        fields = request.fields
        if b"transfer-encoding" in fields:
            return 501
        if b"expect" in fields:  # the body may come or not
            request.is_last = True
        lengths = fields.get(b"content-length")
        if lengths is None:
            return 0
        if len(lengths) != 1 or not lengths[0].isdigit():
            return 400
        if len(lengths[0]) > 7 or (size := int(lengths[0])) > MAX_BODY:
            return 413
        here = min(size, len(self._buffer))
        del self._buffer[:here]
        self._skip = size - here
        return 0

    def _last(self, request: ProxyRequest) -> ProxyRequest:
        request.is_last = self._ended = True
        self._buffer.clear()
        return request


def _request_of(head: bytes) -> ProxyRequest:
    lines = head.split(b"\r\n")
    ends = len(lines) - 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        return ProxyRequest(flaw=400)
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not parts[0] or parts[0].translate(None, _TOKEN) or not parts[1]:
        return ProxyRequest(flaw=400)
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        return ProxyRequest(flaw=505 if version.startswith(b"HTTP/") else 400)
    if len(target.translate(None, _BLANKS)) != len(target):
        return ProxyRequest(flaw=400)
    request = ProxyRequest(method, target)
    if ends > MAX_FIELDS:
        request.flaw = 431
        return request
    fields = request.fields
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):  # also a line that is folded (RFC 9112 section 5.2)
            request.flaw = 400
            return request
        name = name.lower()
        if name in _READ:
            value = value.strip(b" \t")
            known = fields.get(name)
            if known is None:
                fields[name] = [value]
            else:
                known.append(value)
    connection = fields.get(b"connection")
    if connection is None:
        request.is_last = version == b"HTTP/1.0"
    else:
        options = b",".join(connection).lower().replace(b" ", b"").split(b",")
        request.is_last = b"close" in options or (version == b"HTTP/1.0" and b"keep-alive" not in options)
    return request
