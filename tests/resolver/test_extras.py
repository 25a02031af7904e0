"""The additional section of answers that do not lead there: what it says of listed names and addresses is not given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from blockd.metrics import Transport
from blockd.native import ENGINE
from blockd.orders import Action
from blockd.resolver.reading.fitting import MAX_EXTRA_ADDRESSES, MAX_EXTRAS
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

FREE = "free.example"
DATA = {"MX": "10", "SRV": "0 5 443", "NAPTR": '1 1 "a" "x" ""', "NS": ""}  # in front of the target
TARGETS = ("mx.listed.example.", "mx.open.example.")
EXTRA = ("mx.listed.example. 300 IN A 192.0.2.1", "mx.listed.example. 300 IN AAAA 2001:db8::1")
OTHER = ("mx.open.example. 300 IN A 192.0.2.2",)


@pytest.fixture(params=["native", "python"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "native":
        pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    monkeypatch.setenv(ENGINE, request.param)


def plan(
    upstream: UpstreamSimulator, kind: str, additional: Sequence[str] = EXTRA + OTHER, targets: Sequence[str] = TARGETS
) -> None:
    answer = [f"{FREE}. 300 IN {kind} {DATA[kind]} {target}" for target in targets]
    upstream.plan(FREE, kind, *answer, additional=list(additional))


def extras(rig: Rig, kind: str, transport: Transport = Transport.UDP, **asked: object) -> int:
    """Return how many records the additional section has; the answer has its own in any case."""
    answer = rig.answer(FREE, kind, transport, **asked)
    assert len(answer.records) >= len(TARGETS)
    return sum(len(rrset) for rrset in answer.message.additional)


@pytest.mark.parametrize("kind", DATA)
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


@pytest.mark.parametrize(
    ("names", "addresses", "given"), [(MAX_EXTRAS + 1, 1, MAX_EXTRAS), (2, MAX_EXTRA_ADDRESSES, MAX_EXTRA_ADDRESSES)]
)
def test_what_is_beyond_the_bound_is_left_out_and_judges_nothing(
    rig: Rig, upstream: UpstreamSimulator, names: int, addresses: int, given: int
) -> None:
    targets = [f"n{at}.open.example." for at in range(names)]
    every = [f"{name} 300 IN A 198.51.{at}.{host}" for at, name in enumerate(targets) for host in range(addresses)]
    plan(upstream, "MX", every, targets)
    rig.enforce([(order(), [every[-1].split()[-1]])])
    assert extras(rig, "MX", Transport.TCP) == given
    rig.enforce([(order(), [every[given - 1].split()[-1]])])
    assert extras(rig, "MX", Transport.TCP) == 0


def test_a_listed_address_of_what_a_service_leads_to_blocks_the_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(
        FREE, "HTTPS", f"{FREE}. 300 IN HTTPS 1 web.example.",
        authority=["example. 300 IN NS ns.example."],
        additional=["web.example. 300 IN A 192.0.2.1", "ns.example. 300 IN A 192.0.2.2"],
    )  # fmt: skip
    rig.enforce([(order(), ["192.0.2.2"])])
    assert (rig.answer(FREE, "HTTPS").records, len(rig.answer(FREE, "HTTPS").message.additional)) == (
        ["300 1 web.example."],
        0,
    )
    rig.enforce([(order(), ["192.0.2.1"])])
    assert rig.answer(FREE, "HTTPS").records == []
