"""What is to be said about a name: the verdict, the order behind it, and every other claim, as plain values."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Reason, State, Verdict, state_at
from blockd.orders.disclosure import CONFIDENTIAL, public_fields, public_text
from blockd.ruleset.policy import Enforced
from blockd.times import time_text


def explain(enforced: Enforced | None, text: str, now: float) -> dict[str, object]:
    """Explain the verdict for a name written as text; raises BadName where it is none.

    Where a confidential order covers it, the name is not repeated: what is told may be kept and read by others.
    """
    key = key_from_text(text)
    verdict = enforced.verdict(key) if enforced else Verdict(Reason.NOT_READY)
    told: dict[str, object] = {
        "name": DomainName(key).text,
        "verdict": _word(verdict),
        "why": str(verdict.reason),
        **_claim(verdict, now),
    }
    if enforced is not None:
        covering = enforced.covering(key)
        orders = [claim.order for _, claim in covering if claim.order is not None]
        confidential = next((order.id for order in orders if order.is_confidential), None)
        if confidential is not None:
            told["name"] = f"{CONFIDENTIAL} order {confidential}"
        header = enforced.ruleset.header
        told["version"] = enforced.version
        told["compiled"] = time_text(header.created)
        catalogue = enforced.ruleset.catalogue
        priorities = {feed.name: feed.priority for feed in catalogue.feeds}
        longest = next((size for size, claim in covering if _is(claim, verdict)), 0)
        told["claims"] = [
            {
                **_claim(claim, now),
                "priority": priorities.get(claim.feed),
                "decides": _is(claim, verdict),
                "because": _because(claim, verdict, priorities, now, is_shorter=size < longest),
            }
            for size, claim in covering
        ]
    return told


def _is(claim: Verdict, verdict: Verdict) -> bool:
    """Whether a claim is the one that a verdict with an action rests on."""
    return verdict.action is not None and (claim.order_index, claim.entry) == (verdict.order_index, verdict.entry)


def _because(claim: Verdict, verdict: Verdict, priorities: Mapping[str, int], now: float, *, is_shorter: bool) -> str:
    """Say why a claim decides or does not, in the order in which `blockd.ruleset.policy` weighs them."""
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
    if claim.order.in_force_from < verdict.order.in_force_from:
        return f"order {verdict.order.id} is of a later date"
    return f"order {verdict.order.id} is of the same rank, and its id comes first"


def _word(verdict: Verdict) -> str:
    """The verdict in one word: the action where there is one, else what happens to the question."""
    return str(verdict.action) if verdict.action else "resolved"


def _claim(verdict: Verdict, now: float) -> dict[str, object]:
    order, entry = verdict.order, verdict.entry
    if order is None or entry is None:
        return {}
    return {
        "entry": public_text(entry),
        "scope": entry.scope.text,
        "feed": verdict.feed,
        "role": order.role,
        "state": state_at(order, now).text,
        "since": time_text(order.in_force_from),
        "until": time_text(order.expires) if order.expires is not None else None,
        "stale": verdict.stale,
        "order": public_fields(order),
    }
