from __future__ import annotations

import pytest

from blockd.audit.deciding import ALL, ProvedClaim, decide, ranked
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
    found = decide(claims, TIERS, unknown)
    assert found.covered is covered
    assert (found.decides.order.id if found.decides else None) == decides
