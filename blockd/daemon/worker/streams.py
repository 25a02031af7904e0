"""The connections of a worker: a server for each transport that has them, with what they share."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence

from blockd.daemon.contexts import WorkerContext
from blockd.resolver import Resolver
from blockd.tls import ServerTls
from blockd.transports import DohServer, DotServer, TcpServer, dot
from blockd.transports.descriptors import Shares
from blockd.transports.http import choice as http2
from blockd.transports.http import server as doh
from blockd.transports.stream_server import StreamServer

log = logging.getLogger(__name__)


class WorkerStreams:
    """The servers of TCP, DoT and DoH, in the running event loop."""

    def __init__(
        self, context: WorkerContext, resolver: Resolver, secured: Callable[[Sequence[str]], ServerTls | None]
    ) -> None:
        """`secured` makes what a listener takes its TLS sessions from, for its ALPN protocols; None without any.

        What is to be secured and cannot be is not listened on.
        """
        shared, index = context.shared, context.index
        sockets, row = shared.sockets, shared.counters.row(index)
        bounds = Shares.of(shared.settings).streams
        self.servers: list[StreamServer] = []
        tcp = TcpServer(resolver, bounds=bounds, row=row)
        self._serve(tcp, sockets.tcp[index])
        if sockets.dot[index] and (tls := secured(dot.ALPN)):
            self._serve(DotServer(resolver, bounds=bounds, row=row, tls=tls), sockets.dot[index])
        https = shared.settings.doh
        if sockets.doh[index] and ((tls := secured(doh.ALPN)) or https.plain_from):
            if index == 0 and (why := http2.why_not_native()):
                log.warning("HTTP/2 is done in Python, at a fiftieth of the speed: %s.", why)
            self._serve(DohServer(resolver, https, bounds=bounds, row=row, tls=tls), sockets.doh[index])

    def close(self) -> None:
        """Accept no more connections and end those that are open."""
        for server in self.servers:
            server.close()

    def _serve(self, server: StreamServer, sockets: Sequence[socket.socket]) -> None:
        self.servers.append(server)
        for sock in sockets:
            server.start(sock)
