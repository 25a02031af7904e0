"""No answer is kept by a client for longer than what it says is true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blockd.native import ENGINE
from blockd.orders import Action, LocalRecord
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

END = 1_000
LAW = "order order-1, ministry"


@pytest.fixture(params=["native", "python"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "native":
        pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    monkeypatch.setenv(ENGINE, request.param)
    return str(request.param)


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as simulator:
        www = "www.example.org. 300 IN A 198.51.100.9"
        simulator.plan("www.example.org", "A", www)
        simulator.plan("alias.example.org", "A", "alias.example.org. 300 IN CNAME www.example.org.", www)
        simulator.plan("landing.example", "A", "landing.example. 300 IN A 198.51.100.7")
        yield simulator


@pytest.mark.parametrize(
    ("now", "ttl"), [(END - 61, 60), (END - 60, 60), (END - 59, 59), (END - 58.9, 58), (END - 1, 1), (END - 0.9, 0)]
)
def test_a_block_carries_no_longer_a_ttl_than_the_order_has_left(rig: Rig, now: float, ttl: int) -> None:
    for ending in (order(expires=END), order(expires=END + 500, lifted_on=END)):
        rig.enforce([(ending, ["www.example.org"])])
        rig.pass_time(now)
        assert rig.answer("www.example.org").records == [f"{ttl} 192.0.2.80"]
        assert rig.answer("a.www.example.org", "AAAA").records == [f"{ttl} 2001:db8::80"]
        assert rig.answer("www.example.org", "HTTPS").negative_ttl == ttl


def test_the_negative_ttl_is_cut_in_both_places(rig: Rig) -> None:
    rig.enforce([(order(action=Action.NXDOMAIN, expires=END), ["www.example.org"])])
    rig.pass_time(END - 7)
    (authority,) = rig.answer("www.example.org").message.authority
    assert (authority.ttl, authority[0].minimum) == (7, 7)


def test_an_end_that_has_passed_and_is_not_yet_noticed_leaves_nothing(rig: Rig) -> None:
    rig.enforce([(order(expires=END), ["www.example.org"])])
    rig.wall_clock.now = END + 3
    assert rig.answer("www.example.org").records == ["0 192.0.2.80"]


def test_an_alias_and_local_records_last_no_longer(rig: Rig) -> None:
    records = (LocalRecord(1, 300, b"\xc0\0\2\x63"),)
    rig.enforce(
        [
            (order("order-1", Action.CNAME, cname="landing.example", expires=END), ["alias.example"]),
            (order("order-2", Action.LOCAL, records=records, expires=END), ["local.example"]),
        ]
    )
    rig.pass_time(END - 20)
    assert rig.answer("alias.example").records == ["20 landing.example.", "300 198.51.100.7"]
    assert rig.answer("local.example").records == ["20 192.0.2.99"]


def test_an_answer_lasts_until_an_order_takes_force(rig: Rig) -> None:
    rig.enforce([(order(in_force_from=END), ["www.example.org"])])
    rig.pass_time(END - 400)
    assert rig.answer("www.example.org").records == ["300 198.51.100.9"]
    rig.pass_time(END - 25)
    assert rig.answer("www.example.org").records == ["25 198.51.100.9"]
    assert rig.answer("alias.example.org").records == ["25 www.example.org.", "25 198.51.100.9"], (
        "as much where it leads there"
    )
    rig.pass_time(END)
    assert rig.answer("www.example.org").records == ["60 192.0.2.80"]


def test_an_exception_that_begins_or_ends_is_seen_in_time(rig: Rig) -> None:
    block = order("block"), ["example.org"]
    rig.enforce([block, (order("open", Action.ALLOW, expires=END), ["www.example.org"])])
    rig.pass_time(END - 25)
    assert rig.answer("www.example.org").records == ["25 198.51.100.9"]
    rig.enforce([block, (order("open", Action.ALLOW, in_force_from=END), ["www.example.org"])])
    rig.pass_time(END - 25)
    assert rig.answer("www.example.org").records == ["25 192.0.2.80"]


def test_an_order_that_only_counts_shortens_nothing(rig: Rig) -> None:
    rig.enforce([(order(action=Action.MONITOR, in_force_from=END), ["www.example.org"])])
    rig.pass_time(END - 25)
    assert rig.answer("www.example.org").records == ["300 198.51.100.9"]


def test_an_answer_says_that_its_order_was_not_renewed_in_time(rig: Rig) -> None:
    rig.enforce([(order("order-1"), ["www.example.org"]), (order("order-2"), ["b.example"])])
    objections = "; objections: objections@example.net"
    assert rig.answer("www.example.org", use_edns=0).error == (16, f"{LAW}{objections}")
    rig.pass_time(1, 0)
    assert rig.answer("www.example.org", use_edns=0).error == (16, f"{LAW}; list not renewed in time{objections}")
    assert rig.answer("b.example", use_edns=0).error == (16, f"order order-2, ministry{objections}")
    rig.pass_time(1)
    assert rig.answer("www.example.org", use_edns=0).error == (16, f"{LAW}{objections}")
