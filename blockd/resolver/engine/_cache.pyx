# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The answer cache in C: limited in octets, the least recently used evicted first, hashed with a secret seed.

It holds upstreams' responses before policy; each entry remembers one policy's decision about what it leads to. An entry
that has expired stays for a while, to be given if upstreams fail (RFC 8767).

It is one module, and longer than others may be: what finds, links, evicts and shows entries works on the same pointers,
and what is asked for each question is inlined by the compiler.
"""

import itertools
import struct

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from blockd.metrics import counters as layout
from blockd.resolver.cache import Cached
from blockd.resolver.response import Response

from blockd.dns cimport _types as types
from blockd.resolver._ages cimport Age, make_newest, put_newest, take_out
from blockd.resolver._numbers cimport (
    KEYS_PER_TURN, MIN_REFRESHED, NEWEST_PER_TURN, REFRESH_SHARE, REFRESH_USES,
)
from blockd.ruleset._prefetch cimport blockd_prefetch
from blockd.ruleset._siphash cimport SipState, sip_end, sip_start, sip_word

cdef enum:
    OCTETS_PER_BUCKET = 512  # of the cache's size: about one entry each
    MIN_BUCKETS = 1024
    MAX_SOURCES = 256  # what one octet tells apart

cdef int _CACHE_ENTRIES_AT = layout._CACHE_ENTRIES
cdef int _CACHE_OCTETS_AT = layout._CACHE_OCTETS
cdef uint64_t MAX_SIZE = <uint64_t>1 << 48  # octets: more than a machine has, and no sum passes 64 bits


cdef Entry *new_entry(
    uint32_t key_size, uint32_t records_size, uint32_t ttl_count, uint32_t errors_size, uint32_t leads_size
) noexcept nogil:
    """Return a new entry with room for its parts in one allocation; NULL if there is no memory."""
    cdef uint32_t head = (sizeof(Entry) + 7) & ~<uint32_t>7
    cdef uint32_t size = head + ttl_count * 8 + key_size + records_size + errors_size + leads_size
    cdef uint8_t *octets = <uint8_t *>malloc(size)
    cdef Entry *entry = <Entry *>octets
    if octets == NULL:
        return NULL
    memset(entry, 0, sizeof(Entry))
    entry.size = size
    entry.key_size = key_size
    entry.records_size = records_size
    entry.ttl_count = ttl_count
    entry.errors_size = errors_size
    entry.leads_size = leads_size
    octets += head
    entry.ttls = <uint32_t *>octets
    octets += ttl_count * 8
    entry.key = octets
    entry.records = entry.key + key_size
    entry.errors = entry.records + records_size
    entry.leads = entry.errors + errors_size
    return entry


cdef Entry *copy_of(const Entry *entry) noexcept nogil:
    """Return a copy of an entry that belongs to no cache, and is to be freed; NULL if there is no memory."""
    cdef Entry *copy = <Entry *>malloc(entry.size)
    cdef uint8_t *octets = <uint8_t *>copy
    if copy == NULL:
        return NULL
    memcpy(copy, entry, entry.size)
    copy.ttls = <uint32_t *>(octets + (<uint8_t *>entry.ttls - <uint8_t *>entry))
    copy.key = octets + (entry.key - <uint8_t *>entry)
    copy.records = octets + (entry.records - <uint8_t *>entry)
    copy.errors = octets + (entry.errors - <uint8_t *>entry)
    copy.leads = octets + (entry.leads - <uint8_t *>entry)
    return copy


cdef class NativeCache:
    """Entries by question, with the arguments of `Cache`; `seed` is 16 unpredictable octets."""

    def __cinit__(
        self, uint64_t size, double max_ttl, double max_negative_ttl, bytes seed, *, double stale=0,
        bint prefetch=False,
    ):
        cdef uint64_t buckets = MIN_BUCKETS
        if size > MAX_SIZE:
            raise ValueError("the cache is too large")
        while buckets * OCTETS_PER_BUCKET < size:
            buckets *= 2
        self.buckets = <Entry **>calloc(buckets, sizeof(Entry *))
        if self.buckets == NULL:
            raise MemoryError
        self.mask = buckets - 1
        self.limit = size
        self.sources = [""]
        self.max_ttl = max_ttl
        self.max_negative_ttl = max_negative_ttl
        self.stale = stale
        self.prefetch = prefetch
        self.k0 = int.from_bytes(seed[:8], "little")
        self.k1 = int.from_bytes(seed[8:16], "little")

    def __dealloc__(self):
        cdef Age *age = self.ages.newest
        cdef Age *after
        while age != NULL:
            after = age.older
            free(age)
            age = after
        free(self.buckets)

    def __len__(self):
        return self.count

    def note_size_in(self, uint64_t[::1] row):
        """Note in a process's counters how much the cache holds from now on."""
        if row.shape[0] < layout._ROW:
            raise ValueError("the row of counters is too short")
        self.row = row
        self.has_row = True
        row[_CACHE_ENTRIES_AT] += self.count
        row[_CACHE_OCTETS_AT] += self.size

    cpdef uint8_t source_of(self, str upstream):
        """Return the number by which entries name an upstream; 0 if there have been too many."""
        if upstream not in self.sources:
            if len(self.sources) >= MAX_SOURCES:
                return 0
            self.sources.append(upstream)
        return <uint8_t>self.sources.index(upstream)

    def put(self, bytes key, uint16_t qtype, bint do_, bint cd, response, double now):
        """Keep a `blockd.resolver.response.Response` that the pipeline received."""
        cdef bytes leads = b"".join(bytes((LEAD_NAME, len(name))) + name for name in response.names)
        leads += b"".join(bytes((LEAD_ADDRESS, len(address))) + address for address in response.addresses)
        leads += b"".join(bytes((LEAD_EXTRA, len(name))) + name for name in response.extras)
        leads += b"".join(bytes((LEAD_EXTRA_ADDRESS, len(octets))) + octets for octets in response.extra_addresses)
        cdef bytes records = response.records
        cdef bytes errors = response.errors
        cdef bytes ttls = struct.pack(f"={len(response.ttls) * 2}I", *itertools.chain.from_iterable(response.ttls))
        cdef uint16_t answers, authorities, additional
        answers, authorities, additional = response.counts
        if any(place + 4 > len(records) for place, _ in response.ttls):
            raise ValueError("a TTL lies outside of the records")
        if response.rcode not in (types.NOERROR, types.NXDOMAIN) or response.truncated:
            return
        cdef Entry *entry = new_entry(len(key), len(records), len(response.ttls), len(errors), len(leads))
        if entry == NULL:
            return
        memcpy(entry.ttls, <const char *>ttls, entry.ttl_count * 8)
        memcpy(entry.key, <const char *>key, entry.key_size)
        memcpy(entry.records, <const char *>records, entry.records_size)
        memcpy(entry.errors, <const char *>errors, entry.errors_size)
        memcpy(entry.leads, <const char *>leads, entry.leads_size)
        entry.counts[0], entry.counts[1], entry.counts[2] = answers, authorities, additional
        entry.qtype, entry.do_, entry.cd = qtype, do_, cd
        entry.rcode, entry.authentic, entry.negative = response.rcode, response.authentic, response.negative
        entry.source = self.source_of(response.source)
        entry.hash = self.hash_of(entry.key, entry.key_size, qtype, do_, cd)
        if not self.keep(entry, response.lifetime, now):
            free(entry)

    cdef uint64_t hash_of(self, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd) noexcept nogil:
        cdef SipState state
        cdef uint64_t word
        cdef uint32_t at = 0
        sip_start(&state, self.k0, self.k1)
        sip_word(&state, <uint64_t>qtype << 2 | <uint64_t>do_ << 1 | <uint64_t>cd)
        while at + 8 <= size:
            memcpy(&word, key + at, 8)
            sip_word(&state, word)
            at += 8
        return sip_end(state, key + at, size)

    cdef void call_bucket(self, uint64_t hashed) noexcept nogil:
        """Prefetch the memory that `call_entry` will read."""
        blockd_prefetch(&self.buckets[hashed & self.mask])

    cdef void call_entry(self, uint64_t hashed) noexcept nogil:
        """Prefetch the memory that `find` will read."""
        cdef const uint8_t *entry = <const uint8_t *>self.buckets[hashed & self.mask]
        if entry != NULL:
            blockd_prefetch(entry)
            blockd_prefetch(entry + 64)
            blockd_prefetch(entry + 128)
            blockd_prefetch(entry + 192)

    cdef Entry *find(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) noexcept nogil:
        """Return the entry that is still fresh at `now`, and count that as a use of it; NULL if there is none."""
        cdef Entry *entry = self._entry_of(hashed, key, size, qtype, do_, cd)
        if entry == NULL:
            return NULL
        if now >= entry.expires:
            if now >= entry.expires + self.stale:
                self._drop(entry)
            return NULL
        entry.uses += 1
        make_newest(&self.ages, &entry.age)
        return entry

    cdef Entry *find_stale(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd, double now
    ) noexcept nogil:
        """Return the entry that has expired and may still be given in place of a failure; NULL if there is none."""
        cdef Entry *entry = self._entry_of(hashed, key, size, qtype, do_, cd)
        if entry == NULL or now < entry.expires or now >= entry.expires + self.stale:
            return NULL
        make_newest(&self.ages, &entry.age)
        return entry

    cdef Entry *_entry_of(
        self, uint64_t hashed, const uint8_t *key, uint32_t size, uint16_t qtype, bint do_, bint cd
    ) noexcept nogil:
        """Return the entry of a question, fresh or expired; NULL if there is none."""
        cdef Entry *entry = self.buckets[hashed & self.mask]
        while entry != NULL:
            if (
                entry.hash == hashed and entry.qtype == qtype and entry.do_ == do_ and entry.cd == cd
                and entry.key_size == size and memcmp(entry.key, key, size) == 0
            ):
                break
            entry = entry.chain
        return entry

    cdef bint claims_refresh(self, Entry *entry, double now) noexcept nogil:
        """Return whether an entry is to be asked for anew before it expires, which is said once of each entry.

        Nothing but what `find` has returned is to be passed here, and that only from `refresh_at` on.
        """
        if now < entry.refresh_at or entry.uses < REFRESH_USES:
            return False
        entry.refresh_at = INFINITY
        return True

    cdef bint keep(self, Entry *entry, uint32_t lifetime, double now) noexcept nogil:
        """Set an entry's times and insert it; False if it may not be kept, and stays its caller's.

        It replaces the one before it even if it may not be kept itself: that one is no longer true.
        """
        cdef bint negative = entry.negative
        cdef double most = self.max_negative_ttl if negative else self.max_ttl
        cdef double kept = lifetime if lifetime < most else most
        cdef Entry *before
        entry.stored = now
        entry.expires = now + kept
        entry.refresh_at = INFINITY
        if self.prefetch and kept >= MIN_REFRESHED:
            entry.refresh_at = entry.expires - kept / REFRESH_SHARE
        entry.ceiling = <uint32_t>(kept if negative else self.max_ttl)
        before = self._entry_of(entry.hash, entry.key, entry.key_size, entry.qtype, entry.do_, entry.cd)
        if before != NULL:
            self._drop(before)
        if kept <= 0 or entry.size > self.limit:
            return False
        entry.chain = self.buckets[entry.hash & self.mask]
        self.buckets[entry.hash & self.mask] = entry
        put_newest(&self.ages, &entry.age)
        self._grow(1, entry.size)
        while self.size > self.limit and self.ages.oldest != &entry.age:
            self._drop(<Entry *>self.ages.oldest)
        return True

    def peek(self, tuple question):
        """Return the entry of a question as `Cache.peek` does; without the verdict on what it leads to."""
        cdef Entry *entry = self._asked_for(question)
        return None if entry == NULL else _cached(entry, self.sources)

    def get_stale(self, tuple question, double now):
        """Return the entry that has expired and may still be given, as `Cache.get_stale` does."""
        cdef Entry *entry = self._asked_for(question)
        if entry == NULL or now < entry.expires or now >= entry.expires + self.stale:
            return None
        make_newest(&self.ages, &entry.age)
        return _cached(entry, self.sources)

    def remove(self, tuple question):
        """Remove an entry; return whether there was one."""
        cdef Entry *entry = self._asked_for(question)
        if entry == NULL:
            return False
        self._drop(entry)
        return True

    def newest(self):
        """Yield the entries, the one that was used last first, as `Cache.newest` does; one caller at a time."""
        self.ages.shown = self.ages.newest
        while part := self._next_newest(NEWEST_PER_TURN):
            yield part

    cdef list _next_newest(self, int most):
        cdef Entry *entry
        cdef list found = []
        while self.ages.shown != NULL and len(found) < most:
            entry = <Entry *>self.ages.shown
            self.ages.shown = entry.age.older
            found.append((
                (<bytes>entry.key[:entry.key_size], int(entry.qtype), bool(entry.do_), bool(entry.cd)),
                _cached(entry, self.sources),
            ))
        return found

    def search(self, bytes name, *, bint below):
        """Yield the keys of a name's entries, and with `below` of those under it, as `Cache.search` does."""
        cdef uint64_t first
        for first in range(0, self.mask + 1, KEYS_PER_TURN):
            yield self._found(name, below, first)

    cdef Entry *_asked_for(self, tuple question):
        cdef bytes key = question[0]
        cdef uint64_t hashed = self.hash_of(key, len(key), question[1], question[2], question[3])
        return self._entry_of(hashed, key, len(key), question[1], question[2], question[3])

    cdef list _found(self, bytes name, bint below, uint64_t first):
        """Return the keys that a search finds in KEYS_PER_TURN buckets, of which each has about one entry."""
        cdef uint64_t place, behind = first + KEYS_PER_TURN
        cdef uint32_t size = len(name)
        cdef const uint8_t *octets = <const uint8_t *><const char *>name
        cdef Entry *entry
        cdef list found = []
        if behind > self.mask + 1:
            behind = self.mask + 1
        for place in range(first, behind):
            entry = self.buckets[place]
            while entry != NULL:
                if (entry.key_size == size or (below and entry.key_size > size)) and memcmp(entry.key, octets, size) == 0:
                    found.append((
                        <bytes>entry.key[:entry.key_size], int(entry.qtype), bool(entry.do_), bool(entry.cd)
                    ))
                entry = entry.chain
        return found

    cdef void _drop(self, Entry *entry) noexcept nogil:
        """Remove and free an entry."""
        cdef Entry **place = &self.buckets[entry.hash & self.mask]
        while place[0] != entry:
            place = &place[0].chain
        place[0] = entry.chain
        take_out(&self.ages, &entry.age)
        self._grow(-1, -<int64_t>entry.size)
        free(entry)

    cdef void _grow(self, int entries, int64_t octets) noexcept nogil:
        self.count += entries
        self.size += octets
        if self.has_row:
            self.row[_CACHE_ENTRIES_AT] += entries
            self.row[_CACHE_OCTETS_AT] += octets


