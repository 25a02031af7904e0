# cython: annotation_typing=False, binding=False
"""A server of DNS over streams: how long a worker keeps connections, whatever is spoken over them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from blockd.metrics import Closing, Row, StreamEvent
from blockd.resolver import Resolver
from blockd.resolver.clients import keys_of
from blockd.resolver.holders import Holders
from blockd.tls import ServerTls
from blockd.transports.admitting_server import PACE, QUIET, AdmittingServer
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.pace import PaceBounds

if TYPE_CHECKING:
    from blockd.transports.fronted_stream import FrontedStream

IDLE = 10.0  # seconds without a message or an answer, RFC 7766 section 6.2.3, while half of the places are free
MIN_IDLE = 0.5  # seconds when there is no place left: some round trips
HALF_OPEN = 4  # so many times as many connections may be open as may have their handshake before them
MAX_UNREAD = 100  # connections whose clients leave answers unread; beyond that one of them is aborted


class StreamServer(AdmittingServer):
    """The DNS clients of a worker that come by one transport; see `AdmittingServer`."""

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
        self._places = bounds.all
        self.unread: Holders[FrontedStream] = Holders()  # those whose clients leave answers unread, by network
        self.half_open: Holders[FrontedStream] = Holders()  # those whose handshake is not complete, by network
        AdmittingServer.__init__(self, idle, bounds, row, pace)

    def idle_seconds(self) -> float:
        """Return how long a connection may be idle from now on, which is what edns-tcp-keepalive announces (RFC 7828).

        It shrinks with the free places once fewer than half are free (RFC 7766 section 6.2.3); a connection that was
        told a longer time keeps it until its next message, unless it has to make room.
        """
        if self.is_draining:
            return min(QUIET, self.idle)
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

    def happened(self, event: StreamEvent, times: int = 1) -> None:
        """Count what happened on a connection."""
        if self._row is not None:
            self._row.happened(self.transport, event, times)

    def serves(self, host: str) -> bool:
        """Return whether it is a client, or a primary, which sends NOTIFY."""
        return self.resolver.may_connect(host)

    def is_exempt(self, host: str, sock: socket.SocketType) -> bool:
        """Return whether it is this machine, whose self-test is a client of its own."""
        return _is_this_machine(host, sock)

    def is_front_end(self, host: str) -> bool:
        """Return whether a host asks for many clients, and is not counted as one."""
        return self.resolver.clients.is_front_end(host)

    def _serve(self, host: str, sock: socket.SocketType) -> None:
        self.happened(StreamEvent.CONNECTION)
        AdmittingServer._serve(self, host, sock)


def _is_this_machine(host: str, connection: socket.SocketType) -> bool:
    """Return whether a connection comes from the machine that it goes to."""
    return host.startswith("127.") or host == connection.getsockname()[0]
