"""Aliases in local zones that lead out of them: the chain, and what upstreams say of its end."""

from __future__ import annotations

import logging
from pathlib import Path

import dns.flags
import pytest

from blockd.dns import types
from blockd.orders import Action
from tests.resolver.local.conftest import Make
from tests.resolver.local.questions import RECORDS
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

END = "www.example.net"
CHAIN = ["600 out.corp.example.", f"120 {END}."]
ADDRESS = f"{END}. 300 IN A 198.51.100.1"
SOA = "example.net. 60 IN SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 30"


def signature(owner: str, kind: str) -> str:
    return f"{owner} 300 IN RRSIG {kind} 8 2 300 20300101000000 20200101000000 1 example.net. AAAA"


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> Rig:
    local = zones_of(local={"zones": [{"zone": "corp.example", "records": RECORDS}]})
    return Rig(tmp_path, upstream.upstream, local=local)


def test_an_upstreams_own_aliases_go_on_and_ttls_count_down(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(END, "A", f"{END}. 50 IN CNAME a.example.org.", "a.example.org. 20 IN A 198.51.100.1")
    assert rig.answer("far.corp.example").records == [*CHAIN, "50 a.example.org.", "20 198.51.100.1"]
    rig.clock.now += 7
    assert rig.answer("far.corp.example").records == [*CHAIN, "43 a.example.org.", "13 198.51.100.1"]
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("do", [False, True])
def test_signatures_of_the_end_are_given_to_who_asks_for_them(rig: Rig, upstream: UpstreamSimulator, do: bool) -> None:
    upstream.plan(END, "A", ADDRESS, signature(f"{END}.", "A"))
    for _ in range(2):  # from upstream, and from the cache
        answer = rig.answer("far.corp.example", want_dnssec=do)
        kinds = [rrset.rdtype for rrset in answer.message.answer]
        assert kinds == [types.CNAME, types.CNAME, types.A, *([types.RRSIG] if do else [])]
        assert not answer.has(dns.flags.AD)
        assert not answer.has(dns.flags.AA)


@pytest.mark.parametrize("do", [False, True])
@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_nothing_at_the_end_is_told_with_the_chain(rig: Rig, upstream: UpstreamSimulator, rcode: str, do: bool) -> None:
    proofs = [signature("example.net.", "SOA"), f"{END}. 60 IN NSEC z.example.net. MX", signature(f"{END}.", "NSEC")]
    upstream.plan(END, "A", authority=[SOA, *proofs], rcode=rcode)
    for _ in range(2):
        answer = rig.answer("far.corp.example", want_dnssec=do)
        assert (answer.rcode, answer.records, answer.negative_ttl) == (rcode, CHAIN, 30)
        assert sum(len(rrset) for rrset in answer.message.authority) == (4 if do else 1)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
def test_a_cname_action_may_lead_to_such_an_alias(rig: Rig, upstream: UpstreamSimulator, rcode: str) -> None:
    rig.enforce([(order(action=Action.CNAME, cname="far.corp.example"), ["telegram.org"])])
    records = [ADDRESS] if rcode == "NOERROR" else []
    upstream.plan(END, "A", *records, authority=() if records else [SOA], rcode=rcode)
    for _ in range(2):
        answer = rig.answer("web.telegram.org", use_edns=0)
        assert answer.rcode == rcode
        assert answer.records == ["60 far.corp.example.", *CHAIN, *(["300 198.51.100.1"] if records else [])]
        assert answer.negative_ttl == (None if records else 30)
        assert answer.error is not None
    assert len(upstream.seen) == 1
    assert rig.counters.hits(1)[0] == 2


def test_an_end_that_leads_back_is_a_failure_and_no_error_of_ours(
    rig: Rig, upstream: UpstreamSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.plan(END, "A", f"{END}. 60 IN CNAME far.corp.example.")
    with caplog.at_level(logging.WARNING):
        answer = rig.answer("far.corp.example", use_edns=0)
    assert (answer.rcode, answer.records, caplog.records) == ("SERVFAIL", [], [])
    assert answer.error is not None
    assert "leads back" in answer.error[1]


def test_a_failure_at_the_end_is_told_as_one(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(END, "A", rcode="SERVFAIL")
    answer = rig.answer("far.corp.example")
    assert (answer.rcode, answer.records) == ("SERVFAIL", [])
