"""How all stands is found once, for the service manager and for those who listen, and told when it has changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blockd.daemon.figures.history import History, HitOwners
from blockd.daemon.figures.service import BLOCKS, ROW, TICK, WRITE, Figures, FigureSources
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.report.state_sentence import StateTelling
from blockd.metrics import Counters
from tests.daemon.parts import ManualTime

ALARM = Alarm("BlockdDiskLow", "warning", "", "The disk is nearly full.", "all of it", "Free some space.")


@dataclass
class Observed:
    """What is observed of a daemon that enforces nothing, and how often it was asked for its alarms."""

    found: list[Alarm] = field(default_factory=list)
    asked: int = 0
    fault: bool = False
    since: float = 0.0
    switcher: Any = field(default_factory=lambda: SimpleNamespace(pin=None))
    feeds: Any = field(default_factory=lambda: SimpleNamespace(configured={}))

    def alarms(self, _now: float) -> list[Alarm]:
        self.asked += 1
        if self.fault:
            raise RuntimeError("a fault of the code")
        return list(self.found)


def subject(folder: Path, time: ManualTime, observed: Observed) -> tuple[History, Figures]:
    counters = Counters(1)
    history = History(folder, counters, lambda: HitOwners({}, {}))
    given: dict[str, Any] = dict.fromkeys(FigureSources.__slots__)
    given |= {"counters": counters, "observed": observed, "history": history, "timing": time.timing}
    return history, Figures(cast("FigureSources", SimpleNamespace(**given | {"enforced": lambda: None})))


@dataclass
class Channel:
    sent: list[Mapping[str, object]] = field(default_factory=list)

    def send(self, message: Mapping[str, object]) -> None:
        self.sent.append(message)


def test_what_cannot_be_told_ends_nothing_that_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        time, observed = ManualTime(), Observed(fault=True)
        history, figures = subject(tmp_path, time, observed)
        task = asyncio.create_task(figures.run())
        try:
            await time.settle()
            for _ in range(TICK * ROW * WRITE):
                await time.advance(BLOCKS)
            while not history.generation:  # noqa: ASYNC110 - a thread is waited for
                await asyncio.sleep(0)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(check())
    told = "Figures failed because of an internal error in blockd. Please report it."
    assert [record.message for record in caplog.records] == [told], "once"


def test_alarms_are_found_once_for_all_who_are_told(tmp_path: Path) -> None:
    async def check() -> None:
        time, observed, channel = ManualTime(), Observed(), Channel()
        _, figures = subject(tmp_path, time, observed)
        told: list[str] = []
        figures.tell_state = StateTelling(cast("Any", channel))
        figures.publish = lambda name, _told: told.append(name)
        task = asyncio.create_task(figures.run())
        try:
            await time.settle()
            assert channel.sent == [{"status": "No list is enforced yet."}], "at the start"
            assert (observed.asked, told.count("overview")) == (1, 1)
            await time.advance(3 * BLOCKS * TICK)
            assert (observed.asked, len(channel.sent), told.count("overview")) == (4, 1, 1), "nothing has changed"
            observed.found.append(ALARM)
            await time.advance(BLOCKS * TICK)
            assert (observed.asked, told.count("overview")) == (5, 2)
            assert channel.sent[1:] == [
                {"status": "No list is enforced yet; 1 warning alarm, the first: The disk is nearly full."}
            ]
            figures.is_heard = lambda: False
            observed.found.clear()
            await time.advance(BLOCKS * TICK)
            assert (observed.asked, len(channel.sent), told.count("overview")) == (6, 3, 2), "nobody else listens"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(check())
