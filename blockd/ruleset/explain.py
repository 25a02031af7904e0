"""The explanation of a verdict: the verdict on a name, the order behind it, and every other claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Entry, Order, Reason, State, Verdict, begin_of, state_at
from blockd.orders.disclosure import CONFIDENTIAL, called, public_fields, public_text
from blockd.ruleset.policy import Enforced
from blockd.times import time_text


@dataclass(frozen=True, slots=True)
class ExplainedClaim:
    """An order with the entry by which it covers a name, and its state at the time of the explanation."""

    entry: Entry
    feed: str
    order: Order
    state: State
    stale: bool

    @classmethod
    def of(cls, verdict: Verdict, now: float) -> ExplainedClaim | None:
        """Return the claim that a verdict rests on; None if there is none."""
        order, entry = verdict.order, verdict.entry
        if order is None or entry is None:
            return None
        return cls(entry, verdict.feed, order, state_at(order, now), verdict.stale)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        order = self.order
        return {
            "entry": public_text(self.entry),
            "scope": self.entry.scope.text,
            "feed": self.feed,
            "role": order.role,
            "state": self.state.text,
            "since": time_text(order.in_force_from) if order.in_force_from is not None else None,
            "until": time_text(order.expires) if order.expires is not None else None,
            "stale": self.stale,
            "order": public_fields(order),
        }


@dataclass(frozen=True, slots=True)
class WeighedClaim:
    """A claim, whether it decides, and why, as a sentence; `priority` is its feed's."""

    claim: ExplainedClaim
    priority: int | None
    decides: bool
    because: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            **self.claim.to_json(), "priority": self.priority, "decides": self.decides, "because": self.because
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExplainedRuleset:
    """The version that an explanation is about, when it was compiled, and every claim in it on the name."""

    version: int
    compiled: int  # seconds since the epoch
    claims: tuple[WeighedClaim, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "version": self.version,
            "compiled": time_text(self.compiled),
            "claims": [claim.to_json() for claim in self.claims],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict for a name at one moment; `ruleset` is None if nothing is enforced.

    `name` is replaced if a confidential order covers it, since explanations may be kept and read by others.
    """

    name: str
    verdict: str  # the action, or `resolved`
    why: str
    claim: ExplainedClaim | None  # that the verdict rests on
    ruleset: ExplainedRuleset | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "why": self.why,
            **(self.claim.to_json() if self.claim else {}),
            **(self.ruleset.to_json() if self.ruleset else {}),
        }


def explain(enforced: Enforced | None, text: str, now: float) -> Explanation:
    """Return the explanation for a name given as text; raises BadName if it is not a name."""
    key = key_from_text(text)
    verdict = enforced.verdict(key) if enforced else Verdict(Reason.NOT_READY)
    name, ruleset = DomainName(key).text, None
    if enforced is not None:
        covering = enforced.covering(key)
        orders = [claim.order for _, claim in covering if claim.order is not None]
        confidential = next((order.id for order in orders if order.is_confidential), None)
        if confidential is not None:
            name = f"{CONFIDENTIAL} order {confidential}"
        header = enforced.ruleset.header
        ruleset = ExplainedRuleset(enforced.version, header.created, _weighed(enforced, covering, verdict, now))
    return Explanation(name, _word(verdict), str(verdict.reason), ExplainedClaim.of(verdict, now), ruleset)


def _weighed(
    enforced: Enforced, covering: Sequence[tuple[int, Verdict]], verdict: Verdict, now: float
) -> tuple[WeighedClaim, ...]:
    """Return every claim on a name, compared with the verdict; `covering` has the key size of each entry as well."""
    priorities = {feed.name: feed.priority for feed in enforced.ruleset.catalogue.feeds}
    longest = next((size for size, claim in covering if _is(claim, verdict)), 0)
    return tuple(
        WeighedClaim(
            claim,
            priorities.get(found.feed),
            _is(found, verdict),
            _because(found, verdict, priorities, now, is_shorter=size < longest),
        )
        for size, found in covering
        if (claim := ExplainedClaim.of(found, now)) is not None
    )


def _is(claim: Verdict, verdict: Verdict) -> bool:
    """Return whether a claim is the one that a verdict with an action rests on."""
    return verdict.action is not None and (claim.order_index, claim.entry) == (verdict.order_index, verdict.entry)


def _because(claim: Verdict, verdict: Verdict, priorities: Mapping[str, int], now: float, *, is_shorter: bool) -> str:
    """Return why a claim decides or does not, checked in the order in which `blockd.ruleset.policy` weighs claims."""
    assert claim.order is not None  # noqa: S101 - a claim has an order and an entry
    assert claim.entry is not None  # noqa: S101
    state = state_at(claim.order, now)
    if state is not State.IN_FORCE:
        return f"it is {state.text}"
    if _is(claim, verdict) or verdict.order is None or verdict.entry is None:
        return "it decides"
    action, winner = claim.order.action, verdict.order.action
    if winner is Action.ALLOW and action is not Action.ALLOW:
        return f"the allow entry {public_text(verdict.entry)} of feed {verdict.feed} beats every block"
    if action is Action.MONITOR and winner is not Action.MONITOR:
        return "it only counts questions, and hides no block"
    if is_shorter:
        return f"the longer {public_text(verdict.entry)} decides"
    mine, first = priorities.get(claim.feed, 0), priorities.get(verdict.feed, 0)
    if mine > first:
        return f"feed {verdict.feed} comes before {claim.feed}, by priority {first} and {mine}"
    rival = called(verdict.order)
    if begin_of(claim.order) < begin_of(verdict.order):
        return f"{rival} is of a later date"
    return f"{rival} is of the same rank, and its id comes first"


def _word(verdict: Verdict) -> str:
    """Return the verdict in one word: the action if there is one, else what happens to the question."""
    return str(verdict.action) if verdict.action else "resolved"
