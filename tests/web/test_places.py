"""Places are shared by clients: whoever has had least gets the next, and nobody waits behind one that asks more."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

import pytest

from blockd.web.bounds.places import NoPlace, PlaceBounds, SharedPlaces

PATIENCE = 10.0  # seconds after which a test that waits for a condition has failed
BOUNDS = PlaceBounds(at_once=4, per_second=1_000_000, waiting=6, patience=60.0)


class Crowd:
    """Clients that want places, and keep them until they are told to leave."""

    def __init__(self, places: SharedPlaces) -> None:
        self.places = places
        self.working: list[str] = []  # hosts, as they began
        self.begun: list[str] = []
        self.refused: list[str] = []
        self._tasks: list[tuple[str, asyncio.Task[None]]] = []

    async def want(self, *hosts: str) -> None:
        """Have each want a place, and let all that can be done at once be done."""
        for host in hosts:
            self._tasks.append((host, asyncio.create_task(self._work(host))))
            await self.settle()

    async def leave(self, host: str) -> None:
        """End the oldest work of a host."""
        place = next(number for number, (name, _) in enumerate(self._tasks) if name == host)
        self._tasks.pop(place)[1].cancel()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def close(self) -> None:
        for _, task in self._tasks:
            task.cancel()
        await asyncio.gather(*(task for _, task in self._tasks), return_exceptions=True)

    async def _work(self, host: str) -> None:
        try:
            async with self.places.place(ipaddress.ip_address(host).packed):
                self.working.append(host)
                self.begun.append(host)
                try:
                    await asyncio.Event().wait()
                finally:
                    self.working.remove(host)
        except NoPlace:
            self.refused.append(host)


def run(
    check: Callable[[Crowd], Awaitable[None]], bounds: PlaceBounds = BOUNDS, clock: Callable[[], float] | None = None
) -> None:
    async def checked() -> None:
        crowd = Crowd(SharedPlaces(bounds, clock) if clock else SharedPlaces(bounds))
        try:
            await asyncio.wait_for(check(crowd), PATIENCE)
        finally:
            await crowd.close()

    asyncio.run(checked())


GREEDY, NEIGHBOUR, OTHER = "192.0.2.1", "192.0.2.9", "198.51.100.1"


def test_one_client_alone_has_all_places_and_its_own_wait() -> None:
    async def check(crowd: Crowd) -> None:
        await crowd.want(*[GREEDY] * 5)
        assert crowd.working == [GREEDY] * 4
        assert crowd.refused == []
        await crowd.leave(GREEDY)
        assert crowd.working == [GREEDY] * 4

    run(check)


@pytest.mark.parametrize("newcomer", [NEIGHBOUR, OTHER, "2001:db8::1"])
def test_a_newcomer_takes_a_place_of_who_has_most(newcomer: str) -> None:
    async def check(crowd: Crowd) -> None:
        await crowd.want(*[GREEDY] * 20, newcomer)
        assert sorted(crowd.working) == sorted([GREEDY] * 3 + [newcomer])
        await crowd.want(*[GREEDY] * 20)
        assert newcomer in crowd.working, "who has most loses nothing of others"

    run(check)


def test_one_client_with_the_addresses_of_a_64_is_one() -> None:
    async def check(crowd: Crowd) -> None:
        await crowd.want("2001:db8::a", *(f"2001:db8:0:1::{number:x}" for number in range(1, 30)))
        assert crowd.working.count("2001:db8::a") == 1

    run(check)


def test_a_network_of_many_addresses_has_no_more_than_another() -> None:
    async def check(crowd: Crowd) -> None:
        await crowd.want(*(f"192.0.2.{number}" for number in range(1, 30)), OTHER, "203.0.113.1")
        await crowd.want(*(f"192.0.2.{number}" for number in range(30, 60)))
        assert {OTHER, "203.0.113.1"} < set(crowd.working)

    run(check)


def test_the_oldest_work_makes_room_if_all_have_the_same() -> None:
    async def check(crowd: Crowd) -> None:
        hosts = [f"10.{number}.0.1" for number in range(5)]
        await crowd.want(*hosts)
        assert crowd.working == hosts[1:]
        assert crowd.refused == hosts[:1]

    run(check)


def test_of_too_many_that_wait_those_of_who_has_most_of_them_are_refused() -> None:
    now = [7.0]

    async def check(crowd: Crowd) -> None:
        await crowd.want(*[GREEDY] * 30)
        assert crowd.refused
        assert set(crowd.refused) == {GREEDY}
        await crowd.want(*[OTHER] * 3)
        assert set(crowd.refused) == {GREEDY}
        now[0] += 1.0
        while OTHER not in crowd.working:  # noqa: ASYNC110 - until a timer has gone off
            await asyncio.sleep(0.001)

    run(check, PlaceBounds(4, 50, 6, 60.0), lambda: now[0])


def test_the_pace_is_that_of_all_and_those_that_had_least_come_first() -> None:
    now = [7.0]

    async def check(crowd: Crowd) -> None:
        await crowd.want(*[GREEDY] * 5, OTHER)
        assert crowd.begun == [*[GREEDY] * 4, OTHER], "a burst of as many as there are places, and one"
        await crowd.want(*[GREEDY] * 3, "203.0.113.1", GREEDY)
        assert len(crowd.begun) == 5
        now[0] += 0.1
        while len(crowd.begun) == 5:  # noqa: ASYNC110 - until a timer has gone off
            await asyncio.sleep(0.001)
        assert crowd.begun[5:] == ["203.0.113.1"]

    run(check, PlaceBounds(4, 10, 6, 60.0), lambda: now[0])


def test_who_has_waited_long_is_told_that_there_is_no_place() -> None:
    async def check(crowd: Crowd) -> None:
        await crowd.want(*[GREEDY] * 5)
        while not crowd.refused:  # noqa: ASYNC110 - until a timer has gone off
            await asyncio.sleep(0.001)
        assert crowd.working == [GREEDY] * 4

    run(check, PlaceBounds(4, 1_000_000, 6, 0.01))


def test_nothing_is_kept_of_who_has_left() -> None:
    async def check(crowd: Crowd) -> None:
        hosts = [f"10.{number}.0.1" for number in range(50)]
        await crowd.want(*hosts)
        for host in hosts:
            await crowd.leave(host)
        assert crowd.working == []
        await crowd.want(*[GREEDY] * 4)
        assert crowd.working == [GREEDY] * 4

    run(check)
