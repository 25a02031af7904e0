"""Connections with a limited number, pace and lifetime, for the block page, the refusal of TLS and the admin port."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import select
import socket
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

from blockd.metrics import Closing
from blockd.resolver.clients import keys_of
from blockd.transports.accepting import Acceptor, close_but
from blockd.transports.admitting_server import ACCEPTS_ON
from blockd.transports.connections import Bounds, ConnectionTable
from blockd.transports.line import ServedLine
from blockd.transports.pace import Pace

MAX_CONNECTIONS = 1000  # open at once at one port
MAX_LIFETIME = 60.0  # seconds for one request and its answer; a page takes milliseconds, a slow phone some seconds
ACCEPTING = 0.02  # seconds of one turn of the event loop, in which the kernel's queue can be emptied into the line
MAX_UNREAD = 16 << 20  # octets of answers that clients have not read yet; beyond that the first of these are ended


def bounds_of(most: int) -> Bounds:
    """Return how many of `most` connections one address and one prefix may have: a browser opens some."""
    return Bounds(address=min(50, -(-most // 8)), prefix=min(300, -(-most // 2)), all=most)


@dataclass(frozen=True, slots=True)
class ServingLimits:
    """The limits of one server; a connection lasts for `lifetime` seconds at most.

    `closed` is told why a connection was closed for the sake of others. `is_front_end` returns whether an address asks
    on behalf of many clients.
    """

    bounds: Bounds = field(default_factory=lambda: bounds_of(MAX_CONNECTIONS))
    lifetime: float = MAX_LIFETIME
    pace: Pace | None = None
    closed: Callable[[Closing], None] = lambda _: None
    is_front_end: Callable[[str], bool] = lambda _: False


class UnreadAnswers:
    """Answers that clients may have left unread, of MAX_UNREAD octets at most."""

    def __init__(self) -> None:
        self._answers: dict[bytes, OrderedDict[BoundedConnection, int]] = {}  # octets, by network, the oldest first
        self._octets: Counter[bytes] = Counter()  # by network
        self._all = 0
        self._networks: dict[BoundedConnection, bytes] = {}

    def add(self, connection: BoundedConnection, network: bytes, octets: int) -> list[BoundedConnection]:
        """Add an answer; return the connections, already removed, that are too much: the oldest where there is most.

        So a network that reads nothing keeps no answer from others.
        """
        self.remove(connection)
        self._answers.setdefault(network, OrderedDict())[connection] = octets
        self._networks[connection] = network
        self._octets[network] += octets
        self._all += octets
        given_up = []
        while self._all > MAX_UNREAD:
            most = max(self._octets, key=self._octets.__getitem__)
            given_up.append(next(iter(self._answers[most])))
            self.remove(given_up[-1])
        return given_up

    def __len__(self) -> int:
        return len(self._networks)

    @property
    def octets(self) -> int:
        """Of all that may be unread."""
        return self._all

    def remove(self, connection: BoundedConnection) -> None:
        """Remove a connection's answer, if it has one."""
        network = self._networks.pop(connection, None)
        if network is None:
            return
        answers = self._answers[network]
        octets = answers.pop(connection)
        self._octets[network] -= octets
        self._all -= octets
        if not answers:
            del self._answers[network], self._octets[network]


