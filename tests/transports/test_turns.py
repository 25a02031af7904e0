from __future__ import annotations

import asyncio
from collections.abc import Callable

from blockd.transports.turns import BUDGET, TakingTurns
from tests.resolver.rig import Clock
from tests.transports.loops import Run, until


class Sender:
    """A connection with some messages, each of which takes some time."""

    def __init__(self, name: str, messages: int, clock: Clock, done: list[str], burst: int = 2) -> None:
        self.name = name
        self.messages = messages
        self.clock = clock
        self.done = done
        self.burst = burst

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle a burst, or less if there is no time."""
        for _ in range(min(self.burst, self.messages)):
            self.messages -= 1
            self.done.append(self.name)
            self.clock.now += BUDGET / 4
            if not has_time():
                break
        return self.messages > 0


def test_each_has_a_burst_and_then_the_next_one(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        assert turns.ask(Sender("a", 5, clock, done))
        assert turns.ask(Sender("b", 3, clock, done))
        assert done == ["a", "a"]
        assert turns.ask(Sender("c", 1, clock, done)), "there is time, but somebody is before it"
        await until(lambda: len(done) == 9)

    run(main())
    assert "".join(done) == "aa" + "aabb" + "cab"


def test_whoever_comes_when_nobody_waits_works_at_once(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        assert not turns.ask(Sender("a", 2, clock, done))
        assert not turns.ask(Sender("b", 1, clock, done))
        assert done == ["a", "a", "b"]
        await asyncio.sleep(0)

    run(main())


def test_without_time_left_it_is_the_next_turn(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        assert not turns.ask(Sender("a", 4, clock, done, burst=9))
        assert turns.ask(Sender("b", 1, clock, done))
        assert done == ["a"] * 4
        await until(lambda: len(done) == 5)

    run(main())
