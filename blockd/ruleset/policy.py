"""The policy: which order, if any, decides about a name or an address.

An `allow` in force on the name or any ancestor that covers it beats the rest: it says never. Else the earliest tier
that covers it decides (`blockd.ruleset.tiers`); within it the longest match wins; among the orders on one entry, the
feed's priority, then the later date. An order that only monitors never hides one that blocks. Where a policy zone lists
a name, its wildcards above that name do not match what is below it (closest encloser, RFC 4592 section 3.3.1).
"""

from __future__ import annotations

from blockd.names import DomainName, address_key, client_key
from blockd.orders import NO_TIER, Action, Entry, Reason, Scope, State, Verdict
from blockd.ruleset.mapped import Claim, Ruleset
from blockd.ruleset.states import States, StatesAt
from blockd.ruleset.tiers import is_zone, tiers_of

NOT_LISTED = Verdict(Reason.NOT_LISTED)

Listed = tuple[bytes, Scope, tuple[Claim, ...]]
"""An entry's key, what of its scope covers the question, and the claims on it."""


class Enforced:
    """A ruleset with the states of its orders: what a process enforces at this moment."""

    def __init__(self, version: int, ruleset: Ruleset, states: States) -> None:
        self.version = version
        self.ruleset = ruleset
        self.states = states
        self.tiers = tiers_of(ruleset.catalogue)
        self.asks_client = any(feed.asks_client for feed in ruleset.catalogue.feeds)
        self._first_tier = min(self.tiers, default=NO_TIER)
        self._actions = tuple(record.order.action for record in ruleset.catalogue.orders)
        self._max_labels = ruleset.header.max_labels
        self._may_allow = Action.ALLOW in self._actions

    @property
    def moment(self) -> tuple[bytes, int]:
        """What a remembered verdict depends on: equal moments give equal verdicts."""
        return self.ruleset.header.build_id, self.states.epoch

    def verdict(self, key: bytes) -> Verdict:
        """Decide about a domain name, given as its key; raises RulesetError where the mapped file is damaged."""
        ends: list[int] = []
        position = 0
        size = len(key)
        while position < size and len(ends) < self._max_labels:
            position += 1 + key[position]
            ends.append(position)
        claims_of = self.ruleset.claims
        listed = [
            (key[:end], Scope.EXACT if end == size else Scope.SUBDOMAINS, claims)
            for end in reversed(ends)
            if (claims := claims_of(key[:end]))
        ]
        return self._decide(listed) if listed else NOT_LISTED

    def address_verdict(self, packed: bytes) -> Verdict:
        """Decide about an address of 4 or 16 octets that an answer leads to."""
        ruleset = self.ruleset
        lengths = ruleset.ipv4_lengths if len(packed) == 4 else ruleset.ipv6_lengths
        listed = []
        for length in lengths:
            network = address_key(packed, length)
            if claims := ruleset.claims(network):
                listed.append((network, Scope.BOTH, claims))
        return self._decide(listed) if listed else NOT_LISTED

    def client_verdict(self, packed: bytes) -> Verdict:
        """Decide about the questions of a client with an address of 4 or 16 octets."""
        if not self.asks_client:
            return NOT_LISTED
        claims_of = self.ruleset.claims
        networks = [client_key(packed, length) for length in self.ruleset.ipv6_lengths if length <= len(packed) * 8]
        listed = [(network, Scope.BOTH, claims) for network in networks if (claims := claims_of(network))]
        return self._decide(listed) if listed else NOT_LISTED

    def covering(self, key: bytes) -> list[Verdict]:
        """Give a verdict for every claim that covers a name, the longest match first, in force or not."""
        found: list[Verdict] = []
        for name in DomainName(key).ancestors():
            scope = Scope.EXACT if name.key == key else Scope.SUBDOMAINS
            claims = self.ruleset.claims(name.key)
            found += [self._of(Reason.LISTED, (name.key, claim)) for claim in claims if claim.scope & scope]
        return found

    def close(self) -> None:
        """Unmap both files."""
        self.states.close()
        self.ruleset.close()

    def _decide(self, listed: list[Listed]) -> Verdict:
        """Choose among the claims on entries, given the longest match first and in rank within one entry."""
        states, actions, tiers = self.states.states, self._actions, self.tiers
        deciding: tuple[bytes, Claim] | None = None
        decided = NO_TIER
        monitoring: tuple[bytes, Claim] | None = None
        idle: tuple[bytes, Claim] | None = None
        closed: set[int] = set()  # zones that list a name below
        for key, scope, claims in listed:
            closing = set()
            for claim in claims:
                index = claim.order_index
                tier = tiers[index]
                if states[index] != State.IN_FORCE:
                    if claim.scope & scope:
                        idle = idle or (key, claim)
                    continue
                if is_zone(tier):
                    if tier in closed:
                        continue
                    closing.add(tier)
                if not claim.scope & scope:
                    continue
                action = actions[index]
                if action is Action.ALLOW:
                    return self._of(Reason.ALLOWED, (key, claim))
                if action is Action.MONITOR:
                    monitoring = monitoring or (key, claim)
                elif tier < decided:
                    deciding, decided = (key, claim), tier
                    if tier == self._first_tier and not self._may_allow:
                        break
            if decided == self._first_tier and not self._may_allow:
                break
            closed |= closing
        if deciding:
            passes = actions[deciding[1].order_index] is Action.PASSTHRU
            return self._of(Reason.PASSED if passes else Reason.LISTED, deciding, decided)
        if monitoring:
            return self._of(Reason.MONITORED, monitoring)
        return self._of(Reason.NOT_IN_FORCE, idle) if idle else NOT_LISTED

    def _of(self, reason: Reason, found: tuple[bytes, Claim], tier: int = NO_TIER) -> Verdict:
        key, claim = found
        record = self.ruleset.catalogue.orders[claim.order_index]
        return Verdict(reason, record.order, Entry(key, Scope(claim.scope)), record.feed, claim.order_index, tier)


def first_of(client: Verdict, name: Verdict) -> Verdict:
    """Choose between the verdicts on who asks and on what is asked: within a zone a client's rule comes first."""
    if name.reason is Reason.ALLOWED:
        return name
    if client.tier != NO_TIER and client.tier <= name.tier:
        return client
    return name if name.action or not client.action else client


def at_time(version: int, ruleset: Ruleset, now: float) -> Enforced:
    """Give what a ruleset would enforce at `now`, for who only wants to know."""
    orders = [record.order for record in ruleset.catalogue.orders]
    return Enforced(version, ruleset, StatesAt(orders, now))
