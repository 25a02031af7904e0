"""The connections to one upstream, seen from above: questions go in, answers and failures come out."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from blockd.dns import types
from blockd.resolver.streams.connecting import NotConnected, connect
from blockd.resolver.streams.connection import BUDGET, StreamQuestion, UpstreamConnection
from blockd.resolver.streams.listener import FailureKind, StreamListener
from blockd.resolver.streams.options import StreamCounts, StreamOptions
from blockd.resolver.streams.padding import padded
from blockd.resolver.streams.tls import UpstreamProof
from blockd.settings import Upstream

MAX_CONNECTIONS = 2  # RFC 7766 section 6.2.2 asks for one; the second is for when that is full or being replaced


class Stream:
    """Kept connections to one upstream, over TCP, TLS or HTTPS as it says; over TCP if it is asked over UDP else.

    A connection is made when there is a question, and ended when there has been none for long. To be used within one
    event loop, which may be asyncio's own or uvloop's. `counts` may be read at any time.
    """

    def __init__(
        self,
        upstream: Upstream,
        listener: StreamListener,
        options: StreamOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstream = upstream
        self.counts = StreamCounts()
        self._options = options or StreamOptions()
        self._listener = listener
        self._clock = clock
        self._is_encrypted = upstream.transport in ("tls", "https")
        self._proof = UpstreamProof(upstream, self._options.authorities, clock) if self._is_encrypted else None
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[StreamQuestion] = deque()
        self._waiting_octets = 0
        self._connections: list[UpstreamConnection] = []  # the newest last
        self._connecting: asyncio.Task[None] | None = None
        self._failures: list[tuple[int, FailureKind, str]] = []  # to be reported in the loop's next turn
        self._is_due = False  # `_turn` will be called
        self._timer: asyncio.TimerHandle | None = None
        self._backoff = 0.0
        self._retry_at = 0.0
        self._last_failure: tuple[FailureKind, str] = ("connect", "")
        self._is_closed = False

    def ask(self, message: bytes) -> None:
        """Ask a question, a whole message with its ID in front; one over TLS or HTTPS is padded.

        Never waits and never raises: what is wrong is reported as a failure.
        """
        identifier = message[:2]
        if self._is_closed:
            return
        self._come_back()
        if not types.HEADER_SIZE <= len(message) <= types.MAX_TCP:
            self._fail(identifier, "malformed", f"a message of {len(message)} octets cannot be sent to {self._label}")
        elif self._is_full(len(message)):
            self._fail(identifier, "full", f"too many questions are waiting for {self._label}")
        elif self._connecting is None and not self._usable() and self._clock() < self._retry_at:
            kind, why = self._last_failure
            self._fail(identifier, kind, f"{self._label} {why}")
        else:
            if self._is_encrypted:
                message = padded(message)
            self._waiting.append(StreamQuestion(message, identifier, self._clock()))
            self._waiting_octets += len(message)

    def close(self) -> None:
        """End all connections; nothing is reported any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None  # a cancelled task keeps its traceback, whose frames hold this
        self._waiting.clear()
        self._failures.clear()
        for connection in list(self._connections):
            connection.end("closed", "was not asked any more")

    @property
    def in_flight(self) -> int:
        """How many questions are waiting or unanswered."""
        return len(self._waiting) + sum(len(one.questions) for one in self._connections)

    @property
    def connections(self) -> int:
        """How many connections there are, at most MAX_CONNECTIONS; one that is being made counts."""
        return len(self._connections) + (self._connecting is not None)

    # What connections tell.

    def took(self, question: StreamQuestion, answer: bytes) -> None:
        """Pass an answer on."""
        self._backoff = 0.0
        if not self._is_closed:
            self._listener.answered(self, answer)
            if self._waiting:
                self._come_back()

    def lost(self, questions: Sequence[StreamQuestion], kind: FailureKind, why: str, *, unread: bool) -> None:
        """Send questions once more that count as unread, and report the others."""
        if self._is_closed or not questions:
            return
        again = []
        for question in questions:
            if unread and not question.moved:
                question.moved = True
                self._waiting_octets += len(question.message)
                again.append(question)
            else:
                self._fail(question.id, kind, f"{self._label} {why}")
        self._waiting.extendleft(reversed(again))
        self.counts.moved += len(again)
        self._come_back()

    def over(self, connection: UpstreamConnection, kind: FailureKind, why: str) -> None:
        """Forget a connection; one that never answered counts as failed."""
        if connection not in self._connections:
            return  # it was never used; `_connect` learns why
        self._connections.remove(connection)
        if not connection.answered and why and not self._is_closed:
            self._note_failure(kind, why)
        self._come_back()

    def has_room(self) -> None:
        """Send what waits, in the loop's next turn."""
        if self._waiting:
            self._come_back()

    # Turns of the loop.

    def _come_back(self) -> None:
        if not self._is_due and not self._is_closed:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Report failures, and send what waits; all that was asked since the last turn goes out together."""
        self._is_due = False
        if self._is_closed:
            return
        self._send()
        self._report()
        if self._timer is None and (self._waiting or self.connections):
            self._timer = self._loop.call_later(self._options.tick, self._tick)

    def _send(self) -> None:
        """Send what waits, as much as there is time for in one turn of the event loop."""
        end = self._clock() + BUDGET
        has_time = True
        for connection in list(self._connections):
            room = connection.room() if self._waiting else 0
            while room > 0 and self._waiting and has_time:
                question = self._waiting.popleft()
                self._waiting_octets -= len(question.message)
                connection.send(question)
                room = connection.room()
                has_time = self._clock() < end
            connection.push()
        if not has_time and self._waiting:
            self._come_back()
            return
        if self._waiting and self._connecting is None and self._make_place():
            self._connecting = self._loop.create_task(self._connect())

    def _make_place(self) -> bool:
        """Return whether one more connection may be made now; an old one that only lingers makes place for it."""
        if len(self._connections) == MAX_CONNECTIONS and all(one.is_retiring for one in self._connections):
            self._connections[0].end("silent", "has not answered for long")
        return bool(self._waiting) and len(self._connections) < MAX_CONNECTIONS and self._clock() >= self._retry_at

    async def _connect(self) -> None:
        try:
            connection = await connect(self.upstream, self._proof, self, self._options, self._clock)
        except NotConnected as error:
            self._connecting = None
            self._note_failure(error.kind, error.why)
            return
        self._connecting = None
        if not connection.is_open:  # it ended before this task had its turn
            self._note_failure(*connection.failure)
            return
        self.counts.connections += 1
        self._connections.append(connection)
        self._come_back()

    def _note_failure(self, kind: FailureKind, why: str) -> None:
        """Wait before the next try; what waits fails unless another connection will take it."""
        self.counts.failures += 1
        options = self._options
        self._backoff = min(max(2 * self._backoff, options.first_backoff), options.last_backoff)
        self._retry_at = self._clock() + self._backoff
        self._last_failure = kind, why
        if not self._usable():
            for question in self._waiting:
                self._fail(question.id, kind, f"{self._label} {why}")
            self._waiting.clear()
            self._waiting_octets = 0
        self._come_back()

    def _tick(self) -> None:
        """Look at what takes long."""
        now, options = self._clock(), self._options
        self._timer = None
        while self._waiting and self._waiting[0].asked <= now - options.answer_time:
            question = self._waiting.popleft()
            self._waiting_octets -= len(question.message)
            self._fail(question.id, "full", f"{self._label} takes no more questions")
        for connection in list(self._connections):
            self._look_at(connection, now)
        self._come_back()

    def _look_at(self, connection: UpstreamConnection, now: float) -> None:
        late = []
        for mark, question in connection.questions.items():
            if question.sent > now - self._options.answer_time:
                break
            late.append((mark, question))
        for mark, _ in late:
            connection.give_up(mark)
        self.lost([one for _, one in late], "silent", "has not answered for long", unread=False)
        if connection.questions:
            oldest = next(iter(connection.questions.values()))
            if max(oldest.sent, connection.answered) <= now - self._options.silence:
                connection.retire()  # the next question goes over a new one; a late answer is still heard
        elif connection.is_retiring or connection.used <= now - self._options.idle_time:
            connection.retire()

    def _report(self) -> None:
        """Tell the listener what failed, the same reasons together."""
        failures, self._failures = self._failures, []
        groups: dict[tuple[FailureKind, str], list[int]] = {}
        for identifier, kind, why in failures:
            groups.setdefault((kind, why), []).append(identifier)
        for (kind, why), ids in groups.items():
            if not self._is_closed:
                self._listener.failed(self, ids, kind, why)

    def _fail(self, identifier: bytes, kind: FailureKind, why: str) -> None:
        self._failures.append((int.from_bytes(identifier), kind, why))
        self._come_back()

    def _is_full(self, size: int) -> bool:
        octets = self._waiting_octets + size + sum(one.unsent for one in self._connections)
        return self.in_flight >= self._options.max_questions or octets > self._options.max_octets

    def _usable(self) -> bool:
        """Return whether a connection will take questions, now or once it has room."""
        return any(one.is_open and not one.is_retiring for one in self._connections)

    @property
    def _label(self) -> str:
        label = self.upstream.label
        return f"{label} over TCP" if self.upstream.transport == "udp" else label
