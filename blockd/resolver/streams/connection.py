"""One connection to an upstream: what plain messages and HTTP/2 have in common."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from blockd.dns import types
from blockd.resolver.streams.causes import ended
from blockd.resolver.streams.listener import FailureKind
from blockd.resolver.streams.options import StreamCounts, StreamOptions
from blockd.resolver.streams.tls import UpstreamProof

MAX_STRAYS = 64  # messages that answer no question, beyond those that were answered since
PIECE = 1 << 16  # octets that wait in the transport before it takes no more
PART = 1 << 10  # octets that are taken before the time is looked at: twenty answers or so
BUDGET = 0.003  # seconds for which octets are taken in one turn of the event loop
QR = types.QR >> 8


class StreamQuestion:
    """A question of a stream: `id` has two octets, `asked` is when it came, `sent` when it went on a connection."""

    __slots__ = ("asked", "id", "message", "moved", "sent")

    def __init__(self, message: bytes, identifier: bytes, asked: float) -> None:
        self.id = identifier
        self.message = message
        self.asked = asked
        self.sent = 0.0
        self.moved = False  # sent a second time, on another connection


class ConnectionOwner(Protocol):
    """What a connection tells its stream."""

    counts: StreamCounts

    def took(self, question: StreamQuestion, answer: bytes) -> None:
        """Take an answer, which has the question's ID."""

    def lost(self, questions: Sequence[StreamQuestion], kind: FailureKind, why: str, *, unread: bool) -> None:
        """Take questions without an answer; `unread` is whether they go over the next connection, as if never read."""

    def over(self, connection: UpstreamConnection, kind: FailureKind, why: str) -> None:
        """Forget a connection that has ended; its questions were handed to `lost` before."""

    def has_room(self) -> None:
        """Send what waits."""


class UpstreamConnection(asyncio.Protocol):
    """A connection that can be asked while `room()` is above 0.

    It ends by `retire`, once the last question is answered, by `end` at once, or when the upstream ends it.
    """

    def __init__(
        self, owner: ConnectionOwner, options: StreamOptions, proof: UpstreamProof | None, clock: Callable[[], float]
    ) -> None:
        self.owner = owner
        self.options = options
        self.questions: dict[int, StreamQuestion] = {}  # sent and unanswered, the oldest first, by what marks them
        self.settled = asyncio.Event()  # it can be asked, or never will be
        self.failure: tuple[FailureKind, str] = "closed", "ended the connection at once"  # why it has ended
        self.is_retiring = False
        self.used = clock()  # when it was asked or has answered last
        self.answered = 0.0  # when it has answered last; 0 if never
        self._clock = clock
        self._proof = proof
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._is_behind = False  # reading is paused, until what has come is taken
        self._unread = bytearray()
        self._is_kept = False  # its TLS session
        self._strays = 0

    @property
    def is_open(self) -> bool:
        """Whether it can still bring answers."""
        return self._transport is not None

    @property
    def unsent(self) -> int:
        """The octets that the kernel has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def begin(self) -> None:
        """Do what comes before the first question, then set `settled`."""
        self.settled.set()

    def room(self) -> int:
        """Return how many more questions it takes now."""
        if self._transport is None or self.is_retiring or self._is_paused:
            return 0
        return self.options.max_asked - len(self.questions)

    def send(self, question: StreamQuestion) -> None:
        """Ask a question; only while there is room. It goes out with the next `push`."""
        question.sent = self.used = self._clock()

    def push(self) -> None:
        """Write what was asked since."""
        raise NotImplementedError

    def give_up(self, mark: int) -> None:
        """Forget one of `questions`, so that a late answer to it is not taken for another's."""
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Take octets of the upstream."""
        raise NotImplementedError

    def retire(self) -> None:
        """Ask nothing more, and end once nothing is unanswered."""
        self.is_retiring = True
        self.end_if_done()

    def end_if_done(self) -> None:
        """End it if it is retiring and has answered everything."""
        if self.is_retiring and not self.questions and self._transport is not None:
            self._stop().close()
            self.owner.over(self, "closed", "")

    def end(self, kind: FailureKind, why: str, *, unread: bool = False) -> None:
        """End it at once; the questions without an answer are lost. `why` continues the upstream's name."""
        if self._transport is None:
            return
        self._stop().abort()
        self._lose_all(kind, why, unread=unread)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check what the upstream proves, and begin."""
        made = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        if self._proof is not None:
            tls = made.get_extra_info("ssl_object")
            refusal = self._proof.refusal(tls)
            if refusal:
                self.failure = "tls", refusal
                self.settled.set()
                made.abort()
                return
            self.owner.counts.resumed += bool(tls.session_reused)
        made.set_write_buffer_limits(PIECE)
        self._transport = made
        self.begin()

    def data_received(self, data: bytes) -> None:
        """Take octets; none after the end."""
        is_behind = bool(self._unread)
        self._unread += data
        if not is_behind:
            self._read()

    def _read(self) -> None:
        """Take what has come, in this turn of the event loop or the next ones: it may be a thousand answers."""
        end = self._clock() + BUDGET
        transport = self._transport
        while self._unread and self._transport is not None:
            part = bytes(self._unread[:PART])
            del self._unread[:PART]
            self.receive(part)
            self.end_if_done()
            if self._unread and self._transport is not None and self._clock() >= end:
                self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._read)
                self._is_behind = True
                return
        if self._is_behind and transport is not None and self._transport is transport:
            transport.resume_reading()
        self._is_behind = False

    def pause_writing(self) -> None:
        """Take no more questions: the upstream reads too slowly."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Take questions again."""
        self._is_paused = False
        self.owner.has_room()

    def connection_lost(self, error: Exception | None) -> None:
        """Hand back what is unanswered."""
        if self._transport is not None:
            self._transport = None
            self._lose_all("closed", ended(error), unread=False)

    # For the two kinds of connections.

    def answer(self, mark: int, message: bytes) -> None:
        """Hand out the answer to one of `questions`, restoring its ID."""
        question = self.questions.pop(mark)
        self.used = self.answered = self._clock()
        self._strays = max(self._strays - 1, 0)
        if not self._is_kept and self._proof is not None and self._transport is not None:
            self._is_kept = True
            tls = self._transport.get_extra_info("ssl_object")
            if isinstance(tls, ssl.SSLObject):
                self._proof.keep(tls)
        self.owner.took(question, question.id + message[2:])

    def stray(self) -> None:
        """Count a message that answers no question; end the connection if there are too many."""
        self.owner.counts.strays += 1
        self._strays += 1
        if self._strays > MAX_STRAYS:
            self.end("malformed", f"sent more than {MAX_STRAYS} messages that answer no question")

    def write(self, data: bytes) -> None:
        """Write octets now."""
        if self._transport is not None and data:
            self._transport.write(data)

    def _stop(self) -> asyncio.Transport:
        transport, self._transport = self._transport, None
        assert transport is not None  # noqa: S101 - callers have checked it
        return transport

    def _lose_all(self, kind: FailureKind, why: str, *, unread: bool) -> None:
        """Hand back the unanswered questions.

        A connection that has brought answers ends one day, whatever is unanswered then: those questions are asked
        once more (RFC 7766 section 6.2.4). One that never did would only be made again and again.
        """
        self.failure = kind, why
        self.settled.set()
        questions, self.questions = list(self.questions.values()), {}
        self.owner.lost(questions, kind, why, unread=unread or (kind == "closed" and self.answered > 0))
        self.owner.over(self, kind, why)
