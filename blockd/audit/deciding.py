"""What orders decided about a name, as far as they are known, by the rules of `blockd.ruleset.policy`.

Each party decides for itself, and `blockd.ruleset.precedence` between them.

The contents of some feeds may be unknown: then it is said what follows for certain, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from blockd.audit.signatures import RoleSignature
from blockd.orders import NO_TIER, Action, Order, OrderKey, State
from blockd.orders.repository import OWN_ROLE
from blockd.ruleset.catalogue import rank
from blockd.ruleset.precedence import PartyDecision, settle

HARMLESS = frozenset((Action.ALLOW, Action.MONITOR, Action.PASSTHRU))  # actions that leave the answer as it is
PASSING = frozenset((Action.ALLOW, Action.PASSTHRU))  # actions that keep others from blocking
OVER_TCP = frozenset((Action.TCP_ONLY,))  # actions that give the name's own records over TCP
ALL = frozenset(Action)
RESOLVED = "resolved"  # the name's own records
BLOCKED = "blocked"  # by an order of which is not known which it is
NO_ROOM = "refused: no room"  # the state of an order on a name that has too many of its authority


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


Party = tuple[str, str]
"""A feed and a role whose orders an authority signed; of all feeds of the operator both are empty."""

OPERATOR: Party = ("", "")
ANY_ROLE = "*"  # of a feed of which it is not known who signed what


@dataclass(frozen=True, slots=True)
class KnownParties:
    """The parties of one version: which feeds are signed, the tiers of the others, and who may lift whose orders.

    `may_lift` has, by feed and role, the authorities as a ruleset has them; the role of a policy zone is empty.
    """

    signed: Set[str]
    tiers: Mapping[str, int]
    may_lift: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def of(self, feed: str, role: str) -> Party:
        """Return the party of an order, given its feed and the role that signed it."""
        return (feed, role or OWN_ROLE) if feed in self.signed else OPERATOR

    def lifted_by(self, claim: ProvedClaim, parties: Iterable[Party]) -> frozenset[Party]:
        """Return which of the parties' orders the party of a claim may lift."""
        role = claim.order.role if claim.feed in self.signed else ""
        wanted = self.may_lift.get((claim.feed, role), ())
        return frozenset(party for party in parties if party[0] in wanted or "/".join(party) in wanted)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the name was blocked, None if that is not known; and the claim that decided, if one did and is known.

    `over_tcp` is False if a name that was blocked may have had its own records over TCP, where no claim decides.
    """

    covered: bool | None
    decides: ProvedClaim | None
    over_tcp: bool = True


def decide(
    claims: Sequence[ProvedClaim], parties: KnownParties, unknown: Mapping[Party, frozenset[Action]]
) -> Decision:
    """Return the decision of `claims`, none of which is a policy zone's.

    `unknown` has, by party, the actions that orders may have whose names are unknown.
    """
    in_force = [claim for claim in ranked(claims, parties.tiers) if claim.state == State.IN_FORCE.text]
    of = {id(claim): parties.of(claim.feed, claim.order.role) for claim in in_force}
    allowed = next((one for one in in_force if of[id(one)] == OPERATOR and one.order.action is Action.ALLOW), None)
    if allowed is not None:
        return Decision(False, allowed)
    first: dict[Party, ProvedClaim] = {}
    for claim in in_force:
        first.setdefault(of[id(claim)], claim)
    rank_of = {id(claim): place for place, claim in enumerate(sorted(first.values(), key=_rank))}
    settled = settle([
        PartyDecision(
            party, claim.order.action, -claim.length, rank_of[id(claim)], claim, parties.lifted_by(claim, first)
        )
        for party, claim in first.items()
    ])  # fmt: skip
    winner = settled.winner
    deciding = winner.claim if winner is not None else None
    is_block = deciding is not None and deciding.order.action not in HARMLESS
    possible = frozenset[Action]().union(*unknown.values())
    if possible <= HARMLESS - PASSING or (possible <= HARMLESS and not is_block):
        return Decision(is_block, deciding if possible <= HARMLESS - PASSING else None)
    if winner is None or deciding is None or not is_block or _may_open(winner.party, parties, unknown, PASSING):
        return Decision(None, None)
    over_tcp = deciding.order.action is not Action.TCP_ONLY and not _may_open(winner.party, parties, unknown, OVER_TCP)
    return Decision(True, deciding if possible <= HARMLESS else None, over_tcp)


def _may_open(
    party: Party, parties: KnownParties, unknown: Mapping[Party, frozenset[Action]], opening: frozenset[Action]
) -> bool:
    """Return whether orders whose names are unknown may open what a party blocks, by one of the actions `opening`."""
    for other, all_actions in unknown.items():
        actions = all_actions & opening
        if not actions:
            continue
        if other in (party, (party[0], ANY_ROLE)) or (other == OPERATOR and Action.ALLOW in actions):
            return True
        lifting = [wanted for place, wanted in parties.may_lift.items() if _is_of(place, other, parties)]
        if any(party[0] in wanted or "/".join(party) in wanted for wanted in lifting):
            return True
    return False


def _is_of(place: tuple[str, str], party: Party, parties: KnownParties) -> bool:
    """Return whether a feed and role are those of a party, as far as is known; a policy zone is the operator's."""
    return parties.of(*place) == party or (place[0], ANY_ROLE) == party


def ranked(claims: Sequence[ProvedClaim], tiers: Mapping[str, int]) -> list[ProvedClaim]:
    """Return the claims in the order in which the policy asks those of one party.

    `allow` comes first and `monitor` last; between them the earlier tier, then the longest match, then the rank.
    """

    def key(claim: ProvedClaim) -> tuple[int, int, int, int, int, str]:
        kind, priority, date, identifier = _rank(claim)
        tier = tiers.get(claim.feed, NO_TIER) if kind == 1 else 0
        return kind, tier, -claim.length, priority, date, identifier

    return sorted(claims, key=key)


def _rank(claim: ProvedClaim) -> tuple[int, int, int, str]:
    return rank(claim.order, claim.priority)


def told_clients(action: Action | None, covered: bool | None, over_tcp: bool = True) -> dict[str, str | None]:
    """Return in a word each what clients were told over UDP and over TCP; None if that is not known.

    `over_tcp` is that of a decision.
    """
    if covered is None:
        return {"udp": None, "tcp": None}
    if not covered:
        return {"udp": RESOLVED, "tcp": RESOLVED}
    if action is None:
        return {"udp": BLOCKED, "tcp": BLOCKED if over_tcp else None}
    if action is Action.TCP_ONLY:
        return {"udp": "ask over TCP", "tcp": RESOLVED}
    return {"udp": str(action), "tcp": str(action)}
