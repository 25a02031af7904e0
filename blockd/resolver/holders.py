"""The holders of what is bounded: who has how much of it, and who has the most and loses some first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

M = TypeVar("M")


class Holders(Generic[M]):
    """Members by the keys that they are counted by; each step takes the same time however many there are.

    OrderedDict, since its first key is found in O(1) whatever has been removed before it.
    """

    def __init__(self) -> None:
        self._members: dict[bytes, OrderedDict[M, None]] = {}  # the oldest first
        self._by_count: list[OrderedDict[bytes, None]] = [OrderedDict()]  # the keys that have so many
        self._most = 0
        self.members = 0  # of all keys

    def __len__(self) -> int:
        """How many keys have members."""
        return len(self._members)

    def count(self, key: bytes) -> int:
        """Return how many members a key has."""
        return len(self._members.get(key, ()))

    @property
    def most(self) -> int:
        """How many members the key has that has the most."""
        return self._most

    def key_of_most(self) -> bytes:
        """Return the key that has the most, and has had as many for the longest time; there must be one."""
        return next(iter(self._by_count[self._most]))

    def oldest_of_most(self) -> M:
        """Return the oldest member of that key."""
        return next(iter(self._members[self.key_of_most()]))

    def take(self, key: bytes, member: M) -> None:
        """Count a member, which is not among those of the key."""
        members = self._members.get(key)
        if members is None:
            members = self._members[key] = OrderedDict()
        self._by_count[len(members)].pop(key, None)
        members[member] = None
        self.members += 1
        if len(members) == len(self._by_count):
            self._by_count.append(OrderedDict())
        self._by_count[len(members)][key] = None
        self._most = max(self._most, len(members))

    def leave(self, key: bytes, member: M) -> None:
        """Count a member of a key no more."""
        members = self._members[key]
        del self._by_count[len(members)][key]
        del members[member]
        self.members -= 1
        if members:
            self._by_count[len(members)][key] = None
        else:
            del self._members[key]
        if not self._by_count[self._most]:
            self._most -= 1  # the key has one fewer now
