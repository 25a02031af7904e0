"""A ruleset file mapped into memory, and lookups in it.

Whatever a file says, nothing outside of it is read and no lookup is unbounded: a hostile or damaged file raises
RulesetError. The digest detects damage, not forgery; the content is authenticated before a file is compiled.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from blockd.errors import DamagedRuleset, RulesetError
from blockd.files import NOT_KEPT, Stamp, descriptor_of_kept, stamp_from
from blockd.names import MAX_LABEL, Network, address_key, hashed_key, label_ends, name_digest
from blockd.names.translation import MAPPED_BITS, ipv4_network_within
from blockd.orders import Scope
from blockd.ruleset.catalogue import Catalogue, OrderRecord
from blockd.ruleset.digest import is_sound
from blockd.ruleset.format import (
    BUCKET,
    BUCKET_SIZE,
    ENTRY,
    ENTRY_SIZE,
    HEADER_SIZE,
    HOLE,
    MAX_CLAIMS,
    MAX_PROBES,
    SCOPE_BITS,
    SLOTS,
    FileSection,
    Header,
    hash_of,
)
from blockd.ruleset.salts import MAX_HASHED_LABELS, MIN_HASHED_LABELS, salts_of

_REMEMBERED_SETS = 10_000  # claim sets cached; lists have few, and a hostile file cannot fill memory


class Claim(NamedTuple):
    """One order's claim on one entry; without a scope it is a policy zone's on an empty name."""

    order_index: int
    scope: int


class Match(NamedTuple):
    """An entry that is a name, or a hash of it, and the claims on it."""

    entry: bytes
    claims: tuple[Claim, ...]


class Ruleset:
    """One ruleset file; immutable, safe to share between processes. Close it when it is no longer used."""

    def __init__(self, path: Path, octets: mmap.mmap, header: Header, like: Ruleset | None = None) -> None:
        self.path = path
        self.header = header
        self._octets = octets
        self.stamp: Stamp | None = None  # of the file as it was opened
        self._sets: dict[int, tuple[Claim, ...]] = {}
        section = header.catalogue
        known = like.known_orders() if like is not None else None
        self.catalogue = Catalogue.from_json(octets[section.offset : section.end], known)
        self.salts = salts_of((record.order for record in self.catalogue.orders), header.created)
        self.ipv4_lengths = _lengths(header.ipv4_prefixes)
        self.ipv6_lengths = _lengths(header.ipv6_prefixes)  # includes those of networks of clients, of both families

    @classmethod
    def open(cls, path: Path, *, verify: bool = True, like: Ruleset | None = None, held: int | None = None) -> Ruleset:
        """Map the file at `path`; raises RulesetError, which names the file, if it cannot be used.

        With `verify` the digest is checked, which reads the whole file once. Without it only the header and the
        catalogue are, for a process whose parent has checked the same file. Orders that `like` has too are not parsed
        again. If there is no file at `path` that this process may open, that of the descriptor `held` is mapped.
        """
        octets, stamp = _mapped(path, held)
        try:
            header = Header.unpack(octets[:HEADER_SIZE], len(octets))
            if verify:  # before anything else is made of its content
                _check(octets, header)
            ruleset = cls(path, octets, header, like)
        except RulesetError as error:
            octets.close()
            raise type(error)(f"{path} cannot be used as a ruleset: {error}") from error
        ruleset.stamp = stamp
        return ruleset

    def known_orders(self) -> dict[bytes, OrderRecord]:
        """Return the orders of the catalogue by the octets that each was parsed from; empty after `close`."""
        section = self.header.catalogue
        try:
            octets = self._octets[section.offset : section.end]
        except ValueError:  # it is closed, perhaps by another thread just now
            return {}
        return self.catalogue.by_line(octets)

    def verify(self) -> None:
        """Read the whole file; raises DamagedRuleset if it does not match its digest."""
        _check(self._octets, self.header)

    def close(self) -> None:
        """Unmap the file."""
        self._octets.close()

    @property
    def octets(self) -> mmap.mmap:
        """The whole file; every export of it must be released before `close`."""
        return self._octets

    @property
    def digest(self) -> str:
        """The file's digest, hexadecimal."""
        return self.header.digest.hex()

    def claims(self, key: bytes) -> tuple[Claim, ...]:
        """Return the claims on exactly this key, best first; empty if it is not listed."""
        return _with_scope(self._claims(key))

    def _claims(self, key: bytes) -> tuple[Claim, ...]:
        """Return the claims on exactly this key, those without a scope included."""
        header = self.header
        octets = self._octets
        hashed = hash_of(header.hash_key, key)
        tag = hashed & 0xFFFF
        bucket = ((hashed >> 32) * header.buckets) >> 32
        for _ in range(MAX_PROBES):
            fields = BUCKET.unpack_from(octets, header.table.offset + bucket * BUCKET_SIZE)
            used = fields[20]
            if used > SLOTS:
                raise RulesetError(f"{self.path}: bucket {bucket} claims {used} entries")
            if tag in fields[:used]:
                for slot in range(used):
                    if fields[slot] == tag:
                        found, place = self._record(fields[SLOTS + slot])
                        if found == key:
                            return self._claim_set(place)
            if not fields[21]:
                return ()
            bucket = (bucket + 1) % header.buckets
        return ()

    def listed(self, key: bytes) -> Iterator[tuple[int, list[Match]]]:
        """Yield the suffixes of a domain name's key that are listed, the longest first: its octets, and what lists it.

        That is the plain entry before those that are hashes of it, each with its key and claims. Empty names of policy
        zones are among them.
        """
        ends = label_ends(key)
        plain = self.header.max_labels
        for labels in range(len(ends) if self.salts else min(plain, len(ends)), 0, -1):
            name = key[: ends[labels - 1]]
            entries = [name] if labels <= plain else []
            if self.salts and MIN_HASHED_LABELS <= labels <= MAX_HASHED_LABELS:
                entries += [hashed_key(name_digest(name, salt)) for salt in self.salts]
            found = [Match(entry, claims) for entry in entries if (claims := self._claims(entry))]
            if found:
                yield len(name), found

    def listed_networks(
        self, packed: bytes, prefix_length: int, translations: Sequence[Network] = ()
    ) -> Iterator[tuple[int, list[Match]]]:
        """Yield the networks listed that cover a network of `prefix_length` bits, the longest prefix first.

        `packed` is an address of 4 or 16 octets in it. Each prefix comes with its bits and with what has it: an IPv6
        network behind one of `translations` is also covered by IPv4 networks, whose bits count from behind 96 others.
        """
        lengths = self.ipv4_lengths if len(packed) == 4 else self.ipv6_lengths
        keys = [(length, address_key(packed, length)) for length in lengths if length <= prefix_length]
        within = ipv4_network_within(packed, prefix_length, translations) if len(packed) == 16 else None
        if within is not None:
            keys += [
                (MAPPED_BITS + length, address_key(within.packed, length))
                for length in self.ipv4_lengths
                if length <= within.prefix_length
            ]
            keys.sort(key=lambda pair: -pair[0])
        for bits, alike in groupby(keys, key=lambda pair: pair[0]):
            if found := [Match(key, claims) for _, key in alike if (claims := self.claims(key))]:
                yield bits, found

    def section(self, section: FileSection) -> memoryview:
        """Return a view of a section; it must be released before the ruleset is closed."""
        return memoryview(self._octets)[section.offset : section.end]

    def entries(self) -> Iterator[tuple[bytes, tuple[Claim, ...]]]:
        """Yield every entry's key and claims, in the order of the file."""
        position = 0
        size = self.header.records.size
        while position < size:
            key, place = self._record(position)
            if place != HOLE and (claims := _with_scope(self._claim_set(place))):
                yield key, claims
            position += ENTRY_SIZE + len(key)

    def drawn(self, draws: int, randomness: Callable[[int], bytes]) -> Iterator[bytes]:
        """Yield up to `draws` random names, without reading the whole file; `randomness(n)` returns n octets.

        A name may be drawn more than once. Networks are left out.
        """
        header = self.header
        chances = memoryview(randomness(draws * 12)).cast("I")
        for draw in range(0, draws * 3, 3):
            bucket = (chances[draw] << 32 | chances[draw + 1]) % header.buckets
            fields = BUCKET.unpack_from(self._octets, header.table.offset + bucket * BUCKET_SIZE)
            used = fields[20]
            if used > SLOTS:
                raise RulesetError(f"{self.path}: bucket {bucket} claims {used} entries")
            if used:
                key, place = self._record(fields[SLOTS + chances[draw + 2] % used])
                if key[0] <= MAX_LABEL and _with_scope(self._claim_set(place)):
                    yield key

    def _record(self, offset: int) -> tuple[bytes, int]:
        records = self.header.records
        start = records.offset + offset
        if offset + ENTRY_SIZE > records.size:
            raise RulesetError(f"{self.path}: an entry lies outside of its section")
        place, length = ENTRY.unpack_from(self._octets, start)
        if not length or offset + ENTRY_SIZE + length > records.size:
            raise RulesetError(f"{self.path}: an entry lies outside of its section")
        start += ENTRY_SIZE
        return self._octets[start : start + length], place

    def _claim_set(self, place: int) -> tuple[Claim, ...]:
        known = self._sets.get(place)
        if known is None:
            known = self._read_claim_set(place)
            if len(self._sets) < _REMEMBERED_SETS:
                self._sets[place] = known
        return known

    def _read_claim_set(self, place: int) -> tuple[Claim, ...]:
        section = self.header.claims
        offset = place * 4
        if offset + 4 > section.size:
            raise RulesetError(f"{self.path}: a claim set lies outside of its section")
        start = section.offset + offset
        count = int.from_bytes(self._octets[start : start + 4], "little")
        if not 0 < count <= MAX_CLAIMS or offset + 4 + count * 4 > section.size:
            raise RulesetError(f"{self.path}: a claim set lies outside of its section")
        words = memoryview(self._octets[start + 4 : start + 4 + count * 4]).cast("I")
        claims = tuple(Claim(word >> SCOPE_BITS, word & Scope.BOTH) for word in words)
        if any(claim.order_index >= len(self.catalogue.orders) for claim in claims):
            raise RulesetError(f"{self.path}: a claim names an order that is not in the catalogue")
        return claims


