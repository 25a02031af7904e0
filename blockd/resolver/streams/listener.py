"""Who is told what came of the questions of a stream, and the kinds of failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from blockd.resolver.streams.stream import Stream

FailureKind = Literal["full", "connect", "tls", "http", "closed", "silent", "malformed"]
"""Why questions will not be answered.

* `full`: more questions are waiting than the options allow; nothing was sent
* `connect`: no connection could be made
* `tls`: the handshake failed, or the upstream did not prove who it is
* `http`: the upstream does not speak HTTP/2, or answered with something else than a DNS message
* `closed`: the upstream ended the connection
* `silent`: no answer came for long
* `malformed`: the upstream sent what is not a DNS message, or messages that nobody asked for; or the question is none
"""


class StreamListener(Protocol):
    """Is told, in the event loop, what came of each question; never from within `Stream.ask`."""

    def answered(self, stream: Stream, message: bytes) -> None:
        """Take one whole DNS message with the ID that the question had; what it says is not checked."""

    def failed(self, stream: Stream, ids: Sequence[int], kind: FailureKind, why: str) -> None:
        """Take the IDs of questions that will not be answered, and why, in a sentence that names the upstream."""
