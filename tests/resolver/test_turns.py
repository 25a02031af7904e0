"""A turn of the event loop is over when its time is, whatever is left: the Python engine, and who waits in Python."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from blockd.metrics import Counters
from blockd.resolver import Instruments, Service, UpstreamOptions, waiting
from blockd.resolver.edge.proxied import ProxiedDatagrams
from blockd.resolver.engine import twin
from blockd.resolver.engine.twin import Engine
from blockd.resolver.forwarding import agenda
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.forwarding.forwarder import Forwarder
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.waiting import AT_ONCE, Turns
from blockd.settings import Upstream
from tests.resolver.rig import PATIENT, SINKHOLE, Clock, Rig, question
from tests.upstream import UpstreamSimulator

MANY = 40


class SlowClock(Clock):
    """One that `step` seconds go by on whenever it is read."""

    step = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.step
        return self.now


def order_of_going_on(clock: Clock, seconds: float) -> list[tuple[int, int]]:
    """Return who goes on, and in which turn of the loop, of MANY for each of whom so much time goes by."""
    turns, gone_on, turn = Turns(clock), list[tuple[int, int]](), 0

    async def go_on(number: int) -> None:
        await turns.take()
        clock.now += seconds
        gone_on.append((number, turn))

    async def main() -> None:
        nonlocal turn
        tasks = [asyncio.create_task(go_on(number)) for number in range(MANY)]
        while not all(task.done() for task in tasks):
            turn += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    return gone_on


@pytest.mark.parametrize(
    ("seconds", "most"), [(0.0, AT_ONCE), (waiting.BUDGET / 4, 4), (waiting.BUDGET, 1), (waiting.BUDGET * 9, 1)]
)
def test_those_who_wait_go_on_in_their_order_as_many_as_there_is_time_for(seconds: float, most: int) -> None:
    gone_on = order_of_going_on(Clock(), seconds)
    assert [number for number, _ in gone_on] == list(range(MANY))
    turns = [turn for _, turn in gone_on]
    assert max(map(turns.count, turns)) == most


def test_who_gives_up_holds_up_nobody() -> None:
    clock = Clock()
    turns, gone_on = Turns(clock), list[int]()

    async def go_on(number: int) -> None:
        await turns.take()
        clock.now += waiting.BUDGET
        gone_on.append(number)

    async def main() -> None:
        tasks = [asyncio.create_task(go_on(number)) for number in range(MANY)]
        for _ in range(3):
            await asyncio.sleep(0)
        for number in range(10, MANY - 1):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert gone_on == [*range(10), MANY - 1]


def test_messages_are_taken_for_as_long_as_there_is_time(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    rig, clock = Rig(tmp_path, upstream.upstream), SlowClock()
    nobodys = ProxiedDatagrams(rig.resolver.clients, Service((), SINKHOLE), rig.row)
    engine = Engine(rig.resolver.pipeline, nobodys, clock)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client,
    ):
        served.bind(("127.0.0.1", 0))
        client.connect(served.getsockname())
        descriptor = engine.attach(served)
        for _ in range(MANY):
            client.send(question("version.bind", flags=0).to_wire())
        heard = list[bytes]()
        clock.step = twin.BUDGET / 4
        while len(heard) < MANY:
            engine.drain(descriptor)
            before = len(heard)
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.append(client.recv(65535))
            assert before < len(heard) <= before + 4


def on_forwarder(upstream: Upstream, clock: Clock, test: Callable[[Forwarder], Awaitable[None]]) -> None:
    """Run a test on a forwarder whose flights go by a clock."""
    options = UpstreamOptions(PATIENT, 1, random.Random(1).randrange)  # noqa: S311 - a test repeats itself
    instruments = Instruments(Clock(), Clock(), Counters(1).row(0))

    async def main() -> None:
        async with asyncio.timeout(PATIENT):
            await test(Forwarder([Group(b"", (upstream,))], options, instruments, clock))

    asyncio.run(main())


def test_flights_of_upstreams_that_change_are_begun_anew_in_several_turns(upstream: UpstreamSimulator) -> None:
    clock = SlowClock()
    group = [Group(b"", (upstream.upstream,))]
    launched = list[int]()

    async def main(forwarder: Forwarder) -> None:
        with upstream.held():
            asked = [
                asyncio.create_task(forwarder.resolve((b"\4test\1" + bytes((number,)), 1, False, False)))
                for number in range(MANY)
            ]
            await asyncio.sleep(0)
            assert forwarder.in_flight == MANY
            clock.step = agenda.BUDGET / 8
            forwarder.use(group)
            assert forwarder.in_flight == MANY, "they count as waiting"
            while forwarder._left:
                launched.append(len(forwarder._left))
                await asyncio.sleep(0)
            clock.step = 0.0
        assert len(await asyncio.gather(*asked)) == MANY
        forwarder.close()

    on_forwarder(upstream.upstream, clock, main)
    assert len(launched) > 4


def test_those_that_are_to_be_begun_anew_are_told_of_a_stop(upstream: UpstreamSimulator) -> None:
    clock = SlowClock()

    async def main(forwarder: Forwarder) -> None:
        with upstream.held():
            asked = [
                asyncio.create_task(forwarder.resolve((b"\4test\1" + bytes((number,)), 1, False, False)))
                for number in range(MANY)
            ]
            await asyncio.sleep(0)
            clock.step = agenda.BUDGET
            forwarder.use([Group(b"", (upstream.upstream,))])
            assert forwarder._left
            forwarder.close()
            told = await asyncio.gather(*asked, return_exceptions=True)
        assert {one.text for one in told if isinstance(one, Failure)} == {"blockd is stopping"}
        assert all(isinstance(one, Failure) for one in told)
        assert forwarder.in_flight == 0

    on_forwarder(upstream.upstream, clock, main)
