from __future__ import annotations

import pytest

from blockd.audit.deciding import ALL, ANY_ROLE, OPERATOR, KnownParties, ProvedClaim, decide, ranked, told_clients
from blockd.orders import Action
from tests.ruleset.lists import order

TIERS = {"early": 0, "late": 4}
LISTING = frozenset((Action.SINKHOLE, Action.NXDOMAIN))


def claim(
    name: str, action: Action = Action.SINKHOLE, *, feed: str = "early", length: int = 5, state: str = "in force"
) -> ProvedClaim:
    return ProvedClaim(feed, 50, order(name, action), "a.example (both)", length, state, None, "signatures")


def ids(*claims: ProvedClaim) -> list[str]:
    return [found.order.id for found in ranked(claims, TIERS)]


def test_allow_comes_first_and_monitor_last() -> None:
    assert ids(claim("m", Action.MONITOR, length=9), claim("b"), claim("a", Action.ALLOW, feed="late")) == [
        "a", "b", "m",
    ]  # fmt: skip


def test_earlier_tier_comes_before_a_longer_match_and_that_before_the_rank() -> None:
    assert ids(claim("b", feed="late", length=9), claim("c", length=5), claim("a", length=7)) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("claims", "unknown", "covered", "decides"),
    [
        ((), frozenset(), False, None),
        ((claim("a", state="lifted"),), frozenset(), False, None),
        ((claim("a"),), frozenset(), True, "a"),
        ((claim("a"), claim("w", Action.ALLOW, feed="late")), frozenset(), False, "w"),
        ((claim("m", Action.MONITOR),), frozenset(), False, "m"),
        # What is unknown may decide otherwise, or cannot.
        ((claim("a"),), frozenset((Action.MONITOR,)), True, "a"),
        ((claim("a"),), LISTING, True, None),
        ((claim("a"),), frozenset((Action.ALLOW,)), None, None),
        ((claim("a"),), LISTING | {Action.PASSTHRU}, None, None),
        ((claim("a"),), ALL, None, None),
        ((), LISTING, None, None),
        ((), frozenset((Action.ALLOW, Action.MONITOR)), False, None),
        ((claim("w", Action.ALLOW),), ALL, False, "w"),
    ],
)
def test_only_what_follows_is_said(
    claims: tuple[ProvedClaim, ...], unknown: frozenset[Action], covered: bool | None, decides: str | None
) -> None:
    found = decide(claims, KnownParties(frozenset(), TIERS), {OPERATOR: unknown})
    assert found.covered is covered
    assert (found.decides.order.id if found.decides else None) == decides


SIGNED = "ministry"
MAY_LIFT = {(SIGNED, "court"): [f"{SIGNED}/telecom"], ("zone", ""): [SIGNED]}


def signed(name: str, action: Action = Action.SINKHOLE, role: str = "telecom", length: int = 5) -> ProvedClaim:
    subject = order(name, action, role=role)
    return ProvedClaim(SIGNED, 50, subject, "a.example (both)", length, "in force", None, "signatures")


def decided(
    *claims: ProvedClaim, unknown: dict[tuple[str, str], frozenset[Action]] | None = None
) -> tuple[object, ...]:
    found = decide(claims, KnownParties({SIGNED}, TIERS, MAY_LIFT), unknown or {})
    return found.covered, found.decides.order.id if found.decides else None


def test_a_stronger_order_of_another_party_stands() -> None:
    assert decided(signed("a"), signed("b", Action.ALLOW, "other", 9)) == (True, "a")
    assert decided(signed("a", Action.TCP_ONLY), claim("own"), signed("b", Action.CNAME, "other", 9)) == (True, "own")
    assert decided(signed("a"), claim("own", Action.ALLOW)) == (False, "own")


def test_a_party_that_may_lift_opens_anothers_order() -> None:
    assert decided(signed("a"), signed("b", Action.ALLOW, "court", 3)) == (False, "b")
    assert decided(signed("a"), signed("b", Action.TCP_ONLY, "court", 3)) == (True, "a"), "of a shorter name"
    assert decided(signed("a"), signed("b", Action.TCP_ONLY, "court")) == (True, "b")


@pytest.mark.parametrize(
    ("party", "actions", "covered", "decides"),
    [
        ((SIGNED, "other"), ALL, True, None),  # it can open nothing of another's
        ((SIGNED, "other"), frozenset((Action.MONITOR,)), True, "a"),
        ((SIGNED, "court"), LISTING, True, None),
        ((SIGNED, "court"), frozenset((Action.ALLOW,)), None, None),
        ((SIGNED, "telecom"), frozenset((Action.ALLOW,)), None, None),
        ((SIGNED, ANY_ROLE), frozenset((Action.ALLOW,)), None, None),
        (("another", ANY_ROLE), ALL, True, None),
        (OPERATOR, frozenset((Action.ALLOW,)), None, None),
        (OPERATOR, frozenset((Action.PASSTHRU,)), None, None),  # a zone of it may lift
    ],
)
def test_what_is_unknown_of_one_party_decides_only_what_it_may(
    party: tuple[str, str], actions: frozenset[Action], covered: bool | None, decides: str | None
) -> None:
    assert decided(signed("a"), unknown={party: actions}) == (covered, decides)


@pytest.mark.parametrize(
    ("action", "covered", "udp", "tcp"),
    [
        (Action.SINKHOLE, True, "sinkhole", "sinkhole"),
        (Action.TCP_ONLY, True, "ask over TCP", "resolved"),
        (Action.ALLOW, False, "resolved", "resolved"),
        (None, False, "resolved", "resolved"),
        (None, True, "blocked", "blocked"),
        (None, None, None, None),
    ],
)
def test_what_clients_were_told(action: Action | None, covered: bool | None, udp: str | None, tcp: str | None) -> None:
    assert told_clients(action, covered) == {"udp": udp, "tcp": tcp}


@pytest.mark.parametrize(
    ("action", "party", "actions", "over_tcp"),
    [
        (Action.SINKHOLE, OPERATOR, LISTING, True),
        (Action.CNAME, OPERATOR, LISTING, True),
        (Action.TCP_ONLY, OPERATOR, LISTING, False),  # which may block it over TCP as well, or not
        (Action.SINKHOLE, (SIGNED, "other"), frozenset((Action.TCP_ONLY,)), True),
        (Action.SINKHOLE, (SIGNED, "telecom"), frozenset((Action.TCP_ONLY,)), False),
        (Action.SINKHOLE, (SIGNED, "court"), frozenset((Action.TCP_ONLY,)), False),  # it may lift
    ],
)
def test_a_block_is_told_over_tcp_only_where_no_unknown_order_changes_that(
    action: Action, party: tuple[str, str], actions: frozenset[Action], over_tcp: bool
) -> None:
    found = decide([signed("a", action)], KnownParties({SIGNED}, TIERS, MAY_LIFT), {party: actions})
    assert (found.covered, found.decides, found.over_tcp) == (True, None, over_tcp)
    assert told_clients(None, True, over_tcp)["tcp"] == ("blocked" if over_tcp else None)
