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
from blockd.transports.tcp import Heir
from blockd.transports.tcp_connection import MAX_QUESTION

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
        sockets, row = shared.sockets, shared.counters.row(context.row)
        bounds = Shares.of(shared.settings).streams
        self.servers: list[StreamServer] = []
        self._tcp = TcpServer(resolver, bounds=bounds, row=row)
        self._ports = {sock.getsockname()[1] for sock in sockets.tcp[index]}
        self._serve(self._tcp, sockets.tcp[index])
        if sockets.dot[index] and (tls := secured(dot.ALPN)):
            self._serve(DotServer(resolver, bounds=bounds, row=row, tls=tls), sockets.dot[index])
        https = shared.settings.doh
        if sockets.doh[index] and ((tls := secured(doh.ALPN)) or https.plain_from):
            if index == 0 and (why := http2.why_not_native()):
                log.warning("HTTP/2 is done in Python, at a fiftieth of the speed: %s.", why)
            self._serve(DohServer(resolver, https, bounds=bounds, row=row, tls=tls), sockets.doh[index])

    def pass_on_to(self, heir: Heir) -> None:
        """Have connections over TCP passed on once they are drained."""
        self._tcp.heir = heir

    def adopt(self, descriptor: int, octets: bytes) -> None:
        """Go on with a connection of a worker that leaves; what is not one to a port of this is closed.

        That worker may have been broken into.
        """
        sock = socket.socket(fileno=descriptor)
        try:
            is_ours = sock.type == socket.SOCK_STREAM and sock.getsockname()[1] in self._ports
            host = sock.getpeername()[0] if is_ours and sock.family in (socket.AF_INET, socket.AF_INET6) else ""
        except (OSError, IndexError):
            host = ""
        if host and len(octets) <= MAX_QUESTION:
            sock.setblocking(False)
            kind = int(sock.family)
            self._tcp.adopt(host, socket.SocketType(kind, socket.SOCK_STREAM, 0, sock.detach()), octets)
        else:
            sock.close()

    def close(self) -> None:
        """Accept no more connections and end those that are open."""
        for server in self.servers:
            server.close()

    def _serve(self, server: StreamServer, sockets: Sequence[socket.socket]) -> None:
        self.servers.append(server)
        for sock in sockets:
            server.start(sock)
