"""The open connections of one server: how many of them a client, its neighbours and all clients may have.

Whoever connects gets in. If that is one connection too many, another one is closed: the longest idle one of the same
address, else of the same prefix, else of all. So no client is closed out by its neighbours, nor by all others together.

A connection that waits for an answer is closed only if none that waits for nothing is left, or if more than half of the
places are taken by those that wait: among these the one that began to wait first. Thus a flood of idle connections
closes none that is being served, and questions that are slow on purpose hold half of the places at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from blockd.resolver.clients import keys_of

Level = Literal["address", "prefix", "all"]  # whose bound was passed, see `Bounds`


class Closable(Protocol):
    """A connection that can be closed for the sake of another."""

    def abort(self) -> None:
        """Close it now; unsent data is discarded. It is no longer in the table then, and may still call `leave`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections may be open: of one address (IPv6: /64), of one /24 (/48), and in all; at least 1."""

    address: int
    prefix: int
    all: int


C = TypeVar("C", bound=Closable)


class _Group(Generic[C]):
    """The connections of one address or prefix, or all; OrderedDict, since its first key is found in O(1)."""

    __slots__ = ("bound", "idle", "key", "level", "waiting")

    def __init__(self, key: bytes, level: Level, bound: int) -> None:
        self.key = key
        self.level: Level = level
        self.bound = bound
        self.idle: OrderedDict[C, None] = OrderedDict()  # the longest idle one first
        self.waiting: OrderedDict[C, None] | None = None  # who began to wait first is first

    def __len__(self) -> int:
        return len(self.idle) + (len(self.waiting) if self.waiting else 0)

    def dispensable(self) -> C:
        """Return the connection to close for a newcomer; the group has at least one."""
        waiting = self.waiting
        if waiting and (not self.idle or len(waiting) > self.bound // 2):
            return next(iter(waiting))
        return next(iter(self.idle))

    def set_waiting(self, connection: C, waits: bool) -> None:
        """Move one that is in the group."""
        if self.waiting is None:
            self.waiting = OrderedDict()
        before, after = (self.idle, self.waiting) if waits else (self.waiting, self.idle)
        if connection in before:
            del before[connection]
            after[connection] = None

    def remove(self, connection: C) -> bool:
        """Remove one that is in the group; return whether it was the last one."""
        if connection in self.idle:
            del self.idle[connection]
        elif self.waiting:
            self.waiting.pop(connection, None)
        return not self.idle and not self.waiting


class ConnectionTable(Generic[C]):
    """The open connections of one server, each with the groups that it is counted in. Every operation is O(1).

    `displaced` is told the level of each connection that is closed for another. `is_front_end` returns whether a host
    asks on behalf of many clients: its connections are counted in `all` alone. Nothing is kept about an address once
    its last connection has left.
    """

    def __init__(
        self,
        bounds: Bounds,
        displaced: Callable[[Level], None] = lambda _: None,
        is_front_end: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.bounds = bounds
        self._displaced = displaced
        self._is_front_end = is_front_end
        self._all: _Group[C] = _Group(b"", "all", bounds.all)
        self._groups: dict[bytes, _Group[C]] = {}  # by key; octets, whose hashes a client cannot choose
        self._places: dict[C, tuple[_Group[C], ...]] = {}  # from the smallest group to all

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, connection: C) -> bool:
        return connection in self._places

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._places))

    def enter(self, host: str, connection: C) -> None:
        """Add a connection from an IP address, as a socket writes it; another one is closed if it is one too many."""
        groups = self._groups_of(host)
        for group in groups:
            if len(group) >= group.bound:
                self._displace(group)
                groups = self._groups_of(host)  # one may have gone with its last connection
                break
        for group in groups:
            group.idle[connection] = None
        self._places[connection] = groups

    def touch(self, connection: C) -> None:
        """Note that a whole message came, or that an answer was sent: never single octets, which cost a client nothing.

        One that waits stays in its place, so that more questions do not make it wait for less long.
        """
        for group in self._places.get(connection, ()):
            if connection in group.idle:
                group.idle.move_to_end(connection)

    def set_waiting(self, connection: C, waiting: bool) -> None:
        """Note that a connection begins to wait for an answer, or that it got its last one and is idle from now on."""
        for group in self._places.get(connection, ()):
            group.set_waiting(connection, waiting)

    def leave(self, connection: C) -> None:
        """Remove a connection that has ended; one that is not in the table is passed over."""
        for group in self._places.pop(connection, ()):
            if group.remove(connection) and group.key:
                del self._groups[group.key]

    def _displace(self, group: _Group[C]) -> None:
        """Close the connection of a group that is full: it leaves the greater ones too, so that one is enough."""
        other = group.dispensable()
        self.leave(other)
        self._displaced(group.level)
        other.abort()

    def _groups_of(self, host: str) -> tuple[_Group[C], ...]:
        """Return the groups that an address is counted in, from the smallest to all; they are made if there are none.

        Nobody asks for them but who puts a connection into them at once.
        """
        if self._is_front_end(host):
            return (self._all,)
        address, prefix = keys_of(host)
        return (
            self._groups.get(address) or self._group(address, "address", self.bounds.address),
            self._groups.get(prefix) or self._group(prefix, "prefix", self.bounds.prefix),
            self._all,
        )

    def _group(self, key: bytes, level: Level, bound: int) -> _Group[C]:
        group: _Group[C] = _Group(key, level, bound)
        self._groups[key] = group
        return group
