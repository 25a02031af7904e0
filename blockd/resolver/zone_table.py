"""Zones by their keys: which of them a name is at or under. `_zone_table.pyx` is the same in C."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.names import label_ends

NO_ZONE = -1


class ZoneTable:
    """Keys (`blockd.names`), each with its place in the sequence that they were given in."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take keys of which no two are equal; the empty one is that of the root."""
        self._places = {key: place for place, key in enumerate(keys)}

    def find(self, key: bytes) -> int:
        """Return the place of the longest key that a name's is at or under, NO_ZONE if there is none."""
        for end in reversed((0, *label_ends(key))):
            place = self._places.get(key[:end])
            if place is not None:
                return place
        return NO_ZONE