class OpenConnections(Protocol):
    """The open connections of a server, see `ConnectionTable`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[BoundedConnection]: ...

    def enter(self, host: str, connection: BoundedConnection, /) -> None:
        """Add one."""

    def touch(self, connection: BoundedConnection, /) -> None:
        """Note that a whole message came, or that an answer was sent."""

    def set_waiting(self, connection: BoundedConnection, waiting: bool, /) -> None:
        """Note that one begins to wait for an answer, or has got it."""

    def leave(self, connection: BoundedConnection, /) -> None:
        """Remove one that has ended."""


class BoundedConnection(asyncio.Protocol):
    """One connection: passes everything on to what `make` returns, and ends when its lifetime is over."""

    def __init__(self, serving: Serving, host: str, make: Callable[[BoundedConnection], asyncio.Protocol]) -> None:
        self._serving = serving
        self._host = host
        self._inner = make(self)
        self._transport: asyncio.Transport | None = None
        self._agreeing: socket.socket | None = None  # on TLS: there is no transport before that is done
        self._end: asyncio.TimerHandle | None = None
        self.is_given_up = False

    @property
    def network(self) -> bytes:
        """The network that it is from: a /24, or of IPv6 a /48."""
        return keys_of(self._host)[1] if self._host else b""

    @property
    def unsent(self) -> int:
        """Octets that the client has left unread, beside those that the kernel holds."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def has_unread(self) -> bool:
        """Whether the client has sent octets that were not read yet."""
        if self._transport is None or (descriptor := self._transport.get_extra_info("socket").fileno()) < 0:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def agree(self, sock: socket.socket) -> None:
        """Note the socket on which TLS is agreed on first."""
        self._agreeing = sock

    def abort(self) -> None:
        """End it now; unsent data is discarded."""
        self.is_given_up = True
        if self._transport is not None:
            self._transport.abort()
        elif self._agreeing is not None:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                self._agreeing.shutdown(socket.SHUT_RDWR)

    def touch(self) -> None:
        """Note that a whole request came, or that an answer was sent."""
        self._serving.connections.touch(self)

    def set_waiting(self, waiting: bool) -> None:
        """Note that the client begins to wait for an answer that takes time, or has got it."""
        self._serving.connections.set_waiting(self, waiting)

    def answered(self, octets: int) -> None:
        """Note that an answer of so many octets was written."""
        self.touch()
        self._serving.unread(self, octets)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the lifetime; what was given up while TLS was agreed on ends here."""
        made = cast(asyncio.Transport, transport)
        if self.is_given_up:
            made.abort()
            return
        self._transport = made
        self._end = asyncio.get_running_loop().call_later(self._serving.limits.lifetime, self.abort)
        self._serving.connections.enter(self._host, self)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._end is not None:
            self._end.cancel()
        self._serving.left(self)
        if self._transport is not None:
            self._transport = None
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._inner.resume_writing()


class Serving:
    """A running server; `close` ends it and its connections."""

    takes_on = ACCEPTS_ON

    def __init__(
        self,
        make: Callable[[BoundedConnection], asyncio.Protocol],
        sockets: Sequence[socket.socket],
        limits: ServingLimits,
        finish: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Serve on bound sockets, listening or not; `make` returns the protocol of one connection."""
        self.limits = limits
        self.connections: OpenConnections = ConnectionTable(
            limits.bounds, lambda level: limits.closed(Closing[level.upper()]), limits.is_front_end
        )
        self._make = make
        self._finish = finish
        self._unread = UnreadAnswers()
        self._sockets = tuple(sockets)
        self._line: ServedLine[socket.socket] = ServedLine(limits.bounds.all, self._serve, self._give_up)
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._acceptors: list[Acceptor] = []
        for sock in sockets:
            self.take_from(sock)

    def take_from(self, sock: socket.socket) -> None:
        """Accept the connections of a bound socket, too."""
        lacking = partial(self.limits.closed, Closing.DESCRIPTORS)
        self._acceptors.append(Acceptor(sock, self._admit, lacking, budget=ACCEPTING))

    def unread(self, connection: BoundedConnection, octets: int) -> None:
        """Note an answer; if clients leave too much unread, those of the network that leaves most are given up."""
        for given_up in self._unread.add(connection, connection.network, octets):
            if given_up.unsent:
                given_up.abort()

    def left(self, connection: BoundedConnection) -> None:
        """Forget a connection that has ended."""
        self.connections.leave(connection)
        self._unread.remove(connection)

    def drain(self, but: Collection[int] = ()) -> None:
        """Accept no more connections, but for those of some listening sockets, by descriptor, until `stop_taking`.

        Each connection that is open ends by itself, after one answer.
        """
        self.stop_taking(but)

    def stop_taking(self, but: Collection[int] = ()) -> None:
        """Accept no more connections, but for those of some listening sockets."""
        self._acceptors = close_but(self._acceptors, but)

    def look(self) -> None:
        """Do nothing."""

    def end_when_answered(self) -> None:
        """Do nothing: that is how every connection ends."""

    @property
    def is_drained(self) -> bool:
        """Whether it accepts no more connections, and none is left."""
        is_empty = not len(self._line) and not self._connecting and not len(self.connections)
        return not self._acceptors and is_empty

    async def close(self) -> None:
        """Accept no more connections, let `finish` wait for pending answers, end the rest."""
        acceptors, self._acceptors = self._acceptors, []
        for acceptor in acceptors:
            acceptor.close()
        for sock in self._sockets:
            sock.close()
        if self._finish is not None:
            await self._finish()
        for waiting in self._line.close():
            waiting.close()
        for connection in self.connections:
            connection.abort()

    def _admit(self, host: str, sock: socket.socket) -> None:
        """Have a connection wait in line; what the acceptor closes is without its descriptor then."""
        if self.limits.pace is not None and not self.limits.pace.allows(host):
            self.limits.closed(Closing.PACE)
            return
        waiting = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
        self._line.put(host, waiting)

    def _give_up(self, sock: socket.socket) -> None:
        sock.close()
        self.limits.closed(Closing.ALL)

    def _serve(self, host: str, sock: socket.socket) -> None:
        task = self._loop.create_task(self._connect(host, sock))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, host: str, sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            await self._loop.connect_accepted_socket(lambda: BoundedConnection(self, host, self._make), sock)
        except OSError:  # it has ended meanwhile
            sock.close()


def client_of(transport: asyncio.Transport) -> bytes:
    """Return the client's address in network order, empty if it is not known."""
    peer = transport.get_extra_info("peername")
    try:
        return ipaddress.ip_address(peer[0].partition("%")[0]).packed
    except (TypeError, ValueError, IndexError):
        return b""
