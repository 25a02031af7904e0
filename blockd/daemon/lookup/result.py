"""The result of a lookup: the explanation, its lines, where the name leads, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockd.daemon.lookup.help_desk import help_desk_text
from blockd.daemon.report.provenance import TracedExplanation, held_json
from blockd.ruleset.explain import ExplainedClaim, Explanation, GroupVerdict, word_of
from blockd.ruleset.gate.held_entries import HeldClaim
from blockd.times import time_text

if TYPE_CHECKING:  # else each command would import the resolver
    from blockd.daemon.lookup.signalled import SignalledReplies
    from blockd.daemon.lookup.way import Way
    from blockd.resolver.resolution import Route


@dataclass(frozen=True, slots=True)
class Aliases:
    """Whether a worker was asked where the name leads, and the ways; `why` says why it was not, or not wholly."""

    followed: bool
    why: str = ""
    ways: tuple[Way, ...] = ()
    by_group: tuple[GroupVerdict, ...] | None = (
        None  # as in `Explanation`, with where the name leads; None if not known
    )

    @property
    def deciding(self) -> Way | None:
        """The first way that something else than the name stops."""
        return next((way for way in self.ways if way.verdict.touches and way.steps), None)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "followed": self.followed,
            "why": self.why or None,
            "questions": [way.to_json() for way in self.ways],
        }


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What a lookup has found. If something that the name leads to is stopped, that is its verdict.

    `aliases` is None if nobody asked for them. `at` is the time that it is about, None for now. `held` has what is held
    back if nothing was traced. `route` says who answers for the name if it is not blocked, None if that is not known.
    `signalled` knows what clients get that read structured errors, None if nothing listens for such clients,
    or it is about another time or a client that is not served.
    """

    explanation: Explanation
    traced: Explanation | TracedExplanation | None
    aliases: Aliases | None = None
    at: float | None = None
    client: str = ""
    notes: tuple[str, ...] = ()
    held: tuple[HeldClaim, ...] = ()
    route: Route | None = None
    signalled: SignalledReplies | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether the name, or something that it leads to, is blocked."""
        return self.explanation.is_blocked or (self.aliases is not None and self.aliases.deciding is not None)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        told = (self.traced or self.explanation).to_json()
        way = self.aliases.deciding if self.aliases is not None and not self.explanation.is_blocked else None
        if way is not None:
            claim = ExplainedClaim.of(way.verdict)
            told |= {"verdict": word_of(way.verdict), "why": way.why, **(claim.to_json() if claim else {})}
        told["blocked"] = self.is_blocked
        decided = way.verdict if way is not None else self.explanation.decided
        told["help_desk"] = help_desk_text(self.explanation.name, decided, is_led=way is not None).to_json()
        if self.signalled is not None and (signalled := self.signalled.to(decided)) is not None:
            told["structured_error"] = signalled.to_json()
        told.setdefault("held", [held_json(claim) for claim in self.held])
        if self.aliases is not None:
            told["aliases"] = self.aliases.to_json()
            if self.aliases.by_group is not None:
                told["groups"] = [one.to_json() for one in self.aliases.by_group]
        if self.at is not None:
            told["at"] = time_text(self.at)
        if self.client:
            told["client"] = self.client
        if self.route is not None:
            told["resolved"] = self.route.to_json()
        told["notes"] = list(self.notes)
        return told
