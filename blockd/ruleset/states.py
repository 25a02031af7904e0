"""The orders' states in shared memory: one byte for each order, changed on the second without compiling.

The memory has a header of 16 octets (magic, epoch, number of orders), a byte for each order's state
(`blockd.orders.State`), zeros up to a multiple of 4, then 32 bits for each order: where its hits are counted; then a
byte for each order, 1 if its signer has not renewed it in time, so that its answers say so. The control process maps it
for writing, every worker for reading. The epoch grows with each change, so that caches that depend on the states are
known to be outdated.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
from collections.abc import Mapping, Sequence, Set
from typing import Protocol

from blockd.errors import RulesetError
from blockd.orders import Order, State, next_change, state_at

MAGIC = b"BLOCKDO2"
_HEADER = struct.Struct("<8sII")
F_SEAL_FUTURE_WRITE = 0x10  # fcntl.h, since Linux 5.1
NO_STATES: Mapping[int, State] = {}
EPOCH_AT = 8
STATES_AT = _HEADER.size


class StatesMemory:
    """The memory of a ruleset's states, which processes share: no file, so that no disk and nobody else damages it.

    Its size is sealed, so that no process can cut it from under another (memfd_create(2)). Only what was mapped for
    writing before `seal` can be written: in the process that made it, in the one that called `seal`, and in those that
    these fork.
    """

    def __init__(self, descriptor: int) -> None:
        """Take a descriptor over, as another process has sent it."""
        self.descriptor = descriptor
        self.writable: mmap.mmap | None = None

    @classmethod
    def make(
        cls, orders: Sequence[Order], hit_slots: Sequence[int], now: float, stale: Set[int] = frozenset()
    ) -> StatesMemory:
        """Make the states of a ruleset's `orders` at `now`, with the counters' places; `stale` has indices of orders.

        Raises OSError.
        """
        states = bytes(state_at(order, now) for order in orders)
        slots = b"".join(struct.pack("<I", slot) for slot in hit_slots)
        flags = bytes(index in stale for index in range(len(orders)))
        octets = _HEADER.pack(MAGIC, 1, len(orders)) + states.ljust(_padded(len(orders)), b"\0") + slots + flags
        memory = cls(os.memfd_create("blockd-states", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(memory.descriptor, len(octets))
        fcntl.fcntl(memory.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        memory.map_for_writing()[:] = octets
        return memory

    def map_for_writing(self) -> mmap.mmap:
        """Return the memory mapped for writing; raises OSError if that is sealed."""
        if self.writable is None:
            self.writable = mmap.mmap(self.descriptor, 0)
        return self.writable

    def seal(self) -> None:
        """Map it for writing here, and let no other process do so from now on; raises OSError."""
        self.map_for_writing()
        with contextlib.suppress(OSError):  # a kernel before 5.1
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)

    def forget_writing(self) -> None:
        """Unmap, in a process that may only read, what it has inherited mapped for writing."""
        if self.writable is not None:
            self.writable.close()
            self.writable = None

    def is_same(self, other: StatesMemory) -> bool:
        """Return whether both are descriptors of the same memory."""
        return os.path.samestat(os.fstat(self.descriptor), os.fstat(other.descriptor))

    def __del__(self) -> None:
        """Close the descriptor once nobody needs it; what is mapped stays."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class States(Protocol):
    """The states of a ruleset's orders, mapped or computed."""

    @property
    def states(self) -> Sequence[int] | memoryview[int]:
        """The byte of each order's state, by the order's index."""

    @property
    def hit_slots(self) -> Sequence[int]:
        """The slot of each order's hits, by the order's index."""

    @property
    def stale(self) -> Sequence[int] | memoryview[int]:
        """1 for each order that was not renewed in time, by the order's index; else 0."""

    @property
    def epoch(self) -> int:
        """A number that grows with each change."""

    def close(self) -> None:
        """Release the states' memory."""


class StatesAt:
    """The states of orders at one time, for inspection only."""

    epoch = 0

    def __init__(
        self, orders: Sequence[Order], now: float, stale: bytes = b"", known: Mapping[int, State] = NO_STATES
    ) -> None:
        """Compute the states at `now`; `stale` has 1 for each order not renewed in time, and is empty if unknown.

        `known` has the states, by the orders' indices, that are known otherwise.
        """
        computed = (state_at(order, now) for order in orders)
        self.states = bytes(known.get(index, state) for index, state in enumerate(computed))
        self.hit_slots = (0,) * len(orders)
        self.stale = stale or bytes(len(orders))

    def close(self) -> None:
        """Do nothing: no memory is mapped."""


class OrderStates:
    """The states of one ruleset's orders, mapped; `states[index]` is the byte of order `index`."""

    def __init__(self, memory: StatesMemory, orders: int, *, writable: bool = False) -> None:
        """Map the memory; raises RulesetError if it does not hold the states of that many orders.

        If it is to be `writable`, the memory's own mapping is used.
        """
        try:
            octets = memory.map_for_writing() if writable else mmap.mmap(memory.descriptor, 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise RulesetError(f"the order states cannot be mapped: {error}") from error
        self.memory = memory
        self._octets = None if writable else octets
        slots_at = STATES_AT + _padded(orders)
        stale_at = stale_place(orders)
        size = stale_at + orders
        if len(octets) != size or _HEADER.unpack_from(octets)[::2] != (MAGIC, orders):
            if self._octets is not None:
                self._octets.close()
            raise RulesetError(f"the order states are not those of {orders} orders")
        self._view = memoryview(octets)
        self.states = self._view[STATES_AT : STATES_AT + orders]
        self.hit_slots = tuple(self._view[slots_at:stale_at].cast("I"))
        self.stale = self._view[stale_at:]

    @property
    def octets(self) -> memoryview:
        """All of it; every export must be released before `close`."""
        return self._view

    @property
    def epoch(self) -> int:
        """A number that grows with each change of the states."""
        return int.from_bytes(self._view[EPOCH_AT : EPOCH_AT + 4], "little")

    def update(self, orders: Sequence[Order], now: float, stale: Set[int] = frozenset()) -> list[tuple[Order, State]]:
        """Update the states to those at `now`; return the orders that changed, with their new state.

        `stale` has the indices of orders that were not renewed in time.
        """
        changed = []
        marked = False
        for index, order in enumerate(orders):
            state = state_at(order, now)
            if self.states[index] != state:
                self.states[index] = state
                changed.append((order, state))
            if self.stale[index] != (index in stale):
                self.stale[index] = index in stale
                marked = True
        if changed or marked:
            epoch = (self.epoch + 1) & 0xFFFFFFFF
            self._view[EPOCH_AT : EPOCH_AT + 4] = epoch.to_bytes(4, "little")
        return changed

    def close(self) -> None:
        """Unmap the states; a mapping for writing stays with the memory."""
        self.states.release()
        self.stale.release()
        self._view.release()
        if self._octets is not None:
            self._octets.close()


def stale_place(orders: int) -> int:
    """Return the offset in a file of states of the octets that say which orders were not renewed in time."""
    return STATES_AT + _padded(orders) + 4 * orders


def next_flip(orders: Sequence[Order], now: float) -> int | None:
    """Return the next second after `now` at which an order changes its state; None if none will."""
    return min((at for order in orders if (at := next_change(order, now)) is not None), default=None)


def _padded(count: int) -> int:
    return -(-count // 4) * 4
