"""The answer cache of one worker: limited in octets, TTLs counted down, the least recently used evicted first.

It holds upstreams' responses before policy: the policy is applied to every answer, so that a block, or the lifting of
one, takes effect in the very next answer. An entry that has expired stays for a while, to be given if upstreams fail
(RFC 8767). Python seeds the hash of its tables anew in each process, so that nobody can target one bucket. No client
appears in it.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections import OrderedDict
from collections.abc import Iterator
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
STALE_TTL = 30  # seconds, of each record of a stale answer, RFC 8767 section 4
REFRESH_SHARE = 10  # an entry is asked for anew in the last tenth of its lifetime
REFRESH_USES = 2  # uses within it that make a name one that is asked often
MIN_REFRESHED = 10  # seconds: a shorter lifetime is no sooner over than it has to be asked for anew
NEWEST_PER_TURN = 16  # entries that are written for a process that takes this one's place, before other work is done
MAX_NEWEST = 16_384  # of these in Python, whose keys are copied at once, within a millisecond
KEYS_PER_TURN = 400  # looked at by a search before other work gets its turn

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
    # Of the verdicts: the moment, who acts, and the group of the clients that they are for.
    judged_by: tuple[tuple[bytes, int], int, frozenset[int], int] | None = None
    verdict: Verdict = NOT_LISTED  # of what the response leads to
    extras: Verdict = NOT_LISTED  # of its additional section, where that does not lead
    moving: Moving | None = None  # how it goes behind the CNAME of a `cname` action
    refresh_at: float = math.inf  # from when on it is to be asked for anew, if it is used often
    uses: int = 0  # since it was stored


class Cache:
    """Responses by question; how much it holds is noted in `row`.

    `size` is in octets, TTL limits in seconds, as is `stale`: for how long an entry is kept after it has expired.
    Entries that are used often are to be refreshed before they expire if `prefetch` is set.
    """

    def __init__(
        self,
        size: int,
        max_ttl: float,
        max_negative_ttl: float,
        row: Row | None = None,
        *,
        stale: float = 0,
        prefetch: bool = False,
    ) -> None:
        self._limit = size
        self._max_ttl = max_ttl
        self._max_negative_ttl = max_negative_ttl
        self._stale = stale
        self._prefetch = prefetch
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
            if now >= entry.expires + self._stale:
                self._remove(key)
            return None
        self._entries.move_to_end(key)
        entry.uses += 1
        return entry

    def get_stale(self, key: CacheKey, now: float) -> Cached | None:
        """Return the entry that has expired and may still be given in place of a failure; None if there is none."""
        entry = self._entries.get(key)
        if entry is None or not entry.expires <= now < entry.expires + self._stale:
            return None
        self._entries.move_to_end(key)
        return entry

    def claims_refresh(self, entry: Cached, now: float) -> bool:
        """Return whether an entry is to be asked for anew before it expires, which is said once of each entry."""
        if now < entry.refresh_at or entry.uses < REFRESH_USES:
            return False
        entry.refresh_at = math.inf
        return True

    def put(self, key: CacheKey, response: Response, now: float) -> Cached:
        """Keep a response for its lifetime; return the entry, which is not kept if the lifetime is 0.

        An answer replaces the one before it even if it may not be kept itself: that one is no longer true.
        """
        negative = response.negative
        lifetime = min(response.lifetime, self._max_negative_ttl if negative else self._max_ttl)
        parts = len(response.ttls) + len(response.names) + len(response.addresses)
        size = ENTRY_OVERHEAD + len(key[0]) + len(response.records) + RECORD_OVERHEAD * parts
        ceiling = int(lifetime if negative else self._max_ttl)  # RFC 2308 section 6: the SOA record says how long
        entry = Cached(response, now, now + lifetime, ceiling, size)
        if response.failed or response.truncated:
            return entry
        self.remove(key)
        if lifetime > 0 and size <= self._limit:
            if self._prefetch and lifetime >= MIN_REFRESHED:
                entry.refresh_at = entry.expires - lifetime / REFRESH_SHARE
            self._entries[key] = entry
            self._grow(1, size)
            while self.size > self._limit:
                self._remove(next(iter(self._entries)))
        return entry

    def peek(self, key: CacheKey) -> Cached | None:
        """Return an entry, fresh or expired, without counting that as a use of it."""
        return self._entries.get(key)

    def newest(self) -> Iterator[list[tuple[CacheKey, Cached]]]:
        """Yield the entries, the one that was used last first, NEWEST_PER_TURN at a time, and MAX_NEWEST in all.

        The cache may change in between.
        """
        keys = tuple(itertools.islice(reversed(self._entries), MAX_NEWEST))
        for first in range(0, len(keys), NEWEST_PER_TURN):
            part = keys[first : first + NEWEST_PER_TURN]
            yield [(key, entry) for key in part if (entry := self._entries.get(key)) is not None]

    def remove(self, key: CacheKey) -> bool:
        """Remove an entry; return whether there was one."""
        if key not in self._entries:
            return False
        self._remove(key)
        return True

    def search(self, name: bytes, *, below: bool) -> Iterator[list[CacheKey]]:
        """Yield the keys of a name's entries, and with `below` of those under it, a bounded part of the cache each.

        The cache may change in between.
        """
        keys = tuple(dict.keys(self._entries))  # not in their order, which takes ten times as long
        for first in range(0, len(keys), KEYS_PER_TURN):
            part = keys[first : first + KEYS_PER_TURN]
            yield [key for key in part if (key[0].startswith(name) if below else key[0] == name)]

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
