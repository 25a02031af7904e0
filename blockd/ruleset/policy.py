"""The policy: which order, if any, decides about a name or an address.

An override or an `allow` feed in force on the name or any ancestor that covers it beats everything else. Otherwise each
party decides for itself. Of the operator's policy zones and unsigned feeds the earliest tier that covers the name
decides (`blockd.ruleset.tiers`). Within a tier, and within what one authority signs, the longest match wins, and among
the orders on one entry the feed's priority, then the later date; an authority's `allow` on the name or above it beats
its other orders. An order that only monitors never hides one that blocks. Between parties
`blockd.ruleset.precedence` decides. If a policy zone lists a name, its wildcards above that name do not match what is
below it (closest encloser, RFC 4592 section 3.3.1). Names that exist in it only because a listed one is below, empty
non-terminals, have claims without a scope for that.

An exception of a list, which is an order with `passthru` in a feed that is no zone, ends what the same feed says of the
names above, and nothing else.

A hashed name counts as the name itself.
"""

from __future__ import annotations

import copy
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from blockd.names import WELL_KNOWN_TRANSLATIONS, Network, client_key
from blockd.orders import NEVER, NO_TIER, Action, Entry, Reason, Scope, State, Verdict, begin_of, end_of
from blockd.ruleset.catalogue import standing_orders
from blockd.ruleset.mapped import Claim, Ruleset
from blockd.ruleset.parties import OPERATOR, parties_of
from blockd.ruleset.precedence import OPENING, PartyDecision, settle
from blockd.ruleset.states import NO_STATES, States, StatesAt
from blockd.ruleset.tiers import feeds_of, groups_of, is_zone, priorities_of, tiers_of
from blockd.ruleset.weighing import Claimed, Covering, Party, Turn, Weighed, beats, ranked
from blockd.settings.groups import EVERYBODY, NO_GROUPS, ClientGroups

NOT_LISTED = Verdict(Reason.NOT_LISTED)
MAX_PREFIX = 128  # bits of the longest address
_REASONS = {Action.ALLOW: Reason.ALLOWED, Action.MONITOR: Reason.MONITORED, Action.PASSTHRU: Reason.PASSED}

Listed = tuple[Scope, Sequence[Claimed]]
"""The part of a scope that covers the question, and the claims on one name or network by rank."""


