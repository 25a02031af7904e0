"""The sinkhole of a running daemon: what its block page and its refusal of TLS ask, and count."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from blockd.metrics import Transport
from blockd.metrics.counters import Row
from blockd.orders import Reason, Verdict
from blockd.ruleset import Enforced
from blockd.settings import Settings
from blockd.web import Protocol, Site


class SinkholeService:
    """The policy and the counters behind the block page; `enforced` returns the version in force."""

    def __init__(self, settings: Settings, row: Row, enforced: Callable[[], Enforced | None]) -> None:
        self._settings = settings
        self._row = row
        self._enforced = enforced

    def site(self) -> Site:
        """Return what the servers of the sinkhole need."""
        operator = self._settings.operator
        own = (urlsplit(operator.url).hostname or "", "localhost")
        return Site(
            operator=operator.name,
            verdict_of=self._verdict_of,
            count=self._count,
            arrived=self._arrived,
            url=self._settings.blocked_by,
            contact=operator.contact,
            ttl=self._settings.sinkhole.ttl,
            hosts=frozenset(host for host in own if host),
        )

    def _verdict_of(self, key: bytes) -> Verdict:
        enforced = self._enforced()
        return enforced.verdict(key) if enforced else Verdict(Reason.NOT_READY)

    def _count(self, verdict: Verdict, protocol: Protocol) -> None:
        """Count one visit to a blocked name."""
        enforced = self._enforced()
        if enforced is not None and verdict.order_index is not None and verdict.action is not None:
            self._row.hit(enforced.states.hit_slots[verdict.order_index], 1 if protocol == "http" else 2)

    def _arrived(self, protocol: Protocol) -> None:
        """Count one request or handshake, whatever it asks for."""
        self._row.query(Transport.HTTP if protocol == "http" else Transport.TLS)
