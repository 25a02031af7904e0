"""What each party decides about a name, before it is decided between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge

from blockd.orders import NEVER, Action, Verdict
from blockd.ruleset.mapped import Claim, Match
from blockd.ruleset.parties import OPERATOR
from blockd.ruleset.precedence import STRENGTHS

Claimed = tuple[bytes, Claim]
"""An entry's key, and a claim on it."""


@dataclass(frozen=True, slots=True)
class Party:
    """What a party decides about a name: by which claim, at which step from the longest match, and in which tier."""

    claimed: Claimed
    action: Action
    step: int
    tier: int

    @property
    def strength(self) -> int:
        """How strong it is against other parties' decisions."""
        return STRENGTHS[self.action]


@dataclass(slots=True)
class Weighed:
    """What each party decides about a name, by its number; `allowed` is what the operator allows above all.

    `idle` is the best claim that is not in force, `until` when the first pending one comes into force.
    """

    parties: dict[int, Party]
    allowed: Claimed | None = None
    idle: Claimed | None = None
    until: int = NEVER


@dataclass(frozen=True, slots=True)
class Turn:
    """A claim as the policy meets it; `covers` if its scope covers the question.

    `below` is the key of the name that closes a zone's wildcards above it, or what a list with an exception on that
    name says above it, if the claim is one of them, else None.
    """

    claimed: Claimed
    tier: int
    covers: bool
    is_in_force: bool
    below: bytes | None
    is_exception: bool = False


@dataclass(frozen=True, slots=True)
class Covering:
    """A claim that covers a name, as a verdict; `size` is the number of octets of the key that match.

    `below` is as in `Turn`.
    """

    size: int
    verdict: Verdict
    below: bytes | None


def ranked(found: Sequence[Match]) -> list[Claimed]:
    """Return the claims on a name and on its hashes, by rank, as if they were on one entry.

    If an order claims both the name and a hash of it, these remain two claims.
    """
    claimed = [[(entry, claim) for claim in claims] for entry, claims in found]
    return claimed[0] if len(claimed) == 1 else list(merge(*claimed, key=lambda pair: pair[1].order_index))


def beats(known: Party, action: Action, tier: int, party: int) -> bool:
    """Return whether a claim takes the place of what a party has decided by a longer match or a better rank."""
    if action is Action.MONITOR or known.action is Action.MONITOR:
        return action is not Action.MONITOR
    if party == OPERATOR:
        return tier < known.tier
    return action is Action.ALLOW and known.action is not Action.ALLOW
