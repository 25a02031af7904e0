from __future__ import annotations

import asyncio
from typing import Any

import dns.flags
import dns.rdatatype
import pytest

from blockd.metrics import Transport
from blockd.orders import Action, Mandate, Scope
from blockd.resolver import QueryContext
from tests.resolver.rig import STRANGER, Answer, Rig, order, question
from tests.upstream import UpstreamSimulator

LISTED = "web.telegram.org"
OTHER_TYPES = ("HTTPS", "SVCB", "ANY", "TXT", "MX", "NS", "SOA", "DS", "CNAME", "TYPE65280")


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.enforce([(order(), ["telegram.org"])])
    return rig


def enforcing(rig: Rig, action: Action, **fields: Any) -> Rig:
    rig.enforce([(order(action=action, **fields), ["telegram.org"])])
    return rig


@pytest.mark.parametrize(("kind", "data"), [("A", "60 192.0.2.80"), ("AAAA", "60 2001:db8::80")])
def test_addresses_of_a_listed_name_are_the_sinkhole(rig: Rig, kind: str, data: str) -> None:
    answer = rig.answer(LISTED, kind)
    assert answer.rcode == "NOERROR"
    assert answer.records == [data]
    assert answer.message.answer[0].name == answer.message.question[0].name


@pytest.mark.parametrize("kind", OTHER_TYPES)
def test_every_other_type_is_nodata_for_as_long_as_the_sinkhole_address(rig: Rig, kind: str) -> None:
    answer = rig.answer(LISTED, kind)
    assert (answer.rcode, answer.records, answer.negative_ttl) == ("NOERROR", [], 60)
    assert answer.message.authority[0].name.to_text() == "telegram.org."


def test_the_soa_is_owned_by_the_name_itself_where_that_is_listed(rig: Rig) -> None:
    assert rig.answer("telegram.org", "TXT").message.authority[0].name.to_text() == "telegram.org."


@pytest.mark.parametrize(("mandate", "code"), [(Mandate.OPERATOR, 15), (Mandate.LAW, 16), (Mandate.CLIENT, 17)])
def test_the_extended_error_tells_order_and_contact(rig: Rig, mandate: Mandate, code: int) -> None:
    answer = enforcing(rig, Action.SINKHOLE, mandate=mandate).answer(LISTED, use_edns=0)
    assert answer.error == (code, "order order-1, ministry; objections: objections@example.net")


@pytest.mark.parametrize("action", [Action.NXDOMAIN, Action.NODATA, Action.REFUSED, Action.TCP_ONLY])
def test_every_action_that_answers_tells_the_order(rig: Rig, action: Action) -> None:
    error = enforcing(rig, action).answer(LISTED, use_edns=0).error
    assert error is not None
    assert error[0] == 16


def test_a_client_without_edns_gets_none(rig: Rig) -> None:
    message = rig.answer(LISTED).message
    assert message.edns == -1
    assert message.additional == []


def test_a_long_contact_is_cut_and_stays_text(rig: Rig) -> None:
    error = enforcing(rig, Action.SINKHOLE, contact="ж" * 3000).answer(LISTED, use_edns=0).error
    assert error is not None
    assert error[1].endswith("ж")
    assert len(error[1].encode()) <= 200


@pytest.mark.parametrize("kind", ["A", "HTTPS"])
def test_asking_for_dnssec_gives_the_same_and_no_ad(rig: Rig, kind: str) -> None:
    plain = rig.answer(LISTED, kind)
    secure = rig.answer(LISTED, kind, want_dnssec=True, flags=dns.flags.RD | dns.flags.AD | dns.flags.CD)
    assert secure.message.answer == plain.message.answer
    assert secure.message.authority == plain.message.authority
    assert not secure.has(dns.flags.AD)
    assert secure.has(dns.flags.CD)
    assert secure.message.ednsflags & dns.flags.DO


def test_the_question_comes_back_in_its_own_case(rig: Rig) -> None:
    wire = rig.begin(question("wEb.TeLeGrAm.oRg").to_wire())
    assert wire is not None
    assert b"\x03wEb\x08TeLeGrAm\x03oRg" in wire


def test_no_upstream_hears_of_a_listed_name(rig: Rig, upstream: UpstreamSimulator) -> None:
    for kind in ("A", "AAAA", *OTHER_TYPES):
        rig.answer(LISTED, kind)
    assert upstream.seen == []


def test_a_listed_name_is_told_even_without_recursion_desired(rig: Rig) -> None:
    assert rig.answer(LISTED, flags=0).records == ["60 192.0.2.80"]
    assert rig.answer("other.example", flags=0).rcode == "REFUSED"


def test_nxdomain(rig: Rig) -> None:
    answer = enforcing(rig, Action.NXDOMAIN).answer(LISTED)
    assert (answer.rcode, answer.records, answer.negative_ttl) == ("NXDOMAIN", [], 60)


def test_nodata(rig: Rig) -> None:
    answer = enforcing(rig, Action.NODATA).answer(LISTED)
    assert (answer.rcode, answer.records, answer.negative_ttl) == ("NOERROR", [], 60)


def test_refused(rig: Rig) -> None:
    answer = enforcing(rig, Action.REFUSED).answer(LISTED)
    assert (answer.rcode, answer.records) == ("REFUSED", [])


