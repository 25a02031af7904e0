"""The native engine asks upstreams itself: what becomes of those who wait when things go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import dns.message
import pytest

from blockd.resolver import engine_name
from blockd.resolver.forwarding.limits import MAX_IN_FLIGHT, SOCKETS
from blockd.resolver.forwarding.source_ports import LOWEST_PORT
from blockd.resolver.response import Response, parse
from blockd.settings import Upstream
from blockd.transports import UdpServer
from tests.resolver.rig import HASTY, Rig, order, question
from tests.upstream import Fault, UpstreamSimulator, closed_port

if engine_name() != "native":
    pytest.skip("the native engine does not run here", allow_module_level=True)

from tests.resolver.sink import LONG, Sink

PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
MAX_WAITERS = 1000  # of one question, as `_flights.pxd` has it
RENEWED = 10  # ports that are new after all were used
NAME = "www.example"
RECORD = f"{NAME}. 300 IN A 198.51.100.1"


class Client:
    """A client's socket, connected to the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(("127.0.0.1", port))

    def send(self, *queries: dns.message.Message) -> None:
        """Send questions."""
        for query in queries:
            self.socket.send(query.to_wire(max_size=65535))

    async def hear(self) -> str:
        """Return the next answer's rcode, or its records if it has some."""
        answer = dns.message.from_wire(await asyncio.get_running_loop().sock_recv(self.socket, 65535))
        return " ".join(str(data) for rrset in answer.answer for data in rrset) or answer.rcode().name


Test = Callable[[Client], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[Client]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = UdpServer([sock], rig.resolver)
        rig.resolver.ask_upstreams(server.answer_later)
        client = Client(sock.getsockname()[1])
        try:
            yield client
        finally:
            rig.resolver.close()
            await server.close()
            client.socket.close()


def run(rig: Rig, test: Test) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), serving(rig) as client:
            await test(client)

    asyncio.run(main())


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    """Gives a resolver with the clock that the native engine reads itself."""

    def made(*upstreams: Upstream, timeout: float = LONG) -> Rig:
        rig = Rig(tmp_path, *upstreams, timeout=timeout)
        monkeypatch.setattr(type(rig.clock), "__call__", lambda _: time.monotonic())
        return rig

    return made


Make = Callable[..., Rig]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds; the test's patience bounds it."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


FAULTS = (Fault.SERVFAIL, Fault.REFUSED, Fault.MALFORMED, Fault.STRAYS_ONLY, Fault.OPT_TWICE)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_an_upstream_does_not_answer_well_is_answered_all_the_same(
    make: Make, upstream: UpstreamSimulator, fault: Fault
) -> None:
    upstream.plan(NAME, "A", RECORD)
    upstream.faults = {fault}

    with UpstreamSimulator() as second:
        second.plan(NAME, "A", RECORD)

        async def test(client: Client) -> None:
            client.send(question(NAME))
            assert await client.hear() == "198.51.100.1"

        run(make(upstream.upstream, second.upstream), test)
    asked = [seen.transport for seen in upstream.seen]
    assert asked in ([], ["udp"], ["udp", "tcp"]), "no upstream is asked for it again, but over TCP"


def test_strays_do_not_answer(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)
    upstream.faults = {Fault.STRAYS_FIRST}

    async def test(client: Client) -> None:
        client.send(question(NAME))
        assert await client.hear() == "198.51.100.1"

    run(make(upstream.upstream), test)
    assert len(upstream.seen) == 1, "the strays were passed over, not asked about again"


