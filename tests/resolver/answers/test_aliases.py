"""Answers of `cname` actions: the CNAME, what upstreams say of its target, and how long all of it is true."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.orders import Action, LocalRecord, Order, Scope
from blockd.resolver import QueryContext
from blockd.ruleset import FeedInput, Listing
from tests.resolver.rig import Rig, keys_of, order, question
from tests.upstream import Fault, UpstreamSimulator

LISTED = "web.telegram.org"
LANDING = "info.example"
SOA = "example. 30 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 30"
EDE = (16, "order order-1, ministry; objections: objections@example.net")


def enforcing(rig: Rig, target: str = LANDING, listed: str = "telegram.org", **fields: Any) -> Rig:
    rig.enforce([(order(action=Action.CNAME, cname=target, **fields), [listed])])
    return rig


def landing(upstream: UpstreamSimulator) -> None:
    upstream.plan(LANDING, "A", f"{LANDING}. 300 IN CNAME www.example.", "www.example. 20 IN A 198.51.100.7")


@pytest.mark.parametrize("kind", ["CNAME", "ANY"])
def test_a_question_for_the_alias_itself_gets_it_alone(rig: Rig, upstream: UpstreamSimulator, kind: str) -> None:
    answer = enforcing(rig).answer(LISTED, kind, use_edns=0)
    assert (answer.rcode, answer.records, answer.error) == ("NOERROR", [f"60 {LANDING}."], EDE)
    assert upstream.seen == []
    assert rig.counters.hits(1)[0] == 1


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_a_negative_answer_for_the_target_can_be_cached(rig: Rig, upstream: UpstreamSimulator, rcode: str) -> None:
    upstream.plan(LANDING, "A", f"{LANDING}. 30 IN CNAME gone.example.", authority=[SOA], rcode=rcode)
    for _ in range(2):  # from upstream, and from the cache
        answer = enforcing(rig).answer(LISTED, use_edns=0)
        assert (answer.rcode, answer.records) == (rcode, [f"60 {LANDING}.", "30 gone.example."])
        assert answer.negative_ttl == 30
        assert [rrset.name.to_text() for rrset in answer.message.authority] == ["example."]
        assert answer.error == EDE
    rig.clock.now += 10
    assert [rrset.ttl for rrset in rig.answer(LISTED).message.authority] == [20]
    assert len(upstream.seen) == 1


def test_servers_of_the_targets_zone_are_not_told(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(
        LANDING, "A", f"{LANDING}. 60 IN A 192.0.2.1", authority=["example. 60 IN NS ns.example."],
        additional=["ns.example. 60 IN A 192.0.2.2"],
    )  # fmt: skip
    message = enforcing(rig).answer(LISTED).message
    assert (len(message.answer), message.authority, message.additional) == (2, [], [])


def test_the_answer_is_cached_and_its_ttls_count_down(rig: Rig, upstream: UpstreamSimulator) -> None:
    landing(upstream)
    enforcing(rig)
    assert rig.answer(LISTED).records == [f"60 {LANDING}.", "300 www.example.", "20 198.51.100.7"]
    rig.clock.now += 7
    assert rig.answer(LISTED).records == [f"60 {LANDING}.", "293 www.example.", "13 198.51.100.7"]
    assert rig.answer("a.very.long.name.telegram.org").records == [
        f"60 {LANDING}.",
        "293 www.example.",
        "13 198.51.100.7",
    ]
    rig.clock.now += 13
    assert rig.answer(LISTED).records == [f"60 {LANDING}.", "300 www.example.", "20 198.51.100.7"]
    assert len(upstream.seen) == 2


def test_the_alias_ends_with_its_order_and_the_next_answer_is_another(rig: Rig, upstream: UpstreamSimulator) -> None:
    landing(upstream)
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN A 203.0.113.1")
    enforcing(rig, expires=100)
    rig.wall_clock.now = 70
    assert rig.answer(LISTED).records == [f"30 {LANDING}.", "300 www.example.", "20 198.51.100.7"]
    rig.pass_time(100)
    assert rig.answer(LISTED).records == ["300 203.0.113.1"]
    rig.enforce([(order("order-2", Action.CNAME, cname="www.example"), ["telegram.org"])])
    upstream.plan("www.example", "A", "www.example. 60 IN A 198.51.100.8")
    answer = rig.answer(LISTED, use_edns=0)
    assert answer.records == ["60 www.example.", "60 198.51.100.8"]
    assert answer.error is not None
    assert answer.error[1].startswith("order order-2,")


def test_a_target_is_not_judged_itself(rig: Rig, upstream: UpstreamSimulator) -> None:
    landing(upstream)
    rig.enforce([(order(action=Action.CNAME, cname=LANDING), ["telegram.org"]), (order("other"), ["example"])])
    assert rig.answer(LISTED).records == [f"60 {LANDING}.", "300 www.example.", "20 198.51.100.7"]
    assert rig.answer(LANDING).records == ["60 192.0.2.80"]


def test_a_target_below_the_listed_name_is_answered_as_it_is(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("info.telegram.org", "A", "info.telegram.org. 300 IN A 198.51.100.7")
    enforcing(rig, "info.telegram.org", expires=1000)
    rig.wall_clock.now = 900
    assert rig.answer(LISTED).records == ["60 info.telegram.org.", "300 198.51.100.7"]
    itself = rig.answer("info.telegram.org", use_edns=0)
    assert (itself.records, itself.error) == (["100 198.51.100.7"], None)
    assert rig.counters.hits(1)[0] == 1, "only what leads elsewhere is a hit"


LOOPS = {
    "at once": (f"{LANDING}. 60 IN CNAME {LISTED}.", f"{LISTED}. 60 IN A 192.0.2.1"),
    "in other case": (f"{LANDING}. 60 IN CNAME WEB.Telegram.Org.", f"{LISTED}. 60 IN A 192.0.2.1"),
    "later": (
        f"{LANDING}. 60 IN CNAME a.example.",
        f"a.example. 60 IN CNAME {LISTED}.",
        f"{LISTED}. 60 IN A 192.0.2.1",
    ),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_target_that_leads_back_is_a_failure(rig: Rig, upstream: UpstreamSimulator, case: str) -> None:
    upstream.plan(LANDING, "A", *LOOPS[case])
    answer = enforcing(rig).answer(LISTED, use_edns=0)
    assert (answer.rcode, answer.records, answer.error) == ("SERVFAIL", [], EDE)
    assert "the target of a CNAME leads back to the name asked for" in str(answer.message.options[1])
    asked = len(upstream.seen)
    assert enforcing(rig).answer(LISTED).rcode == "SERVFAIL"
    assert len(upstream.seen) == asked


def test_a_landing_name_that_leads_to_a_listed_one_is_a_failure(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(LANDING, "A", *LOOPS["at once"])
    answer = enforcing(rig).answer(LANDING, use_edns=0)
    assert (answer.rcode, answer.records, answer.error) == ("SERVFAIL", [], EDE)


def test_a_name_that_is_too_long_with_its_target_says_whose_order_it_is(rig: Rig) -> None:
    enforcing(rig, "*.garden.example")
    long = f"{'x' * 63}.{'y' * 63}.{'z' * 63}.{'w' * 38}.telegram.org"
    answer = rig.answer(long, use_edns=0)
    assert (answer.rcode, answer.records, answer.error) == ("YXDOMAIN", [], EDE)


def test_a_target_that_cannot_be_asked_for_says_both(hasty_rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SILENCE}
    answer = enforcing(hasty_rig).answer(LISTED, use_edns=0)
    assert (answer.rcode, answer.error) == ("SERVFAIL", EDE)
    assert len(answer.message.options) == 2


def test_signatures_of_the_target_are_given_and_none_is_invented(rig: Rig, upstream: UpstreamSimulator) -> None:
    signature = f"{LANDING}. 60 IN RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AAAA"
    upstream.plan(LANDING, "A", f"{LANDING}. 60 IN A 192.0.2.1", signature)
    answer = enforcing(rig).answer(LISTED, want_dnssec=True)
    assert [rrset.rdtype for rrset in answer.message.answer] == [types.CNAME, types.A, types.RRSIG]
    assert not answer.has(dns.flags.AD)


def test_what_does_not_fit_is_left_out_of_these_answers_too(rig: Rig, upstream: UpstreamSimulator) -> None:
    texts = [f'{LANDING}. 60 IN TXT "{"t" * 200}{n}"' for n in range(2)]
    upstream.plan(LANDING, "TXT", *texts)
    enforcing(rig, contact="c" * 200)
    small = rig.answer(LISTED, "TXT", use_edns=0, payload=512)
    assert (len(small.records), small.error, small.has(dns.flags.TC)) == (3, (16, ""), False)
    upstream.plan(LANDING, "MX", *(f"{LANDING}. 60 IN MX {n} {'m' * 60}{n}.example." for n in range(9)))
    assert rig.answer(LISTED, "MX").has(dns.flags.TC)
    assert len(rig.answer(LISTED, "MX", Transport.TCP).records) == 10


A = LocalRecord(types.A, 30, b"\xc0\0\2\x63")


def zone(made: Order, *names: str) -> FeedInput:
    return FeedInput("zone", "rpz", 1, "", [made], [Listing(made, Scope.BOTH, keys_of(names))])


def test_a_zone_without_such_records_for_its_own_target_says_for_how_long(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    inside = order(action=Action.CNAME, cname="garden.dpol", records=(A,))
    rig.enforce_feeds([zone(inside, "one.example", "dpol")])
    answer = rig.answer("one.example", "AAAA", use_edns=0)
    assert (answer.rcode, answer.records, answer.negative_ttl, answer.error) == (
        "NOERROR",
        ["60 garden.dpol."],
        60,
        EDE,
    )
    assert [rrset.name.to_text() for rrset in answer.message.authority] == ["garden.dpol."]
    assert rig.answer("one.example", "ANY").records == ["60 garden.dpol."]
    assert rig.answer("garden.dpol").records == ["30 192.0.2.99"], "no alias to itself"
    itself = rig.answer("garden.dpol", "AAAA")
    assert (itself.rcode, itself.records, itself.negative_ttl) == ("NOERROR", [], 60)
    assert upstream.seen == []


def test_an_alias_that_ends_while_its_target_is_asked_for_is_not_told(rig: Rig, upstream: UpstreamSimulator) -> None:
    landing(upstream)
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN A 203.0.113.1")
    enforcing(rig)
    begun = rig.resolver.begin(question(LISTED).to_wire(), "127.0.0.1", Transport.UDP)
    assert isinstance(begun, QueryContext)
    rig.lift()
    late = asyncio.run(rig.resolver.finish(begun))
    assert late is not None
    assert [str(data) for rrset in dns.message.from_wire(late).answer for data in rrset] == ["203.0.113.1"]
    assert rig.counters.hits(1)[0] == 0
    assert [seen.name for seen in upstream.seen] == [LANDING, LISTED]


@pytest.mark.parametrize("transport", list(Transport)[:2])
def test_nothing_behind_an_upstreams_own_alias_keeps_the_chain(
    rig: Rig, upstream: UpstreamSimulator, transport: Transport
) -> None:
    upstream.plan("www.example", "A", "www.example. 30 IN CNAME gone.example.", authority=[SOA], rcode="NXDOMAIN")
    rig.enforce([(order(), ["telegram.org"])])
    for _ in range(2):  # from upstream, and from the cache
        answer = rig.answer("www.example", "A", transport)
        assert (answer.rcode, answer.records, answer.negative_ttl) == ("NXDOMAIN", ["30 gone.example."], 30)
