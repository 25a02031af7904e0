"""The server of decisions: the connections of proxies, on addresses and Unix sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from blockd.metrics import Closing, Row, Transport
from blockd.resolver.clients import Clients
from blockd.transports.accepting import StreamAcceptor
from blockd.transports.connections import Bounds, ConnectionTable, Level
from blockd.transports.line import ServedLine
from blockd.transports.pace import Pace, PaceBounds
from blockd.transports.stream_sockets import StreamSockets
from blockd.transports.turns import TakingTurns
from blockd.web.decide.answering import Answering
from blockd.web.decide.connection import READ, DecideConnection

# Seconds without a request: longer than the proxies of the recipes keep one, so that none sends on a closed one.
IDLE = 75.0
LOCAL = "0.0.0.0"  # noqa: S104 - whoever is at a Unix socket: no packet comes from this address (RFC 1122, 3.2.1.3)


class DecideServer:
    """The decisions of a process, which all its listening sockets share.

    Clients and front ends are served, strangers closed at once. Whoever may open a Unix socket is a front end: the
    socket's owner and mode say who that is.
    """

    def __init__(
        self,
        answering: Answering,
        clients: Clients,
        bounds: Bounds,
        row: Row | None = None,
        idle: float = IDLE,
        pace: PaceBounds | None = None,
    ) -> None:
        """`bounds` are for clients, and as many in all for front ends, so that neither closes what the other keeps.

        `row` counts the connections that are closed for others, or at once.
        """
        self.answering = answering
        self.idle = idle
        self._clients = clients
        self._row = row
        displaced: Callable[[Level], None] = lambda level: self._count(Closing[level.upper()])  # noqa: E731
        self._clients_connections: ConnectionTable[DecideConnection] = ConnectionTable(bounds, displaced)
        self._fronts_connections: ConnectionTable[DecideConnection] = ConnectionTable(bounds, displaced, lambda _: True)
        self.turns = TakingTurns()
        self.streams = StreamSockets(READ, self.turns.begin)
        self._pace = Pace(pace or PaceBounds(), time.monotonic, self.is_front)
        self._line: ServedLine[socket.SocketType] = ServedLine(bounds.all, self._serve, self._give_up, self.turns.begin)
        self._acceptors: list[StreamAcceptor] = []

    def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections from bound sockets in the running event loop."""
        for sock in sockets:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted has it from here
            self._acceptors.append(
                StreamAcceptor(sock, self._admit, lambda: self._count(Closing.DESCRIPTORS), self.turns.begin)
            )

    def close(self) -> None:
        """Accept no more connections and end those that are open."""
        for acceptor in self._acceptors:
            acceptor.close()
        for waiting in self._line.close():
            waiting.close()
        for connection in (*self._fronts_connections, *self._clients_connections):
            connection.end()
        self.streams.close()

    def is_front(self, host: str) -> bool:
        """Return whether a peer asks on behalf of clients, and says for which."""
        return host == LOCAL or self._clients.is_front_end(host)

    def connections_of(self, *, is_front: bool) -> ConnectionTable[DecideConnection]:
        """Return the table in which a peer's connections have their places."""
        return self._fronts_connections if is_front else self._clients_connections

    def _admit(self, host: str, sock: socket.SocketType) -> bool:
        if not host:
            self._serve(LOCAL, sock)
            return True
        why = self._refusal(host)
        if why is not None:
            self._count(why)
            return False
        if self.is_front(host):
            self._serve(host, sock)
        else:
            self._line.put(host, sock)
        return True

    def _refusal(self, host: str) -> Closing | None:
        if not self._clients.serves(host) and not self.is_front(host):
            return Closing.STRANGER
        return None if self._pace.allows(host) else Closing.PACE

    def _serve(self, host: str, sock: socket.SocketType) -> None:
        DecideConnection(self, host, sock).receive()  # its request has often come by now

    def _give_up(self, sock: socket.SocketType) -> None:
        sock.close()
        self._count(Closing.ALL)

    def _count(self, why: Closing) -> None:
        if self._row is not None:
            self._row.connection_closed(Transport.HTTP, why)
