"""What orders decided about a name, as far as they are known, by the rules of `blockd.ruleset.policy`.

The contents of some feeds may be unknown: then it is said what follows for certain, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from blockd.audit.signatures import RoleSignature
from blockd.orders import NO_TIER, Action, Order, OrderKey, State
from blockd.ruleset.catalogue import rank

HARMLESS = frozenset((Action.ALLOW, Action.MONITOR, Action.PASSTHRU))  # actions that leave the answer as it is
PASSING = frozenset((Action.ALLOW, Action.PASSTHRU))  # actions that keep others from blocking
ALL = frozenset(Action)


@dataclass(slots=True)
class ProvedClaim:
    """An order that covers the name, as of the time asked for."""

    feed: str
    priority: int
    order: Order
    entry: str
    length: int  # octets of the entry's key: the longest match decides
    state: str
    since: str | None  # when every worker had it in this state
    proved_by: str  # what proves it, in words
    signatures: list[RoleSignature] = field(default_factory=list)

    @property
    def key(self) -> OrderKey:
        """The order's key."""
        return self.order.key(self.feed)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; `order` is how the order is called."""
        order = self.order
        return {
            "feed": self.feed,
            "order": order.name,
            "id": order.id,
            "list": order.list_name,
            "authority": order.authority,
            "role": order.role,
            "platform": order.platform,
            "legal_basis": order.legal_basis,
            "reference": order.reference,
            "action": str(order.action),
            "confidential": order.is_confidential,
            "entry": self.entry,
            "state": self.state,
            "since": self.since,
            "proved_by": self.proved_by,
            "signatures": [signature.to_json() for signature in self.signatures],
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the name was blocked, None if that is not known; and the claim that decided, if one did and is known."""

    covered: bool | None
    decides: ProvedClaim | None


def decide(claims: Sequence[ProvedClaim], tiers: Mapping[str, int], unknown: frozenset[Action]) -> Decision:
    """Return the decision of `claims`, none of which is a policy zone's, best first.

    `tiers` are those of the feeds, by name, and `unknown` the actions that orders may have whose names are unknown.
    """
    deciding = next((claim for claim in ranked(claims, tiers) if claim.state == State.IN_FORCE.text), None)
    if deciding is not None and deciding.order.action is Action.ALLOW:
        return Decision(False, deciding)
    if not unknown:
        return Decision(deciding is not None and deciding.order.action not in HARMLESS, deciding)
    if deciding is not None and deciding.order.action not in HARMLESS and not unknown & PASSING:
        return Decision(True, deciding if unknown <= HARMLESS else None)
    return Decision(False if unknown <= HARMLESS and _blocks_nothing(deciding) else None, None)


def ranked(claims: Sequence[ProvedClaim], tiers: Mapping[str, int]) -> list[ProvedClaim]:
    """Return the claims in the order in which the policy asks them.

    `allow` comes first and `monitor` last; between them the earlier tier, then the longest match, then the rank.
    """

    def key(claim: ProvedClaim) -> tuple[int, int, int, int, int, str]:
        kind, priority, date, identifier = rank(claim.order, claim.priority)
        tier = tiers.get(claim.feed, NO_TIER) if kind == 1 else 0
        return kind, tier, -claim.length, priority, date, identifier

    return sorted(claims, key=key)


def _blocks_nothing(deciding: ProvedClaim | None) -> bool:
    return deciding is None or deciding.order.action in HARMLESS
