"""Precedence between parties: whose order decides about a name if several cover it.

A party is the operator, with all policy zones and unsigned feeds together, or an authority: a role that signs orders of
one signed feed. What the operator allows, by an override or by an `allow` feed, stands above all. Else each party
decides for itself first (`blockd.ruleset.policy`), and then this module decides between the parties, whoever names the
longer name:

    strength  actions
    FULL      sinkhole, nxdomain, nodata, refused, drop: equal to each other
    OTHER     cname, local: another name's records, or those that a zone has for the name
    TCP_ONLY  tcp-only: the name's own records, over TCP
    NONE      allow, passthru, monitor: the name's own records

The stronger decision stands; of equal ones the better in rank: the feed's priority, then the later date, then the id.
A party that may lift another's orders (`may_lift`) opens them: by `allow` or `passthru` whatever they name, by a weaker
action where it names the same name or a longer one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from blockd.orders import Action

FULL, OTHER, TCP_ONLY, NONE = 3, 2, 1, 0
STRENGTHS: Mapping[Action, int] = {
    Action.SINKHOLE: FULL,
    Action.NXDOMAIN: FULL,
    Action.NODATA: FULL,
    Action.REFUSED: FULL,
    Action.DROP: FULL,
    Action.CNAME: OTHER,
    Action.TCP_ONLY: TCP_ONLY,
    Action.MONITOR: NONE,
    Action.ALLOW: NONE,
    Action.PASSTHRU: NONE,
    Action.LOCAL: OTHER,
}
OPENING = frozenset((Action.ALLOW, Action.PASSTHRU))
NOBODY: frozenset[Any] = frozenset()

PartyT = TypeVar("PartyT")
ClaimT = TypeVar("ClaimT")


@dataclass(frozen=True, slots=True)
class PartyDecision(Generic[PartyT, ClaimT]):
    """What one party decides about a name, by one claim in force.

    `step` is 0 for the longest match of all parties, and grows with shorter ones; `rank` is the lower the better, and
    `lifts` has the parties whose orders it may lift.
    """

    party: PartyT
    action: Action
    step: int
    rank: Any
    claim: ClaimT
    lifts: Collection[PartyT] = NOBODY

    @property
    def strength(self) -> int:
        """How strong it is against other parties' decisions."""
        return STRENGTHS[self.action]


@dataclass(frozen=True, slots=True)
class Settled(Generic[PartyT, ClaimT]):
    """The decision between parties: the one that stands, None if nobody decides, and who has lifted whose."""

    winner: PartyDecision[PartyT, ClaimT] | None
    lifted: Mapping[PartyT, PartyDecision[PartyT, ClaimT]] = field(default_factory=dict)


def settle(decisions: Sequence[PartyDecision[PartyT, ClaimT]]) -> Settled[PartyT, ClaimT]:
    """Decide between parties, each of which has at most one decision.

    What was lifted lifts nothing. Only weaker decisions lift, so that no two can lift each other.
    """
    lifted: dict[PartyT, PartyDecision[PartyT, ClaimT]] = {}
    lifters = [one for one in decisions if one.lifts and one.action is not Action.MONITOR]
    for strength in (NONE, TCP_ONLY, OTHER):
        for one in lifters:
            if one.strength == strength and one.party not in lifted:
                for other in decisions:
                    if other.party in one.lifts and lifts(one, other):
                        lifted.setdefault(other.party, one)
    standing = [one for one in decisions if one.party not in lifted]
    return Settled(min(standing, key=lambda one: (-one.strength, one.rank), default=None), lifted)


def lifts(one: PartyDecision[Any, Any], other: PartyDecision[Any, Any]) -> bool:
    """Return whether a decision opens a stronger one that its party may lift."""
    return other.strength > one.strength and (one.action in OPENING or one.step <= other.step)
