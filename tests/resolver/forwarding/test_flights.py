"""When the flights of the Python engine ask whom, by a clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import dns.message
import pytest

from blockd.metrics import Counters
from blockd.names import key_from_text
from blockd.resolver import Instruments, UpstreamOptions
from blockd.resolver.cache import CacheKey
from blockd.resolver.forwarding import flights
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.forwarding.floods import FloodLimit
from blockd.resolver.forwarding.forwarder import Forwarder
from blockd.resolver.forwarding.health import DOWN, UP, failure_kept
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.response import Response
from blockd.settings import Upstream
from tests.resolver.forwarding.scene import until
from tests.resolver.rig import Clock

PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
NXDOMAIN = 3


class Server:
    """An upstream that answers when a test says so."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(("127.0.0.1", 0))
        self.upstream = Upstream(*self.socket.getsockname())
        self.asked: list[tuple[bytes, Any]] = []

    async def hear(self, count: int = 1) -> None:
        """Wait until so many more questions have come."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            self.asked.append(await loop.sock_recvfrom(self.socket, 4096))

    @property
    def is_asked(self) -> bool:
        """Whether a question has come that was not heard."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def answer(self, which: int = -1, rcode: int = NXDOMAIN) -> None:
        """Answer one of the questions."""
        query, client = self.asked[which]
        self.socket.sendto(query[:2] + bytes((0x81, 0x80 | rcode)) + query[4:6] + bytes(6) + query[12:-11], client)


class Air:
    """A forwarder with its upstreams and clocks."""

    def __init__(self, count: int, **given: Any) -> None:
        self.servers = [Server() for _ in range(count)]
        self.clock, self.flight_clock = Clock(), Clock()
        options = {"timeout": 4.0, "attempts": 3, "mixed_case": False, "cookies": False, **given}
        self.forwarder = Forwarder(
            [Group(b"", tuple(server.upstream for server in self.servers))],
            UpstreamOptions(randomness=random.Random(1).randrange, **options),  # noqa: S311 - a test repeats itself
            Instruments(self.clock, self.clock, Counters(1).row(0)),
            self.flight_clock,
        )
        self.kept: list[CacheKey] = []
        self.forwarder.keep_late_answers(lambda key, _: self.kept.append(key))

    @property
    def healths(self) -> list[Any]:
        """What is known of each upstream."""
        return [link.health for link in self.forwarder._links.values()]

    def ask(self, name: str) -> asyncio.Task[Response | Failure]:
        """Ask a question."""
        return asyncio.ensure_future(self.forwarder.resolve((key_from_text(name), 1, False, False)))

    async def pass_time(self, moment: float, start: float = 1000.0) -> None:
        """Set the clock of flights to so many seconds after the start, and do what is due."""
        await asyncio.sleep(0)
        self.flight_clock.now = start + moment
        self.forwarder._flights._agenda.run()
        await asyncio.sleep(0)


def fly(test: Callable[[Air], Awaitable[None]], count: int = 1, **given: Any) -> None:
    async def main() -> None:
        air = Air(count, **given)
        try:
            async with asyncio.timeout(PATIENCE):
                await test(air)
        finally:
            air.forwarder.close()
            for server in air.servers:
                server.socket.close()

    asyncio.run(main())


async def response_of(asked: asyncio.Task[Response | Failure]) -> Response:
    response = await asked
    assert isinstance(response, Response)
    return response


async def failure_of(asked: asyncio.Task[Response | Failure]) -> tuple[int, str]:
    failure = await asked
    assert isinstance(failure, Failure)
    return failure


def test_an_answer_after_900_ms_is_heard_and_nothing_asked_twice() -> None:
    async def test(air: Air) -> None:
        (server,) = air.servers
        for start in (0.0, 10.0, 20.0):
            await air.pass_time(start)
            asked = air.ask(f"{start}.example")
            await server.hear()
            for moment in (0.1, 0.25, 0.3, 0.6, 0.9):
                await air.pass_time(start + moment)
            assert not server.is_asked
            server.answer()
            assert (await response_of(asked)).rcode == NXDOMAIN
        assert air.healths[0].state == UP

    fly(test)


def test_a_single_upstream_is_asked_three_times_with_time_that_doubles() -> None:
    async def test(air: Air) -> None:
        (server,) = air.servers
        asked = air.ask("silent.example")
        await server.hear()
        for before, moment in ((0.98, 1.01), (2.98, 3.02)):
            await air.pass_time(before)
            assert not server.is_asked
            await air.pass_time(moment)
            await server.hear()
            await air.pass_time(moment + 0.3)
        await air.pass_time(3.9)
        assert not asked.done()
        await air.pass_time(4.0)
        assert await failure_of(asked) == (22, f"{server.upstream.text} did not answer in 4 s")
        assert not server.is_asked
        assert len({query[:2] for query, _ in server.asked}) == 3, "no two tries share an ID"

    fly(test)


def test_the_next_upstream_is_asked_when_patience_ends_and_both_are_heard() -> None:
    async def test(air: Air) -> None:
        first, second = air.servers
        asked = air.ask("a.example")
        await first.hear()
        await air.pass_time(0.2)
        assert not second.is_asked
        await air.pass_time(0.26)
        await second.hear()
        first.answer()
        assert (await response_of(asked)).rcode == NXDOMAIN
        await air.pass_time(0.5)
        second.answer()  # nobody waits for it, but it teaches how far away that upstream is
        await until(lambda: bool(air.healths[1].answered))
        assert air.healths[1].late == 1
        assert air.healths[1].smoothed == pytest.approx(0.24)
        assert air.forwarder._flights._late == {}

    fly(test, 2)


