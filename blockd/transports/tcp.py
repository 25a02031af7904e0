"""DNS over TCP (RFC 7766): each answer is sent once it is ready.

A server that drains passes its connections on to its heir, so that clients notice nothing: a connection is its socket
and what has come of a question, as long as nothing is owed. Of those over TLS nobody else has the keys.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection

from blockd.metrics import Transport
from blockd.transports.stream_server import StreamServer
from blockd.transports.tcp_connection import TcpConnection

AT_ONCE = 64  # connections that are passed on in one turn of the event loop, within about a millisecond
MOST = 500  # in all: the supervisor, by which they go, hears a thousand messages at once; others end as they are quiet

Heir = Callable[[int, bytes], bool]
"""Takes a copy of a connection's descriptor, and what has come of a question; returns whether it has."""


class TcpServer(StreamServer):
    """The TCP side of a worker."""

    transport = Transport.TCP
    heir: Heir | None = None
    _passed = 0

    def connect(self, host: str, sock: socket.SocketType) -> TcpConnection:
        """Return a client's connection."""
        return TcpConnection(self, host, sock)

    def drain(self, but: Collection[int] = ()) -> None:
        """Pass connections on if there is an heir; end the others, see `AdmittingServer`."""
        super().drain(but)
        self.look()

    def look(self) -> None:
        """Pass some connections on that owe nothing now."""
        if self.heir is None or not self.is_draining:
            return
        passed = 0
        for connection in self.connections:
            if self._passed >= MOST or passed >= AT_ONCE:
                return
            if isinstance(connection, TcpConnection) and connection.pass_on(self.heir):
                passed += 1
                self._passed += 1

    def adopt(self, host: str, sock: socket.SocketType, octets: bytes) -> None:
        """Go on with a connection that another server has had, of which some octets of a question have come."""
        if not self.serves(host):
            sock.close()
            return
        connection = self.connect(host, sock)
        connection.go_on(octets)
        connection.receive()
