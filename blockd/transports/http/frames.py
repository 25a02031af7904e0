# cython: annotation_typing=False, binding=False
"""A client's octets as HTTP/2 frames (RFC 9113 section 4.1), and how many of them it may send for a request.

Frames are counted here, before the library that acts on them, so that the same floods end both libraries' connections,
and each within as many frames (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671).
"""

from __future__ import annotations

from collections.abc import Callable

from blockd.transports.http.limits import MAX_HEADERS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
HEAD = 9  # octets
MAX_PAYLOAD = 1 << 14  # octets of a frame: the smallest limit, which is kept (RFC 9113 section 4.2)
OCTETS_FOR_ONE = 256  # of a frame other than DATA cost as much as another frame: they are unpacked or acted on
MAX_CONTINUATIONS = 8  # frames of one header block: one is enough for MAX_HEADERS, some senders cut smaller

BUDGET = 256.0  # what frames may cost that no request pays for: browsers begin with fewer than ten
BUDGET_PER_SECOND = 32.0  # PING of some fronts comes each second
BUDGET_PER_REQUEST = 8.0  # HEADERS, DATA, WINDOW_UPDATE of stream and connection, PRIORITY, some PING
RESETS = 100.0  # requests that may be taken back at once: all that may be open
RESETS_PER_SECOND = 10.0  # people who leave a page before it is there
RESETS_PER_ANSWER = 0.25  # fronts take back what their clients no longer wait for

# RFC 9113 section 7
NO_ERROR, PROTOCOL_ERROR, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 6, 7, 8, 11

_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0, 1, 3, 9  # RFC 9113 section 6


class ClientFrames:
    """The frames of one connection; `clock` is monotonic, in seconds.

    `error` is the code of RFC 9113 section 7 with which the connection has to end, and then no frame follows.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.octets = bytearray()
        self.at = 0  # the first octet that has not been returned
        self.is_greeted = False  # the preface has come
        self._block = 0  # octets of the header block that has begun
        self._continuations = 0
        self._left = BUDGET
        self._resets_left = RESETS
        self._counted = clock()
        self.resets = 0
        self.error = 0

    def feed(self, octets: bytes | memoryview) -> None:
        """Take what has come."""
        if self.at:
            del self.octets[: self.at]
            self.at = 0
        self.octets += octets

    def next(self) -> bytes | None:
        """Return the next frame with its head, the preface at first; None if it has not come whole, or at an error."""
        size = self.advance()
        return bytes(self.octets[self.at - size : self.at]) if size else None

    def advance(self) -> int:
        """Return how many octets the next frame has, which end at `at` in `octets` then; 0 if `next` returns None."""
        octets = self.octets
        at = self.at
        have = len(octets) - at
        if self.error:
            return 0
        if not self.is_greeted:
            return self._take_preface()
        if have < HEAD:
            return 0
        size = octets[at] << 16 | octets[at + 1] << 8 | octets[at + 2]
        if size > MAX_PAYLOAD:
            self.error = FRAME_SIZE_ERROR
            return 0
        size += HEAD
        if have < size:
            return 0
        if not self._may_come(octets[at + 3], size - HEAD):
            self.error = ENHANCE_YOUR_CALM
            return 0
        self.at = at + size
        return size

    def _take_preface(self) -> int:
        size = len(PREFACE)
        if not PREFACE.startswith(self.octets[:size]):
            self.error = PROTOCOL_ERROR
        elif len(self.octets) >= size:
            self.is_greeted = True
            self.at = size
            return size
        return 0

    def asked(self) -> None:
        """Add to the frames that it may send: a request has come whole."""
        self._left = min(self._left + BUDGET_PER_REQUEST, BUDGET)

    def answered(self) -> None:
        """Add to the requests that it may take back: one has been answered."""
        self._resets_left = min(self._resets_left + RESETS_PER_ANSWER, RESETS)

    def reset(self) -> bool:
        """Count a stream that the client has reset, or has made us reset by an error; return whether that is allowed.

        If not, the connection has to end.
        """
        if self._resets_left < 1:
            self._refill()
        self._resets_left -= 1
        if self._resets_left < 0:
            self.error = ENHANCE_YOUR_CALM
        return self._resets_left >= 0

    def _may_come(self, kind: int, size: int) -> bool:
        cost = 1 if kind == _DATA else 1 + size // OCTETS_FOR_ONE
        if kind == _HEADERS:
            self._block = size
            self._continuations = 0
        elif kind == _CONTINUATION:
            self._block += size
            self._continuations += 1
            if self._block > MAX_HEADERS or self._continuations > MAX_CONTINUATIONS:
                return False
        elif kind == _RST_STREAM:
            self.resets += 1
            if not self.reset():
                return False
        if self._left < cost:
            self._refill()
        self._left -= cost
        return self._left >= 0

    def _refill(self) -> None:
        now = self._clock()
        since = now - self._counted
        self._counted = now
        self._left = min(self._left + since * BUDGET_PER_SECOND, BUDGET)
        self._resets_left = min(self._resets_left + since * RESETS_PER_SECOND, RESETS)
