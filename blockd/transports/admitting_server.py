# cython: annotation_typing=False, binding=False
"""Who may connect to a server of streams, and in which order: strangers, pace, line and places."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from blockd.metrics import Closing, Row, Transport
from blockd.transports.accepting import StreamAcceptor, close_but
from blockd.transports.connections import Bounds, ConnectionTable
from blockd.transports.line import ServedLine
from blockd.transports.pace import Pace, PaceBounds
from blockd.transports.stream_sockets import StreamSockets
from blockd.transports.turns import TakingTurns

if TYPE_CHECKING:
    from blockd.transports.turned_stream import TurnedStream

READ = 1 << 14  # octets read at once
# Seconds without a question after which a server that drains ends a connection: what is on its way has come by then.
QUIET = 0.2
# Seconds in which connections are accepted on from a socket that is steered around: those that have begun are
# completed, for which a packet may have to be sent again (RFC 6298 section 2: after a second, then after two).
ACCEPTS_ON = 3.0
PACE = PaceBounds()  # of a process: a client that opens a connection for each question asks some within a second


class AdmittingServer:
    """The connections of a process that come by one transport, of all its listening sockets; they share one table.

    Strangers are closed before anything is allocated for them. Who is admitted waits in line, where it stands behind
    one of each other network at most; only front ends, which ask for many clients, do not. A client's connections are
    counted while they last; nothing else is kept.
    """

    transport = Transport.TCP  # by which its questions come
    takes_on = ACCEPTS_ON

    def __init__(self, idle: float, bounds: Bounds, row: Row | None, pace: PaceBounds) -> None:
        """`idle` is in seconds; `row` counts connections that are closed for others, or at once."""
        self.idle = idle
        self.connections: ConnectionTable[TurnedStream] = ConnectionTable(
            bounds, lambda level: self._count(Closing[level.upper()]), self.is_front_end
        )
        self.turns = TakingTurns()
        self.streams = StreamSockets(READ, self._begin_turn)
        self._row = row
        self._pace = Pace(pace, time.monotonic, self.is_front_end)
        self._line: ServedLine[socket.SocketType] = ServedLine(bounds.all, self._serve, self._give_up, self._begin_turn)
        self._acceptors: list[StreamAcceptor] = []
        self.is_draining = False

    # What a kind of server does.

    def serves(self, host: str) -> bool:
        """Return whether an IP address may connect at all."""
        raise NotImplementedError

    def is_front_end(self, host: str) -> bool:
        """Return whether a host asks for many clients, and is not counted as one."""
        raise NotImplementedError

    def connect(self, host: str, sock: socket.SocketType) -> TurnedStream:
        """Return the connection of a client whose turn to be served it is."""
        raise NotImplementedError

    def is_exempt(self, host: str, sock: socket.SocketType) -> bool:
        """Return whether it is admitted although it is a stranger, or opens too many connections."""
        return False

    # What a process asks for.

    def start(self, sock: socket.socket) -> None:
        """Accept connections from a bound socket, of TCP or a Unix socket, in the running event loop."""
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted has it from here
        lacking = partial(self._count, Closing.DESCRIPTORS)
        self._acceptors.append(StreamAcceptor(sock, self._admit, lacking, self._begin_turn))

    def drain(self, but: Collection[int] = ()) -> None:
        """Accept no more connections, and end those that are open as soon as they have been quiet for QUIET seconds.

        From the listening sockets `but`, by descriptor, connections are accepted on, until `stop_taking`.
        """
        self.is_draining = True
        self.stop_taking(but)
        for connection in self.open_connections():
            connection.hurry()

    def open_connections(self) -> list[TurnedStream]:
        """Return all connections, whichever table has their places."""
        return list(self.connections)

    def stop_taking(self, but: Collection[int] = ()) -> None:
        """Accept no more connections, but for those of some listening sockets."""
        self._acceptors = close_but(self._acceptors, but)

    def look(self) -> None:
        """Do nothing: connections end as they become quiet."""

    def end_when_answered(self) -> None:
        """End all connections once what has come is answered, although they are not quiet."""
        for connection in self.open_connections():
            connection.end_when_answered()

    @property
    def is_drained(self) -> bool:
        """Whether it accepts no more connections, and none is left."""
        return not self._acceptors and not len(self._line) and not self.open_connections()

    def close(self) -> None:
        """Accept no more connections and end those that are open."""
        self.stop_taking()
        for waiting in self._line.close():
            waiting.close()
        for connection in self.open_connections():
            connection.end()
        self.streams.close()

    def may_open(self, host: str) -> bool:
        """Return whether a client may open one more connection now, which is counted if not."""
        if self._pace.allows(host):
            return True
        self._count(Closing.PACE)
        return False

    def _begin_turn(self) -> None:
        self.turns.begin()

    def _admit(self, host: str, sock: socket.SocketType) -> bool:
        why = self._refusal(host)
        if why is not None and not self.is_exempt(host, sock):
            self._count(why)
            return False
        if self.is_front_end(host):
            self._serve(host, sock)
        else:
            self._line.put(host, sock)
        return True

    def _refusal(self, host: str) -> Closing | None:
        if not self.serves(host):
            return Closing.STRANGER
        return None if self._pace.allows(host) else Closing.PACE

    def _serve(self, host: str, sock: socket.SocketType) -> None:
        self.connect(host, sock).receive()  # its question has often come by now

    def _give_up(self, sock: socket.SocketType) -> None:
        sock.close()
        self._count(Closing.ALL)

    def _count(self, why: Closing) -> None:
        if self._row is not None:
            self._row.connection_closed(self.transport, why)