def test_an_upstream_that_is_gone_is_noticed_at_once(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def test(client: Client) -> None:
        for number in range(100):  # word of the first comes to some of the sockets when the next is sent
            client.send(question(NAME), question(f"{number}.example"))
            assert {await client.hear(), await client.hear()} == {"198.51.100.1", "NXDOMAIN"}

    run(make(closed_port(), upstream.upstream), test)


def test_an_upstream_that_goes_while_questions_are_in_the_air(make: Make) -> None:
    with UpstreamSimulator() as second, contextlib.ExitStack() as stack:
        first = stack.enter_context(UpstreamSimulator())
        first.faults = {Fault.SILENCE}

        async def test(client: Client) -> None:
            client.send(*(question(f"{number}.example") for number in range(50)))
            await until(lambda: len({seen.name for seen in first.seen + second.seen}) >= 50)
            stack.close()
            for number in range(50, 250):
                client.send(question(f"{number}.example"))
                await asyncio.sleep(0)
            assert [await client.hear() for _ in range(250)] == ["NXDOMAIN"] * 250

        run(make(first.upstream, second.upstream), test)


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 1200])
def test_all_who_wait_for_one_answer_get_it(make: Make, upstream: UpstreamSimulator, count: int) -> None:
    upstream.plan(NAME, "A", RECORD)
    rig = make(upstream.upstream)
    flights = rig.resolver.engine.forwarding.flights  # type: ignore[union-attr]

    async def test(client: Client) -> None:
        with upstream.held():
            for number in range(count):
                client.send(question(NAME))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            await until(lambda: flights.waiting >= min(count, 1000))
            too_many = max(count - 1000, 0)
            assert [await client.hear() for _ in range(too_many)] == ["SERVFAIL"] * too_many
        assert [await client.hear() for _ in range(count - too_many)] == ["198.51.100.1"] * (count - too_many)

    run(rig, test)
    assert (flights.count, flights.waiting) == (0, 0)
    assert 1 <= len(upstream.seen) < 10, "one flight for all, which asks again only where the answer is long in coming"