def test_drop_is_silence(rig: Rig) -> None:
    enforcing(rig, Action.DROP)
    assert rig.ask(LISTED) is None
    assert rig.ask(LISTED, transport=Transport.TCP) is None
    assert rig.counters.hits(1)[0] == 2


def test_tcp_only_truncates_over_udp_and_resolves_over_tcp(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN A 198.51.100.9")
    enforcing(rig, Action.TCP_ONLY)
    over_udp = rig.answer(LISTED)
    assert over_udp.has(dns.flags.TC)
    assert over_udp.records == []
    assert upstream.seen == []
    over_tcp = rig.answer(LISTED, transport=Transport.TCP)
    assert not over_tcp.has(dns.flags.TC)
    assert over_tcp.records == ["300 198.51.100.9"]


def test_cname_leads_to_the_target_and_resolves_it(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("info.example", "A", "info.example. 300 IN CNAME www.example.", "www.example. 20 IN A 198.51.100.7")
    answer = enforcing(rig, Action.CNAME, cname="info.example").answer(LISTED, use_edns=0)
    assert answer.records == ["60 info.example.", "300 www.example.", "20 198.51.100.7"]
    assert [rrset.name.to_text() for rrset in answer.message.answer] == [
        "web.telegram.org.",
        "info.example.",
        "www.example.",
    ]
    assert answer.error is not None
    assert answer.error[0] == 16
    assert [seen.name for seen in upstream.seen] == ["info.example"]


def test_cname_to_a_name_that_does_not_exist(rig: Rig) -> None:
    answer = enforcing(rig, Action.CNAME, cname="gone.example").answer(LISTED)
    assert (answer.rcode, answer.records) == ("NXDOMAIN", ["60 gone.example."])


def test_monitor_counts_and_does_not_touch(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN A 198.51.100.9")
    answer = enforcing(rig, Action.MONITOR).answer(LISTED, use_edns=0)
    assert (answer.records, answer.error) == (["300 198.51.100.9"], None)
    assert rig.counters.hits(1)[0] == 1


def test_allow_beats_a_block_of_the_name_above(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN CNAME cdn.telegram.org.", "cdn.telegram.org. 60 IN A 198.51.100.9")
    rig.enforce([(order(), ["telegram.org"]), (order("allowed", Action.ALLOW), [LISTED])])
    assert rig.answer(LISTED).records == ["300 cdn.telegram.org.", "60 198.51.100.9"]
    assert rig.answer("cdn.telegram.org").records == ["60 192.0.2.80"]


def test_a_name_beside_the_listed_one_is_free(rig: Rig, upstream: UpstreamSimulator) -> None:
    for name in ("nottelegram.org", "telegram.org.example", "org"):
        assert rig.answer(name).rcode == "NXDOMAIN"
    assert len(upstream.seen) == 3


def test_an_exact_entry_leaves_subdomains_free(rig: Rig) -> None:
    rig.enforce([(order(), ["telegram.org"])], Scope.EXACT)
    assert rig.answer("telegram.org").records == ["60 192.0.2.80"]
    assert rig.answer(LISTED).rcode == "NXDOMAIN"


def test_a_block_and_its_lifting_show_in_the_very_next_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(LISTED, "A", f"{LISTED}. 300 IN A 198.51.100.9")
    rig.enforce([(order(in_force_from=1_000), ["telegram.org"])])
    seen = [rig.answer(LISTED).records]
    for now in (1_000, 4_000_000_000):
        rig.pass_time(now)
        seen.append(rig.answer(LISTED).records)
    assert seen == [["300 198.51.100.9"], ["60 192.0.2.80"], ["300 198.51.100.9"]]
    assert len(upstream.seen) == 1, "the cache outlives the block"


def test_before_the_first_list_names_are_resolved_or_refused_as_configured(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    unready = Rig(rig.folder, upstream.upstream)
    assert unready.answer(LISTED).rcode == "NXDOMAIN"
    refusing = Rig(rig.folder, upstream.upstream, refuse_unready=True)
    answer = refusing.answer(LISTED, use_edns=0)
    assert answer.rcode == "SERVFAIL"
    assert answer.error is not None
    assert answer.error[0] == 14


def test_a_hit_is_counted_once(rig: Rig) -> None:
    rig.answer(LISTED)
    assert rig.counters.hits(1)[0] == 1
    assert rig.counters.queries()[Transport.UDP] == 1
    assert rig.counters.answers()[0] == 1


def test_a_stranger_is_not_told_of_orders(rig: Rig) -> None:
    answer = rig.ask(LISTED, host=STRANGER, use_edns=0)
    assert answer is not None
    told = Answer(answer)
    assert (told.rcode, told.records, told.error) == ("REFUSED", [], None)


def test_a_swap_while_the_target_is_asked_does_not_mix_up_orders(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("info.example", "A", "info.example. 300 IN A 198.51.100.7")
    enforcing(rig, Action.CNAME, cname="info.example")
    begun = rig.resolver.begin(question(LISTED, use_edns=0).to_wire(), "127.0.0.1", Transport.UDP)
    assert isinstance(begun, QueryContext)
    rig.enforce([(order("order-2"), ["telegram.org"])])
    late = asyncio.run(rig.resolver.finish(begun))
    assert late is not None
    assert b"order order-2," in late
    assert dns.message.from_wire(late).answer == rig.answer(LISTED, use_edns=0).message.answer
    assert (rig.counters.hits(1)[0], rig.counters.hits(2)[0]) == (2, 0), "the order lifted meanwhile has no hit"
