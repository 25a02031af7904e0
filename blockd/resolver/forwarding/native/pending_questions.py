"""Questions over connections that wait for upstreams in the engine: their places, and when each gets its answer.

The engine makes the answers, and tells them here; they are delivered once it has done what it is at, since whoever
gets one may ask it the next question.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from blockd.metrics import Transport
from blockd.resolver.pipeline import Pipeline
from blockd.resolver.places import Place
from blockd.resolver.query_context import QueryContext
from blockd.resolver.waiting import BUDGET, TOO_MANY, Waiting

if TYPE_CHECKING:
    from blockd.resolver.engine._engine import NativeEngine

AnswerLater = Callable[[QueryContext, Callable[[bytes | None], None]], "asyncio.Task[None] | None"]


class _Fate(Enum):
    """What becomes of a question that the engine does not answer."""

    GIVEN_BACK = "the pipeline answers it"
    DISPLACED = "it has lost its place"


class PendingQuestion:
    """A question that waits. `deliver` is called with its answer, None for silence, then `done` with the question."""

    __slots__ = ("_all", "deliver", "done", "host", "idle", "is_cancelled", "message", "number", "place", "transport")

    place: Place

    def __init__(
        self,
        all_: PendingQuestions,
        number: int,
        message: bytes,
        host: str,
        transport: Transport,
        idle: float,
        deliver: Callable[[bytes | None], None],
        done: Callable[[PendingQuestion], None],
    ) -> None:
        self._all = all_
        self.number = number
        self.message = message
        self.host = host
        self.transport = transport
        self.idle = idle
        self.deliver = deliver
        self.done = done
        self.is_cancelled = False

    def cancel(self) -> None:
        """Let go of it, as its client has gone: nothing is delivered, and `done` is not called."""
        self._all.cancel(self)


class PendingQuestions:
    """Those of a worker; their places are among those of `waiting`."""

    def __init__(
        self,
        engine: NativeEngine,
        pipeline: Pipeline,
        waiting: Waiting,
        answer_later: AnswerLater,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`answer_later` has `pipeline` answer what the engine does not, see `Resolver.answer_later`."""
        self._engine = engine
        self._pipeline = pipeline
        self._places = waiting.places
        self._answer_later = answer_later
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[int, PendingQuestion] = {}  # that the engine knows of
        self._ready: deque[tuple[PendingQuestion, bytes | _Fate | None]] = deque()  # these have their places still
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    # What the engine tells.

    def enter(
        self,
        message: bytes,
        host: str,
        transport: Transport,
        idle: float,
        deliver: Callable[[bytes | None], None],
        done: Callable[[PendingQuestion], None],
        keys: Sequence[bytes],
    ) -> PendingQuestion | None:
        """Return a question that is to wait; None if there is no place for it, see `Places`, whose `keys` these are."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._is_scheduled = loop, False
        if not self._places.make_room(keys):
            return None
        number = next(self._numbers)
        question = PendingQuestion(self, number, message, host, transport, idle, deliver, done)
        question.place = Place(keys, partial(self._displace, number))  # no cycle, which would be collected late
        self._places.take(question.place)
        self._waiting[number] = question
        return question

    def leave(self, question: PendingQuestion) -> None:
        """Forget a question that does not wait after all."""
        del self._waiting[question.number]
        self._places.leave(question.place)

    def answered(self, number: int, answer: bytes | None) -> None:
        """Take the answer to a question, None for silence."""
        self._tell(number, answer)

    def given_back(self, number: int) -> None:
        """Have the pipeline answer a question."""
        self._tell(number, _Fate.GIVEN_BACK)

    # What becomes of questions.

    def cancel(self, question: PendingQuestion) -> None:
        """Let go of a question, as its client has gone."""
        question.is_cancelled = True
        self._places.leave(question.place)
        if self._waiting.pop(question.number, None) is not None:
            self._engine.abandon(question.message, question.host, question.transport, question.number)

    def _displace(self, number: int) -> None:
        """Answer a question whose place is lost, unless its answer is being made already."""
        question = self._waiting.get(number)
        if question is not None and self._engine.part(question.message, question.transport, number):
            self._tell(number, _Fate.DISPLACED)

    def _tell(self, number: int, said: bytes | _Fate | None) -> None:
        question = self._waiting.pop(number, None)
        if question is None:
            return
        self._ready.append((question, said))
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled and self._loop is not None and not self._loop.is_closed():
            self._is_scheduled = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        """Deliver answers for BUDGET seconds; the others in the next turn of the event loop."""
        self._is_scheduled = False
        ends = self._clock() + BUDGET
        try:
            while self._ready:
                self._settle(*self._ready.popleft())
                if self._clock() >= ends:
                    break
        finally:
            if self._ready:
                self._schedule()

    def _settle(self, question: PendingQuestion, said: bytes | _Fate | None) -> None:
        self._places.leave(question.place)
        if question.is_cancelled:
            return
        if isinstance(said, _Fate):
            begun = self._pipeline.begin(question.message, question.host, question.transport, question.idle)
            if isinstance(begun, QueryContext):
                if said is _Fate.GIVEN_BACK:
                    self._hand_over(question, begun)
                    return
                said = self._pipeline.give_up(begun, TOO_MANY)
            else:
                said = begun if isinstance(begun, bytes) else None
        question.deliver(said)
        question.done(question)

    def _hand_over(self, question: PendingQuestion, context: QueryContext) -> None:
        """Have the pipeline answer a question for which it must ask upstreams, too."""
        task = self._answer_later(context, question.deliver)
        if task is None:
            question.done(question)
        else:
            task.add_done_callback(lambda _: question.done(question))
