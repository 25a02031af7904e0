"""The policy: which order, if any, decides about a name or an address.

An `allow` in force on the name or any ancestor that covers it beats the rest: it says never. Else the longest match
wins; among the orders on one entry, the feed's priority, then the later date. An order that only monitors never
hides one that blocks.
"""

from __future__ import annotations

from blockd.names import DomainName, address_key
from blockd.orders import Action, Entry, Reason, Scope, State, Verdict
from blockd.ruleset.mapped import Claim, Ruleset
from blockd.ruleset.states import States, StatesAt

NOT_LISTED = Verdict(Reason.NOT_LISTED)


class Enforced:
    """A ruleset with the states of its orders: what a process enforces at this moment."""

    def __init__(self, version: int, ruleset: Ruleset, states: States) -> None:
        self.version = version
        self.ruleset = ruleset
        self.states = states
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
        covering = []
        for end in reversed(ends):
            if claims := claims_of(key[:end]):
                scope = Scope.EXACT if end == size else Scope.SUBDOMAINS
                covering += [(key[:end], claim) for claim in claims if claim.scope & scope]
        return self._decide(covering) if covering else NOT_LISTED

    def address_verdict(self, packed: bytes) -> Verdict:
        """Decide about an address of 4 or 16 octets that an answer leads to."""
        ruleset = self.ruleset
        lengths = ruleset.ipv4_lengths if len(packed) == 4 else ruleset.ipv6_lengths
        covering = []
        for length in lengths:
            network = address_key(packed, length)
            covering += [(network, claim) for claim in ruleset.claims(network)]
        return self._decide(covering) if covering else NOT_LISTED

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

    def _decide(self, covering: list[tuple[bytes, Claim]]) -> Verdict:
        """Choose among claims, given the longest match first and in rank within one entry."""
        states = self.states.states
        actions = self._actions
        blocking: tuple[bytes, Claim] | None = None
        monitoring: tuple[bytes, Claim] | None = None
        for found in covering:
            index = found[1].order_index
            if states[index] != State.IN_FORCE:
                continue
            action = actions[index]
            if action is Action.ALLOW:
                return self._of(Reason.ALLOWED, found)
            if action is Action.MONITOR:
                monitoring = monitoring or found
            elif blocking is None:
                blocking = found
                if not self._may_allow:
                    break
        if blocking:
            return self._of(Reason.LISTED, blocking)
        if monitoring:
            return self._of(Reason.MONITORED, monitoring)
        return self._of(Reason.NOT_IN_FORCE, covering[0])

    def _of(self, reason: Reason, found: tuple[bytes, Claim]) -> Verdict:
        key, claim = found
        record = self.ruleset.catalogue.orders[claim.order_index]
        return Verdict(reason, record.order, Entry(key, Scope(claim.scope)), record.feed, claim.order_index)


def at_time(version: int, ruleset: Ruleset, now: float) -> Enforced:
    """Give what a ruleset would enforce at `now`, for who only wants to know."""
    orders = [record.order for record in ruleset.catalogue.orders]
    return Enforced(version, ruleset, StatesAt(orders, now))
