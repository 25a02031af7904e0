from __future__ import annotations

import asyncio
import itertools

import pytest

from blockd.transports import deadlines
from blockd.transports.deadlines import Deadlines
from tests.resolver.rig import Clock
from tests.transports.loops import Run, until


class Subject:
    """What has a deadline, and may have a later one when it is told of the first."""

    def __init__(self, kept: Deadlines, later: float = 0.0) -> None:
        self.kept = kept
        self.later = later
        self.due = 0
        self.told = 0

    def tire(self) -> None:
        """Note it."""
        self.told += 1
        if self.later:
            self.kept.keep(self, self.later)
            self.later = 0.0


@pytest.fixture(autouse=True)
def _fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "GRAIN", 0.001)


def test_one_is_told_once_when_its_deadline_has_come_and_never_before(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        kept = Deadlines(clock)
        early, late = Subject(kept), Subject(kept)
        kept.keep(early, clock.now + 1)
        kept.keep(late, clock.now + 2)
        clock.now += 1.5
        await until(lambda: early.told == 1)
        assert (late.told, len(kept)) == (0, 1)
        clock.now += 1
        await until(lambda: late.told == 1)
        assert (early.told, len(kept)) == (1, 0)
        await until(lambda: kept._next is None)

    run(main())


def test_a_later_deadline_is_asked_for_when_the_first_has_come_and_an_earlier_one_replaces_it(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        kept = Deadlines(clock)
        patient, hasty = Subject(kept, later=clock.now + 5), Subject(kept)
        kept.keep(patient, clock.now + 1)
        kept.keep(patient, clock.now + 5)
        kept.keep(hasty, clock.now + 5)
        kept.keep(hasty, clock.now + 1)
        clock.now += 2
        await until(lambda: patient.told == 1 and hasty.told == 1)
        assert len(kept) == 1
        clock.now += 4
        await until(lambda: patient.told == 2)
        assert hasty.told == 1

    run(main())


def test_nothing_is_kept_of_who_is_forgotten(run: Run) -> None:
    async def main() -> None:
        kept = Deadlines(Clock())
        subject = Subject(kept)
        kept.forget(subject)
        kept.keep(subject, 1.0)
        kept.forget(subject)
        assert not kept._groups
        await until(lambda: kept._next is None)
        assert subject.told == 0

    run(main())


def test_of_thousands_some_are_told_in_each_turn(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        kept = Deadlines(clock)
        subjects = [Subject(kept) for _ in range(1000)]
        for number, subject in enumerate(subjects):
            kept.keep(subject, clock.now + number / 1000)
        clock.now += 2
        turns = [0]
        while turns[-1] < len(subjects):
            await asyncio.sleep(0)
            turns.append(sum(subject.told for subject in subjects))
        assert max(after - before for before, after in itertools.pairwise(turns)) <= deadlines.AT_ONCE

    run(main())
