"""Clients of different groups, one after the other: each is answered by what applies to its group, from one cache."""

from __future__ import annotations

import asyncio
import math
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import DomainName
from blockd.native import is_native
from blockd.orders import Action, Scope
from blockd.resolver import QueryContext
from blockd.resolver.selftest_key import SelfTestIdentity, SelfTestKey
from blockd.ruleset import FeedInput, Listing
from blockd.settings.groups import ClientGroup, ClientGroups
from blockd.transports import UdpServer
from tests.effort import LONG, tries
from tests.resolver import corpus
from tests.resolver.rig import LAST, Answer, Rig, keys_of, order, question
from tests.resolver.twins import SERVED, Twins
from tests.upstream import UpstreamSimulator

QUESTIONS = corpus.questions()
PATIENCE = 60.0  # seconds after which what a test waits for counts as missed
LISTS, ZONES, PROBE, NOBODYS = range(4)  # the groups of SERVED; the last of these is in none


def group(name: str, networks: list[str], feeds: list[str]) -> ClientGroup:
    return ClientGroup.model_validate({"name": name, "networks": networks, "feeds": feeds})


GROUPS = ClientGroups(
    [
        group("lists", ["127.0.0.0/25"], ["law", "own"]),
        group("zones", ["192.0.2.0/24", "192.0.2.201"], ["before", "between"]),
        group("probe", ["2001:db8:1::/64", "127.0.0.7"], []),
    ]
)

needs_both = pytest.mark.skipif(not is_native(), reason="the native engine was not built")


def filled(twins: Twins) -> Twins:
    for message in corpus.responses():
        twins.fill(message)
    return twins


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    made = Twins(tmp_path_factory.mktemp("groups"))
    made.client_groups = GROUPS
    made.enforce(corpus.feeds())
    return filled(made)


def asked(twins: Twins, hosts: tuple[str, ...], transport: Transport) -> dict[str, list[object]]:
    """Ask questions of the corpus from each host in turn, all of them if there is time; return the answers."""
    said: dict[str, list[object]] = {host: [] for host in hosts}
    for packet in QUESTIONS if LONG else QUESTIONS[::5]:
        for host in hosts:
            said[host].append(twins.ask(packet, host, transport))
    return said


@needs_both
def test_every_group_is_answered_alike_by_both_engines_and_as_if_it_were_alone(
    tmp_path_factory: pytest.TempPathFactory, twins: Twins
) -> None:
    one_by_one = asked(twins, SERVED, Transport.UDP)
    assert len({repr(said) for said in one_by_one.values()}) == 4
    alone = filled(Twins(tmp_path_factory.mktemp("alone")))
    alone.enforce(corpus.feeds())
    nobodys = SERVED[NOBODYS]
    assert asked(alone, (nobodys,), Transport.UDP)[nobodys] == one_by_one[nobodys]
    alone.enforce([])
    probe = SERVED[PROBE]
    assert asked(alone, (probe,), Transport.UDP)[probe] == one_by_one[probe]


