"""The page process: the block page, the refusal of TLS and the page about orders, nicer than all other processes.

It opens the ruleset that the workers enforce, read-only and as they do, and follows when they change over. Nothing
waits for it: a block page that disagrees with DNS for some milliseconds harms nobody, and one that cannot follow goes
on with what it has, tells the control process why, and tries again. It has no feeds, no audit log and no admin port.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

import uvloop

from blockd.daemon.certificates.follower import CertificateFollower
from blockd.daemon.channel import Channel, Message, listen
from blockd.daemon.contexts import PageContext
from blockd.daemon.lookup.asking import WorkerAsker
from blockd.daemon.lookup.following import Visitors
from blockd.daemon.page.public import PublicService
from blockd.daemon.page.sinkhole import SinkholeService
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import pulse
from blockd.daemon.processes.signals import ENDING
from blockd.daemon.rights.confinement import Confinement
from blockd.daemon.update.child_process import be_nicer
from blockd.errors import RulesetError
from blockd.metrics import StreamEvent, Transport
from blockd.resolver.clients import Clients
from blockd.ruleset import Enforced, Ruleset
from blockd.transports.descriptors import Shares
from blockd.transports.pace import Pace, PaceBounds
from blockd.web.block_page import serve_block_page
from blockd.web.public.serving import ALPN, PUBLIC_PACE, serve_public
from blockd.web.serving import MAX_LIFETIME, Serving, ServingLimits, bounds_of
from blockd.web.tls import MAX_HANDSHAKE, serve_tls

if TYPE_CHECKING:  # it stands among what the control process needs
    from blockd.daemon.switching import ControlChannel

NICENESS = 15  # beyond a worker's: five more than a compiling child, so that no flood of visits delays an order
PAGE_PACE = PaceBounds()
RETRY = 1.0  # seconds until a version that cannot be opened is tried again

log = logging.getLogger(__name__)


def run(context: PageContext, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    name_process("page")
    be_nicer(NICENESS)
    sockets = context.shared.sockets
    sockets.keep(sockets.block_page_http, sockets.block_page_https, sockets.public_http, sockets.public_https)
    Confinement.of_page(context.shared.settings, context.shared.state.folder).apply()
    uvloop.run(PageProcess(context, channel).run())


class PageProcess:
    """The page process, without what names and confines it."""

    def __init__(self, context: PageContext, channel: ControlChannel) -> None:
        shared = context.shared
        self._shared = shared
        self._channel = channel
        self._wanted = context.version  # the version to be enforced
        self._news = asyncio.Event()  # another is
        self._stop = asyncio.Event()
        self.certificates = CertificateFollower(context.certificates, shared.tickets)
        self._told = 0  # the version about which it was told that it cannot be enforced
        self.enforced: Enforced | None = None
        settings, asker = shared.settings, WorkerAsker(shared.settings.listen.dns, shared.selftest_key)
        self._row = shared.counters.row(settings.workers)
        # Each page has its own places, so that visitors of one take none of the other's.
        leads, led = (Visitors(lambda: self.enforced, asker).where_it_leads for _ in range(2))
        self.sinkhole = SinkholeService(settings, self._row, lambda: self.enforced, leads)
        self.public = PublicService(settings, shared.state.incidents, self._row, lambda: self.enforced, led)

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        pulse.begin(loop)
        for number in ENDING:
            loop.add_signal_handler(number, self._stop.set)
        if self._wanted is None:
            self._channel.send({"enforcing": 0})
        elif not await self.enforce(self._wanted):  # before the first visitor is answered
            self._news.set()
        listen(self._channel, self._hear, self._stop.set)
        site, sockets = self.sinkhole.site(), self._shared.sockets
        serving = [
            serve_block_page(site, sockets.block_page_http, limits=self._limits(Transport.HTTP, MAX_LIFETIME)),
            serve_tls(site, sockets.block_page_https, limits=self._limits(Transport.TLS, MAX_HANDSHAKE)),
            *self._serve_public(),
        ]
        self.certificates.start()
        following = asyncio.create_task(self.follow())
        following.add_done_callback(lambda _: self._stop.set())
        await self._stop.wait()
        loop.remove_reader(self._channel.fileno())
        if following.done():
            following.result()
        following.cancel()
        self.certificates.stop()
        for server in serving:
            await server.close()

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

    def _hear(self, message: Message) -> None:
        if "enforce" in message:
            self.want(self._shared.state.taken(message))
        elif "certificates" in message:
            self.certificates.take(message)

    def want(self, version: int) -> None:
        """Have a version enforced: the newest that is asked for, whatever was asked for before."""
        self._wanted = version
        self._news.set()

    async def follow(self) -> None:
        """Enforce what is asked for, for ever; what cannot be opened is tried again.

        A version that is enforced already is opened anew, as workers do: its orders' states may be others.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wanted is not None and not await self.enforce(self._wanted):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), RETRY)
                self._news.clear()  # the newest is tried in any case

    def enforces(self, version: int) -> bool:
        """Return whether a version is enforced."""
        return self.enforced is not None and self.enforced.version == version

    async def enforce(self, version: int) -> bool:
        """Open a version in a thread, swap, and tell; return false if it cannot be opened: the one before stays."""
        before = self.enforced
        try:
            enforced = await asyncio.to_thread(self._open, version, before.ruleset if before else None)
        except RulesetError as error:
            if version != self._told:
                self._told = version
                log.error("The block page goes on without version %d: %s. It is tried again.", version, error)
                self._channel.send({"failed": version, "why": str(error)})
            return False
        self.swap(enforced)
        return True

    def _open(self, version: int, like: Ruleset | None) -> Enforced:
        """Open a version, and have its orders found by their names at once: else the first who asks would wait."""
        enforced = self._shared.state.open(version, like)
        enforced.ruleset.catalogue.find("-")
        return enforced

    def swap(self, enforced: Enforced) -> None:
        """Have the block page tell of what was opened from now on, and report it."""
        before, self.enforced = self.enforced, enforced
        self._told = 0
        if before is not None:
            before.close()
        self._channel.send({"enforcing": enforced.version})
