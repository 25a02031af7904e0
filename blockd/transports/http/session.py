"""One client's HTTP connection without input and output: octets in, requests out; responses in, octets out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blockd.transports.http.frames import NO_ERROR
from blockd.transports.http.request import HttpRequest

Fields = Sequence[tuple[bytes, bytes]]


class HttpSession(Protocol):
    """HTTP/1.1 or HTTP/2; nothing is raised for what a client sends.

    A client that breaks the protocol, or floods, is told so in what `take` returns last, and `is_over` is set.
    """

    @property
    def is_over(self) -> bool:
        """Whether no request is taken any more; the connection can be closed once all is sent."""

    @property
    def is_flooded(self) -> bool:
        """Whether it is over for frames that cost work and ask nothing, or for resets."""

    @property
    def open_requests(self) -> int:
        """How many requests have begun to come and are not answered whole."""

    @property
    def held(self) -> int:
        """Octets of responses that `take` has not returned; what is left after it, the client's windows hold back."""

    @property
    def oldest(self) -> float | None:
        """When the oldest request that has not come whole began, by the session's clock; None if there is none."""

    @property
    def resets(self) -> int:
        """How many requests the client has taken back so far."""

    @property
    def is_busy(self) -> bool:
        """Whether no other request is taken before the one that was handed out is answered: what comes is only kept."""

    def feed(self, octets: bytes | memoryview) -> None:
        """Take what has come."""

    @property
    def has_more(self) -> bool:
        """Whether `next_request` is to be called again without further octets: it has not returned None since."""

    def next_request(self) -> HttpRequest | None:
        """Return the next request, None if it has not come whole."""

    def respond(self, request: HttpRequest, status: int, fields: Fields, body: bytes) -> None:
        """Answer a request; `content-length` is added. One that the client has taken back is passed over."""

    def drop(self, request: HttpRequest) -> None:
        """Leave a request without an answer: its stream is reset, over HTTP/1.1 the connection ends."""

    def leave(self) -> None:
        """Tell the client to ask over another connection from now on; what it asks here meanwhile is answered."""

    def finish(self, code: int = NO_ERROR) -> None:
        """Take no more requests, and tell the client so, over HTTP/2 with a code of RFC 9113 section 7."""

    def take(self, most: int) -> bytes:
        """Return octets to send, about `most` of them; nothing if there are none, or windows are full."""
