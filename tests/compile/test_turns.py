"""Whose news go first: no number of slow or refused feeds keeps those of another waiting for long."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.compile.spending import Exhausted, NoWatch
from blockd.compile.turns import Overtaking, SlowTurns
from blockd.feeds.budget import HASTE, HEAVY, TOGETHER, Budget, Spent
from blockd.feeds.candidate import Candidate
from blockd.feeds.lists.kind import ListKind
from blockd.ruleset import FeedInput, Gate, Listing
from tests.compile.builder import NOW, Builder, domains

MANY = 20  # feeds
READ = 600.0  # seconds of the processor that each may take by itself


class SimulatedTime(NoWatch):
    """Time of the processor that passes as `costs` says, each time that the names of a feed's news are read."""

    def __init__(self, costs: dict[str, float]) -> None:
        self.feed = ""
        self.readings: Counter[str] = Counter()  # of each feed, of accepted content too
        self._costs = costs
        self._budget: Budget | None = None
        self._spent: Counter[str] = Counter()

    def begin(self, feed: str, budget: Budget | None) -> None:
        self.feed, self._budget = feed if budget is not None else "", budget

    def end(self) -> None:
        self.feed = ""

    def read(self, feed: str) -> None:
        """Let the time pass that reading the feed takes, or as much of it as it may take."""
        self.readings[feed] += 1
        if self.feed != feed or self._budget is None:
            return
        left = max(0.001, self._budget.limit - self._spent[feed])
        self._spent[feed] += min(self._costs[feed], left)  # type: ignore[assignment]
        if self._costs[feed] > left:
            raise Exhausted

    def spent(self) -> dict[str, Spent]:
        return {feed: Spent(seconds) for feed, seconds in self._spent.items()}

    @property
    def total(self) -> float:
        return sum(self._spent.values())


Make = Callable[[dict[str, float], set[str]], tuple[Builder, Built, SimulatedTime]]
"""Makes a ruleset of the news of feeds, given what reading each takes, and those that the gate refuses."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(costs: dict[str, float], refused: set[str]) -> tuple[Builder, Built, SimulatedTime]:
        builder, watch = Builder(tmp_path), SimulatedTime(costs)
        read = ListKind.read

        def timed(*given: Any) -> FeedInput:
            found = read(*given)

            def listings() -> Iterator[Listing]:
                watch.read(found.name)
                yield from found.listings

            return replace(found, listings=listings())

        monkeypatch.setattr(ListKind, "read", timed)
        candidates = [
            Candidate(
                domains(name), builder.content(f"new.{name}.example"), builder.content(f"old.{name}.example"),
                budget=Budget(READ, 1 << 40, TOGETHER),
            )
            for name in costs
        ]  # fmt: skip
        gate = Gate(feeds={name: Gate(min_names=2, own_keys=frozenset({"min_names"})) for name in refused})
        built = build(
            candidates, builder.path, gate=gate, in_force=None, created=NOW, randomness=os.urandom, watch=watch
        )
        return builder, built, watch

    return made


COSTS = [0.2, 0.9, TOGETHER / MANY, 3.0, TOGETHER - 0.1, TOGETHER + 0.1, READ - 1, 2 * READ]


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("are_refused", [False, True])
@pytest.mark.parametrize("place", ["a-first", "z-last"])
def test_news_of_one_feed_wait_a_bounded_time_for_those_of_many(
    make: Make, cost: float, are_refused: bool, place: str
) -> None:
    costs = {f"hostile-{number:02}": cost for number in range(MANY)} | {place: 0.05}
    hostile = set(costs) - {place}
    builder, built, watch = make(costs, hostile if are_refused else set())
    assert builder.listed(f"new.{place}.example") == f"{place}/{place}"
    assert watch.total <= 4 * TOGETHER, "whatever the others cost, and however many they are"
    assert max(watch.readings.values()) <= 3
    assert built.refused.keys() | built.slow | built.taken == costs.keys()
    if are_refused:
        assert not built.taken & hostile
    for feed in hostile:
        listed = builder.listed(f"new.{feed}.example"), builder.listed(f"old.{feed}.example")
        assert listed == ((f"{feed}/{feed}", "") if feed in built.taken else ("", f"{feed}/{feed}"))


def test_costs_that_fail_one_after_the_other_start_the_compile_again_once(make: Make) -> None:
    costs = {f"hostile-{number:02}": TOGETHER / (number + 1) - 0.01 for number in range(MANY)} | {"z": 0.05}
    _, built, watch = make(costs, set())
    assert "z" in built.taken
    assert watch.total <= 4 * TOGETHER
    assert max(watch.readings.values()) <= 3


def test_what_was_set_aside_has_all_of_its_time_by_itself(make: Make) -> None:
    _, built, _ = make({"slow": TOGETHER + 1, "quick": 0.1}, set())
    assert (built.slow, built.taken, built.refused) == ({"slow"}, {"quick"}, {})
    assert [built.spent[name].is_slow(is_refused=False) for name in ("slow", "quick")] == [False, False]
    assert Spent(TOGETHER + 1).is_slow(is_refused=False)
    assert Spent(2.0).is_slow(is_refused=True), "what is refused may take less"


def test_slow_news_and_those_of_others_take_turns() -> None:
    turns = SlowTurns()
    slow = {f"slow-{number:02}": 25.0 for number in range(MANY)}
    done: list[str] = []
    for turn in count():
        chosen = turns.choose({name: slow[name] for name in slow if name not in done}, {"quick"}, set())
        if turn % 2 == 0:
            assert chosen == {"quick"}, "it never waits for more than one compile of slow ones"
        elif len(done) < MANY:
            assert sum(slow[name] for name in chosen) <= HEAVY
            done += sorted(chosen)
        else:
            assert chosen == {"quick"}
            break
    assert done == sorted(slow), "the one that has waited longest is first"


def test_slow_content_that_takes_more_than_all_may_is_compiled_by_itself_and_an_urgent_one_first() -> None:
    turns = SlowTurns()
    slow = {"one": 2 * HEAVY, "two": 1.0, "orders": 3 * HEAVY}
    chosen = []
    while slow:
        chosen.append(turns.choose(slow, set(), {"orders"}))
        slow = {name: seconds for name, seconds in slow.items() if name not in chosen[-1]}
    assert chosen == [{"orders"}, {"one"}, {"two"}]


def test_news_that_overtake_share_their_time_and_none_is_tried_before_the_others_were() -> None:
    overtaking = Overtaking()
    versions = count()
    waiting = {f"hostile-{number:02}": f"{next(versions)}" for number in range(MANY)} | {"z": "news"}
    spent = 0.0
    while (found := overtaking.next(waiting, set())) is not None:
        names, patience = found
        spent += patience
        if names == ["z"]:
            break
        waiting[names[0]] = f"{next(versions)}"  # it has more news at once
    assert names == ["z"]
    assert spent <= HASTE


def test_urgent_news_overtake_first_together_and_then_each() -> None:
    overtaking = Overtaking()
    waiting = {"list": "l", "one": "1", "two": "2"}
    tried = []
    while (found := overtaking.next(waiting, {"one", "two"})) is not None:
        tried.append(found)
    assert tried == [(["one", "two"], HASTE), (["one"], HASTE / 2), (["two"], HASTE / 2), (["list"], HASTE)]
    assert overtaking.next({**waiting, "two": "3"}, {"one", "two"}) == (["one", "two"], HASTE), "what is new is tried"
