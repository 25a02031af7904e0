"""The policy: which order, if any, decides about a name or an address.

An `allow` in force on the name or any ancestor that covers it beats everything else. Otherwise the earliest tier that
covers it decides (`blockd.ruleset.tiers`); within it the longest match wins; among the orders on one entry, the feed's
priority, then the later date. An order that only monitors never hides one that blocks. If a policy zone lists a name,
its wildcards above that name do not match what is below it (closest encloser, RFC 4592 section 3.3.1).

A hashed name counts as the name itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from heapq import merge

from blockd.names import address_key, client_key
from blockd.orders import NEVER, NO_TIER, Action, Entry, Reason, Scope, State, Verdict, begin_of, end_of
from blockd.ruleset.mapped import Claim, Match, Ruleset
from blockd.ruleset.states import States, StatesAt
from blockd.ruleset.tiers import is_zone, tiers_of

NOT_LISTED = Verdict(Reason.NOT_LISTED)

Claimed = tuple[bytes, Claim]
"""An entry's key, and a claim on it."""

Listed = tuple[Scope, Sequence[Claimed]]
"""The part of a scope that covers the question, and the claims on one name or network by rank."""


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
        listed = [
            (Scope.EXACT if size == len(key) else Scope.SUBDOMAINS, _ranked(found))
            for size, found in self.ruleset.listed(key)
        ]
        return self._decide(listed) if listed else NOT_LISTED

    def address_verdict(self, packed: bytes) -> Verdict:
        """Return the verdict on an address of 4 or 16 octets in an answer."""
        ruleset = self.ruleset
        lengths = ruleset.ipv4_lengths if len(packed) == 4 else ruleset.ipv6_lengths
        listed = []
        for length in lengths:
            network = address_key(packed, length)
            if claims := ruleset.claims(network):
                listed.append((Scope.BOTH, [(network, claim) for claim in claims]))
        return self._decide(listed) if listed else NOT_LISTED

    def client_verdict(self, packed: bytes) -> Verdict:
        """Return the verdict on the questions of a client, given its address of 4 or 16 octets."""
        if not self.asks_client:
            return NOT_LISTED
        claims_of = self.ruleset.claims
        networks = [client_key(packed, length) for length in self.ruleset.ipv6_lengths if length <= len(packed) * 8]
        listed = [(Scope.BOTH, [(network, claim) for claim in claims_of(network)]) for network in networks]
        return self._decide(listed) if listed else NOT_LISTED

    def covering(self, key: bytes) -> list[tuple[int, Verdict]]:
        """Return a verdict for every claim that covers a name, in force or not, the longest match first.

        Each comes with the number of octets of the key that match.
        """
        found: list[tuple[int, Verdict]] = []
        for size, matches in self.ruleset.listed(key):
            scope = Scope.EXACT if size == len(key) else Scope.SUBDOMAINS
            claims = [claimed for claimed in _ranked(matches) if claimed[1].scope & scope]
            found += [(size, self._of(Reason.LISTED, claimed)) for claimed in claims]
        return found

    def close(self) -> None:
        """Unmap both files."""
        self.states.close()
        self.ruleset.close()

    def _decide(self, listed: Sequence[Listed]) -> Verdict:
        """Return the verdict of claims, which are ordered by length of match, then by rank."""
        states, actions, tiers = self.states.states, self._actions, self.tiers
        until = NEVER  # when the first pending order that covers the question comes into force
        deciding: Claimed | None = None
        decided = NO_TIER
        monitoring: Claimed | None = None
        idle: Claimed | None = None
        closed: set[int] = set()  # zones that list a name below
        for scope, claims in listed:
            closing = set()
            for claimed in claims:
                claim = claimed[1]
                index = claim.order_index
                tier = tiers[index]
                if states[index] != State.IN_FORCE:
                    if claim.scope & scope:
                        idle = idle or claimed
                        if states[index] == State.PENDING and actions[index] is not Action.MONITOR:
                            until = min(until, self._begins[index])
                    continue
                if is_zone(tier):
                    if tier in closed:
                        continue
                    closing.add(tier)
                if not claim.scope & scope:
                    continue
                action = actions[index]
                if action is Action.ALLOW:
                    return self._of(Reason.ALLOWED, claimed, until=min(until, self._ends[index]))
                if action is Action.MONITOR:
                    monitoring = monitoring or claimed
                elif tier < decided:
                    deciding, decided = claimed, tier
                    if tier == self._first_tier and not self._may_allow:
                        break
            if decided == self._first_tier and not self._may_allow:
                break
            closed |= closing
        if deciding:
            index = deciding[1].order_index
            reason = Reason.PASSED if actions[index] is Action.PASSTHRU else Reason.LISTED
            return self._of(reason, deciding, decided, min(until, self._ends[index]))
        if monitoring:
            return self._of(Reason.MONITORED, monitoring, until=until)
        return self._of(Reason.NOT_IN_FORCE, idle, until=until) if idle else NOT_LISTED

    def _of(self, reason: Reason, found: Claimed, tier: int = NO_TIER, until: int = NEVER) -> Verdict:
        key, (index, scope) = found
        record = self.ruleset.catalogue.orders[index]
        stale = bool(self.states.stale[index])
        return Verdict(reason, record.order, Entry(key, Scope(scope)), record.feed, index, tier, until, stale)


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


def at_time(version: int, ruleset: Ruleset, now: float, stale: bytes = b"") -> Enforced:
    """Return what a ruleset would enforce at `now`, for inspection only; `stale` is as returned by `stale_in`."""
    orders = [record.order for record in ruleset.catalogue.orders]
    return Enforced(version, ruleset, StatesAt(orders, now, stale))
