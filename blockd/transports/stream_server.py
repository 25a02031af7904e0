# cython: annotation_typing=False, binding=False
"""A server of streams: whose connections a worker has, and for how long, whatever is spoken over them."""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from blockd.metrics import Closing, Row, StreamEvent, Transport
from blockd.resolver import Resolver
from blockd.resolver.clients import keys_of
from blockd.resolver.holders import Holders
from blockd.tls import ServerTls
from blockd.transports.accepting import StreamAcceptor
from blockd.transports.connections import Bounds, ConnectionTable
from blockd.transports.descriptors import BOUNDS
from blockd.transports.line import ServedLine
from blockd.transports.pace import Pace, PaceBounds
from blockd.transports.stream_sockets import StreamSockets
from blockd.transports.turns import TakingTurns

if TYPE_CHECKING:
    from blockd.transports.client_stream import ClientStream
    from blockd.transports.fronted_stream import FrontedStream

READ = 1 << 14  # octets read at once
IDLE = 10.0  # seconds without a message or an answer, RFC 7766 section 6.2.3, while half of the places are free
MIN_IDLE = 0.5  # seconds when there is no place left: some round trips
PACE = PaceBounds()  # of a worker: a client that opens a connection for each question asks some within a second
HALF_OPEN = 4  # so many times as many connections may be open as may have their handshake before them
MAX_UNREAD = 100  # connections whose clients leave answers unread; beyond that one of them is aborted


class StreamServer:
    """The connections of a worker that come by one transport, of all its listening sockets; they share one table.

    Strangers are closed before anything is allocated for them. Who is admitted waits in line, where it stands behind
    one of each other network at most; only front ends, which ask for many clients, do not. A client's connections are
    counted while they last; nothing else is kept.
    """

    transport = Transport.TCP  # by which its questions come
    tells_idle_time = True  # whether answers have edns-tcp-keepalive (RFC 7828), where clients ask for it

    def __init__(
        self,
        resolver: Resolver,
        idle: float = IDLE,
        bounds: Bounds = BOUNDS,
        row: Row | None = None,
        pace: PaceBounds = PACE,
        tls: ServerTls | None = None,
    ) -> None:
        """`row` counts connections, and those that are closed for others, or at once. `tls` makes their sessions."""
        self.resolver = resolver
        self.tls = tls
        self.idle = idle
        self._places = bounds.all
        self.connections: ConnectionTable[FrontedStream] = ConnectionTable(
            bounds, lambda level: self._count(Closing[level.upper()]), self.is_front_end
        )
        self.unread: Holders[FrontedStream] = Holders()  # those whose clients leave answers unread, by network
        self.half_open: Holders[FrontedStream] = Holders()  # those whose handshake is not complete, by network
        self.turns = TakingTurns()
        self.streams = StreamSockets(READ, self._begin_turn)
        self._row = row
        self._pace = Pace(pace, time.monotonic, self.is_front_end)
        self._line: ServedLine[socket.SocketType] = ServedLine(bounds.all, self._serve, self._give_up, self._begin_turn)
        self._acceptors: list[StreamAcceptor] = []

    def start(self, sock: socket.socket) -> None:
        """Accept connections from a bound socket in the running event loop."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted has it from here
        lacking = partial(self._count, Closing.DESCRIPTORS)
        self._acceptors.append(StreamAcceptor(sock, self._admit, lacking, self._begin_turn))

    def close(self) -> None:
        """Accept no more connections and end those that are open."""
        for acceptor in self._acceptors:
            acceptor.close()
        for waiting in self._line.close():
            waiting.close()
        for connection in self.connections:
            connection.end()
        self.streams.close()

    def idle_seconds(self) -> float:
        """Return how long a connection may be idle from now on, which is what edns-tcp-keepalive announces (RFC 7828).

        It shrinks with the free places once fewer than half are free (RFC 7766 section 6.2.3); a connection that was
        told a longer time keeps it until its next message, unless it has to make room.
        """
        places = self._places
        free = places - len(self.connections)
        if 2 * free >= places:
            return self.idle
        return max(self.idle * 2 * max(free, 0) / places, min(MIN_IDLE, self.idle))

    def leaves_unread(self, host: str, connection: FrontedStream) -> None:
        """Note that a client leaves answers unread; if too many do, one of the network that has the most is aborted.

        It is the one that has done so for longest.
        """
        self.unread.take(keys_of(host)[1], connection)
        if self.unread.members > MAX_UNREAD:
            self.unread.oldest_of_most().abort()

    def has_read(self, host: str, connection: FrontedStream) -> None:
        """Note that a client leaves answers unread no more, or that its connection is closed."""
        self.unread.leave(keys_of(host)[1], connection)

    def is_half_open(self, host: str, connection: FrontedStream) -> None:
        """Note that a client has its handshake before it; if too many have, one of the network with most is aborted.

        So those that begin one and do not go on close none that is established, however idle, for want of a place.
        """
        if self.half_open.members >= max(1, self.connections.bounds.all // HALF_OPEN):
            self._count(Closing.ALL)
            self.half_open.oldest_of_most().abort()
        self.half_open.take(keys_of(host)[1], connection)

    def is_half_open_no_more(self, host: str, connection: FrontedStream) -> None:
        """Note that its handshake is complete, or that it is closed."""
        self.half_open.leave(keys_of(host)[1], connection)

    def is_front_end(self, host: str) -> bool:
        """Return whether a host asks for many clients, and is not counted as one."""
        return self.resolver.clients.is_front_end(host)

    def may_open(self, host: str) -> bool:
        """Return whether the client that a front end's connection is for may open one more, which is counted if not."""
        if self._pace.allows(host):
            return True
        self._count(Closing.PACE)
        return False

    def happened(self, event: StreamEvent, times: int = 1) -> None:
        """Count what happened on a connection."""
        if self._row is not None:
            self._row.happened(self.transport, event, times)

    def _begin_turn(self) -> None:
        self.turns.begin()

    def _admit(self, host: str, sock: socket.SocketType) -> bool:
        """Admit clients; primaries, which send NOTIFY; and this machine, whose self-test is a client of its own."""
        why = self._refusal(host)
        if why is not None and not _is_this_machine(host, sock):
            self._count(why)
            return False
        if self.is_front_end(host):
            self._serve(host, sock)
        else:
            self._line.put(host, sock)
        return True

    def _refusal(self, host: str) -> Closing | None:
        if not self.resolver.may_connect(host):
            return Closing.STRANGER
        return None if self._pace.allows(host) else Closing.PACE

    def connect(self, host: str, sock: socket.SocketType) -> ClientStream:
        """Return the connection of a client whose turn to be served it is."""
        raise NotImplementedError

    def _serve(self, host: str, sock: socket.SocketType) -> None:
        self.happened(StreamEvent.CONNECTION)
        self.connect(host, sock).receive()  # its question has often come by now

    def _give_up(self, sock: socket.SocketType) -> None:
        sock.close()
        self._count(Closing.ALL)

    def _count(self, why: Closing) -> None:
        if self._row is not None:
            self._row.connection_closed(self.transport, why)


def _is_this_machine(host: str, connection: socket.SocketType) -> bool:
    """Return whether a connection comes from the machine that it goes to."""
    return host.startswith("127.") or host == connection.getsockname()[0]
