from __future__ import annotations

import asyncio
from collections.abc import Callable

from blockd.transports.turns import BUDGET, TakingTurns
from tests.resolver.rig import Clock
from tests.transports.loops import Run, until


class Sender:
    """A connection with some messages, each of which takes some time."""

    def __init__(
        self,
        name: str,
        messages: int,
        clock: Clock,
        done: list[str],
        burst: int = 2,
        newcomer: bool = False,
        seconds: float = BUDGET / 4,
        host: str = "192.0.2.1",
    ) -> None:
        self.host = host
        self.newcomer = newcomer
        self.seconds = seconds
        self.name = name
        self.messages = messages
        self.clock = clock
        self.done = done
        self.burst = burst

    def newcomer_from(self) -> str:
        """Its address, until something of it has been handled."""
        return self.host if self.newcomer else ""

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle a burst, or less if there is no time."""
        for _ in range(min(self.burst, self.messages)):
            self.newcomer = False
            self.messages -= 1
            self.done.append(self.name)
            self.clock.now += self.seconds
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


def test_a_newcomer_is_next_however_much_others_ask(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for _ in range(1000):
            turns.ask(Sender("a", 100, clock, done))
        before = len(done)
        assert turns.ask(Sender("n", 1, clock, done, newcomer=True))
        assert turns.ask(Sender("m", 1, clock, done, newcomer=True))
        await until(lambda: "m" in done)
        assert "".join(done[before:]).count("a") <= 2

    run(main())


def test_newcomers_do_not_keep_others_from_their_turn(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for name in "aaaa":
            turns.ask(Sender(name, 8, clock, done))
        for _ in range(100):
            turns.ask(Sender("n", 1, clock, done, newcomer=True))
        before = len(done)
        await until(lambda: "".join(done[before:]).count("a") >= 8)
        assert "".join(done[before:]).count("n") <= 9

    run(main())


def test_handshakes_have_half_of_the_time_while_others_wait(run: Run) -> None:
    """One costs as much as a hundred questions, of which others would have a few between two of them."""
    done: list[str] = []
    spent = {"h": BUDGET, "q": BUDGET / 100}

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for number in range(200):
            turns.ask(Sender("h", 1, clock, done, newcomer=True, seconds=spent["h"], host=f"192.0.{number}.1"))
        for _ in range(1000):
            turns.ask(Sender("q", 9, clock, done, burst=1, seconds=spent["q"]))
        before = len(done)
        await until(lambda: done[before:].count("q") >= 5000)
        handshakes = done[before:].count("h") * spent["h"]
        assert 0.9 < handshakes / (5000 * spent["q"]) < 1.1, "and no less than half"

    run(main())


def test_newcomers_of_a_network_wait_for_one_of_each_other_network(run: Run) -> None:
    """However many connections a few networks have opened before."""
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for number in range(1000):
            crowd = Sender(
                "c", 1, clock, done, newcomer=True, seconds=BUDGET, host=f"192.0.{number % 3}.{number % 200}"
            )
            turns.ask(crowd)
        before = len(done)
        turns.ask(Sender("n", 1, clock, done, newcomer=True, seconds=BUDGET, host="198.51.100.1"))
        await until(lambda: "n" in done)
        assert done.index("n") - before <= 3

    run(main())


def test_the_more_wait_the_shorter_is_the_turn_of_each(run: Run) -> None:
    """A burst of each of a thousand would keep the last of them waiting for seconds."""
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for _ in range(1000):
            turns.ask(Sender("a", 32, clock, done, burst=16, seconds=BUDGET / 60))
        before = len(done)
        last = Sender("z", 16, clock, done, burst=16, seconds=BUDGET / 60)
        turns.ask(last)
        await until(lambda: "z" in done)
        assert done.index("z") - before <= 1000, "one message of each that was before it"
        assert done[:16] == ["a"] * 16, "a whole burst for who is alone"

    run(main())


def test_who_waits_for_nobody_costs_the_loop_no_call_and_each_of_its_calls_has_time_anew(run: Run) -> None:
    done: list[str] = []

    async def main() -> None:
        clock = Clock()
        turns = TakingTurns(clock)
        for name in "abc":
            turns.begin()
            assert not turns.ask(Sender(name, 4, clock, done, burst=9)), "all the time of a turn"
        assert not turns._scheduled
        assert turns.ask(Sender("d", 1, clock, done)), "in the same turn as c"
        assert turns._scheduled
        await until(lambda: "d" in done)
        turns.begin()
        assert turns._ends is not None, "the turn in which d has worked"
        turns.begin()
        assert turns._ends is None

    run(main())
    assert "".join(done) == "aaaabbbbccccd"