def test_a_question_too_long_to_be_kept_is_asked_once(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def test(client: Client) -> None:
        client.send(question(NAME, use_edns=0, pad=1400))
        assert await client.hear() == "198.51.100.1"

    run(make(upstream.upstream), test)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("swaps", [1, 3])
def test_who_waits_is_answered_by_what_is_enforced_then(make: Make, upstream: UpstreamSimulator, swaps: int) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME web.telegram.org.", "web.telegram.org. 300 IN A 198.51.100.1")
    upstream.plan("free.example", "A", "free.example. 300 IN A 198.51.100.2")
    rig = make(upstream.upstream)
    rig.enforce([(order(), ["free.example"])])
    rig.lift()

    async def test(client: Client) -> None:
        with upstream.held():
            client.send(question(NAME), question("free.example"))
            await until(lambda: len(upstream.seen) >= 2)
            for _ in range(swaps):
                rig.enforce([(order(), ["telegram.org"])])
        answers = {await client.hear(), await client.hear()}
        assert answers == {"192.0.2.80", "198.51.100.2"}

    run(rig, test)


def test_who_waits_at_the_end_is_answered(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)
    rig = make(upstream.upstream)

    async def test(client: Client) -> None:
        with upstream.held():
            client.send(question(NAME))
            await until(lambda: len(upstream.seen) > 0)
            rig.resolver.close()
            assert await client.hear() == "SERVFAIL"

    run(rig, test)


def test_ports_change_while_something_is_always_in_the_air(make: Make, upstream: UpstreamSimulator) -> None:
    async def test(client: Client) -> None:
        number = 0
        ports: set[int] = set()
        while len(ports) < SOCKETS + RENEWED:
            client.send(*(question(f"{number + more}.example") for more in range(100)))
            number += 100
            for _ in range(100):
                assert await client.hear() == "NXDOMAIN"
            ports = {seen.port for seen in upstream.seen}
        assert all(port >= LOWEST_PORT for port in ports)

    run(make(upstream.upstream), test)


def test_a_name_that_is_answered_late_costs_one_question_and_is_kept(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)
    rig = make(upstream.upstream, timeout=HASTY)

    async def test(client: Client) -> None:
        with upstream.held():
            client.send(question(NAME))
            assert await client.hear() == "SERVFAIL"
        await until(lambda: rig.cache.count == 1)
        client.send(question(NAME))
        assert await client.hear() == "198.51.100.1"

    run(rig, test)
    assert len(upstream.seen) == 1


def test_one_question_more_than_may_be_in_flight_ends_the_oldest(make: Make) -> None:
    with Sink(make(closed_port())) as sink:
        flights = sink.engine.forwarding.flights
        assert sink.ask(f"{number}.example" for number in range(MAX_IN_FLIGHT)) == 0
        assert sink.ask(f"{number}.example" for number in range(MAX_IN_FLIGHT, MAX_IN_FLIGHT + 100)) == 100
        assert sink.ask(f"{number}.example" for number in range(100, 200)) == 0, "these wait with who asked before"
        assert (flights.count, flights.waiting, flights.late) == (MAX_IN_FLIGHT, MAX_IN_FLIGHT + 100, 100)
        assert len(sink.engine.forwarding.failures) == 0, "that there were too many is no fact about a name"
        sink.engine.stop_forwarding()
        assert (flights.count, flights.waiting, flights.late) == (0, 0, 0)


def test_who_loses_its_flight_to_a_question_of_the_pipeline_is_answered_at_once(make: Make) -> None:
    with Sink(make(closed_port())) as sink:
        assert sink.ask(f"{number}.example" for number in range(MAX_IN_FLIGHT)) == 0
        assert sink.engine.resolve(b"\3new", 1, False, False, 1, b"") is None
        assert sink.hear() == 1


def test_who_waits_is_bounded(make: Make) -> None:
    with Sink(make(closed_port())) as sink:
        flights = sink.engine.forwarding.flights
        for number in range(8):
            assert sink.ask([f"{number}.example"] * MAX_WAITERS) == 0
        assert sink.ask(["7.example"]) == 1
        assert sink.ask(["8.example"] * MAX_WAITERS) == MAX_WAITERS - 192
        assert (flights.count, flights.waiting) == (9, 8192)
        assert sink.ask(f"{number}.example" for number in range(9, 8192) for _ in range(3)) == 8183
        assert (flights.count, flights.waiting) == (8192, 8192 + 2 * 8183)
        assert 0 < sink.ask(["newcomer.example"]) <= MAX_WAITERS  # the oldest question is given up for it
        assert (flights.count, flights.waiting) == (8192, 8193 - MAX_WAITERS + 2 * 8183)


def test_no_question_leaves_from_a_port_that_is_to_be_avoided(make: Make) -> None:
    avoided = frozenset(range(1024, 65_000))
    with Sink(make(closed_port()), sockets=32, avoid_ports=avoided) as sink:
        sink.ask(f"{number}.example" for number in range(200))
        numbers = sink.engine.forwarding.ports.numbers()
        assert numbers
        assert all(number >= 65_000 for number in numbers)


def test_who_finds_a_flight_full_gets_what_has_expired(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)
    rig = Rig(tmp_path, upstream.upstream, stale=LONG * 60, stale_after=LONG, timeout=LONG, is_tidy=False)
    query = question(NAME).to_wire()
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\2"
    response = parse(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + record, len(query) - 12)
    rig.clock.now = time.monotonic()
    rig.resolver.pipeline._cache.put((b"\7example\3www", 1, False, False), response, rig.clock.now - 100)

    async def test(client: Client) -> None:
        with upstream.held():
            waiting = [
                asyncio.create_task(rig.resolver._forwarder.resolve((b"\7example\3www", 1, False, False)))
                for _ in range(MAX_WAITERS)
            ]
            await asyncio.sleep(0)  # one turn, in which all of them ask
            client.send(question(NAME))
            assert await client.hear() == "198.51.100.2"
        assert all(isinstance(one, Response) and one.records.endswith(b"\1") for one in await asyncio.gather(*waiting))

    run(rig, test)