class Enforced:
    """A ruleset with the states of its orders: what a process enforces for clients in no group, or of one group.

    Orders of feeds that do not apply to a group are to it as if they were not in the ruleset, but that tiers stay.
    """

    def __init__(
        self,
        version: int,
        ruleset: Ruleset,
        states: States,
        translations: Sequence[Network] = WELL_KNOWN_TRANSLATIONS,
        client_groups: ClientGroups = NO_GROUPS,
    ) -> None:
        """`translations` are the prefixes behind which IPv4 addresses stand in IPv6 ones, the longest first."""
        self.version = version
        self.translations = translations
        self.ruleset = ruleset
        self.states = states
        self.tiers = tiers_of(ruleset.catalogue)
        self.groups = groups_of(ruleset.catalogue)
        self.asks_client = any(feed.asks_client for feed in ruleset.catalogue.feeds)
        self.first_tier = min(self.tiers, default=NO_TIER)
        self._actions = tuple(record.order.action for record in ruleset.catalogue.orders)
        self._begins = tuple(begin_of(record.order) for record in ruleset.catalogue.orders)
        self._ends = tuple(end_of(record.order) for record in ruleset.catalogue.orders)
        self._may_allow = Action.ALLOW in self._actions
        self.priorities = priorities_of(ruleset.catalogue)
        self.parties = parties_of(ruleset.catalogue)
        self.are_several = self.parties.are_several
        self.client_groups = client_groups
        self.feeds, names = feeds_of(ruleset.catalogue) if client_groups else (array("H"), [])
        self.lacking = client_groups.lacking(names)
        self._lacks = b""  # an octet for each feed: 1 if it does not apply here
        self._views: dict[int, Enforced] = {}

    def seen_by(self, group: int) -> Enforced:
        """Return what is enforced for the clients of a group, by its number; it is closed with this."""
        if group == EVERYBODY:
            return self
        if group not in self._views:
            view, count = copy.copy(self), len(self.lacking) // len(self.client_groups)
            view._lacks = self.lacking[(group - 1) * count : group * count]
            self._views[group] = view
        return self._views[group]

    def seen_from(self, client: bytes) -> Enforced:
        """Return what is enforced for a client, given its address; b"" stands for those in no group."""
        return self.seen_by(self.client_groups.number_of(client))

    def is_subject_to(self, index: int) -> bool:
        """Return whether an order, by its place in the catalogue, applies to those whom this is enforced for."""
        return not (self._lacks and self._lacks[self.feeds[index]])

    @property
    def lives(self) -> bytes:
        """Two 64-bit numbers for each order, the seconds from which and until which it is in force, as C expects."""
        return b"".join(struct.pack("=2q", *life) for life in zip(self._begins, self._ends, strict=True))

    @property
    def packed_parties(self) -> bytes:
        """16 bits for each order, the number of its party, as C expects; empty if there is one party only."""
        return self.parties.of.tobytes() if self.are_several else b""

    @property
    def moment(self) -> tuple[bytes, int]:
        """What a cached verdict depends on: equal moments mean equal verdicts."""
        return self.ruleset.header.build_id, self.states.epoch

    def verdict(self, key: bytes, client: bytes = b"") -> Verdict:
        """Return the verdict on a domain name, given its key; raises RulesetError if the mapped file is damaged.

        `client` has the 4 or 16 octets of the address of a client that asks: policy zones may have rules for it.
        """
        listed = self._listed(key)
        verdict = self._decide(listed) if listed else NOT_LISTED
        rule = self.client_verdict(client) if client else NOT_LISTED
        if rule.tier == NO_TIER:
            return verdict if verdict.action or not rule.action else rule
        until = min(rule.until, verdict.until)
        if self.are_several:
            verdict = self._decide(listed, self._party(rule))
        elif verdict.reason is not Reason.ALLOWED and rule.tier <= verdict.tier:
            verdict = rule
        return replace(verdict, until=until)

    def address_verdict(self, packed: bytes, prefix_length: int = MAX_PREFIX) -> Verdict:
        """Return the verdict on an address of 4 or 16 octets in an answer.

        Of a shorter prefix, it is the verdict by the entries that cover the whole network.
        """
        listed = [(Scope.BOTH, claims) for _, claims in self._on_address(packed, prefix_length)]
        return self._decide(listed) if listed else NOT_LISTED

    def client_verdict(self, packed: bytes, prefix_length: int = MAX_PREFIX) -> Verdict:
        """Return the verdict on the questions of a client, given its address of 4 or 16 octets, or of a network."""
        if not self.asks_client:
            return NOT_LISTED
        listed = [(Scope.BOTH, claims) for _, claims in self._on_client(packed, prefix_length)]
        return self._decide(listed) if listed else NOT_LISTED

    def covering(self, key: bytes) -> list[Covering]:
        """Return every claim that covers a name, in force or not, the longest match first."""
        return self._covering([size for size, _ in self.ruleset.listed(key)], self._listed(key))

    def address_covering(self, packed: bytes, prefix_length: int = MAX_PREFIX) -> list[Covering]:
        """Return every claim that covers an address or a whole network, as `covering` does; sizes are in bits."""
        found = self._on_address(packed, prefix_length)
        return self._covering([bits for bits, _ in found], [(Scope.BOTH, claims) for _, claims in found])

    def client_covering(self, packed: bytes, prefix_length: int = MAX_PREFIX) -> list[Covering]:
        """Return every claim on the questions of a client, or of a whole network of clients; sizes are in bits."""
        found = self._on_client(packed, prefix_length) if self.asks_client else []
        return self._covering([bits for bits, _ in found], [(Scope.BOTH, claims) for _, claims in found])

    def party_of(self, verdict: Verdict) -> int:
        """Return the number of the party whose order a verdict rests on."""
        return self.parties.of[verdict.order_index] if verdict.order_index is not None else OPERATOR

    def firsts(self, covering: Iterable[Covering]) -> dict[int, Covering]:
        """Return the claims by which each party decides, of claims in the order of `covering`, by its number."""
        found: dict[int, Covering] = {}
        for one in covering:
            claim, party = one.verdict, self.party_of(one.verdict)
            if claim.state is not State.IN_FORCE or one.below is not None or claim.order is None:
                continue
            if claim.order.action is Action.PASSTHRU and not is_zone(claim.tier):
                continue  # an exception, which decides nothing
            known = found.get(party)
            if known is None or beats(self._party(known.verdict), claim.order.action, claim.tier, party):
                found[party] = one
        return found

    def _party(self, claim: Verdict) -> Party:
        """Return what a party decides by one claim, which may be a rule for a client."""
        assert claim.entry is not None  # noqa: S101 - a claim has an order and an entry
        assert claim.order_index is not None  # noqa: S101
        claimed = claim.entry.key, Claim(claim.order_index, claim.entry.scope)
        return Party(claimed, self._actions[claim.order_index], 0, claim.tier)

    def _covering(self, sizes: Sequence[int], listed: Sequence[Listed]) -> list[Covering]:
        return [
            Covering(size, self.verdict_of(Reason.LISTED, turn.claimed, turn.tier), turn.below)
            for size, turns in zip(sizes, self._turns(listed), strict=True)
            for turn in turns
            if turn.covers
        ]

    def standing(self, index: int) -> Verdict:
        """Return how an order stands, by its place in the catalogue, as a verdict without an entry."""
        record, state = self.ruleset.catalogue.orders[index], State(self.states.states[index])
        reason = Reason.LISTED if state is State.IN_FORCE else Reason.NOT_IN_FORCE
        stale = bool(self.states.stale[index])
        return Verdict(reason, record.order, None, record.feed, index, stale=stale, state=state)

    def close(self) -> None:
        """Unmap both files."""
        self._views.clear()  # they have this dictionary as well: no cycle is left
        self.states.close()
        self.ruleset.close()

    def _on_address(self, packed: bytes, prefix_length: int) -> list[tuple[int, list[Claimed]]]:
        """Return the claims on networks that cover an address, the longest prefix first, each with its length."""
        found = self.ruleset.listed_networks(packed, prefix_length, self.translations)
        return [(bits, ranked(matches)) for bits, matches in found]

    def _on_client(self, packed: bytes, prefix_length: int) -> list[tuple[int, list[Claimed]]]:
        """Return the claims on networks of clients that cover an address, the longest prefix first."""
        found = []
        for length in self.ruleset.ipv6_lengths:
            network = client_key(packed, length) if length <= min(len(packed) * 8, prefix_length) else b""
            if network and (claims := self.ruleset.claims(network)):
                found.append((length, [(network, claim) for claim in claims]))
        return found

    def _decide(self, listed: Sequence[Listed], own: Party | None = None) -> Verdict:
        """Return the verdict of claims, which are ordered by length of match, then by rank.

        `own` is what the operator decides unless a claim of an earlier tier does.
        """
        return self.settled(self.weighed(listed, own))

    def weighed_name(self, key: bytes) -> Weighed:
        """Return what each party decides about a domain name, given its key."""
        return self.weighed(self._listed(key))

    def weighed_address(self, packed: bytes) -> Weighed:
        """Return what each party decides about an address of 4 or 16 octets in an answer."""
        return self.weighed([(Scope.BOTH, claims) for _, claims in self._on_address(packed, MAX_PREFIX)])

    def weighed(self, listed: Sequence[Listed], own: Party | None = None) -> Weighed:
        """Return what each party decides by claims, which are ordered by length of match, then by rank."""
        states, actions, parties = self.states.states, self._actions, self.parties.of
        weighed = Weighed({} if own is None else {OPERATOR: own})
        for step, turns in enumerate(self._turns(listed)):
            for turn in turns:
                index, claimed = turn.claimed[1].order_index, turn.claimed
                if not turn.is_in_force:
                    if turn.covers:
                        weighed.idle = weighed.idle or claimed
                        if states[index] == State.PENDING and actions[index] is not Action.MONITOR:
                            weighed.until = min(weighed.until, self._begins[index])
                    continue
                if not turn.covers or turn.below is not None or turn.is_exception:
                    continue
                action, party = actions[index], parties[index]
                if action is Action.ALLOW and party == OPERATOR:
                    weighed.allowed = claimed
                    return weighed
                known = weighed.parties.get(party)
                if known is not None and not beats(known, action, turn.tier, party):
                    continue
                tier = turn.tier if action not in (Action.ALLOW, Action.MONITOR) else NO_TIER
                weighed.parties[party] = Party(claimed, action, step, tier)
                if tier == self.first_tier and not self._may_allow and not self.are_several:
                    return weighed
        return weighed

    def settled(self, weighed: Weighed) -> Verdict:
        """Return the verdict of what each party decides."""
        if weighed.allowed is not None:
            until = min(weighed.until, self._ends[weighed.allowed[1].order_index])
            return replace(self.verdict_of(Reason.ALLOWED, weighed.allowed, until=until), tiers_left=0)
        if not weighed.parties:
            return (
                self.verdict_of(Reason.NOT_IN_FORCE, weighed.idle, until=weighed.until) if weighed.idle else NOT_LISTED
            )
        decisions = self.decisions(weighed)
        settled = settle(decisions)
        assert settled.winner is not None  # noqa: S101 - a decision that lifts is not lifted by a stronger one
        until, passing = weighed.until, set[int]()
        for one in decisions:
            if one.action is not Action.MONITOR:
                until = min(until, self._ends[one.rank])
            if one.action in OPENING and one.party not in settled.lifted:
                passing |= {*one.lifts, *([one.party] if one.party != OPERATOR else ())}
        found, own = settled.winner.claim, weighed.parties.get(OPERATOR)
        tiers_left = NO_TIER
        if own is not None and (own.action is Action.PASSTHRU or (own.strength and is_zone(own.tier))):
            tiers_left = own.tier  # one rule of a zone decides
        elif not self.are_several and found.action is Action.ALLOW:
            tiers_left, passing = 0, set()  # nobody else has orders
        verdict = self.verdict_of(_REASONS.get(found.action, Reason.LISTED), found.claimed, found.tier, until)
        if tiers_left == NO_TIER and not passing:
            return verdict
        return replace(verdict, tiers_left=tiers_left, passing=frozenset(passing))

    def decisions(self, weighed: Weighed) -> list[PartyDecision[int, Party]]:
        """Return the parties' decisions for `blockd.ruleset.precedence`."""
        return [
            PartyDecision(number, found.action, found.step, index, found, self.parties.lifts[index])
            for number, found in weighed.parties.items()
            for index in (found.claimed[1].order_index,)
        ]

    def _turns(self, listed: Iterable[Listed]) -> Iterator[Iterator[Turn]]:
        """Yield, for each name or network in turn, the claims on it as the policy meets them."""
        states, tiers, groups, actions = self.states.states, self.tiers, self.groups, self._actions
        lacks, feeds = self._lacks, self.feeds
        # Zones that list a name below, by tier, and groups with an exception below, by the negative: with its key.
        closed: dict[int, bytes] = {}

        def turns(scope: Scope, claims: Sequence[Claimed], closing: dict[int, bytes]) -> Iterator[Turn]:
            for claimed in claims:
                key, claim = claimed
                index = claim.order_index
                if lacks and lacks[feeds[index]]:
                    continue
                tier = tiers[index]
                is_in_force, covers = states[index] == State.IN_FORCE, bool(claim.scope & scope)
                group = tier if is_zone(tier) else -groups[index]
                is_exception = group < 0 and actions[index] is Action.PASSTHRU
                below = closed.get(group) if group > 0 or (group and covers) else None
                if is_in_force and below is None and (is_zone(tier) or (is_exception and covers)):
                    closing[group] = key
                yield Turn(claimed, tier, covers, is_in_force, below, is_exception)

        for scope, claims in listed:
            closing: dict[int, bytes] = {}
            yield turns(scope, claims, closing)
            closed |= closing

    def _listed(self, key: bytes) -> list[Listed]:
        return [
            (Scope.EXACT if size == len(key) else Scope.SUBDOMAINS, ranked(found))
            for size, found in self.ruleset.listed(key)
        ]

    def verdict_of(self, reason: Reason, found: Claimed, tier: int = NO_TIER, until: int = NEVER) -> Verdict:
        """Return the verdict that a claim makes."""
        key, (index, scope) = found
        record = self.ruleset.catalogue.orders[index]
        stale, state = bool(self.states.stale[index]), State(self.states.states[index])
        return Verdict(reason, record.order, Entry(key, Scope(scope)), record.feed, index, tier, until, stale, state)


def at_time(
    version: int, ruleset: Ruleset, now: float, stale: bytes = b"", known: Mapping[int, State] = NO_STATES
) -> Enforced:
    """Return what a ruleset would enforce at `now`, for inspection only; `stale` and `known` are as in `StatesAt`."""
    orders = standing_orders(ruleset.catalogue, ruleset.header.created)
    return Enforced(version, ruleset, StatesAt(orders, now, stale, known))