def test_few_names_that_are_slow_are_asked_of_another_upstream_as_well() -> None:
    async def test(air: Air) -> None:
        first, second = air.servers
        slow = [air.ask(f"slow{number}.example") for number in range(100)]
        await first.hear(100)
        await air.pass_time(0.05)
        quick = air.ask("quick.example")
        await first.hear()
        first.answer()
        await quick
        await air.pass_time(0.3)
        hedged = 0
        while second.is_asked:
            await second.hear()
            hedged += 1
            second.answer()
            await asyncio.sleep(0)
        assert 5 <= hedged <= 20, "the allowance: others wait on"
        assert air.healths[0].state == UP, "it is the names that are slow"
        for which in range(100):
            first.answer(which)
        assert {(await response_of(one)).rcode for one in slow} == {NXDOMAIN}

    fly(test, 2)


def test_a_late_answer_clears_the_memory_and_ends_the_next_flight() -> None:
    async def test(air: Air) -> None:
        (server,) = air.servers
        asked = air.ask("late.example")
        await server.hear()
        await air.pass_time(4.1)
        assert (await failure_of(asked))[0] == 22
        air.clock.now += failure_kept(0)
        again = air.ask("late.example")
        await server.hear()
        server.answer(0)
        assert (await response_of(again)).rcode == NXDOMAIN
        assert air.kept == [(key_from_text("late.example"), 1, False, False)]
        assert len(air.forwarder._flights.failures) == 0

    fly(test)


def test_a_flight_is_listened_to_for_ten_seconds_after_its_last_try() -> None:
    async def test(air: Air) -> None:
        (server,) = air.servers
        asked = air.ask("late.example")
        await server.hear()
        await air.pass_time(4.1)
        await failure_of(asked)
        await air.pass_time(9.9)
        assert air.healths[0].in_flight == 1
        await air.pass_time(10.1)
        assert air.healths[0].in_flight == 0
        assert not air.forwarder._flights._late

    fly(test)


def test_when_there_is_no_room_the_oldest_flight_ends_and_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MAX_IN_FLIGHT", 3)
    monkeypatch.setattr(flights, "MAX_LATE", 2)

    async def test(air: Air) -> None:
        (server,) = air.servers
        asked = [air.ask(f"{number}.example") for number in range(6)]
        await server.hear(6)
        for which in range(3):
            assert (await failure_of(asked[which]))[0] == 22
        assert not any(one.done() for one in asked[3:])
        assert len(air.forwarder._flights._late) == 2
        assert len(air.forwarder._flights.failures) == 0
        assert air.healths[0].in_flight == 5

    fly(test)


def test_other_upstreams_are_asked_from_the_next_question_on() -> None:
    async def test(air: Air) -> None:
        first, second, third = air.servers
        air.forwarder.use([Group(b"", (first.upstream,)), Group(key_from_text("zone.example"), (second.upstream,))])
        health = air.healths[0]
        asked = [air.ask("a.example"), air.ask("a.zone.example"), air.ask("azone.example"), air.ask("zone.example")]
        await first.hear(2)
        await second.hear(2)
        air.forwarder.use([Group(b"", (third.upstream, first.upstream))])
        assert air.healths[1] is health, "what is known of it is kept"
        await third.hear(4)
        for number in range(4):
            third.answer(number)
        assert {(await response_of(one)).rcode for one in asked} == {NXDOMAIN}
        asked = [air.ask("b.zone.example")]
        await until(lambda: third.is_asked or first.is_asked)
        assert not second.is_asked

    fly(test, 3)


def test_all_that_are_down_are_asked_nothing() -> None:
    async def test(air: Air) -> None:
        air.healths[0].note_probe_answer(air.flight_clock(), 0.01, True)
        air.flight_clock.now += 30
        for health in air.healths:
            for _ in range(3):
                health.note_probe_silence(air.flight_clock())
        assert {health.state for health in air.healths} == {DOWN}
        air.flight_clock.now += 90
        names = ", ".join(server.upstream.text for server in air.servers)
        told = (22, f"no upstream has answered for 120 s: {names}")
        assert await failure_of(air.ask("a.example")) == told, "since the last answer, not since they are down"
        assert not any(server.is_asked for server in air.servers)

    fly(test, 2)


def test_a_question_is_a_whole_message_with_its_own_id() -> None:
    async def test(air: Air) -> None:
        asked = air.ask("a.example")
        await air.servers[0].hear()
        message = dns.message.from_wire(air.servers[0].asked[0][0])
        assert message.question[0].name.to_text() == "a.example."
        air.servers[0].answer()
        await asked

    fly(test)


def test_a_name_in_a_flood_is_asked_once() -> None:
    async def test(air: Air) -> None:
        (server,) = air.servers
        doomed = [air.ask("n1.bad.example"), air.ask("n2.bad.example")]
        await server.hear(2)
        await air.pass_time(0.5)
        beside = air.ask("www.example.net")
        await server.hear()
        server.answer()
        await beside
        await air.pass_time(1.1)
        assert not server.is_asked, "the first of them counts as a failure, since something else was answered"
        await air.pass_time(4.0)
        for one in doomed:
            assert (await failure_of(one))[0] == 22
        assert not server.is_asked

    fly(test, floods=FloodLimit(0.1))
