"""A ruleset with some entries more or less, made from its file alone: a day's change without reading the lists again.

Only what changes is processed. New records are appended, removed records become holes, and everything else stays where
it is. The hash key is kept: it has never left this machine.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Mapping, Set

from blockd.errors import RulesetError
from blockd.names import MAX_LABEL, label_ends
from blockd.names.network import KEY_IPV4
from blockd.orders import Scope
from blockd.ruleset.building.claims import ClaimSets, Joins
from blockd.ruleset.building.under import names_under
from blockd.ruleset.format import (
    BUCKET_SIZE,
    ENTRY,
    ENTRY_SIZE,
    FILL,
    HOLE,
    MAX_CLAIMS_OF_ONE,
    MAX_ENTRIES_SIZE,
    MAX_PROBES,
    SCOPE_BITS,
    SLOTS,
    hash_of,
)
from blockd.ruleset.mapped import Ruleset
from blockd.ruleset.versions.diff import Changes

_MAX_FILL = FILL * 1.06  # entries a bucket may have on average before the file is worth compiling anew
_MAX_HOLES = 1 / 8  # of the records, before the file is worth compiling anew
_FEW_HOLES = 1 << 20  # octets of holes that are never worth it
_MAX_CLAIM_WORDS = 1 << 22  # of sets, used or not, before it is worth that too
_SCOPE = (1 << SCOPE_BITS) - 1  # mask of a claim's scope
_TAG, _OFFSET, _PLACE = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<I")
_OFFSETS_AT, _USED_AT, _PUSHED_AT = SLOTS * 2, 60, 61


class Amender:
    """Changes to the entries of `ruleset`, which is not modified. Release it before the ruleset is closed.

    Every method raises RulesetError if the file does not hold what it should, or the change does not fit it; the
    ruleset must then be compiled anew.
    """

    def __init__(self, ruleset: Ruleset, *, must_fit: bool = False) -> None:
        """Begin with nothing changed; `must_fit` if it cannot be compiled anew, so that it may become fuller."""
        self._must_fit = must_fit
        self._header = header = ruleset.header
        self._old = ruleset.section(header.records)
        self._table = ruleset.section(header.table)
        with ruleset.section(header.claims) as words:
            self.claims = ClaimSets.read(array("I", words.tobytes()))
        self.owners = {index: record.owner for index, record in enumerate(ruleset.catalogue.orders)}
        self.entries, self.names, self.max_labels = header.entries, header.names, header.max_labels
        self.empty_names = header.empty_names
        self.holes, self.ipv4_prefixes, self.ipv6_prefixes = header.holes, header.ipv4_prefixes, header.ipv6_prefixes
        self._new = bytearray()
        self._buckets: dict[int, bytearray] = {}  # the changed ones, by their offset in the table
        self._places: dict[int, int] = {}  # where an old record's claims have changed
        self._come: set[bytes] = set()
        self._gone: set[bytes] = set()

    def release(self) -> None:
        """Release the ruleset's memory."""
        self._old.release()
        self._table.release()

    def joins(self, index: int, scope: Scope) -> Joins:
        """Return the joins for a feed's only order, which is at `index`."""
        return Joins(self.claims, index, scope, frozenset({index}))

    def add(self, key: bytes, joins: Joins) -> int:
        """Add a name, or a claim to it; return 1 if its order did not list it yet, else 0."""
        found = self._find(key)
        if found is None:
            self._append(key, joins.alone)
            self._count(key, (), self.claims.set_at(joins.alone))
            return 1
        place = self._place(found[2])
        if place == joins.alone:
            return 0
        wider, new_to_order, _, refused = joins[place]
        if refused:
            raise RulesetError("a name has too many claims of one feed")
        self._set_place(found[2], wider)
        self._count(key, self.claims.set_at(place), self.claims.set_at(wider))
        return int(new_to_order)

    def remove(self, key: bytes, index: int) -> None:
        """Remove the claims of the order at `index` from a name that it lists; without claims the name is removed."""
        found = self._find(key)
        if found is None:
            raise RulesetError("a name to be removed is not in the file")
        claims = self.claims.set_at(self._place(found[2]))
        left = tuple(claim for claim in claims if claim >> SCOPE_BITS != index)
        if len(left) == len(claims):
            raise RulesetError("a name to be removed is not what the file says")
        self._claim(key, found, claims, left, {index})

    def change(
        self, key: bytes, gone: Mapping[int, int], come: Mapping[int, int], own: frozenset[int]
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Replace scopes of a name, by order; return the scopes of those of `own` before and now.

        `own` has all orders of the feed. Raises if the name lacks what is removed, or already has what is added.
        """
        found = self._find(key)
        claims = self.claims.set_at(self._place(found[2])) if found else ()
        scopes = _scopes(claims)
        before = {index: scope for index, scope in scopes.items() if index in own}
        for index, scope in gone.items():
            if scopes.get(index, 0) & scope != scope:
                raise RulesetError("a name to be removed is not what the file says")
            scopes[index] -= scope
        for index, scope in come.items():
            if any(scopes.get(other, 0) & scope for other in own):
                raise RulesetError("a name to be added is there already")
            scopes[index] = scopes.get(index, 0) | scope
        self._claim(key, found, claims, _with_empty(claims, scopes), gone.keys() | come.keys())
        return before, {index: scope for index, scope in scopes.items() if scope and index in own}

    def rescope(self, key: bytes, changes: Mapping[int, tuple[int, int]]) -> tuple[dict[int, int], dict[int, int]]:
        """Change the scopes of a name or network: `changes` has, by order, the old and the new one, 0 for none.

        Returns the scopes of all orders before and after. Raises if the old ones are not those in the file.
        """
        found = self._find(key)
        claims = self.claims.set_at(self._place(found[2])) if found else ()
        before = _scopes(claims)
        for index, (old, _) in changes.items():
            if before.get(index, 0) != old:
                raise RulesetError("an entry to be changed is not what the file says")
        after = before | {index: new for index, (_, new) in changes.items()}
        after = {index: scope for index, scope in after.items() if scope}
        self._claim(key, found, claims, _with_empty(claims, after), changes.keys())
        return before, after

    def scopes(self, key: bytes) -> dict[int, int]:
        """Return the scopes of a name or network by order; 0 is that of an empty name's order."""
        found = self._find(key)
        claims = self.claims.set_at(self._place(found[2])) if found else ()
        return {claim >> SCOPE_BITS: claim & _SCOPE for claim in claims}

    def set_empty(self, key: bytes, index: int | None, own: frozenset[int]) -> None:
        """Make a name empty by the order at `index`, which has no other claim on it, or by none of `own`."""
        found = self._find(key)
        claims = self.claims.set_at(self._place(found[2])) if found else ()
        left = [claim for claim in claims if claim & _SCOPE or claim >> SCOPE_BITS not in own]
        self._claim(
            key, found, claims, tuple(sorted([*left, *([] if index is None else [index << SCOPE_BITS])])), set()
        )

    def under(self, tops: frozenset[bytes], most: int) -> list[bytes] | None:
        """Return the names of the unchanged file below those of `tops`, empty ones too; None if over `most`."""
        return names_under(self._old, tops, most)

    def changes(self) -> Changes:
        """Return the counts of what has changed so far, as a comparison of both files would.

        Orders must not have been renumbered yet.
        """
        back = len(self._come & self._gone)
        changed = sum(map(self._is_changed, self._places.items()))
        return Changes(len(self._come) - back, len(self._gone) - back, changed + back)

    def finish(self) -> tuple[dict[int, bytes], bytes]:
        """Return the octets that change, by their offset in the file, and the records to append.

        Raises if so much of the file is unused that compiling anew is worth it.
        """
        header = self._header
        if self.holes > header.records.size * _MAX_HOLES + _FEW_HOLES and not self._must_fit:
            raise RulesetError("much of the file is holes")
        if len(self.claims.words) > _MAX_CLAIM_WORDS and not self._must_fit:
            raise RulesetError("the file has very many sets of claims")
        patches = {header.table.offset + start: bytes(bucket) for start, bucket in self._buckets.items()}
        patches |= {header.records.offset + offset: _PLACE.pack(place) for offset, place in self._places.items()}
        return patches, bytes(self._new)

    def _is_changed(self, changed: tuple[int, int]) -> bool:
        """Return whether a record, at an offset and with a new place, lists a name under other claims than before."""
        offset, place = changed
        if place == HOLE:
            return False
        before = _scopes(self.claims.set_at(_PLACE.unpack_from(self._old, offset)[0]))
        after = _scopes(self.claims.set_at(place))
        return bool(before and after) and before != after

    def _claim(
        self,
        key: bytes,
        found: tuple[int, int, int] | None,
        claims: tuple[int, ...],
        left: tuple[int, ...],
        changed: Set[int],
    ) -> None:
        """Replace the `claims` on a name by those that are `left`; `changed` are the orders whose claims differ."""
        self._must_have_room(claims, changed)
        self._must_have_room(left, changed)
        if found is None:
            if left:
                self._append(key, self.claims.place_of(left))
        elif not left:
            self._cut(*found, ENTRY_SIZE + len(key))
        elif left != claims:
            self._set_place(found[2], self.claims.place_of(left))
        self._count(key, claims, left)

    def _count(self, key: bytes, claims: tuple[int, ...], left: tuple[int, ...]) -> None:
        """Count a name whose claims were replaced."""
        was_listed, is_listed = (any(claim & _SCOPE for claim in some) for some in (claims, left))
        if is_listed and not was_listed:
            self._come.add(key)
        elif was_listed and not is_listed:
            if key in self._come:
                self._come.remove(key)
            else:
                self._gone.add(key)
        self.entries += is_listed - was_listed
        self.names += (is_listed - was_listed) * (key[0] < KEY_IPV4)
        self.empty_names += (bool(left) and not is_listed) - (bool(claims) and not was_listed)

    def _must_have_room(self, claims: tuple[int, ...], changed: Set[int]) -> None:
        """Raise RulesetError if the owner of a changed order has all its room: others of it may have been left out."""
        if len(claims) < MAX_CLAIMS_OF_ONE:
            return
        used = Counter(self.owners.get(claim >> SCOPE_BITS) for claim in claims if claim & _SCOPE)
        if any(used[self.owners.get(index)] >= MAX_CLAIMS_OF_ONE for index in changed):
            raise RulesetError("a name has too many claims of one authority to be changed")

    def _find(self, key: bytes) -> tuple[int, int, int] | None:
        """Return a key's bucket offset, slot and record offset; None if it is not listed."""
        hashed = hash_of(self._header.hash_key, key)
        tag, buckets = hashed & 0xFFFF, self._header.buckets
        number = ((hashed >> 32) * buckets) >> 32
        for _ in range(MAX_PROBES):
            start = number * BUCKET_SIZE
            bucket = self._bucket(start)
            for slot in range(bucket[_USED_AT]):
                if _TAG.unpack_from(bucket, slot * 2)[0] == tag:
                    offset = _OFFSET.unpack_from(bucket, _OFFSETS_AT + slot * 4)[0]
                    if self._key(offset) == key:
                        return start, slot, offset
            if not bucket[_PUSHED_AT]:
                return None
            number = (number + 1) % buckets
        return None

    def _append(self, key: bytes, place: int) -> None:
        offset = len(self._old) + len(self._new)
        hashed, buckets = hash_of(self._header.hash_key, key), self._header.buckets
        is_dense = self.entries + self.empty_names >= buckets * _MAX_FILL and not self._must_fit
        if offset + ENTRY_SIZE + len(key) > MAX_ENTRIES_SIZE or is_dense:
            raise RulesetError("the file is full")
        number = ((hashed >> 32) * buckets) >> 32
        for _ in range(MAX_PROBES):
            bucket = self._changed_bucket(number * BUCKET_SIZE)
            used = bucket[_USED_AT]
            if used < SLOTS:
                break
            bucket[_PUSHED_AT] = 1
            number = (number + 1) % buckets
        else:
            raise RulesetError("the table is full where a name belongs")
        _TAG.pack_into(bucket, used * 2, hashed & 0xFFFF)
        _OFFSET.pack_into(bucket, _OFFSETS_AT + used * 4, offset)
        bucket[_USED_AT] = used + 1
        self._new += ENTRY.pack(place, len(key))
        self._new += key
        if key[0] < KEY_IPV4:
            if key[0] <= MAX_LABEL:  # else it is known by its hash, which hides how many it has
                self.max_labels = max(self.max_labels, len(label_ends(key)))
        elif key[0] == KEY_IPV4:
            self.ipv4_prefixes |= 1 << key[1]
        else:
            self.ipv6_prefixes |= 1 << key[1]

    def _cut(self, start: int, slot: int, offset: int, size: int) -> None:
        """Remove an entry from its bucket, whose last entry takes its slot; its record becomes a hole.

        A prefix length or label count that only this entry needed may stay in the header, at the cost of one lookup.
        """
        bucket = self._changed_bucket(start)
        last = bucket[_USED_AT] - 1
        for at, width in ((0, 2), (_OFFSETS_AT, 4)):
            bucket[at + slot * width : at + (slot + 1) * width] = bucket[at + last * width : at + (last + 1) * width]
            bucket[at + last * width : at + (last + 1) * width] = bytes(width)
        bucket[_USED_AT] = last
        self._set_place(offset, HOLE)
        self.holes += size

    def _bucket(self, start: int) -> bytearray | memoryview:
        """Return the bucket at offset `start`; raises if its count of entries is impossible."""
        bucket = self._buckets.get(start) or self._table[start : start + BUCKET_SIZE]
        if bucket[_USED_AT] > SLOTS:
            raise RulesetError("a bucket claims more entries than it has")
        return bucket

    def _changed_bucket(self, start: int) -> bytearray:
        """Return a writable copy of the bucket at offset `start`."""
        if start not in self._buckets:
            self._buckets[start] = bytearray(self._bucket(start))
        return self._buckets[start]

    def _key(self, offset: int) -> bytes:
        records, at = self._at(offset)
        return bytes(records[at + ENTRY_SIZE : at + ENTRY_SIZE + records[at + 4]])

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
        """Return the buffer that holds a record and its offset there; raises if it lies outside."""
        records, at = (self._old, offset) if offset < len(self._old) else (self._new, offset - len(self._old))
        if at + ENTRY_SIZE > len(records) or at + ENTRY_SIZE + records[at + 4] > len(records):
            raise RulesetError("an entry lies outside of its section")
        return records, at


def _scopes(claims: tuple[int, ...]) -> dict[int, int]:
    """Return the scopes of the orders that list a name."""
    return {claim >> SCOPE_BITS: claim & _SCOPE for claim in claims if claim & _SCOPE}


def _with_empty(claims: tuple[int, ...], scopes: Mapping[int, int]) -> tuple[int, ...]:
    """Return the claims of the orders in `scopes`, and those by which the name is empty, as far as they hold."""
    listed = {index: scope for index, scope in scopes.items() if scope}
    empty = [claim for claim in claims if not claim & _SCOPE and claim >> SCOPE_BITS not in listed]
    return tuple(sorted([*empty, *(index << SCOPE_BITS | scope for index, scope in listed.items())]))
