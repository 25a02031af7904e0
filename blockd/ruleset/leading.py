"""What an answer leads to: the names and addresses in it are judged as the name that was asked for is.

Names come in the order of the chain, addresses in none: whoever runs a site chooses the order of its records, and must
not choose by it what is done. Within one party the first name that is listed decides, and stands over its addresses.
Only of the operator's feeds one that is asked before the tier of that name may decide by an address instead.

Of all addresses together the operator's earliest tier decides, and within it the longest prefix, an IPv4 one counted
as 96 bits longer; then the feed's priority; then the network with the smallest address, IPv4 ones being mapped. If
a zone passes a name or an address, the tiers end there. What an authority allows is kept from its own orders alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from blockd.errors import RulesetError
from blockd.names.network import KEY_IPV4
from blockd.names.translation import MAPPED_BITS, as_ipv6
from blockd.orders import NEVER, NO_TIER, Action, Reason, Verdict
from blockd.ruleset.mapped import Claim
from blockd.ruleset.parties import OPERATOR
from blockd.ruleset.policy import NOT_LISTED, Enforced
from blockd.ruleset.precedence import FULL, NONE, settle
from blockd.ruleset.weighing import Claimed, Party, Weighed
from blockd.settings.groups import EVERYBODY

LeadJudge = Callable[[Sequence[bytes], Sequence[bytes], int, frozenset[int], int], Verdict]
"""Takes names, addresses, tiers, passing authorities and a group, and returns a verdict, as `where_it_leads` does."""

TableJudge = Callable[
    [Sequence[bytes], Sequence[bytes], int, frozenset[int], int], tuple[Reason | None, int, bytes, int, int]
]
"""Returns reason (None of a damaged file), order, entry's key, tier and until."""

NetworkOrder = tuple[int, int, bytes, int, int]


def where_it_leads(
    enforced: Enforced,
    names: Sequence[bytes],
    addresses: Sequence[bytes],
    tiers: int = NO_TIER,
    passing: frozenset[int] = frozenset(),
    group: int = EVERYBODY,
) -> Verdict:
    """Return the verdict on what an answer to clients of a group leads to; it may have no action.

    `names` are keys, `addresses` have 4 or 16 octets; `tiers` and `passing` are what the verdict on the question has
    left. The strongest decision of all parties stands, of equal ones that by the first name, or by the addresses.
    """
    enforced = enforced.seen_by(group)
    deciding = _Deciding(enforced, tiers, passing)
    for place, name in enumerate(names):
        deciding.take_name(place, enforced.weighed_name(name))
        if deciding.is_final:
            return deciding.verdict()
    deciding.take_addresses(len(names), [enforced.weighed_address(address) for address in addresses])
    return deciding.verdict()


