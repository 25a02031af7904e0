"""What an answer leads to: the names and addresses in it are judged as the name that was asked for is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blockd.orders import NEVER, NO_TIER, Action, Reason, Verdict
from blockd.ruleset.parties import OPERATOR
from blockd.ruleset.policy import NOT_LISTED, Enforced
from blockd.ruleset.precedence import FULL, NONE, settle
from blockd.ruleset.weighing import Party, Weighed


class _Deciding:
    """Who still acts, and what each party has decided by the names and addresses so far, each with its place.

    The operator acts by the tiers before `tiers`, and an authority unless it is in `passing`.
    """

    def __init__(self, enforced: Enforced, tiers: int, passing: frozenset[int]) -> None:
        self._enforced = enforced
        self.tiers, self.passing = tiers, set(passing)
        self.decided: dict[int, tuple[int, Party]] = {}

    def take(self, place: int, weighed: Weighed, *, is_name: bool) -> bool:
        """Note who decides by one name or address; return whether none that follow can change the decision.

        Within one party the first name that is listed decides, and of addresses the first, of the operator's the one
        of the earliest tier. If a zone passes a name or an address, the tiers end there.
        """
        own = weighed.parties.get(OPERATOR)
        if own is not None and own.action is not Action.MONITOR and own.tier >= self.tiers:
            del weighed.parties[OPERATOR]
        for passing in self.passing.intersection(weighed.parties):
            del weighed.parties[passing]
        lifted = settle(self._enforced.decisions(weighed)).lifted
        is_last = False
        for number, party in weighed.parties.items():
            if number == OPERATOR and party.action is Action.PASSTHRU:
                self.tiers = party.tier
                self.decided.pop(OPERATOR, None)
            if party.strength == NONE or number in lifted:
                continue
            self.decided[number] = place, party
            if number == OPERATOR:
                self.tiers = 0 if is_name else party.tier
            else:
                self.passing.add(number)
            is_last = is_last or (is_name and (party.strength == FULL or not self._enforced.are_several))
        return is_last

    def best(self) -> Party | None:
        """Return the strongest decision, of equal ones that by the first name or address, then the best in rank."""
        found = (
            min(
                (-party.strength, place, party.claimed[1].order_index, number)
                for number, (place, party) in self.decided.items()
            )
            if self.decided
            else None
        )
        return self.decided[found[3]][1] if found else None


def where_it_leads(
    enforced: Enforced,
    names: Sequence[bytes],
    addresses: Sequence[bytes],
    tiers: int = NO_TIER,
    passing: frozenset[int] = frozenset(),
) -> Verdict:
    """Return the verdict on what an answer leads to; it may have no action.

    `names` are keys, `addresses` have 4 or 16 octets; `tiers` and `passing` are what the verdict on the question has
    left. The strongest decision of all parties stands.
    """
    deciding = _Deciding(enforced, tiers, passing)
    first: Verdict | None = None
    until = NEVER
    leads = [*((True, name) for name in names), *((False, address) for address in addresses)]
    for place, (is_name, lead) in enumerate(leads):
        weighed = enforced.weighed_name(lead) if is_name else enforced.weighed_address(lead)
        until = min(until, enforced.settled(weighed).until)
        is_last = weighed.allowed is None and deciding.take(place, weighed, is_name=is_name)
        verdict = enforced.settled(weighed)
        if verdict.action is not None and not verdict.touches:
            first = first or verdict
        if is_last:
            break
    best = deciding.best()
    found = enforced.verdict_of(Reason.LISTED, best.claimed, best.tier) if best else first or NOT_LISTED
    return found if found.until == until else replace(found, until=until)