cdef object _cached(const Entry *entry, list sources):
    """Return an entry as the pipeline has it."""
    cdef uint32_t i, at = 0
    leads = ([], [], [], [])  # by LeadKind
    while at + 2 <= entry.leads_size:
        leads[entry.leads[at]].append(<bytes>entry.leads[at + 2:at + 2 + entry.leads[at + 1]])
        at += 2 + entry.leads[at + 1]
    response = Response(
        rcode=entry.rcode,
        authentic=bool(entry.authentic),
        truncated=False,
        counts=(entry.counts[0], entry.counts[1], entry.counts[2]),
        records=<bytes>entry.records[:entry.records_size],
        ttls=tuple([(entry.ttls[i * 2], entry.ttls[i * 2 + 1]) for i in range(entry.ttl_count)]),
        lifetime=int(entry.expires - entry.stored),
        negative=bool(entry.negative),
        names=tuple(leads[LEAD_NAME]),
        addresses=tuple(leads[LEAD_ADDRESS]),
        extras=tuple(leads[LEAD_EXTRA]),
        errors=<bytes>entry.errors[:entry.errors_size],
        extra_addresses=tuple(leads[LEAD_EXTRA_ADDRESS]),
        source=sources[entry.source],
    )
    return Cached(
        response, entry.stored, entry.expires, entry.ceiling, entry.size, refresh_at=entry.refresh_at, uses=entry.uses
    )
