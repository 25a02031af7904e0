"""Which counter belongs to which order, for as long as one blockd runs.

An order keeps its slot across rulesets, so that its counters only grow. A slot is given back once no version kept lists
the order any longer, under whatever action: then no process counts there, and the next owner begins at zero. Orders for
which no slot is left share slot 0, whose counters are shown as one series of their own.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import astuple
from pathlib import Path

from blockd.files import read_kept, replace_file
from blockd.metrics import HitLabels
from blockd.metrics.counters import MAX_HIT_SLOTS
from blockd.orders import Order
from blockd.orders.disclosure import CONFIDENTIAL
from blockd.ruleset import Catalogue, Enforced

MAX_FILE = 64 << 20  # octets: a slot takes less than a hundred, and there are at most some hundred thousand
SHARED = 0  # the slot of all orders without one of their own

log = logging.getLogger(__name__)


class HitSlots:
    """The slots of orders; `clear` sets the counters of a slot to zero, before it gets an owner."""

    def __init__(self, path: Path, *, clear: Callable[[int], None] = lambda _: None, size: int = MAX_HIT_SLOTS) -> None:
        """`size` is the number of slots, the shared one included; `path` is where they are saved."""
        self._path = path
        self._clear = clear
        self._size = size
        self._is_saved = False
        self._seen: dict[HitLabels, tuple[int, int]] = {}  # the oldest and the newest version that list the order
        self._free: list[int] | None = None  # slots that were given back; None if that is to be found out
        self.slots: dict[HitLabels, int] = {}  # of orders with a slot of their own

    @classmethod
    def load(cls, path: Path, *, clear: Callable[[int], None] = lambda _: None) -> HitSlots:
        """Read the slots that this blockd has assigned so far; none if the file is missing or damaged."""
        slots = cls(path, clear=clear)
        slots._is_saved = True
        try:
            for labels, slot, first, last in json.loads(read_kept(path, MAX_FILE)):
                owner = HitLabels(*map(str, labels))
                if not SHARED < int(slot) < slots._size:
                    raise ValueError(f"there is no slot {slot}")
                slots.slots[owner], slots._seen[owner] = int(slot), (int(first), int(last))
        except (OSError, ValueError, TypeError) as error:
            slots.slots, slots._seen = {}, {}
            log.warning("%s cannot be read (%s); hits of orders may be counted under other series.", path, error)
        return slots

    def adopt(self, enforced: Enforced | None) -> None:
        """Know the slots that are in use, if they could not be saved: those of what is enforced."""
        if enforced is None or self.slots:
            return
        for record, slot in zip(enforced.ruleset.catalogue.orders, enforced.states.hit_slots, strict=True):
            if slot != SHARED:
                owner = labels_of(record.feed, record.order)
                self.slots[owner], self._seen[owner] = slot, (enforced.version, enforced.version)
        self._free, self._is_saved = None, False

    def of(self, catalogue: Catalogue, version: int, kept: Collection[int]) -> list[int]:
        """Return the slot of each order of a version's catalogue; SHARED for those for which none is left.

        `kept` are the versions that may still be enforced. Slots of orders that none of them lists are given back.
        """
        listed = [labels_of(record.feed, record.order) for record in catalogue.orders]
        self._give_back(sorted(kept), {labels.identity for labels in listed})
        return [self._slot(labels, version) for labels in listed]

    def _slot(self, labels: HitLabels, version: int) -> int:
        slot = self.slots.get(labels)
        if slot is None:
            slot = self._next()
            if slot == SHARED:
                return SHARED
            self._clear(slot)
            self.slots[labels] = slot
            self._is_saved = False
        first, last = self._seen.get(labels, (version, version))
        seen = min(first, version), max(last, version)
        if self._seen.get(labels) != seen:
            self._seen[labels], self._is_saved = seen, False
        return slot

    def _next(self) -> int:
        """Return a slot without an owner, SHARED if there is none."""
        if self._free is None:
            taken = set(self.slots.values())
            self._free = [slot for slot in range(self._size - 1, SHARED, -1) if slot not in taken]
        return self._free.pop() if self._free else SHARED

    def _give_back(self, kept: Sequence[int], listed: Set[tuple[str, str, str]]) -> None:
        """Take the slots of orders that are not in `listed`, and that no version of `kept`, in order, may list.

        The page and TLS counters of an order are one series whatever its action, so an order gives back the slots of
        all its actions, or none.
        """
        spans: dict[tuple[str, str, str], tuple[int, int]] = {}
        for labels, (first, last) in self._seen.items():
            one, other = spans.get(labels.identity, (first, last))
            spans[labels.identity] = min(first, one), max(last, other)
        gone = []
        for labels in self.slots:
            first, last = spans[labels.identity]
            if labels.identity not in listed and bisect_left(kept, first) == bisect_right(kept, last):
                gone.append(labels)
        for labels in gone:
            del self.slots[labels], self._seen[labels]
        if gone:
            self._free, self._is_saved = None, False

    def save(self) -> None:
        """Write the slots for later processes, if they have changed."""
        if self._is_saved:
            return
        listed = [[astuple(labels), slot, *self._seen[labels]] for labels, slot in self.slots.items()]
        replace_file(self._path, json.dumps(listed).encode())
        self._is_saved = True


def labels_of(feed: str, order: Order) -> HitLabels:
    """Return the labels of an order's hits; a list without a platform is counted under its feed's name."""
    platform = CONFIDENTIAL if order.is_confidential else order.platform or feed
    return HitLabels(feed, platform, order.name, order.action)
