from __future__ import annotations

from collections.abc import Sequence

import pytest

from blockd.metrics import Transport
from blockd.orders import Action, LocalRecord, Order, Scope
from blockd.ruleset import FeedInput, Listing
from tests.resolver.rig import Rig, keys_of, order
from tests.upstream import UpstreamSimulator

A = LocalRecord(1, 30, b"\xc0\0\2\x63")
LASTING = LocalRecord(1, 90_000, b"\xc0\0\2\x64")
TEXT = LocalRecord(16, 60, b"\4text")


def zone(name: str, priority: int, *listed: tuple[Order, Sequence[str]], kind: str = "rpz") -> FeedInput:
    listings = [Listing(made, Scope.BOTH, keys_of(names)) for made, names in listed]
    asks_client = any(name.startswith("client ") for _, names in listed for name in names)
    return FeedInput(name, kind, priority, "", [made for made, _ in listed], listings, asks_client=asks_client)


def local(*records: LocalRecord) -> Order:
    return order("local", Action.LOCAL, records=records)


def test_local_data_are_the_records_of_the_type_asked_for(rig: Rig) -> None:
    rig.enforce_feeds([zone("z", 1, (local(A, LASTING, TEXT), ["kept.example"]))])
    assert sorted(rig.answer("kept.example").records) == ["30 192.0.2.100", "30 192.0.2.99"]
    assert rig.answer("kept.example", "TXT").records == ['60 "text"']
    answer = rig.answer("kept.example", "AAAA", use_edns=0)
    assert (answer.rcode, answer.records, answer.negative_ttl) == ("NOERROR", [], 60)
    assert answer.error == (16, "order local, ministry; objections: objections@example.net")
    assert len(rig.answer("kept.example", "ANY").records) == 3


def test_the_ttl_of_local_data_is_at_most_an_hour(rig: Rig) -> None:
    rig.enforce_feeds([zone("z", 1, (local(LASTING), ["kept.example"]))])
    assert rig.answer("kept.example").records == ["3600 192.0.2.100"]


def test_local_data_that_do_not_fit_are_asked_for_again_over_tcp(rig: Rig) -> None:
    records = [LocalRecord(16, 60, b"\x3f" + bytes((number,)) * 63) for number in range(32)]
    rig.enforce_feeds([zone("z", 1, (local(*records), ["kept.example"]))])
    assert rig.answer("kept.example", "TXT").has(0x0200)
    assert len(rig.answer("kept.example", "TXT", Transport.TCP).records) == 32


def test_an_alias_whose_target_is_in_the_zone_is_answered_without_asking(rig: Rig) -> None:
    garden = order("garden", Action.CNAME, cname="garden.local.dpol", records=(A, LASTING, TEXT))
    star = order("star", Action.CNAME, cname="*.garden.dpol", records=(A,))
    rig.enforce_feeds([zone("z", 1, (garden, ["one.example"]), (star, ["two.example"]))])
    for transport in list(Transport)[:2]:
        answer = rig.answer("one.example", "A", transport)
        assert answer.records == ["60 garden.local.dpol.", "30 192.0.2.99", "30 192.0.2.100"]
        assert rig.answer("one.example", "TXT", transport).records == ["60 garden.local.dpol.", '60 "text"']
        assert rig.answer("one.example", "AAAA", transport).records == ["60 garden.local.dpol."]
        assert rig.answer("one.example", "CNAME", transport).records == ["60 garden.local.dpol."]
        assert rig.answer("www.two.example", "A", transport).records[0] == "60 www.two.example.garden.dpol."
    long = f"{'x' * 63}.{'y' * 63}.{'z' * 63}.{'w' * 38}.two.example"
    assert rig.answer(long).rcode == "YXDOMAIN"


def test_a_star_in_a_target_stands_for_the_name_asked_for(rig: Rig, upstream: UpstreamSimulator) -> None:
    garden = order("garden", Action.CNAME, cname="*.garden.example")
    rig.enforce_feeds([zone("z", 1, (garden, ["bad.example"]))])
    upstream.plan("www.bad.example.garden.example", "A", "www.bad.example.garden.example. 60 IN A 192.0.2.9")
    assert rig.answer("www.bad.example").records == ["60 www.bad.example.garden.example.", "60 192.0.2.9"]
    long = f"{'x' * 63}.{'y' * 63}.{'z' * 63}.{'w' * 38}.bad.example"
    assert rig.answer(long).rcode == "YXDOMAIN"


@pytest.mark.parametrize("transport", list(Transport)[:2])
def test_a_passthru_keeps_later_zones_off_the_answer_and_earlier_ones_not(
    rig: Rig, upstream: UpstreamSimulator, transport: Transport
) -> None:
    for name, address in (("one.example", "198.51.100.1"), ("two.example", "203.0.113.1")):
        upstream.plan(name, "A", f"{name}. 60 IN A {address}")
    rig.enforce_feeds(
        [
            zone("first", 1, (order("early"), ["198.51.100.0/24"])),
            zone("second", 2, (order("pass", Action.PASSTHRU), ["example"])),
            zone("third", 3, (order("late"), ["203.0.113.0/24", "two.example"])),
            zone("list", 4, (order("list"), ["two.example"]), kind="domains"),
        ]
    )
    for _ in range(2):  # from upstream, and from the cache
        assert rig.answer("one.example", "A", transport).records == ["60 192.0.2.80"]
        assert rig.answer("two.example", "A", transport).records == ["60 203.0.113.1"]


def test_over_tcp_a_tcp_only_rule_is_the_one_that_decides(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("one.example", "A", "one.example. 60 IN A 198.51.100.1")
    rig.enforce_feeds(
        [
            zone("first", 1, (order("tcp", Action.TCP_ONLY), ["one.example"])),
            zone("second", 2, (order("late"), ["198.51.100.0/24"])),
        ]
    )
    assert rig.answer("one.example").has(0x0200)
    assert rig.answer("one.example", "A", Transport.TCP).records == ["60 198.51.100.1"]


def test_who_asks_decides_before_what_is_asked_within_a_zone(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("one.example", "A", "one.example. 60 IN A 198.51.100.1")
    friends = (order("friends", Action.PASSTHRU), ["client 127.0.0.2", "client 2001:db8:1::/64"])
    enemies = (order("enemies", Action.REFUSED), ["client 127.0.0.0/24", "client 2001:db8:1:1::/64"])
    names = (order("names", Action.NXDOMAIN), ["one.example"])

    def told(host: str) -> str:
        answer = rig.ask("one.example", host=host)
        return answer.rcode().to_text(answer.rcode()) if answer else ""

    hosts = ("127.0.0.2", "127.0.0.3", "127.1.0.1", "2001:db8:1::5", "2001:db8:1:1::5", "2001:db8:1:2::5")
    rig.enforce_feeds([zone("one", 1, friends, enemies, names)])
    assert [told(host) for host in hosts] == ["NOERROR", "REFUSED", "NXDOMAIN"] * 2
    rig.enforce_feeds([zone("one", 1, names), zone("two", 2, friends, enemies)])
    assert [told(host) for host in hosts] == ["NXDOMAIN"] * 6
    allow = (order("never", Action.ALLOW), ["one.example"])
    rig.enforce_feeds([zone("one", 1, enemies), zone("own", 9, allow, kind="domains")])
    assert [told(host) for host in hosts] == ["NOERROR"] * 6
