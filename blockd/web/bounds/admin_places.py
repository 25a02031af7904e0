"""The open connections of the admin port: who has how many, and which of them may be closed for another.

None is closed whose request is being read or answered. So whoever connects waits until there is a place, or an idle
connection to close for it. Local users are told apart by their user id, all others by their address; root and blockd's
own user are never closed for others, and have places that those never get.

There are so few connections that they are counted when it matters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from blockd.resolver.clients import LOOPBACK, NetworkSet, keys_of_packed
from blockd.transports.connections import Bounds, Level
from blockd.web.bounds.local_users import Endpoint, Ends
from blockd.web.serving import BoundedConnection

READING = 1.0  # seconds from its beginning, or from its last answer, in which a connection is not taken for idle
SENDING = 10.0  # seconds in which a client may read an answer that is larger than the kernel's buffers
RESERVED = 10  # places that only root and blockd's own user get; a fifth of them all if those are few

_LOCAL = NetworkSet(LOOPBACK)
_USER = b"u%b"  # with four octets: of a length that no key of an address has
_AT_SOCKET = b"s%b"  # likewise
_NOBODY = b"\xff" * 4  # for a socket of this machine whose owner is not found: the user id -1, which nobody has


@dataclass(eq=False, slots=True)
class Newcomer:
    """Who has connected: both ends of the connection, when it came, and the owner of the other end if that is known."""

    peer: Endpoint
    own: Endpoint
    came: float
    user: int | None = None
    is_looked_up: bool = False
    is_trusted: bool = False  # whoever it is: nobody may connect to where it did but those who are trusted

    @property
    def ends(self) -> Ends:
        """Both ends of the connection, its own last."""
        return self.peer, self.own

    @property
    def client(self) -> bytes:
        """Octets that stand for the client, see `keys_of_packed`: those of its user, else of its address.

        A user at the Unix socket is another client than at the port: who floods that can still use the commands.
        """
        if self.user is not None:
            return (_AT_SOCKET if self.is_trusted else _USER) % self.user.to_bytes(4)
        return _USER % _NOBODY if self.is_looked_up and self.peer[0] in _LOCAL else self.peer[0]

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """The keys by which it shares with others; a user's are both the same."""
        return keys_of_packed(self.client)

    @property
    def name(self) -> str:
        """What it is called in the log: never by an address."""
        if self.user is not None:
            return f"A local user (uid {self.user})"
        return "A local user (uid unknown)" if self.peer[0] in _LOCAL else "One client"


@dataclass(eq=False, slots=True)
class _Place:
    """A caller's place: since when it has asked for nothing, or waits for an answer."""

    caller: Newcomer
    since: float
    waits: bool = False


class AdminPlaces:
    """The connections that are open; `trusted` are the users with places of their own, `clock` is monotonic."""

    def __init__(
        self,
        bounds: Bounds,
        trusted: frozenset[int],
        displaced: Callable[[Level], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bounds = bounds
        self._trusted = trusted
        self._displaced = displaced
        self._clock = clock
        self._rest = bounds.all - min(RESERVED, bounds.all // 5)  # for all that are not trusted together
        self._places: dict[BoundedConnection, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[BoundedConnection]:
        return iter(tuple(self._places))

    @property
    def callers(self) -> list[Newcomer]:
        """Who has a place."""
        return [place.caller for place in self._places.values()]

    def client_of(self, connection: BoundedConnection) -> bytes:
        """Return octets that stand for the client of a connection, see `Newcomer.client`; empty if it has no place."""
        place = self._places.get(connection)
        return b"" if place is None else place.caller.client

    def full(self, caller: Newcomer) -> Level | None:
        """Return whose bound a newcomer would pass, from the smallest on; None if there is a place for it."""
        level = self._full(caller)
        return None if level is None else level[0]

    def make_room(self, caller: Newcomer) -> bool:
        """Return whether there is a place for a newcomer; an idle connection is closed for it if it needs that."""
        found = self._full(caller)
        if found is None:
            return True
        level, among = found
        now = self._clock()
        idle = [(place.since, number) for number, (one, place) in enumerate(among) if _is_idle(one, place, now)]
        if not idle:
            return False
        connection = among[min(idle)[1]][0]
        del self._places[connection]
        self._displaced(level)
        connection.abort()
        return True

    def take(self, caller: Newcomer, connection: BoundedConnection) -> None:
        """Assign to a caller's connection the place that there is for it."""
        self._places[connection] = _Place(caller, self._clock())

    def enter(self, _host: str, connection: BoundedConnection) -> None:
        """Note that a connection, which has its place, can be read from."""
        self.touch(connection)

    def touch(self, connection: BoundedConnection) -> None:
        """Note that a whole request came, or that an answer was sent; one that waits has waited since before."""
        place = self._places.get(connection)
        if place is not None and not place.waits:
            place.since = self._clock()

    def set_waiting(self, connection: BoundedConnection, waiting: bool) -> None:
        """Note that a connection begins to wait for an answer, or that it gets one."""
        place = self._places.get(connection)
        if place is not None:
            place.waits, place.since = waiting, self._clock()

    def leave(self, connection: BoundedConnection) -> None:
        """Remove a connection that has ended; one that has no place is passed over."""
        self._places.pop(connection, None)

    def _trusts(self, caller: Newcomer) -> bool:
        return caller.is_trusted or caller.user in self._trusted

    def _full(self, caller: Newcomer) -> tuple[Level, list[tuple[BoundedConnection, _Place]]] | None:
        """Return the bound that a newcomer would pass, and the connections of which one could be closed for it."""
        address, prefix = caller.keys
        everybody = list(self._places.items())
        same = [one for one in everybody if one[1].caller.keys[0] == address]
        if len(same) >= self.bounds.address:
            return "address", same
        others = [one for one in everybody if not self._trusts(one[1].caller)]
        if self._trusts(caller):
            return ("all", others or same) if len(everybody) >= self.bounds.all else None
        near = [one for one in others if one[1].caller.keys[1] == prefix]
        if len(near) >= self.bounds.prefix:
            return "prefix", near
        return ("all", others) if len(others) >= self._rest or len(everybody) >= self.bounds.all else None


def _is_idle(connection: BoundedConnection, place: _Place, now: float) -> bool:
    """Return whether nothing is read from a connection, or answered on it."""
    if place.waits or now - place.since < READING:
        return False
    return not (connection.unsent and now - place.since < SENDING) and not connection.has_unread