@needs_both
def test_states_that_change_are_those_of_every_group(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = filled(Twins(tmp_path_factory.mktemp("times")))
    made.client_groups = GROUPS
    made.enforce(corpus.feeds())
    before = asked(made, SERVED, Transport.UDP)
    made.pass_time(LAST)
    after = asked(made, SERVED, Transport.UDP)
    probe = SERVED[PROBE]
    assert after[probe] == before[probe]
    assert after[SERVED[LISTS]] != before[SERVED[LISTS]]
    made.enforce(corpus.feeds()[1:])
    assert asked(made, SERVED, Transport.UDP)[probe] == before[probe]


@needs_both
@settings(max_examples=tries(200, 2_000))
@given(
    st.lists(st.tuples(st.sampled_from(QUESTIONS), st.sampled_from(SERVED)), min_size=1, max_size=6),
    st.sampled_from(list(Transport)[:4]),
)
def test_no_decision_of_one_group_is_given_to_another(
    twins: Twins, asking: list[tuple[bytes, str]], transport: Transport
) -> None:
    for packet, host in asking:
        twins.ask(packet, host, transport)


LAW, ADULT = order("law", Action.NXDOMAIN), order("adult", Action.NODATA)
ADULT_SLOT = 2  # in the order of priorities
FEEDS = [
    FeedInput(
        "ministry", "domains", 10, "", [LAW], [Listing(LAW, Scope.BOTH, keys_of(["law.example", "203.0.113.9"]))]
    ),
    FeedInput("adult", "domains", 20, "", [ADULT], [Listing(ADULT, Scope.BOTH, keys_of(["adult.example"]))]),
]
SMALL = ClientGroups(
    [
        group("offices", ["127.0.1.0/24"], ["ministry"]),
        group("probe", ["127.0.2.0/24"], []),
        group("school", ["127.0.1.128/25"], ["ministry", "adult"]),
    ]
)
OFFICE, PROBED, SCHOOL = "127.0.1.7", "127.0.2.7", "127.0.1.200"


def answered(rig: Rig, name: str, host: str, transport: Transport = Transport.UDP, **edns: Any) -> Answer:
    answer = rig.ask(name, "A", transport, host, **edns)
    assert answer is not None
    return Answer(answer)


def enforcing(rig: Rig) -> Rig:
    rig.client_groups = SMALL
    rig.enforce_feeds(FEEDS)
    return rig


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_the_longest_network_decides_which_feeds_apply(
    rig: Rig, upstream: UpstreamSimulator, transport: Transport
) -> None:
    for name in ("law.example", "adult.example"):
        upstream.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")
    enforcing(rig)
    said = {
        host: [answered(rig, name, host, transport).rcode for name in ("law.example", "adult.example")]
        for host in (OFFICE, PROBED, SCHOOL, "127.0.0.1")
    }
    records = {host: len(answered(rig, "adult.example", host, transport).records) for host in said}
    assert said == {
        OFFICE: ["NXDOMAIN", "NOERROR"],
        PROBED: ["NOERROR", "NOERROR"],
        SCHOOL: ["NXDOMAIN", "NOERROR"],
        "127.0.0.1": ["NXDOMAIN", "NOERROR"],
    }
    assert records == {OFFICE: 1, PROBED: 1, SCHOOL: 0, "127.0.0.1": 0}


def test_hits_and_errors_are_those_of_who_was_blocked(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("adult.example", "A", "adult.example. 300 IN A 198.51.100.1")
    enforcing(rig)
    assert answered(rig, "adult.example", OFFICE, use_edns=0).error is None
    assert rig.counters.hits(ADULT_SLOT)[0] == 0
    error = answered(rig, "adult.example", SCHOOL, use_edns=0).error
    assert error is not None
    assert "adult" in error[1]
    assert rig.counters.hits(ADULT_SLOT)[0] == 1


def test_a_cached_answer_that_leads_to_a_listed_address_is_judged_for_each_group(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    upstream.plan("free.example", "A", "free.example. 300 IN A 203.0.113.9")
    enforcing(rig)
    for _ in range(3):
        for host, rcode in ((PROBED, "NOERROR"), (OFFICE, "NXDOMAIN"), (SCHOOL, "NXDOMAIN"), ("127.0.0.1", "NXDOMAIN")):
            assert answered(rig, "free.example", host).rcode == rcode
    assert len(upstream.seen) == 1


def test_a_self_test_from_an_exempt_address_is_answered_by_all_feeds(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    key = SelfTestKey.make(random.Random(1).randbytes)  # noqa: S311 - a test repeats itself
    rig = enforcing(Rig(tmp_path, upstream.upstream, selftest=SelfTestIdentity(key, 0)))
    packet = key.question(DomainName.from_text("law.example"), types.A)
    for transport in (Transport.UDP, Transport.TCP):
        answer = rig.begin(packet, transport, PROBED)
        assert answer is not None
        assert answer[3] & 15 == 3


@needs_both
def test_what_is_stale_is_judged_for_the_clients_group(tmp_path: Path) -> None:
    from blockd.resolver.engine._giving_stale import stale_answer

    made = filled(Twins(tmp_path, stale=1_000_000))
    made.client_groups = GROUPS
    made.enforce(corpus.feeds())
    made.clock.now += 100_000
    engine: Any = made.native.resolver.engine
    compared = set()
    for packet in QUESTIONS[::3]:
        for host in SERVED:
            waiting = made.python.resolver.begin(packet, host, Transport.UDP)
            if isinstance(waiting, QueryContext):
                wanted = asyncio.run(made.python.resolver.finish(waiting))
                given = stale_answer(engine, engine.cache, packet, host, made.clock(), math.ceil(made.wall_clock()))
                assert given in (None, wanted), (packet.hex(), host)
                compared.add((packet, host if given else None))
    assert len(compared) > 100


class Asked:
    """Sockets with addresses of their own that ask one server."""

    def __init__(self, port: int, hosts: list[str]) -> None:
        self.sockets = []
        for host in hosts:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((host, 0))
            made.connect(("127.0.0.1", port))
            self.sockets.append(made)


async def heard(sock: socket.socket) -> int:
    """Return the rcode of the next answer."""
    return (await asyncio.get_running_loop().sock_recv(sock, 65535))[3] & 15


@pytest.mark.parametrize("is_listed", [False, True])
def test_who_waits_for_one_answer_is_answered_by_the_own_group(
    tmp_path: Path, upstream: UpstreamSimulator, is_listed: bool
) -> None:
    """All ask before the upstream answers; nobody gets what was decided for another."""
    rig = enforcing(Rig(tmp_path, upstream.upstream, is_tidy=False))
    address = "203.0.113.9" if is_listed else "198.51.100.1"
    upstream.plan("free.example", "A", f"free.example. 300 IN A {address}")
    hosts = [PROBED, OFFICE, "127.0.0.1", SCHOOL, PROBED, OFFICE] * 5

    async def main() -> list[int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            server = UdpServer([sock], rig.resolver)
            rig.resolver.ask_upstreams(server.answer_later)
            clients = Asked(sock.getsockname()[1], hosts)
            try:
                async with asyncio.timeout(PATIENCE):
                    for one in clients.sockets:
                        one.send(question("free.example").to_wire())
                    return [await heard(one) for one in clients.sockets]
            finally:
                for one in clients.sockets:
                    one.close()
                rig.resolver.close()
                await server.close()

    said = asyncio.run(main())
    assert said == [3 if is_listed and host != PROBED else 0 for host in hosts]
    assert len(upstream.seen) == 1
