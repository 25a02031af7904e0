# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The differences between two rulesets, in C: the twin of the loops in `diff.py`, with the same results.

Every record is checked against its section before it is read, and every lookup is `_table.pyx`'s, which has its bounds.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from blockd.names._numbers cimport MAX_LABEL, MAX_LABELS
from blockd.orders._numbers cimport SCOPE_BOTH, SCOPE_EXACT, SCOPE_SUBDOMAINS
from blockd.ruleset._numbers cimport BUCKET_SIZE, ENTRY_SIZE, HOLE, MAX_CLAIMS, MEANS_EMPTY, STATES_AT
from blockd.ruleset._prefetch cimport blockd_prefetch
from blockd.ruleset._record cimport Record, read_record
from blockd.ruleset._siphash cimport siphash13
from blockd.ruleset._table cimport Table

from blockd.errors import RulesetError

cdef enum:
    NOT_FOUND = -1
    BATCH = 32  # entries under way at once: enough to hide memory's latency


cdef class Walk:
    """A walk through the entries of one ruleset, each looked up in another; close it before either is closed.

    `octets` and `header` are a file's. `meanings` and `other_meanings` have a number for each word of the files' claim
    sections: equal numbers where sets of claims begin that mean the same in both, 0 if none begins.
    """

    cdef Table table, other
    cdef const uint32_t[::1] meanings
    cdef const uint32_t[::1] other_meanings
    cdef uint64_t offset
    cdef readonly uint64_t changed  # entries that both list, under other claims

    def __init__(self, octets, header, other_octets, other_header, meanings, other_meanings):
        self.table = Table(octets, header, bytes(STATES_AT), b"", b"", False)
        self.other = Table(other_octets, other_header, bytes(STATES_AT), b"", b"", False)
        self.meanings, self.other_meanings = meanings, other_meanings

    def close(self):
        """Release both files."""
        self.table.close()
        self.other.close()
        self.table.records_size = 0

    def step(self, uint64_t entries):
        """Process the next entries; return the keys that the other does not list, None after the last entry."""
        cdef const uint8_t *records = self.table.records
        cdef uint64_t size = self.table.records_size, done = 0
        cdef uint32_t offsets[BATCH]
        cdef uint64_t hashes[BATCH]
        cdef int64_t places[BATCH]
        cdef Record record
        cdef uint32_t count, at, place
        cdef bint broken = False
        if self.offset >= size:
            return None
        absent = []
        while done < entries and self.offset < size:
            with nogil:
                count = 0
                while count < BATCH and self.offset < size:
                    offsets[count] = <uint32_t>self.offset
                    if not read_record(records, size, &self.offset, &record):
                        broken = True
                        break
                    if record.place == HOLE or (
                        record.place < <uint64_t>self.meanings.shape[0] and self.meanings[record.place] == MEANS_EMPTY
                    ):
                        continue
                    hashes[count] = siphash13(self.other.k0, self.other.k1, record.key, record.length)
                    blockd_prefetch(
                        self.other.buckets + (((hashes[count] >> 32) * self.other.bucket_count) >> 32) * BUCKET_SIZE
                    )
                    count += 1
                self.other.approach(hashes, count)
                for at in range(count):
                    places[at] = self._found(records + offsets[at], hashes[at])
                    if places[at] < NOT_FOUND:
                        broken = True
                    elif places[at] != NOT_FOUND:
                        memcpy(&place, records + offsets[at], 4)
                        if not self._means_the_same(place, places[at], &broken):
                            self.changed += 1
            if broken:
                raise RulesetError("its entries contradict each other: it was damaged")
            for at in range(count):
                if places[at] == NOT_FOUND:
                    absent.append((<const char *>records + offsets[at] + ENTRY_SIZE)[:records[offsets[at] + 4]])
            done += count
        return absent

    cdef int64_t _found(self, const uint8_t *record, uint64_t hashed) noexcept nogil:
        """Return the place of the other's claims on a record's key; NOT_FOUND if it does not list it."""
        cdef const uint8_t *entry = NULL
        cdef int64_t place = self.other.find(record + ENTRY_SIZE, record[4], hashed, &entry)
        if 0 <= place < self.other_meanings.shape[0] and self.other_meanings[place] == MEANS_EMPTY:
            return NOT_FOUND
        return place

    cdef bint _means_the_same(self, uint32_t place, int64_t other_place, bint *broken) noexcept nogil:
        cdef uint32_t meaning
        if place >= <uint64_t>self.meanings.shape[0] or other_place >= self.other_meanings.shape[0]:
            broken[0] = True
            return False
        meaning = self.meanings[place]
        if meaning == 0 or self.other_meanings[other_place] == 0:
            broken[0] = True
        return meaning == self.other_meanings[other_place]

    def covered(self, list keys not None):
        """Return (index in `keys`, octets of the longest entry's key) of names that only this file covers."""
        cdef bytes key
        cdef uint32_t at, size, end
        cdef uint32_t ends[MAX_LABELS]
        cdef int labels
        found = []
        for at in range(<uint32_t>len(keys)):
            key = keys[at]
            size = <uint32_t>len(key)
            end = labels = 0
            while end < size and labels < MAX_LABELS:
                end += 1 + (<const uint8_t *><const char *>key)[end]
                ends[labels] = end
                labels += 1
            if end != size:
                continue
            end = self._covering(self.table, key, size, ends, labels)
            if end and not self._covering(self.other, key, size, ends, labels):
                found.append((at, end))
        return found

    cdef uint32_t _covering(
        self, Table table, const uint8_t *key, uint32_t size, const uint32_t *ends, int labels
    ) except? 0:
        """Return the key size of the longest entry that covers a name; 0 if none does."""
        cdef int label
        for label in range(labels - 1, -1, -1):
            if self._scope(table, key, ends[label]) & (SCOPE_EXACT if ends[label] == size else SCOPE_SUBDOMAINS):
                return ends[label]
        return 0

    cdef int _scope(self, Table table, const uint8_t *key, uint32_t size) except -1:
        """Return the union of the scopes of all claims on exactly this key; 0 if it is not listed."""
        cdef const uint8_t *entry = NULL
        cdef int64_t place = table.find(key, size, siphash13(table.k0, table.k1, key, size), &entry)
        cdef uint32_t count, claim, i
        cdef int scope = 0
        if place == NOT_FOUND:
            return 0
        if place < 0 or <uint64_t>place >= table.claim_words:
            raise RulesetError("its entries contradict each other: it was damaged")
        memcpy(&count, table.claims + place * 4, 4)
        if count == 0 or count > MAX_CLAIMS or <uint64_t>place + count >= table.claim_words:
            raise RulesetError("its sets of claims contradict each other: it was damaged")
        for i in range(count):
            memcpy(&claim, table.claims + (place + 1 + i) * 4, 4)
            scope |= claim & SCOPE_BOTH
        return scope


