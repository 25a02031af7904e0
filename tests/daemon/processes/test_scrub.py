"""A disk that loses octets without a change of size and times is noticed when the rulesets are read through."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blockd.daemon.damage import Damage
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes.scrub import EVERY, FIRST, PASS, SHARE, Scrub
from blockd.daemon.processes.supervisor_watch import SupervisorWatch
from blockd.daemon.timing import Timing
from blockd.files import stamp_of
from blockd.ruleset.digest import PIECE
from tests.daemon.parts import NOW
from tests.daemon.test_ruleset_switcher import Node
from tests.ruleset.lists import some_names

NAMES = list(some_names(12_000))  # several pieces
DAY = 86_400


class Subject:
    """A node with two versions, of which 2 is in force, and what looks after damage."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder)
        self.sent: list[Any] = []
        self.pauses: list[float] = []
        self.now = 0.0

    async def begin(self) -> Subject:
        await self.node.enforce(*NAMES, "first.example")
        await self.node.enforce(*NAMES, "second.example")
        timing = Timing(monotonic=lambda: self.now, sleep=self.sleep)
        updater = cast("Any", SimpleNamespace(feeds={}))
        self.damage = Damage(
            self.node.state, self.node.switcher, self, timing, {}, SupervisorWatch(None), updater
        )  # fmt: skip
        self.scrub = self.damage.scrub
        return self

    def send(self, message: object, _descriptor: int | None = None) -> None:
        self.sent.append(message)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def rot(self, version: int, place: int) -> None:
        """Flip a bit; if the version is in force, it is then as if size and times had not changed."""
        path = self.node.state.versions.ruleset(version)
        with path.open("r+b") as file:
            octet = os.pread(file.fileno(), 1, place % path.stat().st_size)[0]
            os.pwrite(file.fileno(), bytes([octet ^ 4]), place % path.stat().st_size)
        if version == self.node.switcher.version:
            ruleset = self.node.switcher.ruleset
            assert ruleset is not None
            ruleset.stamp = stamp_of(path)


def run(folder: Path, check: Callable[[Subject], Any]) -> None:
    async def checked() -> None:
        subject = Subject(folder)
        try:
            await check(await subject.begin())
        finally:
            await subject.node.switcher.close()
            subject.node.log.close()

    asyncio.run(checked())


# In the header, in the first piece, in a later one, in the digests of pieces.
@pytest.mark.parametrize("place", [40, 300, PIECE + 5, -5])
def test_rot_in_the_version_in_force_is_told_to_the_supervisor(tmp_path: Path, place: int) -> None:
    async def check(subject: Subject) -> None:
        subject.rot(2, place)
        await subject.damage.look()
        assert subject.sent == [], "size and times tell nothing"
        await subject.scrub.look()
        (message,) = subject.sent
        assert message["suspect"].startswith(f"{subject.node.state.versions.ruleset(2)} was read through: its ")
        assert subject.scrub.age(2) is None
        assert subject.scrub.age(1) is not None

    run(tmp_path, check)


@pytest.mark.parametrize("place", [40, 300, PIECE + 5, -5])
def test_rot_in_a_version_that_is_only_kept_sets_it_aside(tmp_path: Path, place: int) -> None:
    async def check(subject: Subject) -> None:
        subject.rot(1, place)
        await subject.scrub.look()
        assert subject.sent == []
        assert subject.node.state.versions.all() == [2]
        assert subject.damage.count == 1
        await subject.damage.look()
        (alarm,) = subject.damage.alarms()
        assert alarm.name == "BlockdRulesetDamaged"
        assert alarm.what.startswith("Version 1 was found damaged: its ")
        await subject.scrub.look()
        assert (subject.scrub.age(2), subject.scrub.age(1)) == (0.0, None)

    run(tmp_path, check)


def test_disk_that_fails_to_read_is_damage_and_a_file_that_is_gone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    async def check(subject: Subject) -> None:
        subject.node.state.versions.ruleset(1).unlink()
        with monkeypatch.context() as patch:
            patch.setattr("blockd.ruleset.digest.os.pread", fail)
            await subject.scrub.look()
        path = subject.node.state.versions.ruleset(2)
        told = "the disk fails to read it: Input/output error"
        assert subject.sent == [{"suspect": f"{path} was read through: {told}"}]
        assert subject.damage.count == 0

    run(tmp_path, check)


def test_another_ruleset_in_the_place_of_a_version_is_not_enforced(tmp_path: Path) -> None:
    """A file that is whole, and is not the one that was made: its record knows another digest."""

    async def check(subject: Subject) -> None:
        versions, state = subject.node.state.versions, subject.node.state
        record = versions.record(1)
        assert record is not None
        replace(record, digest="00" * 32).write(versions.record_path(1))
        told: list[tuple[int, str]] = []
        slots = HitSlots(state.folder / "hit-slots.json")
        found = state.last_good(slots, NOW, in_force=1, tell=lambda version, why: told.append((version, why)))
        assert found == 2
        assert [(version, "another ruleset" in why) for version, why in told] == [(1, False), (1, True), (2, False)]
        assert versions.all() == [2]

    run(tmp_path, check)


class Clocked(Scrub):
    """One that takes `seconds` for each piece, and does nothing but read."""

    def __init__(self, subject: Subject, seconds: float) -> None:
        timing = Timing(monotonic=lambda: subject.now, sleep=subject.sleep)
        super().__init__(subject.node.state.versions, subject.node.switcher, timing, lambda *_: None)
        self._subject = subject
        self._seconds = seconds

    def _steps(self, version: int) -> Iterator[str]:
        for why in super()._steps(version):
            self._subject.now += self._seconds
            yield why


def test_reading_takes_its_share_of_the_time_and_ends_in_time_on_a_slow_disk(tmp_path: Path) -> None:
    async def check(subject: Subject) -> None:
        await Clocked(subject, 0.002).look()
        assert len(subject.pauses) > 2
        assert subject.pauses == pytest.approx([0.002 / SHARE] * len(subject.pauses))
        subject.pauses.clear()
        await Clocked(subject, 1000.0).look()
        assert sum(subject.pauses) == pytest.approx(PASS)

    run(tmp_path, check)


def test_each_version_is_read_within_each_day(tmp_path: Path) -> None:
    async def check(subject: Subject) -> None:
        begins: list[float] = []

        async def look() -> None:
            begins.append(subject.now)
            subject.now += PASS
            if len(begins) == 2:
                raise TimeoutError

        subject.scrub.look = look  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            await subject.scrub.run()
        assert begins == [FIRST, FIRST + EVERY]
        assert EVERY + PASS < DAY, "from the begin of one pass to the end of the next"

    run(tmp_path, check)
