"""The sinkhole of a running daemon: what its block page and its refusal of TLS ask, and count."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from blockd.metrics import Transport
from blockd.metrics.counters import Row
from blockd.orders import Reason, Verdict
from blockd.orders.incident import has_page
from blockd.resolver.clients import NetworkSet
from blockd.resolver.counting import ACTIONS, told_key
from blockd.ruleset import Enforced
from blockd.settings import Settings
from blockd.web.site import Protocol, Site

_TRANSPORTS: Mapping[Protocol, Transport] = {
    "http": Transport.HTTP, "tls": Transport.TLS, "public": Transport.PUBLIC,
}  # fmt: skip


class SinkholeService:
    """The policy and the counters behind the block page; `enforced` returns the version in force.

    `where_it_leads` returns what stops a name by what it leads to, for a client, see `Visitors.where_it_leads`.
    """

    def __init__(
        self,
        settings: Settings,
        row: Row,
        enforced: Callable[[], Enforced | None],
        where_it_leads: Callable[[bytes, bytes], Awaitable[Verdict | None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._allowed = NetworkSet(settings.clients.allow)
        self._leads = where_it_leads
        self._row = row
        self._enforced = enforced
        self._clock = clock

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
            ttl=self._settings.block_ttl,
            hosts=frozenset(host for host in own if host),
            where_it_leads=self._where_it_leads,
            orders_named=self._orders_named,
            incidents=self._settings.public.url,
        )

    def is_subscriber(self, client: bytes) -> bool:
        """Return whether an address in network order, which is empty if it is not known, may ask by DNS."""
        return bool(client) and client in self._allowed

    def _verdict_of(self, key: bytes, client: bytes) -> Verdict:
        """Return the verdict that the client's question for the name has."""
        enforced = self._enforced()
        return enforced.seen_from(client).verdict(key, client) if enforced else Verdict(Reason.NOT_READY)

    def _orders_named(self, asked: str) -> list[Verdict] | None:
        """Return the signed orders that a text may name, without those that the block page never tells of."""
        enforced = self._enforced()
        if enforced is None:
            return None
        found = [enforced.standing(index) for index in enforced.ruleset.catalogue.find(asked)]
        return [verdict for verdict in found if has_page(verdict)]

    async def _where_it_leads(self, key: bytes, client: bytes) -> Verdict | None:
        """Ask for those only who may ask by DNS too: else strangers could have any name resolved."""
        return await self._leads(key, client) if self.is_subscriber(client) else None

    def _count(self, verdict: Verdict, protocol: Protocol) -> None:
        """Count one visit to a blocked name."""
        enforced = self._enforced()
        if enforced is not None and verdict.order_index is not None and verdict.action is not None:
            self._row.hit(enforced.states.hit_slots[verdict.order_index], 1 if protocol == "http" else 2)
            self._row.note_block(
                int(self._clock()), enforced.version, verdict.order_index, ACTIONS[verdict.action],
                _TRANSPORTS[protocol], told_key(verdict),
            )  # fmt: skip

    def _arrived(self, protocol: Protocol) -> None:
        """Count one request or handshake, whatever it asks for."""
        self._row.query(_TRANSPORTS[protocol])
