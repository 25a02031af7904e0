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
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from blockd.resolver.clients import keys_of

Level = Literal["address", "prefix", "all"]  # whose bound was passed, see `Bounds`

_LEVELS: tuple[Level, ...] = ("address", "prefix", "all")


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


@dataclass(slots=True)
class _Group(Generic[C]):
    """The connections of one address or prefix, or all; OrderedDict, since its first key is found in O(1)."""

    key: bytes
    idle: OrderedDict[C, None] = field(default_factory=OrderedDict)  # the longest idle one first
    waiting: OrderedDict[C, None] = field(default_factory=OrderedDict)  # who began to wait first is first

    def __len__(self) -> int:
        return len(self.idle) + len(self.waiting)

    def dispensable(self, bound: int) -> C:
        """Return the connection to close for a newcomer; the group has at least one."""
        is_waiting = not self.idle or len(self.waiting) > bound // 2
        return next(iter(self.waiting if is_waiting else self.idle))


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
        self._all: _Group[C] = _Group(b"")
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
        keys = () if self._is_front_end(host) else keys_of(host)
        self._make_room(keys)
        groups = (*(self._group(key) for key in keys), self._all)
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
            before, after = (group.idle, group.waiting) if waiting else (group.waiting, group.idle)
            if connection in before:
                del before[connection]
                after[connection] = None

    def leave(self, connection: C) -> None:
        """Remove a connection that has ended; one that is not in the table is passed over."""
        for group in self._places.pop(connection, ()):
            group.idle.pop(connection, None)
            group.waiting.pop(connection, None)
            if not len(group):
                self._groups.pop(group.key, None)

    def _make_room(self, keys: tuple[bytes, ...]) -> None:
        """Close at most one connection: what leaves the smallest group that is full leaves the greater ones too."""
        for key, level in zip((*keys, b""), _LEVELS[-1 - len(keys) :], strict=True):
            group = self._groups.get(key) if key else self._all
            bound: int = getattr(self.bounds, level)
            if group is not None and len(group) >= bound:
                other = group.dispensable(bound)
                self.leave(other)
                self._displaced(level)
                other.abort()
                return

    def _group(self, key: bytes) -> _Group[C]:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(key)
        return group