cdef class Contradicting:
    """A walk through the entries on which one party may be weak and another block: the twin of `contradictions.py`.

    `weak` and `blocking` have, for each word of the claim section where a set begins, the bits of such parties in it.
    """

    cdef Table table
    cdef const uint64_t[::1] weak
    cdef const uint64_t[::1] blocking
    cdef uint64_t offset

    def __init__(self, octets, header, weak, blocking):
        self.table = Table(octets, header, bytes(STATES_AT), b"", b"", False)
        self.weak, self.blocking = weak, blocking

    def step(self, uint64_t entries):
        """Read the next entries; return those on which parties may contradict each other, None after the last."""
        cdef const uint8_t *records = self.table.records
        cdef uint64_t size = self.table.records_size, done = 0, weak, blocking
        cdef Record record
        cdef uint32_t end
        cdef bint broken = False, is_found
        if self.offset >= size:
            self.table.close()
            self.table.records_size = 0
            return None
        found = []
        while done < entries and self.offset < size and not broken:
            is_found = False
            with nogil:
                while done < entries and self.offset < size and not is_found:
                    done += 1
                    if not read_record(records, size, &self.offset, &record):
                        broken = True
                        break
                    if record.place == HOLE:
                        continue
                    if record.place >= <uint64_t>self.weak.shape[0]:
                        broken = True
                        break
                    weak, blocking = self.weak[record.place], self.blocking[record.place]
                    if not weak | blocking:
                        continue
                    if record.key[0] <= MAX_LABEL:
                        end = 1 + record.key[0]
                        while end < record.length:
                            if not self._add(record.key, end, &weak, &blocking):
                                broken = True
                                break
                            end += 1 + record.key[end]
                    is_found = weak and blocking and (weak != blocking or (weak & (weak - 1)) != 0)
            if broken:
                raise RulesetError("its entries contradict each other: it was damaged")
            if is_found:
                found.append((<const char *>record.key)[:record.length])
        return found

    cdef bint _add(self, const uint8_t *key, uint32_t size, uint64_t *weak, uint64_t *blocking) noexcept nogil:
        """Add the parties on exactly this key; return False if the file is broken."""
        cdef const uint8_t *entry = NULL
        cdef int64_t place = self.table.find(
            key, size, siphash13(self.table.k0, self.table.k1, key, size), &entry
        )
        if place == NOT_FOUND:
            return True
        if place < 0 or place >= self.weak.shape[0]:
            return False
        weak[0] |= self.weak[place]
        blocking[0] |= self.blocking[place]
        return True
