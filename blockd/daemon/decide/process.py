"""The process that decides for HTTP proxies, beside the workers: what proxies ask costs no answer to DNS.

It follows the workers (`blockd.daemon.followers.process`), and has no feeds, no audit log and no admin port; it
connects to nobody. Unlike the page process it is as nice as a worker: each request of a proxy's client waits for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import uvloop

from blockd.daemon.channel import Channel
from blockd.daemon.contexts import DecideContext
from blockd.daemon.followers.process import FollowingProcess
from blockd.daemon.page.sinkhole import SinkholeService
from blockd.daemon.process_name import name_process
from blockd.daemon.rights.confinement import Confinement
from blockd.orders import Verdict
from blockd.resolver.clients import Clients
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import Shares, make_room
from blockd.web.decide.answering import Answering
from blockd.web.decide.decider import Decider
from blockd.web.decide.responses import ResponseWriter
from blockd.web.decide.server import DecideServer

if TYPE_CHECKING:  # it stands among what the control process needs
    from blockd.daemon.switching import ControlChannel


def run(context: DecideContext, channel: Channel) -> None:
    """Serve until the channel ends or the process is told to stop."""
    name_process("decide")
    sockets = context.shared.sockets
    sockets.keep(sockets.decide)
    make_room(Shares.of(context.shared.settings).wanted(upstreams=0), channel.fileno())
    Confinement.of_decide(context.shared.state.folder).apply()
    uvloop.run(DecideProcess(context, channel).run())


class DecideProcess(FollowingProcess):
    """The process that decides, without what names and confines it."""

    name = "The decision server"

    def __init__(self, context: DecideContext, channel: ControlChannel) -> None:
        shared = context.shared
        super().__init__(shared, context.version, channel)
        settings = shared.settings
        self._server: DecideServer | None = None
        self._row = shared.counters.row(context.row)
        site = SinkholeService(settings, self._row, lambda: self.enforced, _nowhere).site()
        decider = Decider(lambda: self.enforced, refuses_unready=settings.at_first_start == "refuse")
        self.answering = Answering(
            decider,
            ResponseWriter(site, decider.depends_on_client),
            lambda verdict: site.count(verdict, "http"),
            lambda: site.arrived("http"),
        )

    def servers(self) -> list[DecideServer]:
        """Return the server of its ports."""
        return [] if self._server is None else [self._server]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Decide within a context."""
        settings = self._shared.settings
        most = Shares.of(settings).decide
        server = self._server = DecideServer(
            self.answering,
            Clients(settings.clients.allow, settings.clients.front_ends),
            Bounds(address=-(-most // 2), prefix=-(-most // 2), all=most),
            self._row,
        )
        for sock in self._shared.sockets.decide:
            server.start(sock)
        yield
        server.close()


async def _nowhere(_key: bytes, _client: bytes) -> Verdict | None:
    """Do not look where a name leads: the proxy resolves it, and DNS judges that."""
    return None
