"""The page process: the block page, the refusal of TLS and the page about orders, nicer than all other processes.

It follows the workers (`blockd.daemon.followers.process`), and has no feeds, no audit log and no admin port.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import uvloop

from blockd.daemon.certificates.follower import CertificateFollower
from blockd.daemon.channel import Channel, Message
from blockd.daemon.contexts import PageContext
from blockd.daemon.followers.process import FollowingProcess
from blockd.daemon.lookup.asking import WorkerAsker
from blockd.daemon.lookup.following import Visitors
from blockd.daemon.page.public import PublicService
from blockd.daemon.page.sinkhole import SinkholeService
from blockd.daemon.process_name import name_process
from blockd.daemon.rights.confinement import Confinement
from blockd.daemon.update.child_process import be_nicer
from blockd.metrics import StreamEvent, Transport
from blockd.resolver.clients import Clients
from blockd.ruleset import Enforced, Ruleset
from blockd.transports.descriptors import Shares, make_room
from blockd.transports.pace import Pace, PaceBounds
from blockd.web.block_page import serve_block_page
from blockd.web.public.serving import ALPN, PUBLIC_PACE, serve_public
from blockd.web.serving import MAX_LIFETIME, Serving, ServingLimits, bounds_of
from blockd.web.tls import MAX_HANDSHAKE, serve_tls

if TYPE_CHECKING:  # it stands among what the control process needs
    from blockd.daemon.switching import ControlChannel

NICENESS = 15  # beyond a worker's: five more than a compiling child, so that no flood of visits delays an order
PAGE_PACE = PaceBounds()


def run(context: PageContext, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    name_process("page")
    be_nicer(NICENESS)
    sockets = context.shared.sockets
    sockets.keep(sockets.block_page_http, sockets.block_page_https, sockets.public_http, sockets.public_https)
    make_room(Shares.of(context.shared.settings).wanted(upstreams=0), channel.fileno())
    Confinement.of_page(context.shared.settings, context.shared.state.folder).apply()
    uvloop.run(PageProcess(context, channel).run())


class PageProcess(FollowingProcess):
    """The page process, without what names and confines it."""

    name = "The block page"

    def __init__(self, context: PageContext, channel: ControlChannel) -> None:
        shared = context.shared
        super().__init__(shared, context.version, channel)
        self.certificates = CertificateFollower(context.certificates, shared.tickets)
        settings, asker = shared.settings, WorkerAsker(shared.settings.listen.dns, shared.selftest_key)
        self._serving: list[Serving] = []
        self._row = shared.counters.row(context.row)
        # Each page has its own places, so that visitors of one take none of the other's.
        leads, led = (Visitors(lambda: self.enforced, asker).where_it_leads for _ in range(2))
        self.sinkhole = SinkholeService(settings, self._row, lambda: self.enforced, leads)
        self.public = PublicService(settings, shared.state.incidents, self._row, lambda: self.enforced, led)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the block page and the refusal of TLS within a context."""
        site, sockets = self.sinkhole.site(), self._shared.sockets
        self._serving = [
            serve_block_page(site, sockets.block_page_http, limits=self._limits(Transport.HTTP, MAX_LIFETIME)),
            serve_tls(site, sockets.block_page_https, limits=self._limits(Transport.TLS, MAX_HANDSHAKE)),
            *self._serve_public(),
        ]
        self.certificates.start()
        yield
        self.certificates.stop()
        for server in self._serving:
            await server.close()

    def servers(self) -> list[Serving]:
        """Return the servers of its ports."""
        return self._serving

    def open(self, version: int, like: Ruleset | None) -> Enforced:
        """Open a version, and have its orders found by their names at once: else the first who asks would wait."""
        enforced = super().open(version, like)
        enforced.ruleset.catalogue.find("-")
        return enforced

    def _serve_public(self) -> list[Serving]:
        """Serve the page about orders; what happens on its connections is counted."""
        sockets, tls = self._shared.sockets, self.certificates.server(ALPN)
        limits = self._limits(Transport.PUBLIC, MAX_LIFETIME, PUBLIC_PACE)

        def happened(event: StreamEvent) -> None:
            self._row.happened(Transport.PUBLIC, event)

        return serve_public(self.public.site(), sockets.public_http, sockets.public_https, tls, limits, happened)

    def _limits(self, transport: Transport, lifetime: float, pace: PaceBounds = PAGE_PACE) -> ServingLimits:
        """Return the limits of one port; a client has its pace at each."""
        settings = self._shared.settings
        is_front_end = Clients((), settings.clients.front_ends).is_front_end
        return ServingLimits(
            bounds_of(Shares.of(settings).web),
            lifetime,
            Pace(pace, time.monotonic, is_front_end),
            lambda why: self._row.connection_closed(transport, why),
            is_front_end,
        )

    def hear(self, message: Message) -> None:
        """Take other certificates, too."""
        super().hear(message)
        if "certificates" in message:
            self.certificates.take(message)