class _Deciding:
    """Who still acts, and what each party has decided, with its place: that of a name, or the one behind all names.

    The operator acts by the tiers before `tiers`, and an authority unless it is in `passing`.
    """

    def __init__(self, enforced: Enforced, tiers: int, passing: frozenset[int]) -> None:
        self._enforced = enforced
        self._tiers, self._passing = tiers, set(passing)
        self._decided: dict[int, tuple[int, Party]] = {}
        self._quiet: Verdict | None = None  # that only counts, or lets pass
        self._until = NEVER

    def take_name(self, place: int, weighed: Weighed) -> None:
        """Note what each party decides by the next name."""
        if weighed.allowed is None:
            before = 0 if OPERATOR in self._decided else self._tiers
            self._keep_acting(weighed, lambda tier: tier < before)
        verdict = self._settled(weighed)
        self._quiet = self._quiet or verdict
        for number, party in self._deciding(weighed):
            if number == OPERATOR:
                self._tiers = party.tier
            else:
                self._passing.add(number)
            if party.strength != NONE:
                self._decided[number] = place, party

    @property
    def is_final(self) -> bool:
        """Whether no further name or address changes what stops the answer.

        What an authority decides by a name stays, and of equal strength the first stands; what the operator decides by
        one may give way to an address of an earlier tier.
        """
        own = self._decided.get(OPERATOR)
        is_first = own is None or own[1].tier == self._enforced.first_tier
        if not self._enforced.are_several:
            return bool(self._decided) and is_first
        if own is not None and own[1].strength == FULL:
            return is_first
        return any(party.strength == FULL for _, party in self._decided.values())

    def take_addresses(self, place: int, every: Sequence[Weighed]) -> None:
        """Note what each party decides by all addresses together."""
        own = [weighed.parties.get(OPERATOR) for weighed in every if weighed.allowed is None]
        acting = [one.tier for one in own if one and one.action is not Action.MONITOR and one.tier < self._tiers]
        earliest = min(acting, default=NO_TIER)
        best: dict[int, tuple[NetworkOrder, Party]] = {}
        quiet: list[tuple[NetworkOrder, Verdict]] = []
        for weighed in every:
            if weighed.allowed is None:
                self._keep_acting(weighed, lambda tier: tier == earliest and bool(acting))
            verdict = self._settled(weighed)
            if verdict is not None:
                quiet.append((self._order(_claimed(verdict)), verdict))
            for number, party in self._deciding(weighed):
                order = self._order(party.claimed)
                if number not in best or order < best[number][0]:
                    best[number] = order, party
        for number, (_, party) in best.items():
            if party.strength != NONE:
                self._decided[number] = place, party
            else:
                self._decided.pop(number, None)  # a zone lets pass what a later tier would have stopped by a name
        self._quiet = self._quiet or min(quiet, key=lambda pair: pair[0], default=(None, None))[1]

    def verdict(self) -> Verdict:
        """Return the verdict of the strongest decision; of equal ones the first, then the best in rank."""
        found = min(
            (
                (-party.strength, place, party.claimed[1].order_index, number)
                for number, (place, party) in self._decided.items()
            ),
            default=None,
        )
        if found is not None:
            party = self._decided[found[3]][1]
            return self._enforced.verdict_of(Reason.LISTED, party.claimed, party.tier, self._until)
        return replace(self._quiet or NOT_LISTED, until=self._until)

    def _keep_acting(self, weighed: Weighed, acts: Callable[[int], bool]) -> None:
        """Note until when the decision holds, and remove the parties that do not act, the operator by its tier."""
        self._until = min(self._until, self._enforced.settled(weighed).until)
        own = weighed.parties.get(OPERATOR)
        if own is not None and own.action is not Action.MONITOR and not acts(own.tier):
            del weighed.parties[OPERATOR]
        for number in self._passing.intersection(weighed.parties):
            del weighed.parties[number]

    def _settled(self, weighed: Weighed) -> Verdict | None:
        """Return the verdict between those who act if it only counts or lets pass, as far as this goes; else None."""
        verdict = self._enforced.settled(weighed)
        self._until = min(self._until, verdict.until)
        return None if verdict.action is None or verdict.touches else _bare(verdict)

    def _deciding(self, weighed: Weighed) -> list[tuple[int, Party]]:
        """Return who decides: whoever stops what is asked for and was not lifted, and a zone that lets it pass."""
        if weighed.allowed is not None:
            return []
        lifted = settle(self._enforced.decisions(weighed)).lifted
        return [
            (number, party)
            for number, party in weighed.parties.items()
            if (party.strength != NONE and number not in lifted)
            or (number == OPERATOR and party.action is Action.PASSTHRU)
        ]

    def _order(self, claimed: Claimed) -> NetworkOrder:
        """Return what of two networks says which decides, the lower: prefix, priority, address, and rank."""
        key, (index, _) = claimed
        bits = key[1] + (MAPPED_BITS if key[0] == KEY_IPV4 else 0)
        return -bits, self._enforced.priorities[index], as_ipv6(key[2:]), index, key[0]


def judge_by_table(
    enforced: Enforced,
    judge: TableJudge,
    names: Sequence[bytes],
    addresses: Sequence[bytes],
    tiers: int = NO_TIER,
    passing: frozenset[int] = frozenset(),
    group: int = EVERYBODY,
) -> Verdict:
    """Return the verdict of `where_it_leads`, found in C by `judge`, which is `_leading.judge` of a table.

    Raises RulesetError if the file is damaged.
    """
    reason, index, key, tier, until = judge(names, addresses, tiers, passing, group)
    if reason is None:
        raise RulesetError(f"{enforced.ruleset.path}: an entry or a claim lies outside of its section")
    if reason is Reason.NOT_LISTED:
        return replace(NOT_LISTED, until=until)
    scope = next((claim.scope for claim in enforced.ruleset.claims(key) if claim.order_index == index), 0)
    return enforced.verdict_of(reason, (key, Claim(index, scope)), tier, until)


def _bare(verdict: Verdict) -> Verdict:
    """Return a verdict without who acts further, which is of no use behind the answer."""
    return replace(verdict, tiers_left=NO_TIER, passing=frozenset())


def _claimed(verdict: Verdict) -> Claimed:
    assert verdict.entry is not None  # noqa: S101 - it has an action
    assert verdict.order_index is not None  # noqa: S101
    return verdict.entry.key, Claim(verdict.order_index, verdict.entry.scope)
