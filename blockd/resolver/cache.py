"""The answer cache of one worker: limited in octets, TTLs counted down, the least recently used evicted first.

It holds upstreams' responses before policy: the policy is applied to every answer, so that a block, or the lifting of
one, takes effect in the very next answer. Python seeds the hash of its tables anew in each process, so that nobody can
target one bucket. No client appears in it.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from blockd.dns import types
from blockd.metrics import Row
from blockd.names import DomainName
from blockd.orders import Verdict
from blockd.resolver.composing.moving import Moving
from blockd.resolver.response import Response
from blockd.ruleset import NOT_LISTED

ENTRY_OVERHEAD = 900  # octets of memory that an entry takes besides its records and name, as measured
RECORD_OVERHEAD = 120  # octets for each TTL, name and address kept with it

CacheKey = tuple[bytes, int, bool, bool]
"""The name's key, the type, DO and CD, on which an upstream's answer depends."""


@dataclass(slots=True)
class Cached:
    """A response with its times, and the policy's verdict on what it leads to."""

    response: Response
    stored: float  # by the monotonic clock, seconds
    expires: float
    ceiling: int  # seconds, the limit of its TTLs when it was stored
    size: int
    judged_by: tuple[tuple[bytes, int], int, frozenset[int]] | None = None  # of the verdicts: moment, and who acts
    verdict: Verdict = NOT_LISTED  # of what the response leads to
    extras: Verdict = NOT_LISTED  # of its additional section, where that does not lead
    moving: Moving | None = None  # how it goes behind the CNAME of a `cname` action


class Cache:
    """Responses by question. `size` is in octets, TTL limits in seconds; how much it holds is noted in `row`."""

    def __init__(self, size: int, max_ttl: float, max_negative_ttl: float, row: Row | None = None) -> None:
        self._limit = size
        self._max_ttl = max_ttl
        self._max_negative_ttl = max_negative_ttl
        self._entries: OrderedDict[CacheKey, Cached] = OrderedDict()
        self._row = row
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: CacheKey, now: float) -> Cached | None:
        """Return the entry that is still fresh at `now` (monotonic seconds); None if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.expires:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: CacheKey, response: Response, now: float) -> Cached:
        """Keep a response for its lifetime; return the entry, which is not kept if the lifetime is 0."""
        negative = response.negative
        lifetime = min(response.lifetime, self._max_negative_ttl if negative else self._max_ttl)
        parts = len(response.ttls) + len(response.names) + len(response.addresses)
        size = ENTRY_OVERHEAD + len(key[0]) + len(response.records) + RECORD_OVERHEAD * parts
        ceiling = int(lifetime if negative else self._max_ttl)  # RFC 2308 section 6: the SOA record says how long
        entry = Cached(response, now, now + lifetime, ceiling, size)
        if lifetime > 0 and size <= self._limit:
            if key in self._entries:
                self._remove(key)
            self._entries[key] = entry
            self._grow(1, size)
            while self.size > self._limit:
                self._remove(next(iter(self._entries)))
        return entry

    def _remove(self, key: CacheKey) -> None:
        self._grow(-1, -self._entries.pop(key).size)

    def _grow(self, entries: int, octets: int) -> None:
        self.size += octets
        if self._row is not None:
            self._row.cache_grown(entries, octets)


def question_of(key: CacheKey) -> bytes:
    """Return the question section that asks an upstream for it."""
    name, qtype, _, _ = key
    return DomainName(name).wire + qtype.to_bytes(2) + types.CLASS_IN.to_bytes(2)


def aged(cached: Cached, now: float, most: int) -> bytes:
    """Return a response's records with TTLs counted down to `now` (monotonic seconds), and none over `most`."""
    age = max(int(now - cached.stored), 0)
    records = bytearray(cached.response.records)
    for place, ttl in cached.response.ttls:
        struct.pack_into(">I", records, place, min(max(min(ttl, cached.ceiling) - age, 0), most))
    return bytes(records)