def _check(octets: mmap.mmap, header: Header) -> None:
    if not is_sound(octets, header):
        raise DamagedRuleset("its content does not match its digest: it was cut or damaged")


def _mapped(path: Path, held: int | None) -> tuple[mmap.mmap, Stamp]:
    """Map a file, and return its stamp; raises RulesetError, and DamagedRuleset if it is no file to be mapped."""
    try:
        try:
            descriptor = descriptor_of_kept(path, os.O_RDONLY)
        except OSError as error:
            if held is None or error.errno in NOT_KEPT:
                raise
            descriptor = os.dup(held)
        try:
            return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), stamp_from(os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except ValueError as error:
        raise DamagedRuleset(f"{path} cannot be opened as a ruleset: {error}") from error
    except OSError as error:
        kind = DamagedRuleset if error.errno in NOT_KEPT else RulesetError
        raise kind(f"{path} cannot be opened as a ruleset: {error}") from error


def _with_scope(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Return the claims that cover something."""
    return claims if all(claim.scope for claim in claims) else tuple(claim for claim in claims if claim.scope)


def _lengths(bitmap: int) -> tuple[int, ...]:
    """Return the prefix lengths set in a bitmap, the longest first."""
    return tuple(length for length in range(128, -1, -1) if bitmap >> length & 1)
