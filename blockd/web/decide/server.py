"""The server of decisions: the connections of proxies, on addresses and Unix sockets."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Any

from blockd.metrics import Closing, Row, Transport
from blockd.resolver.clients import Clients
from blockd.transports.admitting_server import PACE, QUIET, AdmittingServer
from blockd.transports.connections import Bounds, ConnectionTable
from blockd.transports.pace import PaceBounds
from blockd.transports.turned_stream import TurnedStream
from blockd.web.decide.answering import Answering
from blockd.web.decide.connection import LOCAL, DecideConnection

# Seconds without a request: longer than the proxies of the recipes keep one, so that none sends on a closed one.
IDLE = 75.0


class DecideServer(AdmittingServer):
    """The decisions of a process; see `AdmittingServer`.

    Whoever may open a Unix socket is a front end: the socket's owner and mode say who that is.
    """

    transport = Transport.HTTP

    def __init__(
        self,
        answering: Answering,
        clients: Clients,
        bounds: Bounds,
        row: Row | None = None,
        idle: float = IDLE,
        pace: PaceBounds = PACE,
    ) -> None:
        """`bounds` are for clients, and as many in all for front ends, so that neither closes what the other keeps.

        `row` counts the connections that are closed for others, or at once.
        """
        self.answering = answering
        self._clients = clients
        super().__init__(idle, bounds, row, pace)
        self._of_fronts: ConnectionTable[DecideConnection] = ConnectionTable(
            bounds, lambda level: self._count(Closing[level.upper()]), lambda _: True
        )

    def drain(self, but: Collection[int] = ()) -> None:
        """See `AdmittingServer`."""
        self.idle = min(self.idle, QUIET)
        super().drain(but)

    def open_connections(self) -> list[TurnedStream]:
        """Return those of clients and of front ends."""
        return [*self.connections, *self._of_fronts]

    def serves(self, host: str) -> bool:
        """Return whether it is a client, or a front end."""
        return self._clients.serves(host) or self.is_front_end(host)

    def is_front_end(self, host: str) -> bool:
        """Return whether a peer asks on behalf of clients, and says for which."""
        return host == LOCAL or self._clients.is_front_end(host)

    def connections_of(self, *, is_front: bool) -> ConnectionTable[Any]:
        """Return the table in which a peer's connections have their places."""
        return self._of_fronts if is_front else self.connections

    def connect(self, host: str, sock: socket.SocketType) -> DecideConnection:
        """Return a proxy's connection."""
        return DecideConnection(self, host, sock)

    def _admit(self, host: str, sock: socket.SocketType) -> bool:
        return super()._admit(host or LOCAL, sock)
