"""The policy: which order, if any, decides about a name or an address.

An `allow` in force on the name or any ancestor that covers it beats everything else. Otherwise the earliest tier that
covers it decides (`blockd.ruleset.tiers`); within it the longest match wins; among the orders on one entry, the feed's
priority, then the later date. An order that only monitors never hides one that blocks. If a policy zone lists a name,
its wildcards above that name do not match what is below it (closest encloser, RFC 4592 section 3.3.1; names
that only stand above a listed one, empty non-terminals, do not count).

A hashed name counts as the name itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain

from blockd.names import address_key, client_key
from blockd.orders import NEVER, NO_TIER, Action, Entry, Reason, Scope, State, Verdict, begin_of, end_of
from blockd.ruleset.catalogue import standing_orders
from blockd.ruleset.mapped import Claim, Match, Ruleset
from blockd.ruleset.states import NO_STATES, States, StatesAt
from blockd.ruleset.tiers import is_zone, tiers_of

NOT_LISTED = Verdict(Reason.NOT_LISTED)
MAX_PREFIX = 128  # bits of the longest address

Claimed = tuple[bytes, Claim]
"""An entry's key, and a claim on it."""

Listed = tuple[Scope, Sequence[Claimed]]
"""The part of a scope that covers the question, and the claims on one name or network by rank."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A claim as the policy meets it; `covers` if its scope covers the question.

    `below` is the key of the name that closes a zone's wildcards above it, if the claim is one of them, else None.
    """

    claimed: Claimed
    tier: int
    covers: bool
    is_in_force: bool
    below: bytes | None


@dataclass(frozen=True, slots=True)
class Covering:
    """A claim that covers a name, as a verdict; `size` is the number of octets of the key that match.

    `below` is as in `Turn`.
    """

    size: int
    verdict: Verdict
    below: bytes | None


