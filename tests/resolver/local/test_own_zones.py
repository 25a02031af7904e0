"""Zones and names of the config, and what is asked of upstreams for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import pytest

from blockd.metrics import Transport
from blockd.names import key_from_text
from blockd.orders import Action
from blockd.resolver import SelfTestIdentity, SelfTestKey
from blockd.resolver.local.canaries import CANARIES, TEXT
from blockd.resolver.selftest_key import SECRET
from blockd.settings.zone_records import MAX_RRSET
from tests.resolver.local.conftest import Make
from tests.resolver.local.questions import RECORDS
from tests.resolver.rig import CLIENT, Answer, Rig, order
from tests.upstream import UpstreamSimulator

ZONE = {"local": {"zones": [{"zone": "corp.example", "records": RECORDS}, {"zone": "empty.example"}]}}
FORWARDED = [{"zone": "sub.corp.example", "upstreams": ["192.0.2.1"]}]


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> Rig:
    upstream.plan("www.example.net", "A", "www.example.net. 300 IN A 198.51.100.1")
    return Rig(tmp_path, upstream.upstream, local=zones_of(**ZONE))


def owner(answer: Answer) -> str:
    return answer.message.authority[0].name.to_text()


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("www.corp.example", "A", ["300 192.0.2.1", "300 192.0.2.2"]),
        ("WWW.Corp.Example", "AAAA", ["300 2001:db8::1"]),
        ("corp.example", "MX", ["3600 10 mail.corp.example."]),
        ("corp.example", "NS", ["3600 ns.corp.example."]),
        ("corp.example", "SOA", ["900 ns.corp.example. hostmaster.corp.example. 7 3600 600 86400 60"]),
        ("alias.corp.example", "A", ["3600 www.corp.example.", "300 192.0.2.1", "300 192.0.2.2"]),
        ("alias.corp.example", "CNAME", ["3600 www.corp.example."]),
        (
            "twice.corp.example",
            "AAAA",
            ["3600 alias.corp.example.", "3600 www.corp.example.", "300 2001:db8::1"],
        ),
        ("x.wild.corp.example", "A", ["60 192.0.2.9"]),
        ("x.y.wild.corp.example", "TXT", ['60 "any"']),
        ("*.wild.corp.example", "A", ["60 192.0.2.9"]),
        ("here.wild.corp.example", "A", ["3600 192.0.2.10"]),
        (r"odd\032one.corp.example", "TXT", ['3600 "text"']),
        ("raw.corp.example", "TYPE65280", [r"3600 \# 3 010203"]),
        ("www.corp.example", "ANY", ["300 192.0.2.1", "300 192.0.2.2"]),
    ],
)
def test_what_a_zone_has(rig: Rig, upstream: UpstreamSimulator, name: str, kind: str, records: list[str]) -> None:
    for transport in (Transport.UDP, Transport.TCP):
        answer = rig.answer(name, kind, transport)
        assert (answer.rcode, answer.records) == ("NOERROR", records)
        assert answer.has(dns.flags.AA, dns.flags.RA, dns.flags.RD)
        assert answer.message.answer[0].name == dns.name.from_text(name)
    assert not upstream.seen


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("corp.example", "A", "NOERROR"),
        ("www.corp.example", "MX", "NOERROR"),
        ("www.corp.example", "HTTPS", "NOERROR"),
        ("c.corp.example", "A", "NOERROR"),  # empty non-terminals (RFC 8020)
        ("b.c.corp.example", "ANY", "NOERROR"),
        ("wild.corp.example", "A", "NOERROR"),
        ("x.wild.corp.example", "MX", "NOERROR"),  # of a wildcard
        ("here.wild.corp.example", "TXT", "NOERROR"),  # it exists, so that the wildcard says nothing of it
        ("x.here.wild.corp.example", "A", "NXDOMAIN"),  # RFC 4592 section 2.2.1: below it neither
        ("a.deep.wild.corp.example", "A", "NXDOMAIN"),
        ("deep.wild.corp.example", "A", "NOERROR"),
        ("mail.corp.example", "A", "NXDOMAIN"),
        ("x.a.b.c.corp.example", "A", "NXDOMAIN"),
        ("a.*.wild.corp.example", "A", "NXDOMAIN"),
        ("dead.corp.example", "A", "NXDOMAIN"),  # of the last name (RFC 6604)
    ],
)
def test_what_a_zone_does_not_have(rig: Rig, upstream: UpstreamSimulator, name: str, kind: str, rcode: str) -> None:
    answer = rig.answer(name, kind)
    assert (answer.rcode, answer.negative_ttl, owner(answer)) == (rcode, 60, "corp.example.")
    assert answer.has(dns.flags.AA)
    assert answer.records == (["3600 nothing.corp.example."] if name.startswith("dead") else [])
    assert not upstream.seen


def test_no_name_in_an_empty_zone_exists(rig: Rig, upstream: UpstreamSimulator) -> None:
    answer = rig.answer("www.empty.example")
    assert (answer.rcode, answer.negative_ttl, owner(answer)) == ("NXDOMAIN", 300, "empty.example.")
    assert rig.answer("empty.example", "A").rcode == "NOERROR"
    assert not upstream.seen
    rig.answer("www.notempty.example")
    rig.answer("example")
    assert len(upstream.seen) == 2, "a zone ends where its label does"


def test_the_ds_record_of_a_zone_is_where_the_zone_above_is(
    tmp_path: Path, rig: Rig, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    rig.answer("corp.example", "DS")
    assert [seen.type for seen in upstream.seen] == ["DS"]
    assert rig.answer("www.corp.example", "DS").rcode == "NOERROR"
    both = zones_of(local={"zones": [{"zone": "corp.example"}, {"zone": "in.corp.example"}]})
    answer = Rig(tmp_path, upstream.upstream, local=both).answer("in.corp.example", "DS")
    assert (answer.rcode, owner(answer)) == ("NOERROR", "corp.example.")
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("name", "aliases"),
    [
        ("out.corp.example", ["120 www.example.net."]),
        ("far.corp.example", ["600 out.corp.example.", "120 www.example.net."]),
        ("any.star.corp.example", ["3600 out.corp.example.", "120 www.example.net."]),
    ],
)
def test_an_alias_out_of_the_zone_is_resolved_on(
    rig: Rig, upstream: UpstreamSimulator, name: str, aliases: list[str]
) -> None:
    assert rig.answer(name).records == [*aliases, "300 198.51.100.1"]
    assert rig.answer(name).records == [*aliases, "300 198.51.100.1"]
    assert [seen.name for seen in upstream.seen] == ["www.example.net"], "the second time from the cache"
    assert rig.answer(name, "CNAME").records == aliases[:1]
    upstream.plan("www.example.net", "AAAA")
    answer = rig.answer(name, "AAAA")
    assert (answer.rcode, answer.records) == ("NOERROR", aliases)


def test_where_an_alias_leads_is_judged(rig: Rig) -> None:
    rig.enforce([(order(action=Action.SINKHOLE), ["www.example.net"])])
    answer = rig.answer("far.corp.example", use_edns=0)
    assert answer.records == ["60 192.0.2.80"]
    assert answer.error is not None
    rig.enforce([(order(action=Action.REFUSED), ["198.51.100.0/24"])])
    assert rig.answer("far.corp.example").rcode == "REFUSED"
    rig.enforce([(order(action=Action.CNAME, cname="www.corp.example"), ["example.net"])])
    answer = rig.answer("far.corp.example")
    assert answer.records == ["60 www.corp.example.", "300 192.0.2.1", "300 192.0.2.2"]


def test_policy_comes_first(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(), ["www.corp.example", "blocked.invalid"])])
    assert rig.answer("www.corp.example").records == ["60 192.0.2.80"]
    assert rig.answer("ns.corp.example").records == ["300 192.0.2.53"]
    rig.lift()
    assert rig.answer("www.corp.example").records == ["300 192.0.2.1", "300 192.0.2.2"]
    assert not upstream.seen


def test_a_cname_action_may_lead_to_a_local_name(rig: Rig, upstream: UpstreamSimulator) -> None:
    for target, records in (
        ("www.corp.example", ["300 192.0.2.1", "300 192.0.2.2"]),
        ("alias.corp.example", ["3600 www.corp.example.", "300 192.0.2.1", "300 192.0.2.2"]),
    ):
        rig.enforce([(order(action=Action.CNAME, cname=target), ["listed.example"])])
        answer = rig.answer("listed.example", use_edns=0)
        assert answer.records == [f"60 {target}.", *records]
        assert answer.error is not None
    assert not upstream.seen
    rig.enforce([(order(action=Action.CNAME, cname="far.corp.example"), ["listed.example"])])
    answer = rig.answer("listed.example")
    assert answer.records == [
        "60 far.corp.example.", "600 out.corp.example.", "120 www.example.net.", "300 198.51.100.1"
    ]  # fmt: skip


def test_no_ttl_outlasts_the_verdict(rig: Rig) -> None:
    names = ["corp.example", "www.invalid", "example.net"]
    rig.enforce([(order(action=Action.REFUSED, in_force_from=50), names)])
    rig.wall_clock.now = 20.0
    assert rig.answer("www.corp.example").records == ["30 192.0.2.1", "30 192.0.2.2"]
    assert rig.answer("www.invalid").negative_ttl == 30
    assert rig.answer("none.corp.example").negative_ttl == 30
    assert rig.answer("dead.corp.example").negative_ttl == 30
    assert rig.answer("far.corp.example").records[1:] == ["30 www.example.net.", "30 198.51.100.1"]


def test_local_answers_are_counted_by_where_they_come_from(tmp_path: Path, rig: Rig, zones_of: Make) -> None:
    for name in ("www.corp.example", "none.corp.example", "www.invalid", "localhost"):
        rig.answer(name)
    assert rig.counters.local() == [2, 2, 0, 0]
    assert (rig.counters.cache_hits(), rig.counters.cache_misses()) == (0, 0)
    other = Rig(tmp_path, local=zones_of(canaries=True))
    other.answer(CANARIES[0])
    assert other.counters.local() == [0, 0, 1, 0]


@pytest.mark.parametrize("name", CANARIES)
def test_canaries_have_no_addresses_if_the_operator_wants_it(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make, name: str
) -> None:
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(canaries=True))
    for kind in ("A", "AAAA", "HTTPS"):
        answer = rig.answer(name, kind, use_edns=0)
        assert (answer.rcode, answer.records, answer.error) == ("NOERROR", [], (15, TEXT))
        assert answer.negative_ttl == 300
    assert not upstream.seen
    off = Rig(tmp_path, upstream.upstream, local=zones_of())
    off.answer(name)
    assert len(upstream.seen) == 1


def test_a_self_test_is_answered_and_not_counted(tmp_path: Path, zones_of: Make) -> None:
    key = SelfTestKey(b"k" * SECRET)
    rig = Rig(tmp_path, selftest=SelfTestIdentity(key, 0), local=zones_of(**ZONE))
    for name, rcode in (("www.corp.example", dns.rcode.NOERROR), ("none.corp.example", dns.rcode.NXDOMAIN)):
        for unjudged in (False, True):
            packet = key.lookup_question(key_from_text(name), 1, unjudged=unjudged)
            answer = dns.message.from_wire(rig.begin(packet, Transport.TCP, CLIENT) or b"")
            assert answer.rcode() == rcode
    assert rig.counters.local() == [0, 0, 0, 0]


NAMES: dict[str, Any] = {
    "local": {
        "names": {"nas.lan": "192.168.1.9", "Both.Lan": ["192.168.1.10", "fd00::10"], "nas2.lan": "192.168.1.9"},
        "defaults": False,
    }
}


def test_a_single_name_has_its_addresses_and_nothing_else(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**NAMES))
    assert rig.answer("nas.lan").records == ["3600 192.168.1.9"]
    assert rig.answer("both.lan").records == ["3600 192.168.1.10"]
    assert rig.answer("both.lan", "AAAA").records == ["3600 fd00::10"]
    for kind in ("AAAA", "MX", "SOA", "NS", "DS"):
        answer = rig.answer("nas.lan", kind)
        assert (answer.rcode, answer.negative_ttl, owner(answer)) == ("NOERROR", 300, "nas.lan.")
    assert rig.answer("9.1.168.192.in-addr.arpa", "PTR").records == ["3600 nas.lan."], "the first name"
    assert rig.answer(f"0.1.{'0.' * 28}d.f.ip6.arpa", "PTR").records == ["3600 both.lan."]
    assert not upstream.seen
    for name in ("lan", "www.nas.lan", "other.lan", "8.1.168.192.in-addr.arpa"):
        rig.answer(name, "A")
    assert len(upstream.seen) == 4, "what is not named is resolved"


def test_a_single_name_in_a_zone_is_one_of_it(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    config = {
        "local": {**ZONE["local"], "names": {"x.new.corp.example": "192.0.2.77", "www.corp.example": "192.0.2.1"}}
    }
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config))
    assert rig.answer("x.new.corp.example").records == ["3600 192.0.2.77"]
    assert rig.answer("new.corp.example").rcode == "NOERROR"
    assert rig.answer("y.new.corp.example").rcode == "NXDOMAIN"
    assert rig.answer("www.corp.example").records == ["300 192.0.2.1", "300 192.0.2.2"], "nothing twice"


def test_reverse_names_of_others_are_left_to_them(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    config = {
        "local": {
            "zones": [{"zone": "2.0.192.in-addr.arpa", "records": ["7 PTR own.example."]}],
            "names": {"a.lan": ["192.0.2.7", "192.0.2.8", "198.51.100.9"]},
        },
        "forward": [{"zone": "100.51.198.in-addr.arpa", "upstreams": [upstream.address]}],
    }
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config))
    assert rig.answer("7.2.0.192.in-addr.arpa", "PTR").records == ["3600 own.example."]
    assert rig.answer("8.2.0.192.in-addr.arpa", "PTR").records == ["3600 a.lan."]
    assert not upstream.seen
    rig.answer("9.100.51.198.in-addr.arpa", "PTR")
    assert len(upstream.seen) == 1


def test_a_forwarded_zone_in_a_local_one_is_forwarded(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**ZONE, forward=FORWARDED))
    rig.answer("www.sub.corp.example")
    rig.answer("sub.corp.example", "DS")
    assert [seen.name for seen in upstream.seen] == ["www.sub.corp.example", "sub.corp.example"]
    assert rig.answer("x.corp.example").rcode == "NXDOMAIN"


def test_an_answer_that_is_as_long_as_may_be_comes_over_tcp(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    count = MAX_RRSET // 268
    texts = [f'big TXT "{number:0255}"' for number in range(count)]
    zone = {"zone": "corp.example", "records": [*texts, "to-big CNAME big"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(local={"zones": [zone]}))
    assert rig.answer("big.corp.example", "TXT").has(dns.flags.TC)
    assert len(rig.answer("big.corp.example", "TXT", Transport.TCP).records) == count
    assert len(rig.answer("to-big.corp.example", "TXT", Transport.TCP).records) == count + 1


def test_wildcards_that_lead_to_each_other_end(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    zone = {"zone": "corp.example", "records": ["*.a CNAME x.b", "*.b CNAME x.a"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(local={"zones": [zone]}))
    assert rig.answer("q.a.corp.example").rcode == "SERVFAIL"
    assert not upstream.seen


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("www.corp.example", "A", "NOERROR"),
        ("corp.example", "SOA", "NOERROR"),
        ("alias.corp.example", "A", "NOERROR"),
        ("none.corp.example", "A", "NXDOMAIN"),
        ("localhost", "A", "NOERROR"),
        ("corp.example", "DS", "REFUSED"),
        ("out.corp.example", "A", "REFUSED"),
        ("www.example.net", "A", "REFUSED"),
    ],
)
def test_what_is_wholly_here_needs_no_recursion(
    rig: Rig, upstream: UpstreamSimulator, name: str, kind: str, rcode: str
) -> None:
    rig.answer("www.example.net", "A")  # what is cached is not told
    before = len(upstream.seen)
    answer = rig.answer(name, kind, flags=0)
    assert answer.rcode == rcode
    assert bool(answer.message.flags & dns.flags.AA) == (rcode != "REFUSED")
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    ("action", "rcode", "records"),
    [
        (Action.SINKHOLE, "NOERROR", ["60 192.0.2.80"]),
        (Action.NXDOMAIN, "NXDOMAIN", []),
        (Action.REFUSED, "REFUSED", []),
        (
            Action.MONITOR,
            "NOERROR",
            ["3600 alias.corp.example.", "3600 www.corp.example.", "300 192.0.2.1", "300 192.0.2.2"],
        ),
    ],
)
def test_an_alias_to_a_listed_local_name_is_no_way_round_a_block(
    rig: Rig, action: Action, rcode: str, records: list[str]
) -> None:
    """`blockd lookup` said that it is blocked, and clients got the address."""
    rig.enforce([(order(action=action), ["www.corp.example"])])
    for _ in range(2):
        answer = rig.answer("twice.corp.example", use_edns=0)
        assert (answer.rcode, answer.records) == (rcode, records)
        assert (answer.error is None) == (action is Action.MONITOR)
    assert rig.counters.hits(1)[0] == 2
    assert rig.answer("twice.corp.example", "CNAME").records == ["3600 alias.corp.example."], "that is not followed"
    assert rig.answer("dead.corp.example").rcode == "NXDOMAIN", "another name"


def test_a_cname_action_is_followed_from_where_a_local_alias_leads(rig: Rig) -> None:
    rig.enforce([(order(action=Action.CNAME, cname="www.example.net"), ["www.corp.example"])])
    answer = rig.answer("alias.corp.example", use_edns=0)
    assert answer.records == ["60 www.example.net.", "300 198.51.100.1"]
    assert answer.error is not None
    assert rig.counters.hits(1)[0] == 1


@pytest.mark.parametrize("kind", ["A", "HTTPS", "AAAA"])
def test_a_listed_address_in_a_local_zone_is_blocked_as_an_upstreams_is(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make, kind: str
) -> None:
    records = [
        "www 300 A 93.184.216.34",
        "www AAAA 2606:2800::1",
        "www HTTPS 1 . ipv4hint=93.184.216.34",
        "ok A 10.0.0.1",
    ]
    local = {"zones": [{"zone": "corp.example", "records": records}], "names": {"nas.lan": "93.184.216.35"}}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(local=local))
    free = rig.answer("www.corp.example", kind).records
    assert free
    rig.enforce([(order(), ["93.184.216.0/24", "2606:2800::/32"])])
    for name in ("www.corp.example", "nas.lan") if kind == "A" else ("www.corp.example",):
        answer = rig.answer(name, kind, use_edns=0)
        assert answer.error is not None
        assert answer.records != free
        assert not answer.has(dns.flags.AA)
    assert rig.counters.hits(1)[0] == (2 if kind == "A" else 1)
    assert rig.answer("ok.corp.example").records == ["3600 10.0.0.1"]
    assert rig.answer("localhost").records == ["3600 127.0.0.1"]
    rig.enforce([(order(action=Action.MONITOR), ["93.184.216.0/24", "2606:2800::/32"])])
    assert rig.answer("www.corp.example", kind).records == free


def test_many_addresses_in_a_local_zone_are_answered(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    """More than an upstream's answer may have, and behind an alias."""
    records = [f"www A 10.0.{number >> 8}.{number & 255}" for number in range(300)]
    zones = zones_of(local={"zones": [{"zone": "corp.example", "records": [*records, "alias CNAME www"]}]})
    rig = Rig(tmp_path, upstream.upstream, local=zones)
    rig.enforce([(order(), ["93.184.216.0/24"])])
    for name, count in (("www.corp.example", 300), ("alias.corp.example", 301)):
        assert len(rig.answer(name, transport=Transport.TCP).records) == count
