"""The open connections of one server: how many of them a client, its neighbours and all clients may have.

Whoever connects gets in. If that is one connection too many, another one is closed: the longest idle one of the same
address, else of the same prefix, else of all. So no client is closed out by its neighbours, nor by all others together.

A connection that waits for an answer is closed only if none that waits for nothing is left, or if more than half of the
places are taken by those that wait. Then it is one of whoever has the most that wait: of all prefixes the one, and of
its addresses the one; among these the one that began to wait first. Thus a flood of idle connections closes none that
is being served, questions that are slow on purpose hold half of the places at most, and those of one client close none
of another that waits for less.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from blockd.resolver.clients import keys_of
from blockd.resolver.holders import Holders

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
    """The connections of one address or prefix, or all, of which those that wait are counted by what is next below it.

    OrderedDict, since its first key is found in O(1).
    """

    __slots__ = ("bound", "idle", "key", "level", "size", "waiting")

    def __init__(self, key: bytes, level: Level, bound: int) -> None:
        self.key = key
        self.level: Level = level
        self.bound = bound
        self.size = 0
        self.idle: OrderedDict[C, None] = OrderedDict()  # the longest idle one first
        self.waiting: Holders[C] = Holders()  # of each address or prefix, who began to wait first is first

    @property
    def waits(self) -> int:
        """How many wait for an answer."""
        return self.size - len(self.idle)

    def enter(self, connection: C) -> None:
        """Add one that is idle."""
        self.idle[connection] = None
        self.size += 1

    def set_waiting(self, connection: C, below: bytes, waits: bool) -> None:
        """Move one that is in the group."""
        if waits == (connection not in self.idle):
            return
        if waits:
            del self.idle[connection]
            if below:
                self.waiting.take(below, connection)
        else:
            self.idle[connection] = None
            if below:
                self.waiting.leave(below, connection)

    def leave(self, connection: C, below: bytes) -> None:
        """Remove one that is in the group."""
        self.size -= 1
        if connection in self.idle:
            del self.idle[connection]
        elif below:
            self.waiting.leave(below, connection)


class ConnectionTable(Generic[C]):
    """The open connections of one server, each with the groups that it is counted in. Every operation is O(1).

    `displaced` is told the level of each connection that is closed for another. `is_front_end` returns whether a host
    asks on behalf of many clients: its connections are counted in `all` alone, where those of all front ends that wait
    may have half of the places whatever clients have. Nothing is kept about an address once its last connection has
    left.
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
        self._front_ends: _Group[C] = _Group(b"", "all", bounds.all)
        # From the smallest group to all; with each, by which key it is counted there if it waits, empty for by none.
        self._places: dict[C, tuple[tuple[_Group[C], bytes], ...]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, connection: C) -> bool:
        return connection in self._places

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._places))

    def enter(self, host: str, connection: C) -> None:
        """Add a connection from an IP address, as a socket writes it; another one is closed if it is one too many."""
        groups = self._groups_of(host)
        for group, _ in groups:
            if group.size >= group.bound:
                self._displace(group)
                groups = self._groups_of(host)  # one may have gone with its last connection
                break
        for group, _ in groups:
            group.enter(connection)
        self._places[connection] = groups

    def touch(self, connection: C) -> None:
        """Note that a whole message came, or that an answer was sent: never single octets, which cost a client nothing.

        One that waits stays in its place, so that more questions do not make it wait for less long.
        """
        for group, _ in self._places.get(connection, ()):
            if connection in group.idle:
                group.idle.move_to_end(connection)

    def set_waiting(self, connection: C, waiting: bool) -> None:
        """Note that a connection begins to wait for an answer, or that it got its last one and is idle from now on."""
        for group, below in self._places.get(connection, ()):
            group.set_waiting(connection, below, waiting)

    def leave(self, connection: C) -> None:
        """Remove a connection that has ended; one that is not in the table is passed over."""
        for group, below in self._places.pop(connection, ()):
            group.leave(connection, below)
            if not group.size and group.key:
                del self._groups[group.key]

    def _displace(self, group: _Group[C]) -> None:
        """Close the connection of a group that is full: it leaves the greater ones too, so that one is enough."""
        other = self._dispensable(group)
        self.leave(other)
        self._displaced(group.level)
        other.abort()

    def _dispensable(self, group: _Group[C]) -> C:
        """Return the connection to close for a newcomer; the group has at least one."""
        half = group.bound // 2
        if group.idle and group.waits <= half:
            return next(iter(group.idle))
        if group is self._all:
            front_ends = self._front_ends
            if front_ends.waits > half or not group.waiting:
                group = front_ends
            else:
                group = self._groups[group.waiting.key_of_most()]
        return group.waiting.oldest_of_most()

    def _groups_of(self, host: str) -> tuple[tuple[_Group[C], bytes], ...]:
        """Return the groups that an address is counted in, see `_places`; they are made if there are none.

        Nobody asks for them but who puts a connection into them at once.
        """
        address, prefix = keys_of(host)
        if self._is_front_end(host):
            return (self._front_ends, address), (self._all, b"")
        return (
            (self._groups.get(address) or self._group(address, "address", self.bounds.address), address),
            (self._groups.get(prefix) or self._group(prefix, "prefix", self.bounds.prefix), address),
            (self._all, prefix),
        )

    def _group(self, key: bytes, level: Level, bound: int) -> _Group[C]:
        group: _Group[C] = _Group(key, level, bound)
        self._groups[key] = group
        return group
