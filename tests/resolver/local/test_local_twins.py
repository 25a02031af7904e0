"""The native engine answers local names as the Python one does, octet for octet, counted alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.metrics import Transport
from blockd.orders import Action, Scope
from blockd.resolver.local.defaults import key_of
from blockd.resolver.zone_table import ZoneTable
from blockd.ruleset import FeedInput, Listing
from tests.effort import tries
from tests.resolver.local.questions import LISTED, NAMES, QUESTIONS, local_zones, made
from tests.resolver.rig import order
from tests.resolver.twins import SERVED, STRANGERS, Twins

zone_table = pytest.importorskip("blockd.resolver._zone_table", reason="the native engine was not built")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return Twins(tmp_path_factory.mktemp("local"), local=local_zones())


def feed() -> list[FeedInput]:
    made = (
        (order("seen", Action.MONITOR), ["test", "corp.example"]),
        (order("soon", in_force_from=40), [LISTED[2], "10.in-addr.arpa", "home.arpa"]),
        (order("block"), LISTED[:2]),
        (order("own", Action.NXDOMAIN), ["dns.isp.example"]),
        (order("alias", Action.CNAME, cname="www.corp.example"), ["alias.invalid"]),
    )
    listings = [Listing(one, Scope.BOTH, [key_of(name) for name in names]) for one, names in made]
    return [FeedInput("law", "domains", 10, "", [one for one, _ in made], listings)]


def ask_all(twins: Twins) -> list[object]:
    return [
        twins.ask(packet, host, transport)
        for packet in QUESTIONS
        for host, transport in ((SERVED[0], Transport.UDP), (SERVED[2], Transport.TCP))
    ] + [twins.ask(packet, STRANGERS[0]) for packet in QUESTIONS[::20]]


def test_every_local_name(twins: Twins) -> None:
    said = ask_all(twins)
    local = [answer for answer in said if isinstance(answer, bytes) and answer[2] & 4]
    assert len(local) > 1000
    assert {answer[3] & 15 for answer in local} == {0, 3}
    assert any(not isinstance(one, bytes) for one in said), "some wait for an upstream"
    assert all(twins.native.row.numbers[at] for at in local_places())


def local_places() -> range:
    from blockd.metrics.counters import _LOCAL, LOCAL_KINDS

    return range(_LOCAL, _LOCAL + len(LOCAL_KINDS))


def test_without_recursion_desired(twins: Twins) -> None:
    for name in NAMES:
        twins.ask(made(name, "A", {}, rd=False))


def test_with_orders_that_begin_soon(twins: Twins) -> None:
    before = ask_all(twins)
    twins.enforce(feed())
    listed = ask_all(twins)
    assert listed != before
    twins.wall_clock.now = 20.5
    assert ask_all(twins) != listed, "no TTL outlasts what decides"
    twins.pass_time(41)
    ask_all(twins)
    twins.enforce([])


@settings(max_examples=tries(400, 4_000))
@given(
    packet=st.sampled_from(QUESTIONS),
    changes=st.lists(st.tuples(st.integers(2, 300), st.integers(0, 255)), max_size=3),
    transport=st.sampled_from((Transport.UDP, Transport.TCP)),
)
def test_damaged_questions(twins: Twins, packet: bytes, changes: list[tuple[int, int]], transport: Transport) -> None:
    octets = bytearray(packet)
    for place, octet in changes:
        octets[place % len(octets)] = octet
    twins.ask(bytes(octets), transport=transport)


labels = st.sampled_from((b"\1a", b"\1b", b"\2aa", b"\3com", b"\1*", b"\3a\1b"))
keys = st.lists(labels, max_size=5).map(b"".join)


@settings(max_examples=tries(300, 3_000))
@given(zones=st.lists(keys, max_size=40, unique=True), names=st.lists(keys, max_size=20))
def test_both_tables_find_the_longest_zone(zones: list[bytes], names: list[bytes]) -> None:
    python, native = ZoneTable(zones), zone_table.NativeZoneTable(zones)
    for name in (*names, *zones):
        found = python.find(name)
        assert native.find(name) == found
        above = [zone for zone in zones if name.startswith(zone)]
        assert (max(above, key=len) if above else None) == (zones[found] if found >= 0 else None)


def test_zones_may_lie_in_each_other_as_deep_as_names_go() -> None:
    deep = [b"\1a" * depth for depth in range(128)]
    native = zone_table.NativeZoneTable(deep[::2])
    assert [native.find(key) for key in deep] == [place // 2 for place in range(128)]
    assert native.find(b"\1a" * 126 + b"\1b") == 63
    assert zone_table.NativeZoneTable([]).find(b"\1a") == -1
    with pytest.raises(ValueError, match="distinct"):
        zone_table.NativeZoneTable([b"\1a", b"\1a"])
