"""A ruleset with some entries more or less, made from its file alone: a day's change without reading the lists again.

Only what changes is looked at one by one. New records stand behind the old ones, records that went are cut out, and
what is in between is copied as it is. The hash key stays: it has never left this machine.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping

from blockd.errors import RulesetError
from blockd.names import MAX_LABEL
from blockd.orders import Scope
from blockd.ruleset.claims import ClaimSets, Joins
from blockd.ruleset.format import (
    BUCKET_SIZE,
    ENTRY,
    FILL,
    MAX_CLAIMS,
    MAX_ENTRIES_SIZE,
    MAX_PROBES,
    SCOPE_BITS,
    SLOTS,
    hash_of,
)
from blockd.ruleset.mapped import Ruleset

_MAX_FILL = FILL * 1.06  # entries a bucket may have on average before the file is worth compiling anew
_TAG, _OFFSET, _PLACE = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<I")
_OFFSETS_AT, _USED_AT, _PUSHED_AT = SLOTS * 2, 60, 61


class Amender:
    """Changes to the entries of `ruleset`, which stays as it is. Release it before the ruleset is closed.

    Every method raises RulesetError where the file does not hold what it should, or the change does not fit it; then
    compiling anew is the way.
    """

    def __init__(self, ruleset: Ruleset) -> None:
        self._header = header = ruleset.header
        self._old = ruleset.section(header.records)
        with ruleset.section(header.table) as table:
            self.table = bytearray(table)
        with ruleset.section(header.claims) as words:
            self.claims = ClaimSets.read(array("I", words.tobytes()))
        self.entries, self.names, self.max_labels = header.entries, header.names, header.max_labels
        self._new = bytearray()
        self._places: dict[int, int] = {}  # where an old record's claims have changed
        self._holes: dict[int, int] = {}  # where an old record is cut out, and its size

    def release(self) -> None:
        """Let go of the ruleset."""
        self._old.release()

    def joins(self, index: int, scope: Scope) -> Joins:
        """Give what becomes of entries that the only order of a feed, at `index`, claims."""
        return Joins(self.claims, index, scope, frozenset({index}))

    def add(self, key: bytes, joins: Joins) -> int:
        """Add a name, or a claim to it; give 1 where its order did not list it yet."""
        found = self._find(key)
        if found is None:
            self._append(key, joins.alone)
            return 1
        place = self._place(found[2])
        if place == joins.alone:
            return 0
        wider, new_to_order, _ = joins[place]
        self._set_place(found[2], wider)
        return int(new_to_order)

    def remove(self, key: bytes, index: int) -> None:
        """Take the claims of the order at `index` from a name that it lists; the name goes with its last claim."""
        found = self._find(key)
        if found is None:
            raise RulesetError("a name to be removed is not in the file")
        bucket, slot, offset = found
        claims = self.claims.set_at(self._place(offset))
        left = tuple(claim for claim in claims if claim >> SCOPE_BITS != index)
        if len(left) == len(claims) or len(claims) == MAX_CLAIMS:  # a full set may have left others out
            raise RulesetError("a name to be removed is not what the file says")
        if left:
            self._set_place(offset, self.claims.place_of(left))
        else:
            self._cut(bucket, slot, offset, ENTRY.size + len(key))

    def change(
        self, key: bytes, gone: Mapping[int, int], come: Mapping[int, int], own: frozenset[int]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Take scopes from a name and give it others, both by order; give which of `own` listed it and list it now.

        `own` has all orders of the feed. Raises where the name has not what goes, or has already what comes.
        """
        found = self._find(key)
        claims = self.claims.set_at(self._place(found[2])) if found else ()
        scopes = {claim >> SCOPE_BITS: claim & int(Scope.BOTH) for claim in claims}
        listed = own & scopes.keys()
        for index, scope in gone.items():
            if scopes.get(index, 0) & scope != scope:
                raise RulesetError("a name to be removed is not what the file says")
            scopes[index] -= scope
        for index, scope in come.items():
            if any(scopes.get(other, 0) & scope for other in own):
                raise RulesetError("a name to be added is there already")
            scopes[index] = scopes.get(index, 0) | scope
        left = tuple(sorted(index << SCOPE_BITS | scope for index, scope in scopes.items() if scope))
        if max(len(claims), len(left)) >= MAX_CLAIMS:  # a full set may have left others out
            raise RulesetError("a name has too many claims to be changed")
        if found is None:
            self._append(key, self.claims.place_of(left))
        elif not left:
            self._cut(*found, ENTRY.size + len(key))
        elif left != claims:
            self._set_place(found[2], self.claims.place_of(left))
        return listed, own & {index for index, scope in scopes.items() if scope}

    def finish(self) -> tuple[bytearray, list[bytes | bytearray | memoryview]]:
        """Give the buckets, and the records in pieces."""
        from blockd.ruleset._buckets import close_holes

        records: list[bytes | bytearray | memoryview] = []
        start = 0
        for offset in sorted(self._places.keys() | self._holes.keys()):
            records.append(self._old[start:offset])
            start = offset + self._holes.get(offset, 0)
            if offset not in self._holes:
                records.append(_PLACE.pack(self._places[offset]))
                start += _PLACE.size
        records += [self._old[start:], self._new]
        if self._holes:
            close_holes(self.table, sorted(self._holes.items()))
        return self.table, records

    def _find(self, key: bytes) -> tuple[int, int, int] | None:
        """Give the first octet of the bucket, the slot and the record's offset of a key."""
        hashed = hash_of(self._header.hash_key, key)
        tag, buckets = hashed & 0xFFFF, self._header.buckets
        bucket = ((hashed >> 32) * buckets) >> 32
        for _ in range(MAX_PROBES):
            start = bucket * BUCKET_SIZE
            for slot in range(self._used(start)):
                if _TAG.unpack_from(self.table, start + slot * 2)[0] == tag:
                    offset = _OFFSET.unpack_from(self.table, start + _OFFSETS_AT + slot * 4)[0]
                    if self._key(offset) == key:
                        return start, slot, offset
            if not self.table[start + _PUSHED_AT]:
                return None
            bucket = (bucket + 1) % buckets
        return None

    def _append(self, key: bytes, place: int) -> None:
        offset = len(self._old) + len(self._new)
        hashed, buckets = hash_of(self._header.hash_key, key), self._header.buckets
        if offset + ENTRY.size + len(key) > MAX_ENTRIES_SIZE or self.entries >= buckets * _MAX_FILL:
            raise RulesetError("the file is full")
        bucket = ((hashed >> 32) * buckets) >> 32
        for _ in range(MAX_PROBES):
            start = bucket * BUCKET_SIZE
            used = self._used(start)
            if used < SLOTS:
                break
            self.table[start + _PUSHED_AT] = 1
            bucket = (bucket + 1) % buckets
        else:
            raise RulesetError("the file is full where a name belongs")
        _TAG.pack_into(self.table, start + used * 2, hashed & 0xFFFF)
        _OFFSET.pack_into(self.table, start + _OFFSETS_AT + used * 4, offset)
        self.table[start + _USED_AT] = used + 1
        self._new += ENTRY.pack(place, len(key))
        self._new += key
        self.entries += 1
        self.names += 1
        self.max_labels = max(self.max_labels, _labels(key))

    def _cut(self, start: int, slot: int, offset: int, size: int) -> None:
        """Take an entry out of its bucket, whose last one takes its slot, and out of the records."""
        if offset >= len(self._old):
            raise RulesetError("a name cannot come and go in one change")
        last = self._used(start) - 1
        for at, width in ((start, 2), (start + _OFFSETS_AT, 4)):
            moved = self.table[at + last * width : at + (last + 1) * width]
            self.table[at + slot * width : at + (slot + 1) * width] = moved
            self.table[at + last * width : at + (last + 1) * width] = bytes(width)
        self.table[start + _USED_AT] = last
        self._places.pop(offset, None)
        self._holes[offset] = size
        self.entries -= 1
        self.names -= 1  # the longest may have gone: `max_labels` is then more than needed, which costs a lookup

    def _used(self, start: int) -> int:
        used = self.table[start + _USED_AT]
        if used > SLOTS:
            raise RulesetError("a bucket claims more entries than it has")
        return used

    def _key(self, offset: int) -> bytes:
        records, at = self._at(offset)
        return bytes(records[at + ENTRY.size : at + ENTRY.size + records[at + 4]])

    def _place(self, offset: int) -> int:
        records, at = self._at(offset)
        place: int = self._places[offset] if offset in self._places else _PLACE.unpack_from(records, at)[0]
        return place

    def _set_place(self, offset: int, place: int) -> None:
        records, at = self._at(offset)
        if records is self._new:
            _PLACE.pack_into(self._new, at, place)
        else:
            self._places[offset] = place

    def _at(self, offset: int) -> tuple[bytearray | memoryview, int]:
        """Give the buffer that a record is in and where it begins there; raises where it is in none."""
        records, at = (self._old, offset) if offset < len(self._old) else (self._new, offset - len(self._old))
        if at + ENTRY.size > len(records) or at + ENTRY.size + records[at + 4] > len(records):
            raise RulesetError("an entry lies outside of its section")
        return records, at


def _labels(key: bytes) -> int:
    labels = position = 0
    if key[0] > MAX_LABEL:  # a name that is known by its hash
        return 0
    while position < len(key):
        position += 1 + key[position]
        labels += 1
    return labels