class Enforced:
    """A ruleset with the states of its orders: what a process enforces."""

    def __init__(self, version: int, ruleset: Ruleset, states: States) -> None:
        self.version = version
        self.ruleset = ruleset
        self.states = states
        self.tiers = tiers_of(ruleset.catalogue)
        self.asks_client = any(feed.asks_client for feed in ruleset.catalogue.feeds)
        self._first_tier = min(self.tiers, default=NO_TIER)
        self._actions = tuple(record.order.action for record in ruleset.catalogue.orders)
        self._begins = tuple(begin_of(record.order) for record in ruleset.catalogue.orders)
        self._ends = tuple(end_of(record.order) for record in ruleset.catalogue.orders)
        self._may_allow = Action.ALLOW in self._actions

    @property
    def lives(self) -> bytes:
        """Two 64-bit numbers for each order, the seconds from which and until which it is in force, as C expects."""
        return b"".join(struct.pack("=2q", *life) for life in zip(self._begins, self._ends, strict=True))

    @property
    def moment(self) -> tuple[bytes, int]:
        """What a cached verdict depends on: equal moments mean equal verdicts."""
        return self.ruleset.header.build_id, self.states.epoch

    def verdict(self, key: bytes) -> Verdict:
        """Return the verdict on a domain name, given its key; raises RulesetError if the mapped file is damaged."""
        listed = self._listed(key)
        return self._decide(listed) if listed else NOT_LISTED

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

    def _covering(self, sizes: Sequence[int], listed: Sequence[Listed]) -> list[Covering]:
        return [
            Covering(size, self._of(Reason.LISTED, turn.claimed, turn.tier), turn.below)
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
        self.states.close()
        self.ruleset.close()

    def _on_address(self, packed: bytes, prefix_length: int) -> list[tuple[int, list[Claimed]]]:
        """Return the claims on networks that cover an address, the longest prefix first, each with its length."""
        lengths = self.ruleset.ipv4_lengths if len(packed) == 4 else self.ruleset.ipv6_lengths
        return self._on(address_key, packed, [length for length in lengths if length <= prefix_length])

    def _on_client(self, packed: bytes, prefix_length: int) -> list[tuple[int, list[Claimed]]]:
        """Return the claims on networks of clients that cover an address, the longest prefix first."""
        longest = min(len(packed) * 8, prefix_length)
        return self._on(client_key, packed, [length for length in self.ruleset.ipv6_lengths if length <= longest])

    def _on(
        self, key_of: Callable[[bytes, int], bytes], packed: bytes, lengths: Sequence[int]
    ) -> list[tuple[int, list[Claimed]]]:
        found = []
        for length in lengths:
            network = key_of(packed, length)
            if claims := self.ruleset.claims(network):
                found.append((length, [(network, claim) for claim in claims]))
        return found

    def _decide(self, listed: Sequence[Listed]) -> Verdict:
        """Return the verdict of claims, which are ordered by length of match, then by rank."""
        states, actions = self.states.states, self._actions
        until = NEVER  # when the first pending order that covers the question comes into force
        deciding: Claimed | None = None
        decided = NO_TIER
        monitoring: Claimed | None = None
        idle: Claimed | None = None
        for turns in self._turns(listed):
            for turn in turns:
                index, claimed = turn.claimed[1].order_index, turn.claimed
                if not turn.is_in_force:
                    if turn.covers:
                        idle = idle or claimed
                        if states[index] == State.PENDING and actions[index] is not Action.MONITOR:
                            until = min(until, self._begins[index])
                    continue
                if not turn.covers or turn.below is not None:
                    continue
                action = actions[index]
                if action is Action.ALLOW:
                    return self._of(Reason.ALLOWED, claimed, until=min(until, self._ends[index]))
                if action is Action.MONITOR:
                    monitoring = monitoring or claimed
                elif turn.tier < decided:
                    deciding, decided = claimed, turn.tier
                    if decided == self._first_tier and not self._may_allow:
                        break
            if decided == self._first_tier and not self._may_allow:
                break
        if deciding:
            index = deciding[1].order_index
            reason = Reason.PASSED if actions[index] is Action.PASSTHRU else Reason.LISTED
            return self._of(reason, deciding, decided, min(until, self._ends[index]))
        if monitoring:
            return self._of(Reason.MONITORED, monitoring, until=until)
        return self._of(Reason.NOT_IN_FORCE, idle, until=until) if idle else NOT_LISTED

    def _turns(self, listed: Iterable[Listed]) -> Iterator[Iterator[Turn]]:
        """Yield, for each name or network in turn, the claims on it as the policy meets them."""
        states, tiers = self.states.states, self.tiers
        closed: dict[int, bytes] = {}  # zones that list a name below, with that name's key

        def turns(scope: Scope, claims: Sequence[Claimed], closing: dict[int, bytes]) -> Iterator[Turn]:
            for claimed in claims:
                key, claim = claimed
                index = claim.order_index
                tier = tiers[index]
                is_in_force = states[index] == State.IN_FORCE
                below = closed.get(tier)
                if is_in_force and below is None and is_zone(tier):
                    closing[tier] = key
                yield Turn(claimed, tier, bool(claim.scope & scope), is_in_force, below)

        for scope, claims in listed:
            closing: dict[int, bytes] = {}
            yield turns(scope, claims, closing)
            closed |= closing

    def _listed(self, key: bytes) -> list[Listed]:
        return [
            (Scope.EXACT if size == len(key) else Scope.SUBDOMAINS, _ranked(found))
            for size, found in self.ruleset.listed(key)
        ]

    def _of(self, reason: Reason, found: Claimed, tier: int = NO_TIER, until: int = NEVER) -> Verdict:
        key, (index, scope) = found
        record = self.ruleset.catalogue.orders[index]
        stale, state = bool(self.states.stale[index]), State(self.states.states[index])
        return Verdict(reason, record.order, Entry(key, Scope(scope)), record.feed, index, tier, until, stale, state)


def _ranked(found: Sequence[Match]) -> list[Claimed]:
    """Return the claims on a name and on its hashes, by rank, as if they were on one entry.

    If an order claims both the name and a hash of it, these remain two claims.
    """
    claimed = [[(entry, claim) for claim in claims] for entry, claims in found]
    return claimed[0] if len(claimed) == 1 else list(merge(*claimed, key=lambda pair: pair[1].order_index))


def first_of(client: Verdict, name: Verdict) -> Verdict:
    """Return which of the verdicts on client and name decides: within a zone a client's rule comes first."""
    if name.reason is Reason.ALLOWED:
        return name
    if client.tier != NO_TIER and client.tier <= name.tier:
        return client
    return name if name.action or not client.action else client


def where_it_leads(enforced: Enforced, names: Sequence[bytes], addresses: Sequence[bytes], tiers: int) -> Verdict:
    """Return the verdict on what an answer leads to, by the tiers before `tiers`; it may have no action.

    `names` are keys, `addresses` have 4 or 16 octets. The first name that is listed decides; of the addresses the one
    whose tier is the earliest. If a zone passes a name or an address, the tiers end there.
    """
    first: Verdict | None = None
    best: Verdict | None = None
    until = NEVER
    judged = chain(
        ((True, enforced.verdict(name)) for name in names),
        ((False, enforced.address_verdict(address)) for address in addresses),
    )
    for is_name, verdict in judged:
        until = min(until, verdict.until)
        if verdict.action is None:
            continue
        if verdict.touches or verdict.reason is Reason.PASSED:
            if verdict.tier >= tiers:
                continue
            if verdict.touches and is_name:
                return verdict
            best, tiers = verdict, verdict.tier
        if not verdict.touches:
            first = first or verdict
    found = (best if best and best.touches else first) or NOT_LISTED
    return found if found.until == until else replace(found, until=until)


def at_time(
    version: int, ruleset: Ruleset, now: float, stale: bytes = b"", known: Mapping[int, State] = NO_STATES
) -> Enforced:
    """Return what a ruleset would enforce at `now`, for inspection only; `stale` and `known` are as in `StatesAt`."""
    orders = standing_orders(ruleset.catalogue, ruleset.header.created)
    return Enforced(version, ruleset, StatesAt(orders, now, stale, known))
