"""The additional section of answers that do not lead there: what it says of listed names and addresses is not given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from blockd.metrics import Transport
from blockd.native import ENGINE
from blockd.orders import Action
from blockd.resolver.extras import MAX_EXTRA_ADDRESSES, MAX_EXTRA_NAMES
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

FREE = "free.example"
ANSWERS = {
    "MX": f"{FREE}. 300 IN MX 10 mx.listed.example.",
    "SRV": f"{FREE}. 300 IN SRV 0 5 443 mx.listed.example.",
    "NAPTR": f'{FREE}. 300 IN NAPTR 1 1 "a" "x" "" mx.listed.example.',
    "NS": f"{FREE}. 300 IN NS mx.listed.example.",
}
EXTRA = ("mx.listed.example. 300 IN A 192.0.2.1", "mx.listed.example. 300 IN AAAA 2001:db8::1")
OTHER = ("mx.open.example. 300 IN A 192.0.2.2",)


@pytest.fixture(params=["native", "python"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "native":
        pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    monkeypatch.setenv(ENGINE, request.param)


def plan(upstream: UpstreamSimulator, kind: str, additional: Sequence[str] = EXTRA + OTHER) -> None:
    upstream.plan(FREE, kind, ANSWERS[kind], additional=list(additional))


def extras(rig: Rig, kind: str, transport: Transport = Transport.UDP, **asked: object) -> int:
    """Return how many records the additional section has; the answer has its own in any case."""
    answer = rig.answer(FREE, kind, transport, **asked)
    assert len(answer.records) == 1
    return sum(len(rrset) for rrset in answer.message.additional)


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("listed", ["listed.example", "192.0.2.0/24", "2001:db8::1"])
def test_addresses_of_a_listed_target_are_not_given(
    rig: Rig, upstream: UpstreamSimulator, kind: str, listed: str
) -> None:
    plan(upstream, kind)
    rig.enforce([(order(), [listed])])
    for want_dnssec in (False, True):
        for transport in (Transport.UDP, Transport.TCP):
            for _ in range(2):  # from upstream, and from the cache
                assert extras(rig, kind, transport, want_dnssec=want_dnssec) == 0
    assert rig.counters.hits(1)[0] == 0, "it is no block of the question"
    rig.enforce([(order(), ["elsewhere.example"])])
    assert extras(rig, kind) == 3


def test_what_only_counts_or_is_allowed_leaves_them(rig: Rig, upstream: UpstreamSimulator) -> None:
    plan(upstream, "MX")
    rig.enforce([(order(action=Action.MONITOR), ["listed.example"])])
    assert extras(rig, "MX") == 3
    assert rig.counters.hits(1)[0] == 0
    rig.enforce([(order(), ["listed.example"]), (order("open", Action.ALLOW), ["mx.listed.example"])])
    assert extras(rig, "MX") == 3
    rig.enforce([(order(), ["listed.example"]), (order("open", Action.ALLOW), [FREE])])
    assert extras(rig, "MX") == 3, "who may have the name may have what comes with it"


def test_over_tcp_what_is_for_tcp_only_is_given(rig: Rig, upstream: UpstreamSimulator) -> None:
    plan(upstream, "MX")
    rig.enforce([(order(action=Action.TCP_ONLY), ["listed.example"])])
    assert extras(rig, "MX") == 0
    assert extras(rig, "MX", Transport.TCP) == 3


def test_they_are_given_no_longer_than_until_an_order_begins(rig: Rig, upstream: UpstreamSimulator) -> None:
    plan(upstream, "MX")
    rig.enforce([(order(in_force_from=41), ["listed.example"])])
    answer = rig.answer(FREE, "MX")
    assert {rrset.ttl for rrset in (*answer.message.answer, *answer.message.additional)} == {40}


@pytest.mark.parametrize(("names", "addresses"), [(MAX_EXTRA_NAMES + 1, 1), (1, MAX_EXTRA_ADDRESSES + 1)])
def test_a_section_too_large_to_be_judged_is_left_out(
    rig: Rig, upstream: UpstreamSimulator, names: int, addresses: int
) -> None:
    every = [f"n{at}.open.example. 300 IN A 198.51.{at}.{host}" for at in range(names) for host in range(addresses)]
    plan(upstream, "MX", every)
    rig.enforce([(order(), ["listed.example"])])
    assert extras(rig, "MX", Transport.TCP) == 0
    plan(upstream, "SRV", every[1:])
    assert extras(rig, "SRV", Transport.TCP) == len(every) - 1
