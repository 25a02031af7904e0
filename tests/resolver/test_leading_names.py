"""Answers of upstreams that lead to a listed name or address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import dns.flags
import dns.message
import pytest

from blockd.metrics import Transport
from blockd.names import Network, translations
from blockd.orders import Action
from blockd.resolver.reading.refusals import NOT_OF_DNAME
from tests.resolver.rig import CLIENT, Answer, Rig, order, question
from tests.upstream import SOA, UpstreamSimulator

FREE = "free.example"
TO_LISTED = (
    f"{FREE}. 300 IN CNAME cdn.example.",
    "cdn.example. 300 IN CNAME web.telegram.org.",
    "web.telegram.org. 60 IN A 198.51.100.9",
)
LEADING = {
    "cname": ("A", TO_LISTED),
    "cname in other case": ("A", (f"{FREE}. 300 IN CNAME WEB.Telegram.ORG.", "web.telegram.org. 60 IN A 198.51.100.9")),
    "cname to text": ("TXT", (f"{FREE}. 300 IN CNAME web.telegram.org.", "web.telegram.org. 60 IN TXT t")),
    "dname": (
        "A",
        (
            "example. 300 IN DNAME telegram.org.",
            f"{FREE}. 300 IN CNAME free.telegram.org.",
            "free.telegram.org. 60 IN A 198.51.100.9",
        ),
    ),
    "svcb target": ("SVCB", (f"{FREE}. 300 IN SVCB 1 web.telegram.org. alpn=h2",)),
    "https alias": ("HTTPS", (f"{FREE}. 300 IN HTTPS 0 web.telegram.org.",)),
    "ipv4hint": ("HTTPS", (f"{FREE}. 300 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,203.0.113.5",)),
    "ipv6hint": ("HTTPS", (f"{FREE}. 300 IN HTTPS 1 . ipv6hint=2001:db8::1,2001:db8:bad::5 port=443",)),
    "address": ("A", (f"{FREE}. 300 IN A 192.0.2.1", f"{FREE}. 300 IN A 203.0.113.5")),
    "ipv6 address": ("AAAA", (f"{FREE}. 300 IN AAAA 2001:db8:bad::5",)),
    "mapped address": ("AAAA", (f"{FREE}. 300 IN AAAA ::ffff:203.0.113.5",)),
    "address through nat64": ("AAAA", (f"{FREE}. 300 IN AAAA 64:ff9b::203.0.113.5",)),
    "address through a prefix of one's own": ("AAAA", (f"{FREE}. 300 IN AAAA 2001:db8:64::cb:71:500:0",)),
    "mapped hint": ("HTTPS", (f"{FREE}. 300 IN HTTPS 1 . ipv6hint=2001:db8::1,::ffff:203.0.113.5",)),
    "hint through nat64": ("SVCB", (f"{FREE}. 300 IN SVCB 1 . ipv6hint=64:ff9b::203.0.113.5",)),
}


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.translations = translations([Network.from_text("2001:db8:64::/64")])
    rig.enforce([(order(), ["telegram.org", "203.0.113.0/24", "2001:db8:bad::/48"])])
    return rig


@pytest.mark.parametrize("way", LEADING)
def test_an_answer_that_leads_to_a_listed_place_is_as_if_asked_for_it(
    rig: Rig, upstream: UpstreamSimulator, way: str
) -> None:
    kind, records = LEADING[way]
    upstream.plan(FREE, kind, *records)
    answers = [rig.answer(FREE, kind, use_edns=0) for _ in range(2)]
    sinkhole = {"A": ["60 192.0.2.80"], "AAAA": ["60 2001:db8::80"]}.get(kind, [])
    for answer in answers:
        assert answer.rcode == "NOERROR"
        assert answer.records == sinkhole
        assert answer.error is not None
        assert answer.error[0] == 16
        assert answer.negative_ttl == (None if sinkhole else 60)
    assert len(upstream.seen) == 1, "the second is decided from the cache"
    assert rig.counters.hits(1)[0] == 2


@pytest.mark.parametrize("kind", ["A", "TXT"])
def test_an_alias_without_what_it_stands_for_is_blocked_and_not_kept(
    rig: Rig, upstream: UpstreamSimulator, kind: str
) -> None:
    upstream.plan(FREE, kind, f"{FREE}. 300 IN CNAME web.telegram.org.")
    for asked in (1, 2):
        assert rig.answer(FREE, kind).records == (["60 192.0.2.80"] if kind == "A" else [])
        assert len(upstream.seen) == asked, "no SOA record says for how long there is nothing"


def test_a_dname_without_its_cname_leads_nowhere(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "A", "example. 300 IN DNAME telegram.org.")
    answer = rig.answer(FREE, use_edns=0)
    assert answer.rcode == "SERVFAIL"
    assert answer.error is not None
    assert answer.error[1].endswith(NOT_OF_DNAME)


def test_the_additional_section_of_a_service_answer_leads_too(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(
        FREE, "HTTPS", f"{FREE}. 300 IN HTTPS 1 svc.example.", additional=["svc.example. 300 IN A 203.0.113.5"]
    )
    assert rig.answer(FREE, "HTTPS").records == []


def test_glue_beside_other_answers_does_not_lead(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "MX", f"{FREE}. 300 IN MX 10 mx.example.", additional=["mx.example. 300 IN A 203.0.113.5"])
    assert rig.answer(FREE, "MX").records == ["300 10 mx.example."]


def test_the_order_of_addresses_decides_nothing(rig: Rig, upstream: UpstreamSimulator) -> None:
    """Whoever runs a site has one address in a network that is answered less strictly, and puts it first."""
    weak, strong = order("weak", Action.TCP_ONLY), order("strong", Action.NXDOMAIN)
    rig.enforce([(weak, ["198.51.100.0/24"]), (strong, ["203.0.113.5/32"])])
    records = [f"{FREE}. 300 IN A {host}" for host in ("198.51.100.7", "192.0.2.1", "203.0.113.5", "198.51.100.8")]
    for at in range(len(records)):
        upstream.plan(FREE, "A", *records[at:], *records[:at])
        rig.clock.now += 1000
        for transport in (Transport.UDP, Transport.TCP):
            assert rig.answer(FREE, transport=transport).rcode == "NXDOMAIN"


def test_what_leads_elsewhere_is_free(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "A", f"{FREE}. 300 IN CNAME nottelegram.org.", "nottelegram.org. 60 IN A 203.0.112.255")
    assert rig.answer(FREE).records == ["300 nottelegram.org.", "60 203.0.112.255"]


def test_a_nonexistent_name_that_leads_to_a_listed_one_is_blocked(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "A", f"{FREE}. 300 IN CNAME web.telegram.org.", authority=[SOA], rcode="NXDOMAIN")
    assert rig.answer(FREE).records == ["60 192.0.2.80"]


def test_dnssec_makes_no_way_round(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "A", *TO_LISTED)
    answer = rig.answer(FREE, want_dnssec=True, flags=dns.flags.RD | dns.flags.CD | dns.flags.AD)
    assert answer.records == ["60 192.0.2.80"]
    assert not answer.has(dns.flags.AD)


@pytest.mark.parametrize(
    ("action", "rcode"), [(Action.NXDOMAIN, "NXDOMAIN"), (Action.REFUSED, "REFUSED"), (Action.NODATA, "NOERROR")]
)
def test_other_actions_at_the_end_of_a_chain(rig: Rig, upstream: UpstreamSimulator, action: Action, rcode: str) -> None:
    rig.enforce([(order(action=action), ["telegram.org"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    answer = rig.answer(FREE)
    assert (answer.rcode, answer.records) == (rcode, [])
    if action is not Action.REFUSED:
        assert answer.message.authority[0].name == answer.message.question[0].name


def test_drop_at_the_end_of_a_chain_is_silence(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(action=Action.DROP), ["telegram.org"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    assert rig.ask(FREE) is None


def test_tcp_only_at_the_end_of_a_chain(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(action=Action.TCP_ONLY), ["telegram.org"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    assert rig.answer(FREE).has(dns.flags.TC)
    assert rig.answer(FREE, transport=Transport.TCP).records[-1] == "60 198.51.100.9"


def test_cname_at_the_end_of_a_chain_replaces_the_whole_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(action=Action.CNAME, cname="info.example"), ["telegram.org"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    upstream.plan("info.example", "A", "info.example. 30 IN A 198.51.100.7")
    for _ in range(2):
        assert rig.answer(FREE).records == ["60 info.example.", "30 198.51.100.7"]
    assert [seen.name for seen in upstream.seen] == [FREE, "info.example"]


def test_monitor_at_the_end_of_a_chain_counts_every_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(action=Action.MONITOR), ["telegram.org"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    for _ in range(3):
        assert len(rig.answer(FREE).records) == 3
    assert rig.counters.hits(1)[0] == 3


def test_an_allowed_name_may_lead_to_a_listed_one(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.enforce([(order(), ["telegram.org"]), (order("allowed", Action.ALLOW), [FREE])])
    upstream.plan(FREE, "A", *TO_LISTED)
    assert len(rig.answer(FREE).records) == 3


def test_a_cached_answer_whose_target_gets_listed_is_blocked_in_the_very_next_answer(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    rig.enforce([(order(), ["other.example"])])
    upstream.plan(FREE, "A", *TO_LISTED)
    free = rig.answer(FREE).records
    assert len(free) == 3
    rig.enforce([(order(), ["telegram.org"])])
    assert rig.answer(FREE).records == ["60 192.0.2.80"]
    rig.lift()
    assert rig.answer(FREE).records == free
    assert len(upstream.seen) == 1


def test_what_was_waited_for_is_answered_as_it_is_enforced_then(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("late.example", "A", "late.example. 300 IN A 198.51.100.1")
    rig.enforce([(order(), ["other.example"])])

    async def ask(meanwhile: Callable[[], None]) -> Answer:
        with upstream.held():
            query = question("late.example", "A", use_edns=0)
            waiting = asyncio.create_task(rig.resolve(query.to_wire(), CLIENT, Transport.UDP))
            seen = len(upstream.seen)
            await asyncio.to_thread(upstream.wait_for, seen + 1)
            meanwhile()
        wire = await waiting
        assert wire is not None
        return Answer(dns.message.from_wire(wire))

    blocked = asyncio.run(ask(lambda: rig.enforce([(order(), ["late.example"])])))
    assert blocked.records == ["60 192.0.2.80"]
    assert rig.counters.hits(1)[0] == 1
    rig.clock.now += 1000
    rig.lift()
    freed = asyncio.run(ask(lambda: rig.enforce([(order(), ["other.example"])])))
    assert freed.records == ["300 198.51.100.1"]
