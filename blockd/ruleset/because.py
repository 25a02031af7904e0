"""Why a claim decides about a name, or does not: the sentences of lookups, in the order in which the policy weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blockd.names import DomainName, is_client_key, is_network_key
from blockd.orders import Action, Entry, Scope, State, Verdict, begin_of
from blockd.orders.disclosure import called, public_text
from blockd.ruleset.policy import Enforced
from blockd.ruleset.precedence import STRENGTHS
from blockd.ruleset.tiers import is_zone
from blockd.ruleset.weighing import Covering
from blockd.settings.groups import ClientGroup


def closed_by(enforced: Enforced, found: Covering) -> str:
    """Return which name keeps an entry in force from covering what is below it, and why; empty if none does."""
    claim, below = found.verdict, found.below
    if claim.state is not State.IN_FORCE or below is None or is_network_key(below):
        return ""
    name, orders = DomainName(below).text, enforced.ruleset.catalogue.orders
    if not is_zone(claim.tier):
        return f"{claim.feed} has an exception for {name}"
    if any(orders[one.order_index].feed == claim.feed for one in enforced.ruleset.claims(below)):
        return f"zone {claim.feed} has {name}, and no wildcard above that matches below it"
    return f"zone {claim.feed} has names below {name}, which so exists in it, and no wildcard above that matches there"


def is_exception(claim: Verdict) -> bool:
    """Return whether a claim is a list's exception from its own rules for the names above."""
    return claim.order is not None and claim.order.action is Action.PASSTHRU and not is_zone(claim.tier)


def because_alone(state: State, found: Covering) -> str:
    """Return why a claim decides, or does not whatever else is listed."""
    if state is not State.IN_FORCE:
        return f"it is {state.text}"
    if found.below is not None and is_network_key(found.below):
        return f"zone {found.verdict.feed} has the longer {Entry(found.below, Scope.BOTH).text}"
    if is_exception(found.verdict):
        return "it is an exception from the list's own rules for the names above, and says nothing of other feeds"
    return "it decides"


def because_within(found: Covering, first: Covering, priorities: Mapping[str, int]) -> str:
    """Return why another claim of the same party comes first, checked in the order in which the policy weighs them."""
    claim, winner = found.verdict, first.verdict
    assert claim.order is not None  # noqa: S101 - a claim has an order and an entry
    assert winner.order is not None  # noqa: S101
    assert winner.entry is not None  # noqa: S101
    action, wins = claim.order.action, winner.order.action
    mine, theirs = priorities.get(claim.feed, 0), priorities.get(winner.feed, 0)
    if wins is Action.ALLOW and action is not Action.ALLOW:
        return f"the allow entry {entry_text(winner)} of the same authority beats its other orders"
    if is_client_rule(winner.entry) and claim.entry is not None and not is_client_rule(claim.entry):
        return f"the rule for the {entry_text(winner)} comes first"
    if action is Action.MONITOR and wins is not Action.MONITOR:
        return "it only counts questions, and hides no block"
    if claim.tier > winner.tier and action not in (Action.ALLOW, Action.MONITOR):
        order = f"priority {theirs} and {mine}" if mine != theirs else "name, their priority being the same"
        return f"feed {winner.feed} comes before {claim.feed}, by {order}"
    if found.size < first.size:
        return f"the longer {entry_text(winner)} decides"
    return _because_ranked(claim, winner, priorities)


def because_between(found: Covering, decisive: Covering, priorities: Mapping[str, int]) -> str:
    """Return why another party's decision stands over this one."""
    claim, winner = found.verdict, decisive.verdict
    assert claim.order is not None  # noqa: S101 - a claim has an order and an entry
    assert winner.order is not None  # noqa: S101
    action, wins = claim.order.action, winner.order.action
    if STRENGTHS[wins] > STRENGTHS[action]:
        return f"{called_with_feed(winner)} stands over it: of different authorities {wins} over {action}"
    if action is Action.MONITOR and wins is not Action.MONITOR:
        return "it only counts questions, and hides no block"
    return _because_ranked(claim, winner, priorities)


def _because_ranked(claim: Verdict, winner: Verdict, priorities: Mapping[str, int]) -> str:
    """Return why another claim is of a better rank."""
    assert claim.order is not None  # noqa: S101 - a claim has an order
    assert winner.order is not None  # noqa: S101
    mine, theirs = priorities.get(claim.feed, 0), priorities.get(winner.feed, 0)
    if mine > theirs:
        return f"feed {winner.feed} comes before {claim.feed}, by priority {theirs} and {mine}"
    if begin_of(claim.order) < begin_of(winner.order):
        return f"{called(winner.order)} is of a later date"
    ours, its = claim.order.key(claim.feed), winner.order.key(winner.feed)
    what = "id" if ours.id != its.id else "role" if ours.role != its.role else "feed"
    return f"{called(winner.order)} is of the same rank, and its {what} comes first"


def called_with_feed(verdict: Verdict) -> str:
    """Return how an order of another party is named, with its feed."""
    assert verdict.order is not None  # noqa: S101 - it has one
    return f"{called(verdict.order)} of feed {verdict.feed}"


def entry_text(verdict: Verdict) -> str:
    """Return the entry of a claim, or that it is confidential."""
    assert verdict.entry is not None  # noqa: S101 - a claim has an entry
    return public_text(verdict.entry)


def is_client_rule(entry: Entry) -> bool:
    """Return whether an entry is a policy zone's rule for the clients of a network."""
    return is_network_key(entry.key) and is_client_key(entry.key)


def does_not_apply(feed: str, group: ClientGroup) -> str:
    """Return why a feed says nothing to the clients of a group."""
    return f"no feed applies to group {group.name}" if group.is_exempt else f"feed {feed} does not apply to it"


def why_other(verdict: Verdict, everybodys: Verdict, group: ClientGroup) -> str:
    """Return why a verdict for a group is another than that for clients in none."""
    is_lacked = everybodys.order is not None and any(group.lacks([everybodys.feed]))
    return does_not_apply(everybodys.feed, group) if is_lacked else str(verdict.reason)


def lacked_of(seen: Enforced, covering: Iterable[Covering]) -> list[Covering]:
    """Return the claims that do not apply to those whom something is enforced for."""
    return [one for one in covering if not seen.is_subject_to(one.verdict.order_index or 0)]
