"""What each party decides about a name, before it is decided between them."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.orders import NEVER, Action
from blockd.ruleset.mapped import Claim
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
