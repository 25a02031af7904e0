"""Serve-stale (RFC 8767): what upstreams cannot renew is given for a while, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.metrics.counters import _CACHE_STALE
from blockd.orders import Action
from blockd.resolver import QueryContext
from blockd.resolver.cache import Cache
from blockd.resolver.response import parse
from tests.resolver.rig import CLIENT, HASTY, LAST, Rig, order, question
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
DAY = 86_400
SOON = 0.01  # seconds of waiting for upstreams
FAULTS = [Fault.SERVFAIL, Fault.REFUSED, Fault.MALFORMED, Fault.SILENCE]
MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path, upstream: UpstreamSimulator) -> MakeRig:
    """Rigs that keep what has expired for a day; one attempt for a question."""

    def make(**given: Any) -> Rig:
        return Rig(tmp_path, upstream.upstream, **{"stale": DAY, "attempts": 1, "timeout": HASTY, **given})

    return make


@pytest.fixture
def rig(make_rig: MakeRig, upstream: UpstreamSimulator) -> Rig:
    """A rig whose cache has an answer that has expired."""
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME cdn.example.", "cdn.example. 60 IN A 198.51.100.1")
    rig = make_rig()
    rig.answer(NAME)
    rig.clock.now += 60
    return rig


def stale_answers(rig: Rig) -> int:
    return int(rig.row.numbers[_CACHE_STALE])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_is_answered_with_what_has_expired(rig: Rig, upstream: UpstreamSimulator, fault: Fault) -> None:
    upstream.faults = {fault}
    answer = rig.answer(NAME, use_edns=0)
    assert answer.rcode == "NOERROR"
    assert answer.records == ["30 cdn.example.", "30 198.51.100.1"]
    assert answer.error == (types.EDE_STALE_ANSWER, "")
    assert stale_answers(rig) == 1


def test_the_failure_is_remembered_so_that_upstreams_are_not_asked_each_time(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.SERVFAIL}
    for _ in range(3):
        assert rig.answer(NAME).records == ["30 cdn.example.", "30 198.51.100.1"]
    assert len(upstream.seen) == 2, "once when it was stored, once since"


def test_a_fresh_answer_replaces_it(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.2")
    answer = rig.answer(NAME, use_edns=0)
    assert (answer.records, answer.error) == (["300 198.51.100.2"], None)
    assert stale_answers(rig) == 0


def test_a_name_that_has_ceased_to_exist_is_not_given(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", rcode="NXDOMAIN")  # without SOA: it is not kept
    assert rig.answer(NAME).rcode == "NXDOMAIN"
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer(NAME).rcode == "SERVFAIL", "what was known before is no longer true"
    assert (len(rig.cache), rig.cache.size) == (0, 0)


def test_an_answer_with_ttl_0_is_never_given_again(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 0 IN A 198.51.100.2")
    assert rig.answer(NAME).records == ["0 198.51.100.2"]
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer(NAME).rcode == "SERVFAIL"


@pytest.mark.parametrize("kind", ["A", "TXT"])
def test_a_negative_answer_is_given_too(make_rig: MakeRig, upstream: UpstreamSimulator, kind: str) -> None:
    if kind == "TXT":
        upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    rig = make_rig()
    rig.answer(NAME, kind)
    rig.clock.now += 60
    upstream.faults = {Fault.SERVFAIL}
    answer = rig.answer(NAME, kind, use_edns=0)
    assert answer.rcode == ("NXDOMAIN" if kind == "A" else "NOERROR")
    assert answer.error == (types.EDE_STALE_NXDOMAIN if kind == "A" else types.EDE_STALE_ANSWER, "")
    assert answer.negative_ttl == 30


def test_it_is_given_until_the_limit_and_then_forgotten(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}
    rig.clock.now += DAY - 1
    assert rig.answer(NAME).rcode == "NOERROR"
    rig.clock.now += 1
    assert rig.answer(NAME).rcode == "SERVFAIL"
    assert (len(rig.cache), rig.cache.size) == (0, 0)


def test_without_the_setting_a_failure_is_a_failure(make_rig: MakeRig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 60 IN A 198.51.100.1")
    rig = make_rig(stale=0)
    rig.answer(NAME)
    rig.clock.now += 60
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer(NAME).rcode == "SERVFAIL"
    assert len(rig.cache) == 0


def test_a_stale_answer_is_not_called_authentic(make_rig: MakeRig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 60 IN A 198.51.100.1")
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\1"
    upstream.make = lambda query: query[:2] + b"\x81\xa0\0\1\0\1\0\0\0\0" + query[12:-11] + record
    rig = make_rig()
    assert rig.answer(NAME, want_dnssec=True).has(dns.flags.AD)
    rig.clock.now += 60
    upstream.make = None
    upstream.faults = {Fault.SERVFAIL}
    assert not rig.answer(NAME, want_dnssec=True).has(dns.flags.AD), "its signatures may have expired as well"


def test_policy_is_asked_before_it(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}
    rig.enforce([(order(), [NAME])])
    assert rig.answer(NAME).records == ["60 192.0.2.80"]
    assert stale_answers(rig) == 0


def test_what_it_leads_to_is_judged(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}
    rig.enforce([(order(), ["cdn.example"])])
    assert rig.answer(NAME).records == ["60 192.0.2.80"]
    assert stale_answers(rig) == 0
    rig.lift()
    assert rig.answer(NAME).records == ["30 cdn.example.", "30 198.51.100.1"]
    assert stale_answers(rig) == 1


def test_no_ttl_outlasts_the_verdict(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}
    rig.enforce([(order(action=Action.SINKHOLE, in_force_from=LAST - 10, expires=LAST), ["cdn.example"])])
    rig.pass_time(LAST - 15)
    assert rig.answer(NAME).records == ["5 cdn.example.", "5 198.51.100.1"]


def test_the_target_of_an_alias_by_order_is_given_too(make_rig: MakeRig, upstream: UpstreamSimulator) -> None:
    upstream.plan("page.example", "A", "page.example. 60 IN A 198.51.100.9")
    rig = make_rig()
    rig.enforce([(order(action=Action.CNAME, cname="page.example"), [NAME])])
    rig.answer(NAME)
    rig.clock.now += 60
    upstream.faults = {Fault.SERVFAIL}
    answer = rig.answer(NAME, use_edns=0)
    assert answer.records == ["60 page.example.", "30 198.51.100.9"]
    codes = [option.code for option in answer.message.options if isinstance(option, dns.edns.EDEOption)]
    assert codes == [types.EDE_CENSORED, types.EDE_STALE_ANSWER]


def test_an_operators_look_at_upstreams_gets_what_they_say_now(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}
    context = rig.resolver.pipeline.begin(question(NAME).to_wire(), CLIENT, Transport.UDP)
    assert isinstance(context, QueryContext)
    context.is_unjudged = True
    wire = asyncio.run(rig.resolver.finish(context))
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == 2


def test_who_waits_too_long_gets_it_and_the_answer_is_kept_when_it_comes(
    make_rig: MakeRig, upstream: UpstreamSimulator
) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 60 IN A 198.51.100.1")
    rig = make_rig(stale_after=SOON, timeout=10)
    rig.answer(NAME)
    rig.clock.now += 60

    async def ask() -> list[str]:
        wire = await rig.resolve(question(NAME).to_wire())
        assert wire is not None
        return [f"{rrset.ttl} {data}" for rrset in dns.message.from_wire(wire).answer for data in rrset]

    async def story() -> None:
        upstream.plan(NAME, "A", f"{NAME}. 60 IN A 198.51.100.2")
        with upstream.held():
            assert await ask() == ["30 198.51.100.1"]
            assert await ask() == ["30 198.51.100.1"], "the one who joins late waits no longer"
            (asking,) = [task for task, _ in rig.resolver.pipeline._caching._asking.values()]
        await asking
        assert await ask() == ["60 198.51.100.2"]

    asyncio.run(story())
    assert len(upstream.seen) == 2


def test_what_has_expired_gives_way_like_all_else(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 60 IN A 198.51.100.1")
    rig = Rig(tmp_path, upstream.upstream, cache_size=12_000, stale=DAY, attempts=1)
    rig.answer(NAME)
    rig.clock.now += 60
    for number in range(100):
        rig.answer(f"{number}.example")
        assert rig.cache.size <= 12_000
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer(NAME).rcode == "SERVFAIL"
    assert rig.answer("99.example").rcode == "NXDOMAIN"


def test_a_stale_answer_is_a_use() -> None:
    cache = Cache(3_000, 3600, 3600, stale=DAY)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\1"
    query = question(NAME).to_wire()
    response = parse(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + record, len(query) - 12)
    first, second, third = [(name, 1, False, False) for name in (b"\1a", b"\1b", b"\1c")]
    cache.put(first, response, 0)
    cache.put(second, response, 0)
    assert cache.get_stale(first, 59) is None
    assert cache.get_stale(first, 60) is not None
    cache.put(third, response, 60)
    assert cache.peek(second) is None
    assert cache.peek(first) is not None
