"""The native engine asks upstreams itself: what becomes of those who wait when things go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from blockd.resolver import engine_name, forwarder
from blockd.settings import Upstream
from blockd.transports import UdpServer
from tests.resolver.rig import HASTY, Rig, order, question
from tests.upstream import Fault, UpstreamSimulator, closed_port

if engine_name() != "native":
    pytest.skip("the native engine does not run here", allow_module_level=True)

from blockd.resolver.engine import native
from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.engine._flights import Flights

PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
SLOW = 4.0  # seconds after which a name counts as slow, in which a busy machine answers all others
LONG = 60.0  # seconds, longer than any test lasts
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


FAULTS = (Fault.SERVFAIL, Fault.MALFORMED, Fault.STRAYS_ONLY, Fault.TRUNCATED, Fault.OPT_TWICE)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_an_upstream_does_not_answer_well_is_asked_again(
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
    assert len(upstream.seen) > 1


def test_strays_do_not_answer(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", RECORD)
    upstream.faults = {Fault.STRAYS_FIRST}

    async def test(client: Client) -> None:
        client.send(question(NAME))
        assert await client.hear() == "198.51.100.1"

    run(make(upstream.upstream), test)
    assert len(upstream.seen) == 1, "the strays were passed over, not asked about again"


def test_after_a_silent_upstream_the_next_one_is_asked(
    make: Make, upstream: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.faults = {Fault.SILENCE}
    timeout = property(lambda asking: HASTY if asking.preferred == upstream.upstream else LONG)
    monkeypatch.setattr(forwarder.Forwarder, "timeout", timeout)
    monkeypatch.setattr(forwarder, "AVOIDED", LONG)
    with UpstreamSimulator() as second:
        second.plan(NAME, "A", RECORD)

        async def test(client: Client) -> None:
            client.send(question(NAME))
            assert await client.hear() == "198.51.100.1"
            await until(lambda: len(upstream.seen) == 1)
            client.send(question("next.example"))
            assert await client.hear() == "NXDOMAIN"
            assert len(upstream.seen) == 1, "it is avoided for a while"

        run(make(upstream.upstream, second.upstream), test)


def test_one_slow_name_does_not_make_its_upstream_be_avoided(make: Make, upstream: UpstreamSimulator) -> None:
    upstream.make = lambda query: None if b"slow" in query else _refusal(query)
    with UpstreamSimulator() as second:
        second.plan("slow.example", "A", "slow.example. 300 IN A 198.51.100.1")

        async def test(client: Client) -> None:
            client.send(question("slow.example"))
            heard = ""
            while heard != "198.51.100.1":
                client.send(question(f"{time.monotonic_ns()}.example"))
                heard = await client.hear()
                await asyncio.sleep(0.01)
            assert {seen.name for seen in second.seen} == {"slow.example"}, "all others went where they always go"

        run(make(upstream.upstream, second.upstream, timeout=SLOW), test)


def _refusal(query: bytes) -> bytes:
    answer = dns.message.make_response(dns.message.from_wire(query))
    answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()


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
            await until(lambda: len(first.seen) >= 50)
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
    flights = rig.resolver.engine.flights  # type: ignore[union-attr]

    async def test(client: Client) -> None:
        with upstream.held():
            for number in range(count):
                client.send(question(NAME))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            await until(lambda: flights.waiting >= min(count, 1000))
        assert [await client.hear() for _ in range(count)] == ["198.51.100.1"] * count

    run(rig, test)
    assert (flights.count, flights.waiting) == (0, 0)
    assert len(upstream.seen) == (1 if count <= 1000 else 2), "the pipeline asks for those who find no room"


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
            rig.resolver._upstreams = None
            await until(lambda: len(upstream.seen) >= 2)
        assert await client.hear() == "198.51.100.1"

    run(rig, test)


def test_ports_change_while_something_is_always_in_the_air(
    make: Make, upstream: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "TICK", 0.001)

    async def test(client: Client) -> None:
        number = 0
        ports: set[int] = set()
        while len(ports) < native.SOCKETS * 2:
            client.send(*(question(f"{number + more}.example") for more in range(100)))
            number += 100
            for _ in range(100):
                assert await client.hear() == "NXDOMAIN"
            ports = {seen.port for seen in upstream.seen}

    run(make(upstream.upstream), test)


def test_without_a_network_at_the_start_the_engine_asks_when_there_is_one(
    make: Make, upstream: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "TICK", 0.001)
    rig = make(upstream.upstream)
    flights = rig.resolver.engine.flights  # type: ignore[union-attr]
    connected = native.UpstreamSockets._connected
    tries = 0

    def not_at_first(self: native.UpstreamSockets, asked: Upstream) -> socket.socket:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise OSError("Network is unreachable")
        return connected(self, asked)

    monkeypatch.setattr(native.UpstreamSockets, "_connected", not_at_first)

    async def test(client: Client) -> None:
        await until(lambda: tries > native.SOCKETS)
        with upstream.held():
            client.send(question(NAME))
            await until(lambda: flights.count == 1)
        assert await client.hear() == "NXDOMAIN"

    run(rig, test)


class Sink:
    """The engine alone between a client and an upstream that says nothing."""

    def __init__(self, rig: Rig) -> None:
        engine = rig.resolver.engine
        assert isinstance(engine, NativeEngine)
        self.engine = engine
        self.served, self.client, self.upstream, self.asking = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(4)
        )

    def __enter__(self) -> Sink:
        for sock in (self.served, self.upstream):
            sock.bind(("127.0.0.1", 0))
        self.client.connect(self.served.getsockname())
        self.asking.connect(self.upstream.getsockname())
        self.descriptor = self.engine.attach(self.served)
        self.engine.use_upstream(-1, [self.asking.fileno()])
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self.served, self.client, self.upstream, self.asking):
            sock.close()

    def ask(self, names: Iterable[str]) -> int:
        """Return how many of the questions the engine gives back."""
        given_back = 0
        for name in names:
            self.client.send(question(name).to_wire())
            given_back += len(self.engine.drain(self.descriptor))
        return given_back


def test_ids_stay_unpredictable_however_many_questions_are_in_the_air(make: Make) -> None:
    with Sink(make(closed_port())) as sink:
        flights = sink.engine.flights
        assert sink.ask(f"{number}.example" for number in range(8192)) == 0
        assert sink.ask(f"{number}.example" for number in range(8192, 8292)) == 100
        assert sink.ask(f"{number}.example" for number in range(100)) == 0, "these wait with who asked before"
        assert (flights.count, flights.waiting) == (8192, 8292)
        assert len(sink.engine.give_up_before(float("inf"))) == 8292
        assert (flights.count, flights.waiting) == (0, 0)


def test_who_waits_is_bounded(make: Make) -> None:
    with Sink(make(closed_port())) as sink:
        flights = sink.engine.flights
        for number in range(20):
            assert sink.ask([f"{number}.example"] * 1000) == 0
        assert sink.ask(["19.example", "20.example", "21.example"]) == 3
        assert (flights.count, flights.waiting) == (20, 20_000)
        assert len(sink.engine.give_up_before(float("inf"))) == 20_000


class Ends:
    """Sockets for flights, without an engine."""

    def __init__(self, count: int) -> None:
        self.pairs = [socket.socketpair(type=socket.SOCK_DGRAM) for _ in range(count)]

    def __enter__(self) -> Sequence[int]:
        return [one.fileno() for one, _ in self.pairs]

    def __exit__(self, *_: object) -> None:
        for pair in self.pairs:
            for sock in pair:
                sock.close()


def test_no_socket_is_replaced_that_is_not_there() -> None:
    flights = Flights()
    with Ends(2) as descriptors:
        flights.use(descriptors)
        flights.replace(1, descriptors[0])
        for index in (-1, 2, 64, 1 << 20):
            with pytest.raises(ValueError, match="no such socket"):
                flights.replace(index, descriptors[0])
            flights.rest(index)
    with pytest.raises(ValueError, match="too many sockets"):
        flights.use(range(65))
