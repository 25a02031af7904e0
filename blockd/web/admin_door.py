"""The way into the admin port: whoever finds no place waits for one, behind one connection of each other client.

Once some connections are open, newcomers are told apart by the users of this machine, all of them together. Who waits
too long, or has too many that wait, is answered at once to come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence

from blockd.metrics import Closing
from blockd.transports.descriptors import allowed
from blockd.transports.line import AT_ONCE, WaitingLine
from blockd.web.api.replies import json_octets, problem_json
from blockd.web.bounds.admin_closings import AdminClosings
from blockd.web.bounds.admin_places import AdminPlaces, Newcomer
from blockd.web.bounds.local_users import Endpoint, SocketOwners, endpoint
from blockd.web.callers.local import peer_of
from blockd.web.serving import BoundedConnection, Serving, ServingLimits

MOST_WAITING = 64  # connections that wait for a place; a sixteenth of the files that may be open, if these are few
MOST_NEW = 64  # connections, likewise, that wait until the kernel is asked of them; then it is asked in any case
HANDSHAKE = 5.0  # seconds that one may take for TLS to be agreed on
FREE = 8  # connections open before anybody is asked for whose they are
WAIT = 5.0  # seconds that one waits for a place: less than `blockd` waits for an answer
AGAIN = 0.05  # seconds until it is tried again whether there is a place

_BUSY = "blockd is busy: too many connections to its admin port wait. Nothing was done. Ask again in a second."
_BODY = json_octets(problem_json(503, _BUSY))
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: blockd\r\nContent-Type: application/problem+json\r\n"
    b"Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_BODY), _BODY)
)

NOWHERE: Endpoint = (b"", 0)  # both ends of a connection over a Unix socket
_Waiting = tuple[Newcomer, socket.socket]


class AdminServing(Serving):
    """A running admin port. `owners` tells whose connections of this machine's are."""

    def __init__(
        self,
        make: Callable[[BoundedConnection], asyncio.Protocol],
        sockets: Sequence[socket.socket],
        limits: ServingLimits,
        finish: Callable[[], Awaitable[None]],
        closings: AdminClosings,
        owners: SocketOwners,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        super().__init__(make, sockets, limits, finish)
        trusted = frozenset((0, os.geteuid()))
        self._places = AdminPlaces(limits.bounds, trusted, lambda level: limits.closed(Closing[level.upper()]))
        self.connections = self._places
        self._closings = closings
        self._owners = owners
        self._tls = tls
        self._new: list[_Waiting] = []  # nobody was asked for whose they are
        few = max(1, allowed() // 16)
        self._most_new = min(MOST_NEW, few)
        self._most_waiting = min(MOST_WAITING, few)
        self._callers: WaitingLine[_Waiting] = WaitingLine(self._most_waiting)
        self._again: asyncio.TimerHandle | None = None
        self._connecting_on: asyncio.Handle | None = None
        self._is_closed = False

    def left(self, connection: BoundedConnection) -> None:
        """Forget a connection that has ended, and serve who waits for its place."""
        super().left(connection)
        self._soon()

    async def close(self) -> None:
        """Accept no more connections, let pending answers be given, end the rest."""
        self._is_closed = True
        if self._again is not None:
            self._again.cancel()
        await super().close()
        for _, sock in self._new:
            sock.close()
        self._new.clear()
        while self._callers:
            self._callers.pop()[1].close()

    def exchange(self, sock: socket.socket, earlier: socket.socket | None) -> None:
        """Serve on another bound socket, and on the earlier one no more, which is closed."""
        if self._is_closed:
            sock.close()
            return
        if earlier is not None:
            self.stop_taking([one.fileno() for one in self._sockets if one is not earlier])
            earlier.close()
        self.take_from(sock)
        self._sockets = (*(one for one in self._sockets if one is not earlier), sock)

    def client_of(self, connection: BoundedConnection) -> bytes:
        """Return octets that stand for the client of an open connection, see `Newcomer.client`."""
        return self._places.client_of(connection)

    def _admit(self, _host: str, sock: socket.socket) -> None:
        """Have a connection wait; what the acceptor closes is without its descriptor then."""
        try:
            caller = _newcomer(sock)
        except OSError:  # it has ended meanwhile
            return
        waiting = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
        waiting.setblocking(False)
        if caller.is_looked_up:  # by the Unix socket: for others nobody need be asked
            self._line_up((caller, waiting))
        else:
            self._new.append((caller, waiting))
        if len(self._new) >= self._most_new:
            self._tell_apart()
        self._soon()

    def _soon(self) -> None:
        if self._connecting_on is None and not self._is_closed and (self._new or self._callers):
            self._connecting_on = self._loop.call_soon(self._connect_some)

    def _connect_some(self) -> None:
        """Connect some of those that wait and for which there are places; the others are tried again soon."""
        self._connecting_on = None
        if self._is_closed:
            return
        if not self._is_pressed() or not self._owners.rest:
            self._tell_apart()
        for _ in range(AT_ONCE):
            if not self._connect_one():
                self._turn_away_late()
                break
        else:
            self._soon()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._new or self._callers:
            self._again = self._loop.call_later(AGAIN, self._soon)

    def _connect_one(self) -> bool:
        """Connect whose turn it is of those for which there is a place; return whether there was one."""
        chosen = self._callers.pop_if(self._has_room)
        if chosen is None:
            return False
        caller, sock = chosen
        connection = BoundedConnection(self, "", self._make)
        self._places.take(caller, connection)
        task = self._loop.create_task(self._begin(connection, sock))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    def _turn_away_late(self) -> None:
        long_ago = time.monotonic() - WAIT
        while late := self._callers.pop_if(lambda one: one[0].came < long_ago):
            self._turn_away(late)

    def _has_room(self, waiting: _Waiting) -> bool:
        caller = waiting[0]
        if self._places.full(caller) == "address":
            self._closings.tell(caller.name, self.limits.bounds.address)
        return self._places.make_room(caller)

    def _is_pressed(self) -> bool:
        taken = len(self._places) + len(self._new) + len(self._callers)
        return taken > min(FREE, self.limits.bounds.address // 2)

    def _tell_apart(self) -> None:
        """Put those that are new in line, by whose they are."""
        if not self._new:
            return
        if self._is_pressed():
            unknown = [
                one for one in (*(caller for caller, _ in self._new), *self._places.callers) if not one.is_looked_up
            ]
            found = self._owners.of_clients(one.ends for one in unknown)
            for caller in unknown:
                caller.user = found.get(caller.ends)
                caller.is_looked_up = True
        for waiting in self._new:
            self._line_up(waiting)
        self._new.clear()

    def _line_up(self, waiting: _Waiting) -> None:
        """Put one in line; if too many wait, the first of who has most of them is turned away."""
        if len(self._callers) >= self._most_waiting:
            self._connect_one()
        if other := self._callers.put_by(waiting[0].keys, waiting):
            self._turn_away(other)

    def _turn_away(self, waiting: _Waiting) -> None:
        """Answer one that waits that there is no place for it, and close it; what it has sent is discarded."""
        caller, sock = waiting
        self.limits.closed(Closing.ALL)
        self._closings.tell(caller.name, self.limits.bounds.address)
        with contextlib.suppress(OSError):  # it may have ended, and its answer is no loss then
            sock.send(BUSY)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1 << 16)  # else the kernel ends the connection by a reset
        sock.close()

    async def _begin(self, connection: BoundedConnection, sock: socket.socket) -> None:
        tls = self._tls() if self._tls is not None and sock.family != socket.AF_UNIX else None
        patience = None if tls is None else HANDSHAKE
        if connection.is_given_up:  # before this task began
            sock.close()
            return
        connection.agree(sock)
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, sock, ssl=tls, ssl_handshake_timeout=patience, ssl_shutdown_timeout=patience
            )
        except OSError:  # it has ended meanwhile, or speaks no TLS
            sock.close()
            self.left(connection)


def _newcomer(sock: socket.socket) -> Newcomer:
    """Return who has connected; raises OSError. Only those who are trusted may connect to a Unix socket."""
    now = time.monotonic()
    if sock.family == socket.AF_UNIX:
        return Newcomer(NOWHERE, NOWHERE, now, peer_of(sock).uid & 0xFFFFFFFF, is_looked_up=True, is_trusted=True)
    return Newcomer(endpoint(sock.getpeername()), endpoint(sock.getsockname()), now)
