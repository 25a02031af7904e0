from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from blockd.resolver import places
from blockd.resolver.clients import keys_of
from blockd.resolver.waiting import Waiting

REFUSED = b"refused"


class Room:
    """Those who wait until the end, in 12 places."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.ended = asyncio.Event()
        self.delivered: dict[int, bytes | None] = {}  # by number
        self.tasks: list[asyncio.Task[None]] = []
        self._number = 0

    def enter(self, host: str | None, domain: bytes) -> int:
        """Have one more wait, without a host behind a front end; return its number."""
        self._number += 1
        number = self._number
        keys = [domain, *(keys_of(host) if host else ())]

        def deliver(answer: bytes | None) -> None:
            assert number not in self.delivered, "nobody is answered twice"
            self.delivered[number] = answer

        task = self.waiting.add(self._answer(), lambda: REFUSED, deliver, keys)
        assert (task is None) == (number in self.delivered)
        if task is not None:
            self.tasks.append(task)
        return number

    def gets_in(self, host: str | None, domain: bytes) -> bool:
        """Return whether one more has a place."""
        return self.enter(host, domain) not in self.delivered

    async def _answer(self) -> bytes:
        await self.ended.wait()
        return b"answer"


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Room], Awaitable[None]]], None]:
    monkeypatch.setattr(places, "MAX_WAITING", 12)

    def run(story: Callable[[Room], Awaitable[None]]) -> None:
        async def main() -> None:
            room = Room()
            await story(room)
            assert len(room.waiting) <= 12
            waited = len(room.waiting) + list(room.delivered.values()).count(b"answer")
            room.ended.set()
            await asyncio.gather(*room.tasks, return_exceptions=True)
            assert len(room.waiting) == 0
            assert room.waiting.places.keys == 0, "nothing is kept of a client"
            assert list(room.delivered.values()).count(b"answer") == waited
            assert room.gets_in("192.0.2.2", b"silent")
            await asyncio.gather(*room.tasks, return_exceptions=True)

        asyncio.run(main())

    return run


Play = Callable[[Callable[[Room], Awaitable[None]]], None]


def test_a_client_that_has_all_places_loses_its_oldest_for_others(play: Play) -> None:
    async def story(room: Room) -> None:
        def fill(host: str) -> int:
            return [room.gets_in(host, b"%d" % room._number) for _ in range(15)].index(False)

        assert fill("192.0.2.1") == 12
        assert fill("198.51.100.1") == 6, "until both have as many"
        assert [number for number in range(1, 13) if number in room.delivered] == [1, 2, 3, 4, 5, 6]
        assert fill("2001:db8::1") == 4

    play(story)


def test_one_client_loses_a_place_for_each_newcomer_until_it_has_no_more_than_others(play: Play) -> None:
    async def story(room: Room) -> None:
        for number in range(20):
            room.enter("192.0.2.1", b"%d" % number)
        for number in range(11):
            assert room.gets_in(f"198.51.{number}.1", b"popular"), number
        assert not room.gets_in("192.0.2.1", b"other"), "it has as many as any other"
        assert not room.gets_in("192.0.2.1", b"popular")
        assert room.gets_in("203.0.113.1", b"popular")

    play(story)


def test_a_domain_that_has_all_places_loses_its_oldest_for_others_whoever_asks(play: Play) -> None:
    async def story(room: Room) -> None:
        for number in range(12):
            room.enter(f"192.0.{number}.1", b"silent")
        others = [room.enter(f"192.0.{number}.1", b"%d" % number) for number in range(20, 30)]
        assert not set(others) & room.delivered.keys()
        assert sorted(room.delivered) == list(range(1, 11))

    play(story)


def test_any_number_of_silent_domains_leave_room_for_others(play: Play) -> None:
    async def story(room: Room) -> None:
        for number in range(30):
            room.enter(f"192.0.{number}.1", b"silent%d" % number)
        assert len(room.waiting) == 12
        newcomer = room.enter("198.51.100.1", b"other")
        assert newcomer not in room.delivered
        assert sorted(room.delivered) == list(range(1, 20)), "the oldest ones have lost their places"

    play(story)


def test_a_client_that_asks_for_ever_new_domains_takes_no_place_of_others(play: Play) -> None:
    async def story(room: Room) -> None:
        honest = [room.enter(f"198.51.{number}.1", b"popular") for number in range(4)]
        for number in range(50):
            room.enter("192.0.2.1", b"%d" % number)
        for number in range(50):
            room.enter(f"192.0.2.{number}", b"of the network %d" % number)
        assert not set(honest) & room.delivered.keys()
        assert room.gets_in("203.0.113.1", b"popular")
        assert not set(honest) & room.delivered.keys()

    play(story)


def test_behind_a_front_end_domains_are_counted_alone(play: Play) -> None:
    async def story(room: Room) -> None:
        assert [room.gets_in(None, b"silent") for _ in range(13)] == [True] * 12 + [False]
        assert all(room.gets_in(None, b"%d" % number) for number in range(11))
        assert room.gets_in("192.0.2.1", b"new")

    play(story)


def test_who_has_been_answered_in_this_turn_loses_nothing(play: Play) -> None:
    async def story(room: Room) -> None:
        for number in range(20):
            room.enter(f"192.0.{number}.1", b"silent%d" % number)
        before = dict(room.delivered)
        room.ended.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for number in range(20):
            room.enter(f"198.51.{number}.1", b"other%d" % number)
        assert {room.delivered[number] for number in range(1, 21) if number not in before} == {b"answer"}

    play(story)
