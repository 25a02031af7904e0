"""Orders that come into force and end while nothing is compiled, by a clock that is handed in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blockd.compile.news import News
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.order_clock import TICK, OrderClock
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.switching import Store, WorkerLink
from blockd.daemon.workers import Workers
from blockd.orders import Order
from blockd.resolver import SelfTestKey
from blockd.ruleset.versions.diff import Changes
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import Settings
from tests.daemon.parts import (
    NOW,
    ManualTime,
    SimulatedTests,
    Sources,
    WorkerSimulator,
    blocked,
    domains,
    feed_set,
    recorded,
)
from tests.ruleset.lists import compiled, feed, listing, order

START = int(NOW)


class Node:
    """A switcher and an order clock on a state folder; the feed `national` stops two minutes after its last look."""

    def __init__(self, folder: Path) -> None:
        self.time = ManualTime()
        self.state = StateDir(folder)
        workers = Workers(1, {0: 10})
        settings = [domains("national", max_age="2m", at_expiry="stop")]
        self.feeds = feed_set(folder, settings, self.time, Sources(self.time))
        self.feeds["national"].state.checked = NOW
        recorder, self.log = recorded(folder, settings, self.time)
        self.switcher = RulesetSwitcher(
            Store(self.state, HitSlots(folder / "hit-slots.json"), Retention(3, 1 << 40)),
            WorkerLink(workers, WorkerSimulator(workers)),
            self.feeds,
            SimulatedTests(Settings(), SelfTestKey(bytes(16))),
            recorder,
            self.time.timing,
        )
        self.watch = ClockWatch(self.time.clock)
        self.clock = OrderClock(self.state, self.switcher, self.feeds, recorder, self.time.timing, self.watch)

    async def enforce(self, *orders: Order) -> None:
        """Enforce orders, each on a name that is called as it is."""
        path = self.state.folder / "compiled"
        compiled(path, feed("national", *(listing(each, f"{each.id}.example") for each in orders))).close()
        await self.switcher.enforce(News(path, str(orders), changes=Changes(0, 0, 0)))

    def in_force(self, *orders: str) -> list[str]:
        """Return those of the orders that are in force."""
        return [name[:-8] for name in blocked(self.switcher.enforced, *(f"{each}.example" for each in orders))]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the clock."""
        task = asyncio.create_task(self.clock.run())
        await self.time.settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    if node.switcher.enforced is not None:
        node.switcher.enforced.close()


def test_order_takes_force_and_ends_on_its_second(node: Node) -> None:
    async def check() -> None:
        await node.enforce(order("later", start=START + 30), order("brief", expires=START + 45))
        async with node.running():
            await node.time.advance(29.9)
            assert node.in_force("later", "brief") == ["brief"]
            await node.time.advance(0.1)
            assert node.in_force("later", "brief") == ["later", "brief"]
            assert node.log.bodies["order"]["order"] == "later"
            await node.time.advance(15)
            assert node.in_force("later", "brief") == ["later"]
            assert node.log.bodies["order"]["state"] == "expired"

    asyncio.run(check())


def test_dates_of_a_version_that_is_enforced_meanwhile_are_waited_for(node: Node) -> None:
    async def check() -> None:
        await node.enforce(order("far", start=START + 3600))
        async with node.running():
            await node.time.advance(5)
            await node.enforce(order("near", start=START + 6))
            await node.time.advance(1)
            assert node.in_force("near") == ["near"]

    asyncio.run(check())


def test_list_without_a_date_stays_in_force_where_the_clock_runs_back(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        await node.enforce(order("undated", start=START - 60), order("dated", start=START + 60))
        node.time.set_back(2 * 3600)
        async with node.running():
            assert node.in_force("undated", "dated") == ["undated"]
            assert node.watch.behind() == 2 * 3600
            node.time.now += 2 * 3600 + 60
            await node.time.advance(TICK)
            assert node.in_force("undated", "dated") == ["undated", "dated"]
            assert node.watch.behind() == 0
        node.time.set_back(2 * 3600)
        assert node.state.last_good(HitSlots(node.state.folder / "none"), node.time.clock()) == 1
        states = node.state.open(1)
        assert blocked(states, "undated.example") == ["undated.example"], "and so it is at a start"
        states.close()

    asyncio.run(check())
    told = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert ["has run back: it is 7200 seconds behind" in told[0], "again" in told[1], len(told)] == [True, True, 2]


def test_clock_that_is_set_is_noticed_within_a_tick(node: Node) -> None:
    async def check() -> None:
        await node.enforce(order("o", start=START + 100))
        async with node.running():
            node.time.now += 100
            await node.time.advance(TICK)
            assert node.in_force("o") == ["o"]
            node.time.set_back(100)
            await node.time.advance(TICK)
            assert node.in_force("o") == []

    asyncio.run(check())


def test_orders_stop_when_their_feed_has_ended_and_go_on_when_it_is_good_again(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        await node.enforce(order("o"))
        async with node.running():
            await node.time.advance(119.9)
            assert node.in_force("o") == ["o"]
            await node.time.advance(0.1)
            assert node.in_force("o") == []
            await node.time.advance(10)
            node.feeds["national"].state.checked = node.time.now
            node.switcher.dates_changed()
            await node.time.settle()
            assert node.in_force("o") == ["o"]

    asyncio.run(check())
    assert caplog.text.count("go out of force until it is renewed") == 1


def test_what_ended_before_a_version_is_enforced_is_not_in_force_in_it(node: Node) -> None:
    async def check() -> None:
        await node.time.advance(200)
        await node.enforce(order("o"))
        assert node.in_force("o") == []

    asyncio.run(check())


def test_without_a_version_it_waits_for_one(node: Node) -> None:
    async def check() -> None:
        async with node.running():
            await node.time.advance(10)
            await node.enforce(order("o", start=START + 12))
            await node.time.advance(2)
            assert node.in_force("o") == ["o"]

    asyncio.run(check())
