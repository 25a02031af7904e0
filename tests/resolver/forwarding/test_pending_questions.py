"""Questions that wait in the engine: an engine that takes them and says what a test wants it to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from blockd.metrics import Transport
from blockd.resolver import PendingQuestion, QueryContext, places
from blockd.resolver.clients import keys_of
from blockd.resolver.forwarding.native.pending_questions import PendingQuestions
from blockd.resolver.waiting import TOO_MANY, Waiting

Deliver = Callable[[bytes | None], None]


class Scene:
    """An engine, a pipeline, and those who wait, in 4 places; of all three only what is needed here."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.waiting = Waiting()
        self.questions = PendingQuestions(cast(Any, self), cast(Any, self), self.waiting, self.answer_later, clock)
        self.flying: set[int] = set()
        self.abandoned: list[int] = []
        self.said: list[tuple[str, bytes | None]] = []  # what was delivered to which host
        self.done: list[str] = []
        self.later: list[tuple[QueryContext, Deliver]] = []
        self.task: asyncio.Task[None] | None = None
        self.begun: object = QueryContext(b"", "")

    def enter(self, host: str = "192.0.2.1", domain: bytes = b"example", deliver: Deliver | None = None) -> Any:
        """Have one more wait; None if there is no place."""

        def take(answer: bytes | None) -> None:
            self.said.append((host, answer))

        keys = (domain, *keys_of(host))
        entered = self.questions.enter(b"question", host, Transport.TCP, 0.0, deliver or take, self._end, keys)
        if entered is not None:
            self.flying.add(entered.number)
        return entered

    def _end(self, question: PendingQuestion) -> None:
        self.done.append(question.host)

    async def turns(self, count: int = 1) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    # As an engine.

    def part(self, message: bytes, transport: Transport, number: int) -> bool:
        is_flying = number in self.flying
        self.flying.discard(number)
        return is_flying

    def abandon(self, message: bytes, host: str, transport: Transport, number: int) -> None:
        self.abandoned.append(number)

    # As a pipeline.

    def begin(self, message: bytes, host: str, transport: Transport, idle: float) -> object:
        return self.begun

    def give_up(self, context: QueryContext, reason: str) -> bytes:
        return reason.encode()

    def answer_later(self, context: QueryContext, deliver: Deliver) -> asyncio.Task[None] | None:
        self.later.append((context, deliver))
        return self.task

    @property
    def is_empty(self) -> bool:
        return not len(self.waiting) and not self.waiting.places.keys and not len(self.questions)


Story = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(places, "MAX_WAITING", 4)

    def run(story: Story, **given: Any) -> None:
        async def main() -> None:
            await story(Scene(**given))

        asyncio.run(main())

    return run


Play = Callable[..., None]


def test_an_answer_comes_in_the_next_turn_and_then_the_place_is_free(play: Play) -> None:
    async def story(scene: Scene) -> None:
        question = scene.enter()
        scene.questions.answered(question.number, b"answer")
        assert (scene.said, scene.done, len(scene.waiting)) == ([], [], 1), "the engine is not through"
        await scene.turns()
        assert (scene.said, scene.done) == ([("192.0.2.1", b"answer")], ["192.0.2.1"])
        assert scene.is_empty

    play(story)


def test_a_turn_delivers_no_more_than_it_has_time_for(play: Play) -> None:
    async def story(scene: Scene) -> None:
        for question in [scene.enter() for _ in range(4)]:
            scene.questions.answered(question.number, b"answer")
        for count in range(1, 5):
            await scene.turns()
            assert len(scene.said) == count
            assert len(scene.waiting) == 4 - count, "whoever has not got its answer keeps its place"
        assert scene.is_empty

    play(story, clock=itertools.count().__next__)  # each look at the clock takes a second


def test_whoever_cannot_take_its_answer_keeps_it_from_nobody(play: Play) -> None:
    async def story(scene: Scene) -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))

        def fail(_: bytes | None) -> None:
            raise OSError("it is broken")

        broken, other = scene.enter(deliver=fail), scene.enter("198.51.100.1")
        for question in (broken, other):
            scene.questions.answered(question.number, b"answer")
        await scene.turns(2)
        assert scene.said == [("198.51.100.1", b"answer")]
        assert len(faults) == 1
        assert scene.is_empty

    play(story)


def test_of_one_that_is_cancelled_nothing_is_left(play: Play) -> None:
    async def story(scene: Scene) -> None:
        first, second = scene.enter(), scene.enter()
        first.cancel()
        assert (scene.abandoned, len(scene.waiting)) == ([first.number], 1)
        scene.questions.answered(second.number, b"answer")
        second.cancel()
        assert len(scene.waiting) == 0
        await scene.turns()
        assert (scene.said, scene.done, scene.abandoned) == ([], [], [first.number]), "the second was answered"
        scene.questions.answered(first.number, b"late")
        await scene.turns()
        assert scene.said == []
        assert scene.is_empty

    play(story)


def test_one_that_is_displaced_is_told_so(play: Play) -> None:
    async def story(scene: Scene) -> None:
        for _ in range(4):
            scene.enter()
        assert scene.enter() is None, "a client takes no place of its own"
        newcomer = scene.enter("198.51.100.1")
        assert newcomer is not None
        await scene.turns()
        assert scene.said == [("192.0.2.1", TOO_MANY.encode())]
        assert scene.done == ["192.0.2.1"]
        assert len(scene.waiting) == 4

    play(story)


def test_one_whose_answer_is_being_made_loses_its_place_alone(play: Play) -> None:
    async def story(scene: Scene) -> None:
        first, *_ = (scene.enter() for _ in range(4))
        scene.flying.clear()
        assert scene.enter("198.51.100.1") is not None
        await scene.turns()
        assert scene.said == []
        scene.questions.answered(first.number, b"answer")
        await scene.turns()
        assert scene.said == [("192.0.2.1", b"answer")]

    play(story)


def test_the_pipeline_answers_what_the_engine_gives_back(play: Play) -> None:
    async def story(scene: Scene) -> None:
        for begun, said in ((b"at once", b"at once"), (object(), None)):
            scene.begun = begun
            scene.questions.given_back(scene.enter().number)
            await scene.turns()
            assert scene.said.pop() == ("192.0.2.1", said)
            assert scene.done.pop() == "192.0.2.1"
        assert scene.is_empty

    play(story)


def test_what_the_pipeline_answers_later_is_done_with_its_task(play: Play) -> None:
    async def story(scene: Scene) -> None:
        ended = asyncio.Event()

        async def wait() -> None:
            await ended.wait()

        scene.task = asyncio.create_task(wait())
        scene.questions.given_back(scene.enter().number)
        await scene.turns()
        assert [context for context, _ in scene.later] == [scene.begun]
        assert scene.done == []
        ended.set()
        await scene.task
        await scene.turns()
        assert scene.done == ["192.0.2.1"]
        scene.task = None  # too many wait in the pipeline: it has delivered already
        scene.questions.given_back(scene.enter().number)
        await scene.turns()
        assert scene.done == ["192.0.2.1"] * 2
        assert scene.is_empty

    play(story)


def test_one_that_need_not_wait_after_all_is_forgotten(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.questions.leave(scene.enter())
        assert scene.is_empty
        await scene.turns()
        assert (scene.said, scene.done) == ([], [])

    play(story)
