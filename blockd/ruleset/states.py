"""The orders' states in shared memory: one byte for each order, changed on the second without compiling.

The file beside a ruleset has a header of 16 octets (magic, epoch, number of orders), a byte for each order's state
(`blockd.orders.State`), zeros up to a multiple of 4, then 32 bits for each order: where its hits are counted; then a
byte for each order, 1 if its signer has not renewed it in time, so that its answers say so. The control process maps it
for writing, every worker for reading. The epoch grows with each change, so that caches that depend on the states are
known to be outdated.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Protocol

from blockd.errors import RulesetError
from blockd.files import descriptor_of_kept, replace_file
from blockd.orders import Order, State, next_change, state_at

MAGIC = b"BLOCKDO2"
_HEADER = struct.Struct("<8sII")
NO_STATES: Mapping[int, State] = {}
EPOCH_AT = 8
STATES_AT = _HEADER.size


def write_states(
    path: Path, orders: Sequence[Order], hit_slots: Sequence[int], now: float, stale: Set[int] = frozenset()
) -> None:
    """Write the states of a ruleset's `orders` at `now`, with the counters' places; `stale` has indices of orders.

    If the disk is full, an earlier file of the same orders is written over in place, which needs no room. Raises
    OSError.
    """
    states = bytes(state_at(order, now) for order in orders)
    slots = b"".join(struct.pack("<I", slot) for slot in hit_slots)
    flags = bytes(index in stale for index in range(len(orders)))
    octets = _HEADER.pack(MAGIC, 1, len(orders)) + states.ljust(_padded(len(orders)), b"\0") + slots + flags
    try:
        replace_file(path, octets)
    except OSError:
        if not _written_over(path, octets):
            raise


def _written_over(path: Path, octets: bytes) -> bool:
    """Write over a file of the same size; return whether there was one."""
    try:
        with os.fdopen(descriptor_of_kept(path, os.O_RDWR), "r+b") as file:
            if os.fstat(file.fileno()).st_size != len(octets):
                return False
            file.write(octets)
    except OSError:
        return False
    return True


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

    def __init__(self, path: Path, orders: int, *, writable: bool = False) -> None:
        """Map the file; raises RulesetError if it does not hold the states of that many orders."""
        try:
            descriptor = descriptor_of_kept(path, os.O_RDWR if writable else os.O_RDONLY)
            try:
                access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
                self._octets = mmap.mmap(descriptor, 0, access=access)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise RulesetError(f"{path} cannot be opened as order states: {error}") from error
        slots_at = STATES_AT + _padded(orders)
        stale_at = stale_place(orders)
        size = stale_at + orders
        if len(self._octets) != size or _HEADER.unpack_from(self._octets)[::2] != (MAGIC, orders):
            self._octets.close()
            raise RulesetError(f"{path} does not hold the states of {orders} orders")
        self._view = memoryview(self._octets)
        self.states = self._view[STATES_AT : STATES_AT + orders]
        self.hit_slots = tuple(self._view[slots_at:stale_at].cast("I"))
        self.stale = self._view[stale_at:]

    @property
    def octets(self) -> memoryview:
        """The whole file; every export of it must be released before `close`."""
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
        """Unmap the file."""
        self.states.release()
        self.stale.release()
        self._view.release()
        self._octets.close()


def stale_place(orders: int) -> int:
    """Return the offset in a file of states of the octets that say which orders were not renewed in time."""
    return STATES_AT + _padded(orders) + 4 * orders


def next_flip(orders: Sequence[Order], now: float) -> int | None:
    """Return the next second after `now` at which an order changes its state; None if none will."""
    return min((at for order in orders if (at := next_change(order, now)) is not None), default=None)


def _padded(count: int) -> int:
    return -(-count // 4) * 4
