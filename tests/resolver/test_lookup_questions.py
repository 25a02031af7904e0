"""Questions of an operator's lookup: served, answered as a client's or before policy, and counted nowhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import dns.message
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import key_from_text
from blockd.resolver import SelfTestIdentity, SelfTestKey
from blockd.resolver.response import leads_of
from tests.resolver.rig import HASTY, STRANGER, Answer, Rig, order
from tests.upstream import Fault, UpstreamSimulator

KEY = SelfTestKey.make(os.urandom)
FREE = "free.example"


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    rig = Rig(tmp_path, upstream.upstream, timeout=HASTY, attempts=1, selftest=SelfTestIdentity(KEY, 0))
    rig.enforce([(order(), ["telegram.org", "203.0.113.0/24"])])
    return rig


def look(rig: Rig, name: str, qtype: int = types.A, *, unjudged: bool, host: str = STRANGER) -> bytes:
    packet = KEY.lookup_question(key_from_text(name), qtype, unjudged=unjudged)
    answer = asyncio.run(rig.resolve(packet, host, Transport.TCP))
    assert answer is not None
    return answer


def told(answer: bytes) -> Answer:
    return Answer(dns.message.from_wire(answer))


@pytest.mark.parametrize("name", ["telegram.org", FREE])
def test_a_lookup_gets_what_a_client_gets_and_on_request_what_the_upstreams_say(
    rig: Rig, upstream: UpstreamSimulator, name: str
) -> None:
    upstream.plan("telegram.org", "A", "telegram.org. 300 IN A 198.51.100.7")
    upstream.plan(FREE, "A", f"{FREE}. 300 IN CNAME web.telegram.org.", "web.telegram.org. 60 IN A 198.51.100.9")
    for _ in range(2):  # the second time from the cache, where there is one
        before = told(look(rig, name, unjudged=True))
        assert [record.split()[1] for record in before.records][-1].startswith("198.51.100.")
        assert before.error is None
        after = told(look(rig, name, unjudged=False))
        assert after.records == ["60 192.0.2.80"]
        assert after.error is not None
        assert after.error[0] == 16
    assert rig.counters.hits(1)[0] == 0
    assert (sum(rig.counters.queries()), sum(rig.counters.answers()), rig.counters.cache_hits()) == (0, 0, 0)
    assert rig.counters.cache_misses() == 0
    client = rig.answer(name, use_edns=0)
    assert client.records == ["60 192.0.2.80"], "what is cached for clients is judged all the same"


def test_a_silent_upstream_is_a_failure_with_its_reason(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SILENCE}
    answer = told(look(rig, FREE, unjudged=True))
    assert answer.rcode == "SERVFAIL"
    assert answer.error is not None


def test_the_records_of_an_answer_say_what_each_leads_to(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(FREE, "A", f"{FREE}. 300 IN CNAME b.example.", "b.example. 60 IN A 203.0.113.5")
    upstream.plan(FREE, "HTTPS", f"{FREE}. 300 IN HTTPS 1 svc.example. ipv4hint=192.0.2.1")
    size = len(key_from_text(FREE)) + 5
    _, leads = leads_of(look(rig, FREE, unjudged=True), size)
    assert [(lead.owner, lead.qtype, lead.to) for lead in leads] == [
        (key_from_text(FREE), types.CNAME, key_from_text("b.example")),
        (key_from_text("b.example"), types.A, bytes((203, 0, 113, 5))),
    ]
    response, leads = leads_of(look(rig, FREE, types.HTTPS, unjudged=True), size)
    assert [(lead.qtype, lead.is_name, lead.to) for lead in leads] == [
        (types.HTTPS, True, key_from_text("svc.example")),
        (types.HTTPS, False, bytes((192, 0, 2, 1))),
    ]
    assert (response.names, response.addresses) == ((key_from_text("svc.example"),), (bytes((192, 0, 2, 1)),))


def test_nobody_without_the_secret_gets_past_the_policy(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan("telegram.org", "A", "telegram.org. 300 IN A 198.51.100.7")
    forged = SelfTestKey(bytes(16)).lookup_question(key_from_text("telegram.org"), types.A, unjudged=True)
    answer = asyncio.run(rig.resolve(forged, transport=Transport.TCP))
    assert answer is not None
    assert told(answer).records == ["60 192.0.2.80"]
    stranger = asyncio.run(rig.resolve(forged, STRANGER, Transport.TCP))
    assert stranger is not None
    assert told(stranger).rcode == "REFUSED"
