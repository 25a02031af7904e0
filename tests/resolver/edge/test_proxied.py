"""Questions that front ends hand on over UDP: who is answered as whom, and what is dropped; by both engines alike."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.opcode
import dns.rcode
import pytest

from blockd.metrics import StreamEvent, Transport, counters
from blockd.names import Network
from blockd.orders import Action, Scope
from blockd.resolver import SelfTestIdentity, SelfTestKey
from blockd.resolver.edge.cookie_sizes import SECRET
from blockd.resolver.edge.proxy_header import MAX_HEADER
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.query import MAX_DATAGRAM
from blockd.ruleset import FeedInput, Listing
from blockd.settings.groups import ClientGroup, ClientGroups
from blockd.transports import UdpServer
from tests.resolver import corpus
from tests.resolver.edge.headers import DGRAM, PROXY, STREAM, UNIQUE_ID, header, local, raw
from tests.resolver.rig import Rig, keys_of, order, question
from tests.resolver.twins import SERVED, STRANGERS, Twins, without_ttls
from tests.upstream import UpstreamSimulator

FRONT = "127.0.0.53"
CLIENT = "127.0.0.1"  # who sends no header
PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
KEY = SelfTestKey(bytes(range(16)))
LISTED = "web.telegram.org"
EVENTS = slice(counters._EVENTS, counters._RECENT)
REFUSED = counters._EVENTS + Transport.UDP * len(StreamEvent) + StreamEvent.PROXY_REFUSED
BAD = [
    header("192.0.2.200", 3),
    header("192.0.2.200", command=0x22),
    header("192.0.2.200", command=0x11),
    header("192.0.2.200", size=11),
    header("192.0.2.200", tlvs=b"\4\0\1"),
    header("192.0.2.200", size=496),
    raw(PROXY, 0x31, bytes(216)),
    raw(PROXY, 0, b""),
]


class Primary:
    """A handler that takes every NOTIFY, and notes whose."""

    def __init__(self) -> None:
        self.hosts: list[str] = []

    def answer(self, packet: bytes, host: str) -> bytes:
        """Return NOERROR."""
        self.hosts.append(host)
        return packet[:2] + b"\xa0\0" + bytes(8)

    def expects(self, host: str) -> bool:
        """Return whether a NOTIFY may come from an address."""
        return True


class Asking:
    """A sender of datagrams to a server, which reads what comes back."""

    def __init__(self, rig: Rig, port: int, stack: contextlib.ExitStack) -> None:
        self.rig = rig
        self._port = port
        self._stack = stack
        self._sockets: dict[str, socket.socket] = {}

    async def ask(self, octets: bytes, host: str = FRONT) -> dns.message.Message:
        """Return the answer to a datagram from an address."""
        self.send(octets, host)
        return await self.receive(host)

    def send(self, octets: bytes, host: str = FRONT) -> None:
        """Send a datagram from an address."""
        self._from(host).send(octets)

    async def receive(self, host: str = FRONT) -> dns.message.Message:
        """Return the next answer that comes to an address."""
        async with asyncio.timeout(PATIENCE):
            return dns.message.from_wire(await asyncio.get_running_loop().sock_recv(self._from(host), 65535))

    async def is_dropped(self, octets: bytes, host: str = FRONT) -> bool:
        """Return whether a datagram gets no answer, and is counted as dropped, before one behind it is answered."""
        numbers = self.rig.row.numbers
        before = numbers[REFUSED]
        self.send(octets, host)
        after = question("after.telegram.org").to_wire()
        answer = await self.ask(header(CLIENT) + after if host == FRONT else after, host)
        return answer.id == int.from_bytes(after[:2]) and numbers[REFUSED] == before + 1

    def _from(self, host: str) -> socket.socket:
        if host not in self._sockets:
            sock = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            sock.bind((host, 0))
            sock.connect((CLIENT, self._port))
            self._sockets[host] = sock
        return self._sockets[host]


def serve(rig: Rig, test: Callable[[Asking], Coroutine[Any, Any, None]]) -> None:
    """Run a test against a server of the rig."""

    async def main() -> None:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((CLIENT, 0))
            server = UdpServer([sock], rig.resolver)
            rig.resolver.ask_upstreams(server.answer_later)
            try:
                await test(Asking(rig, sock.getsockname()[1], stack))
            finally:
                await server.close()
                rig.resolver.close()

    asyncio.run(main())


def rig_with(folder: Path, *upstreams: Any, groups: Sequence[ClientGroup] = (), **serving: Any) -> Rig:
    """Return a rig with a front end, which serves the clients of the corpus."""
    networks = tuple(map(Network.from_text, ("192.0.2.128/25", "127.0.0.1", "2001:db8:1::/48")))
    service = {"networks": networks, "proxies": (Network.from_text(FRONT),), **serving}
    rig = Rig(folder, *upstreams, selftest=SelfTestIdentity(KEY, 0), serving=service, is_tidy=False)
    if groups:
        rig.client_groups = ClientGroups(groups)
    rig.enforce([(order(), ["telegram.org"])])
    return rig


@pytest.mark.parametrize("protocol", [STREAM, DGRAM])
@pytest.mark.parametrize("host", ["192.0.2.200", "2001:db8:1::1", "::ffff:192.0.2.200"])
def test_client_in_the_header_is_answered_through_the_front_end(tmp_path: Path, host: str, protocol: int) -> None:
    async def test(asking: Asking) -> None:
        asked = question(LISTED)
        answer = await asking.ask(header(host, protocol, tlvs=UNIQUE_ID) + asked.to_wire())
        assert asked.is_response(answer)
        assert answer.answer[0][0].to_text() == "192.0.2.80"
        assert asking.rig.row.numbers[REFUSED] == 0

    serve(rig_with(tmp_path), test)


@pytest.mark.parametrize("host", ["198.51.100.1", "192.0.2.1", "2001:db8:2::1"])
def test_client_in_the_header_that_is_not_served_is_refused(tmp_path: Path, host: str) -> None:
    async def test(asking: Asking) -> None:
        answer = await asking.ask(header(host) + question(LISTED).to_wire())
        assert answer.rcode() == dns.rcode.REFUSED

    serve(rig_with(tmp_path), test)


def test_client_in_the_header_waits_for_an_upstream(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan("www.example", "A", "www.example. 300 IN A 198.51.100.1")

    async def test(asking: Asking) -> None:
        for _ in range(2):  # by an upstream, and from the cache
            answer = await asking.ask(header("192.0.2.200") + question("www.example").to_wire())
            assert answer.answer[0][0].to_text() == "198.51.100.1"

    serve(rig_with(tmp_path, upstream.upstream), test)


def test_groups_go_by_the_client_in_the_header(tmp_path: Path) -> None:
    free = {"name": "free", "networks": ["192.0.2.201", "2001:db8:1:1::/64"], "feeds": []}

    async def test(asking: Asking) -> None:
        said = {}
        for host in ("192.0.2.200", "192.0.2.201", "2001:db8:1::1", "2001:db8:1:1::1"):
            asked = question(LISTED)
            asked.flags = 0  # what is not listed is refused, as no upstream is to be asked
            said[host] = (await asking.ask(header(host) + asked.to_wire())).rcode()
        assert said == {
            "192.0.2.200": dns.rcode.NOERROR,
            "192.0.2.201": dns.rcode.REFUSED,
            "2001:db8:1::1": dns.rcode.NOERROR,
            "2001:db8:1:1::1": dns.rcode.REFUSED,
        }

    serve(rig_with(tmp_path, groups=[ClientGroup.model_validate(free)]), test)


def test_those_who_wait_for_the_same_answer_get_what_applies_to_each(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    free = {"name": "free", "networks": ["192.0.2.201"], "feeds": []}
    rig = rig_with(tmp_path, upstream.upstream, groups=[ClientGroup.model_validate(free)])
    to = "leads.example. 300 IN CNAME telegram.org.", "telegram.org. 300 IN A 198.51.100.1"
    upstream.plan("leads.example", "A", *to)

    async def test(asking: Asking) -> None:
        expected: dict[int, str] = {}
        with upstream.held():
            for host, address in (("192.0.2.200", "192.0.2.80"), ("192.0.2.201", "198.51.100.1")) * 3:
                asked = question("leads.example")
                asked.id = len(expected)
                expected[asked.id] = address
                asking.send(header(host) + asked.to_wire())
            await asyncio.to_thread(upstream.wait_for, 1)
        for _ in range(len(expected)):
            answer = await asking.receive()
            assert answer.answer[-1][0].to_text() == expected.pop(answer.id)

    serve(rig, test)
    assert len(upstream.seen) == 1


def test_rules_of_zones_about_clients_go_by_the_client_in_the_header(tmp_path: Path) -> None:
    rig = rig_with(tmp_path)
    listing = Listing(
        made := order(action=Action.NXDOMAIN), Scope.BOTH, keys_of(["client 192.0.2.201", f"client {FRONT}"])
    )
    rig.enforce_feeds([FeedInput("zone", "rpz", 1, "", [made], [listing], asks_client=True)])

    async def test(asking: Asking) -> None:
        asked = question("any.example")
        asked.flags = 0
        for host, rcode in (("192.0.2.200", dns.rcode.REFUSED), ("192.0.2.201", dns.rcode.NXDOMAIN)):
            assert (await asking.ask(header(host) + asked.to_wire())).rcode() == rcode

    serve(rig, test)


def test_answers_are_limited_by_the_client_in_the_header_and_what_the_front_end_asks_itself_is_not(
    tmp_path: Path,
) -> None:
    limiter = RateLimiter(RateLimits(responses=2, slip=1), bytes(range(SEED)))

    async def test(asking: Asking) -> None:
        truncated: dict[str, list[bool]] = {}
        for wrapped in (header("192.0.2.200"), header("2001:db8:1::1"), local()):
            for _ in range(4):
                answer = await asking.ask(wrapped + question(LISTED).to_wire())
                truncated.setdefault(wrapped.hex(), []).append(bool(answer.flags & dns.flags.TC))
        assert list(truncated.values()) == [[False, False, True, True]] * 2 + [[False] * 4]

    serve(rig_with(tmp_path, limiter=limiter), test)


def test_cookies_are_for_the_client_in_the_header(tmp_path: Path) -> None:
    cookies = ServerCookies([bytes(range(SECRET))])

    async def test(asking: Asking) -> None:
        shown = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8octets!")]
        said = []
        for host in ("192.0.2.200", "192.0.2.200", "192.0.2.201"):
            answer = await asking.ask(header(host) + question(LISTED, use_edns=0, options=shown).to_wire())
            said.append([option.to_wire() for option in answer.options if option.otype == dns.edns.OptionType.COOKIE])
        assert said[0] == said[1] != said[2]

    serve(rig_with(tmp_path, cookies=cookies), test)


def test_what_the_front_end_asks_itself_is_answered_whoever_is_served(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        for wrapped in (local(), local(b"whatever", 0x11)):
            answer = await asking.ask(wrapped + question(LISTED).to_wire())
            assert answer.answer[0][0].to_text() == "192.0.2.80"

    serve(rig_with(tmp_path), test)


@pytest.mark.parametrize("wrapped", BAD)
def test_header_that_cannot_be_taken_is_dropped_and_counted(tmp_path: Path, wrapped: bytes) -> None:
    async def test(asking: Asking) -> None:
        assert await asking.is_dropped(wrapped + question(LISTED).to_wire())

    serve(rig_with(tmp_path), test)


def test_header_that_is_cut_is_dropped(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        for size in (12, 15, 16, 27):
            assert await asking.is_dropped(header("192.0.2.200")[:size])

    serve(rig_with(tmp_path), test)


def test_front_end_that_sends_no_header_is_dropped(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        assert await asking.is_dropped(question(LISTED).to_wire())
        assert await asking.is_dropped(b"")
        assert await asking.is_dropped(b"\r\n")
        assert sum(asking.rig.row.numbers[: len(Transport)]) == 3, "only what came behind them is counted as asked"

    serve(rig_with(tmp_path), test)


@pytest.mark.parametrize("front_ends", [(), (Network.from_text(FRONT),)])
@pytest.mark.parametrize("wrapped", [header("192.0.2.200"), local(), *BAD[:2]])
def test_header_of_anybody_else_is_dropped(tmp_path: Path, wrapped: bytes, front_ends: tuple[Network, ...]) -> None:
    async def test(asking: Asking) -> None:
        assert await asking.is_dropped(wrapped + question(LISTED).to_wire(), CLIENT)

    serve(rig_with(tmp_path, proxies=front_ends), test)


def test_header_of_a_stranger_is_dropped(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        assert await asking.is_dropped(header("192.0.2.200") + question(LISTED).to_wire(), "127.0.0.99")

    serve(rig_with(tmp_path), test)


def test_header_before_another_is_part_of_no_question(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        answer = await asking.ask(header("192.0.2.200") * 2 + question(LISTED).to_wire())
        assert (answer.rcode(), answer.opcode()) == (dns.rcode.NOTIMP, dns.opcode.IQUERY)

    serve(rig_with(tmp_path), test)


def test_selftest_and_notify_from_the_front_ends_machine_need_no_header(tmp_path: Path) -> None:
    primary = Primary()

    async def test(asking: Asking) -> None:
        identity = await asking.ask(KEY.identity_question)
        assert identity.rcode() == dns.rcode.NOERROR
        notify = question("rpz.example", "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        for wrapped in (b"", header("192.0.2.254"), local()):
            assert (await asking.ask(wrapped + notify.to_wire())).rcode() == dns.rcode.NOERROR
        assert primary.hosts == [FRONT, "192.0.2.254", FRONT]

    serve(rig_with(tmp_path, notify=primary), test)


def test_notify_without_a_header_is_dropped_where_none_is_taken(tmp_path: Path) -> None:
    async def test(asking: Asking) -> None:
        notify = question("rpz.example", "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        assert await asking.is_dropped(notify.to_wire())

    serve(rig_with(tmp_path), test)


def test_longest_question_is_taken_behind_the_longest_header(tmp_path: Path) -> None:
    tlv = MAX_HEADER - len(header("192.0.2.200")) - 3
    longest = header("192.0.2.200", tlvs=b"\4" + tlv.to_bytes(2) + bytes(tlv))

    async def test(asking: Asking) -> None:
        asked = question(LISTED, use_edns=0, pad=MAX_DATAGRAM).to_wire(max_size=MAX_DATAGRAM)
        assert (len(longest), len(asked)) == (MAX_HEADER, MAX_DATAGRAM)
        answer = await asking.ask(longest + asked)
        assert answer.answer[0][0].to_text() == "192.0.2.80"

    serve(rig_with(tmp_path), test)


def mutated(chance: random.Random, packet: bytes) -> bytes:
    """Return a question behind a header, either of which may be damaged."""
    host = chance.choice((*SERVED[:3], *STRANGERS))
    wrapped = chance.choice((header(host), header(host, STREAM, tlvs=UNIQUE_ID), local(), *BAD))
    octets = bytearray(wrapped + packet)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        octets[chance.randrange(len(wrapped) + 8)] = chance.choice((0, 1, 2, 0x11, 0x21, 0xFF, chance.randrange(256)))
    return bytes(octets[: len(octets) - chance.choice((0, 0, 0, 0, chance.randrange(len(octets) + 1)))])


def test_both_engines_answer_and_drop_the_same(tmp_path: Path) -> None:
    pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    chance = random.Random(7)  # noqa: S311 - a test repeats itself
    twins = Twins(
        tmp_path,
        serving=lambda: {
            "proxies": (Network.from_text(FRONT),),
            "selftest": SelfTestIdentity(KEY, 0),
            "notify": Primary(),
        },
    )
    twins.enforce(corpus.feeds())
    # What an upstream would be asked is refused: no recursion is desired.
    asked = [packet[:2] + bytes((packet[2] & 0xFE,)) + packet[3:] for packet in corpus.questions() if len(packet) > 3]
    packets = [mutated(chance, chance.choice(asked)) for _ in range(3_000)]

    async def main() -> list[tuple[dict[bytes, list[bytes]], bytes]]:
        said = []
        for side in twins.sides:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served, contextlib.ExitStack() as stack:
                served.bind((CLIENT, 0))
                descriptor = side.resolver.engine.attach(served)
                senders = []
                for host in (FRONT, CLIENT):
                    sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    sender.bind((host, 0))
                    sender.connect(served.getsockname())
                    senders.append(sender)
                heard: dict[bytes, list[bytes]] = {}
                for number, packet in enumerate(packets):
                    sender = senders[number % 16 == 0]
                    sender.send(packet)
                    assert not side.resolver.engine.drain(descriptor), "nothing waits for an upstream"
                    with contextlib.suppress(BlockingIOError):
                        heard.setdefault(packet, []).append(without_ttls(sender.recv(65535, socket.MSG_DONTWAIT)))
                said.append(
                    (heard, side.row.numbers[: counters._CACHE_ENTRIES].tobytes() + side.row.numbers[EVENTS].tobytes())
                )
        return said

    (native, native_counted), (python, python_counted) = asyncio.run(main())
    assert native == python
    assert native_counted == python_counted
    assert len(packets) // 4 < len(native) < len(packets)
    assert twins.native.row.numbers[REFUSED] > len(packets) // 4
