"""The decision about a request: by the verdicts on the hosts that it names, the strictest of which counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from blockd.orders import Action, Reason, Verdict
from blockd.orders.disclosure import codes
from blockd.resolver.answers import target_of
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.web.decide.hosts import Host

MAX_KEPT = 1 << 15  # verdicts that are kept, some twenty megabytes at the longest names

NOT_READY = Verdict(Reason.NOT_READY)


@dataclass(frozen=True, slots=True)
class ProxyDecision:
    """What is decided: the verdict that counts, and the host that it is on."""

    verdict: Verdict
    host: Host
    blocks: bool


class Decider:
    """Decides by what is enforced, which `enforced` returns; None is decided as `refuses_unready` says.

    Nothing of a client is kept: verdicts are kept by group, and not at all where a rule asks for the client's address.
    """

    def __init__(self, enforced: Callable[[], Enforced | None], *, refuses_unready: bool = False) -> None:
        self._enforced = enforced
        self._refuses_unready = refuses_unready
        self._kept: dict[tuple[Host, int], Verdict] = {}
        self._of: Enforced | None = None  # what they were decided by, and in which states of its orders
        self._epoch = 0

    def decide(self, hosts: Iterable[Host], client: bytes) -> ProxyDecision:
        """Return the decision about some hosts, at least one, for a client's address; empty if it is not known."""
        found: ProxyDecision | None = None
        for host in hosts:
            verdict = self.verdict(host, client)
            one = ProxyDecision(verdict, host, self.blocks(host, verdict))
            if found is None or _strictness(one) > _strictness(found):
                found = one
        assert found is not None  # noqa: S101 - the caller has one
        return found

    def depends_on_client(self) -> bool:
        """Return whether two clients may get different answers."""
        enforced = self._enforced()
        return enforced is not None and (enforced.asks_client or bool(enforced.client_groups))

    def blocks(self, host: Host, verdict: Verdict) -> bool:
        """Return whether a request for a host may not pass: nobody gets the host's own records by DNS either.

        A name that an order leads to itself may, as in DNS.
        """
        if verdict.reason is Reason.NOT_READY:
            return self._refuses_unready
        return verdict.stops and not _leads_to(verdict, host)

    def verdict(self, host: Host, client: bytes) -> Verdict:
        """Return the verdict on a host for a client."""
        enforced = self._enforced()
        if enforced is None:
            return NOT_READY
        if enforced.asks_client and client:
            return _judged(enforced.seen_from(client), host, client)
        if enforced is not self._of or enforced.states.epoch != self._epoch:
            self._of, self._epoch = enforced, enforced.states.epoch
            self._kept.clear()
        group = enforced.client_groups.number_of(client)
        verdict = self._kept.get((host, group))
        if verdict is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            verdict = self._kept[host, group] = _judged(enforced.seen_by(group), host, b"")
        return verdict


def _judged(seen: Enforced, host: Host, client: bytes) -> Verdict:
    if host.key:
        return seen.verdict(host.key, client)
    by_client = seen.client_verdict(client) if client else NOT_LISTED
    return by_client if by_client.stops else seen.address_verdict(host.address)


def _leads_to(verdict: Verdict, host: Host) -> bool:
    order = verdict.order
    return order is not None and order.action is Action.CNAME and target_of(order, host.key) == host.key


def _strictness(decision: ProxyDecision) -> tuple[bool, int, bool]:
    """Return the order of decisions: blocks, by the status that says most; then what is counted; then the rest."""
    verdict = decision.verdict
    status = codes(verdict.order).status if decision.blocks and verdict.order else 0
    return decision.blocks, status, verdict.action is not None
