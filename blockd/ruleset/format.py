"""The format of the ruleset file. Numbers are little-endian; every section starts at a multiple of 64.

    header      256 octets: magic, format version, build id, hash key, times, counts, sections, digest
    buckets     64 octets each, one cache line: ten tags of 16 bits, ten entry offsets of 32 bits,
                the number used, and whether a key was pushed on to the next bucket
    entries     one after the other: place of the claim set (32 bits), length of the key (8 bits), key;
                if the place is HOLE, the record is unused and no bucket leads to it
    claims      32-bit words: sets of claims, each a count followed by that many claims
    catalogue   JSON: the feeds and the orders, ranked; an order's index is its place in that list
    pieces      SHA-256 of each piece of what precedes it (`blockd.ruleset.digest`)

Large sections come first, so that a change of some names leaves them in place.

A claim is `order index * 4 + scope`; a set is sorted, so that its first claim in force wins. A claim without a scope is
a policy zone's on a name that exists in it only because a listed one is below: it covers nothing, and closes the zone's
wildcards above it. An entry whose claims have no scope is an empty name, and is in no other count.

A key (`blockd.names`) is hashed with SipHash-1-3 (Aumasson and Bernstein, 2012) under the header's key, which is made
new for each file, so that nobody can choose names that fall into one bucket. The upper 32 bits of the hash choose the
bucket (Lemire, 2016: multiply and shift), the lowest 16 are the tag. A tag match is always confirmed by comparing the
keys.
The digest covers the whole file (`blockd.ruleset.digest`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from siphash24 import siphash13

from blockd.errors import DamagedRuleset, RulesetError

MAGIC = b"BLOCKDRS"
FORMAT = 3
READABLE = frozenset((2, FORMAT))  # format 2 has no claims without a scope
HEADER_SIZE = 256
ALIGNMENT = 64
SLOTS = 10  # entries in one bucket
BUCKET = struct.Struct(f"<{SLOTS}H{SLOTS}IBBH")
OFFSETS_AT = 2 * SLOTS  # in a bucket
USED_AT = OFFSETS_AT + 4 * SLOTS
PUSHED_AT = USED_AT + 1
BUCKET_SIZE = 64
FILL = 8  # keys for each bucket on average: 8 octets of table per key, and few buckets that overflow
MAX_PROBES = 64  # buckets read for one key; a file that would need more is built with more buckets
ENTRY = struct.Struct("<IB")
ENTRY_SIZE = ENTRY.size  # octets before the key
HOLE = 0xFFFFFFFF  # instead of the place of a claim set
MEANS_EMPTY = 1  # in comparisons of files: a set whose claims have no scope, as if the name were not listed
MAX_ENTRIES_SIZE = 1 << 32  # octets that a 32-bit offset reaches: about 150 million names
MAX_CATALOGUE = 256 << 20  # octets; ten thousand orders with their texts are under a tenth of it
MAX_ORDERS = 1 << 20
MAX_CLAIMS = MAX_ORDERS  # claims on one entry: one of each order at most
# Claims on one entry by the orders of one authority, or of one unsigned feed, so that none takes another's room, and
# none makes questions for a name slow. Orders that have not ended, and begin first, have room first.
MAX_CLAIMS_OF_ONE = 256
MAX_TIME = 253_402_300_799  # seconds since the epoch: the end of the year 9999, the last with four digits
SCOPE_BITS = 2

# magic, format, header size, flags, build id, hash key, created, entries, names, buckets, most labels, reserved,
# octets of holes, IPv4 and IPv6 prefix lengths as bitmaps, five sections (offset, size), digest, empty names
HEADER = struct.Struct("<8sHHI16s16sQQQQHHI8s24s10Q32sQ")
DIGEST_OFFSET = HEADER.size - 40


def hash_of(hash_key: bytes, key: bytes) -> int:
    """Return the 64-bit SipHash-1-3 of a key."""
    return int(siphash13(key, key=hash_key).intdigest()) & 0xFFFFFFFFFFFFFFFF  # the library returns it signed


@dataclass(frozen=True, slots=True)
class FileSection:
    """A part of the file, in octets."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset of the first octet after it."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Header:
    """The first octets of the file."""

    build_id: bytes
    hash_key: bytes
    created: int  # seconds since the epoch
    entries: int  # names and networks
    names: int
    buckets: int
    max_labels: int  # the most that a listed name has, hashes excluded: longer suffixes need no lookup
    ipv4_prefixes: int  # bit n is set where a network of n bits is listed
    ipv6_prefixes: int
    holes: int = 0  # octets of unused records
    table: FileSection = FileSection(0, 0)  # sections not written yet have no place
    records: FileSection = FileSection(0, 0)
    claims: FileSection = FileSection(0, 0)
    catalogue: FileSection = FileSection(0, 0)
    pieces: FileSection = FileSection(0, 0)
    digest: bytes = bytes(32)
    empty_names: int = 0  # beside the entries

    @property
    def networks(self) -> int:
        """How many of the entries are networks, those of clients included."""
        return self.entries - self.names

    def pack(self) -> bytes:
        """Return the header's 256 octets."""
        sections = (self.table, self.records, self.claims, self.catalogue, self.pieces)
        return HEADER.pack(
            MAGIC,
            FORMAT,
            HEADER_SIZE,
            0,
            self.build_id,
            self.hash_key,
            self.created,
            self.entries,
            self.names,
            self.buckets,
            self.max_labels,
            0,
            self.holes,
            self.ipv4_prefixes.to_bytes(8, "little"),
            self.ipv6_prefixes.to_bytes(24, "little"),
            *(number for section in sections for number in (section.offset, section.size)),
            self.digest,
            self.empty_names,
        ).ljust(HEADER_SIZE, b"\0")

    @classmethod
    def unpack(cls, octets: bytes, file_size: int) -> Header:
        """Parse and check a header against the size of its file; raises RulesetError with the first thing wrong."""
        if len(octets) < HEADER_SIZE:
            raise DamagedRuleset("it is shorter than a header")
        magic, version, size, flags, build_id, hash_key, created, *rest = HEADER.unpack_from(octets)
        entries, names, buckets, max_labels, _, holes, ipv4, ipv6, *places, digest, empty_names = rest
        if magic != MAGIC:
            raise DamagedRuleset("it is not a ruleset file")
        if version not in READABLE or size != HEADER_SIZE or flags:
            raise RulesetError(f"its format is {version}; this blockd reads {FORMAT}")
        sections = [FileSection(*places[i : i + 2]) for i in range(0, 10, 2)]
        end = HEADER_SIZE
        for section in sections:
            if section.offset < end or section.offset % ALIGNMENT or section.end > file_size:
                raise DamagedRuleset("its sections do not fit the file: it was cut or damaged")
            end = section.end
        table, records, claims, catalogue, pieces = sections
        if catalogue.size > MAX_CATALOGUE or claims.size % 4 or records.size > MAX_ENTRIES_SIZE:
            raise DamagedRuleset("a section has an impossible size")
        if not 0 < buckets < 1 << 32 or table.size != buckets * BUCKET_SIZE or names > entries:
            raise DamagedRuleset("its counts contradict its sections")
        ipv4_prefixes = int.from_bytes(ipv4, "little")
        ipv6_prefixes = int.from_bytes(ipv6, "little")
        if created > MAX_TIME:
            raise DamagedRuleset("it was made at an impossible time")
        if ipv4_prefixes >> 33 or ipv6_prefixes >> 129:
            raise DamagedRuleset("it lists networks of impossible length")
        return cls(
            build_id=build_id,
            hash_key=hash_key,
            created=created,
            entries=entries,
            names=names,
            buckets=buckets,
            max_labels=max_labels,
            ipv4_prefixes=ipv4_prefixes,
            ipv6_prefixes=ipv6_prefixes,
            holes=holes,
            table=table,
            records=records,
            claims=claims,
            catalogue=catalogue,
            pieces=pieces,
            digest=digest,
            empty_names=empty_names,
        )


def aligned(offset: int) -> int:
    """Return the next offset at which a section may start."""
    return -(-offset // ALIGNMENT) * ALIGNMENT
