# cython: annotation_typing=False, binding=False
"""HTTP/1.1 (RFC 9112): one request after the other, each answered before the next is read."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from blockd.transports.http.chunks import Chunks
from blockd.transports.http.frames import NO_ERROR
from blockd.transports.http.head import Http1Head, read_head
from blockd.transports.http.limits import MAX_BODIES, MAX_HEADERS
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import Fields

MAX_HEAD = MAX_HEADERS  # octets of a request line and header fields
MAX_LINES_BEFORE = 4  # empty lines before a request, RFC 9112 section 2.2

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_END = b"\r\n\r\n"


class Http1Session:
    """See `HttpSession`; `clock` is monotonic, in seconds."""

    def __init__(self, front_header: bytes, clock: Callable[[], float]) -> None:
        """`front_header`, in lower case, is kept of each request; empty if none is."""
        self._front_header = front_header
        self._clock = clock
        self._octets = bytearray()
        self._searched = 0  # octets in which no end of a head is
        self._lines_before = 0
        self._head: Http1Head | None = None  # of the request whose body is coming
        self._chunks: Chunks | None = None
        self._pending: HttpRequest | None = None  # handed out, and not answered
        self._since: float | None = None  # when the request that has not come whole began
        self._keeps = True
        self._is_fed = False
        self._is_leaving = False
        self._out = b""
        self.is_over = False
        self.is_flooded = False
        self.resets = 0

    @property
    def open_requests(self) -> int:
        """How many requests have begun to come and are not answered whole: none or one."""
        return int(self._pending is not None or self._since is not None)

    @property
    def held(self) -> int:
        """Octets of responses that `take` has not returned."""
        return len(self._out)

    @property
    def oldest(self) -> float | None:
        """When the request that has not come whole began, None if there is none."""
        return self._since

    @property
    def has_more(self) -> bool:
        """Whether `next_request` is to be called again without further octets."""
        return self._is_fed and self._pending is None and not self.is_over

    @property
    def is_busy(self) -> bool:
        """Whether a request is handed out, after which the next one waits."""
        return self._pending is not None

    def feed(self, octets: bytes | memoryview) -> None:
        """Take what has come."""
        if not self.is_over:
            self._octets += octets
            self._is_fed = True

    def next_request(self) -> HttpRequest | None:
        """Return the next request once the one before is answered, None if it has not come whole."""
        if self.is_over or self._pending is not None:
            return None
        if self._since is None and self._octets:
            self._since = self._clock()
        if self._head is None:
            self._head = self._next_head()
            if self._head is None:
                self._is_fed = False
                return None
        head = self._head
        request = head.request
        # Of who waits for 100 (Continue) no body comes after a refusal, or it is not known whether one does.
        is_bounded = head.length <= MAX_BODIES and not head.is_chunked and not head.expects
        is_passed_over = request.refusal == 413 and is_bounded
        if is_passed_over:
            if not self._pass_over(head):
                self._is_fed = False
                return None
        elif not request.refusal and not self._take_body(head):
            self._is_fed = False
            return None
        self._keeps = head.keeps and (is_passed_over or not request.refusal)
        self._head = self._chunks = self._since = None
        self._pending = request
        return request

    def respond(self, request: HttpRequest, status: int, fields: Fields, body: bytes) -> None:
        """Answer the request."""
        if request is not self._pending:
            return
        self._pending = None
        request.is_open = False
        lines = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        for name, value in fields:
            lines += name + b": " + value + b"\r\n"
        if not self._keeps or self._is_leaving:
            lines += b"connection: close\r\n"
            self._end()
        self._out += lines + b"content-length: %d\r\n\r\n" % len(body)
        if request.method != b"HEAD":  # RFC 9110 section 9.3.2: what followed would be taken for the next response
            self._out += body

    def drop(self, request: HttpRequest) -> None:
        """End the connection, as there is no other way to leave a request without an answer."""
        if request is self._pending:
            self._pending = None
            request.is_open = False
            self._end()

    def leave(self) -> None:
        """Have the next response be the last."""
        self._is_leaving = True

    def finish(self, code: int = NO_ERROR) -> None:
        """Take no more requests; one that is handed out is answered."""
        self._keeps = False
        if self._pending is None:
            self._end()

    def take(self, most: int) -> bytes:
        """Return octets to send, about `most` of them."""
        out = self._out[:most]
        self._out = self._out[most:]
        return out

    def _end(self) -> None:
        self.is_over = True
        self._since = None
        self._octets.clear()

    def _next_head(self) -> Http1Head | None:
        octets = self._octets
        while octets.startswith(b"\r\n") and self._lines_before < MAX_LINES_BEFORE:
            del octets[:2]
            self._lines_before += 1
        end = octets.find(_END, max(self._searched - len(_END) + 1, 0), MAX_HEAD)
        if end < 0:
            self._searched = len(octets)
            if len(octets) < MAX_HEAD:
                return None
            refused = Http1Head()
            refused.request.refusal = 431
            return refused
        self._searched = self._lines_before = 0
        head = read_head(bytes(octets[:end]), self._front_header)
        del octets[: end + len(_END)]
        if head.is_chunked:
            self._chunks = Chunks()
        has_all = len(octets) >= head.length and not head.is_chunked
        if head.expects and not head.request.refusal and not has_all:
            self._out += _CONTINUE
        return head

    def _pass_over(self, head: Http1Head) -> bool:
        """Drop what is here of a body that is refused; return whether that was all: then its sender reads why."""
        size = min(head.length, len(self._octets))
        del self._octets[:size]
        head.length -= size
        return not head.length

    def _take_body(self, head: Http1Head) -> bool:
        """Return whether the body has come whole, or is refused."""
        octets = self._octets
        request = head.request
        if self._chunks is not None:
            self._chunks.take(octets)
            request.body = bytes(self._chunks.body)
            request.refusal = self._chunks.refusal
            return self._chunks.is_whole or bool(request.refusal)
        if len(octets) < head.length:
            return False
        request.body = bytes(octets[: head.length])
        del octets[: head.length]
        return True
