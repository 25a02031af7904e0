# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The names of a ruleset while it is compiled, in C: the twin of `builder.py`, with the same result octet for octet.

A name's record is written where it will stand in the file as soon as the name is new; an open-addressing table of
eight octets a slot tells whether it is. Its hashes are those of the file, under the file's key, so that nobody can
choose names that crowd one place. Names are taken in batches: while one is parsed, the memory that another will need is
on its way to the cache. Nothing is indexed that was not checked above: raw pointers have no other guard.

It is one module, and longer than others may be: parsing, hashing and placing a name share buffers and are inlined by the
compiler, and a cut between them would cost calls for each of ten million names.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

from blockd.names._numbers cimport KEY_IPV4, MAX_KEY, MAX_LABEL
from blockd.ruleset._numbers cimport ENTRY_SIZE
from blockd.ruleset._prefetch cimport blockd_prefetch
from blockd.ruleset._siphash cimport siphash13
from blockd.ruleset.building._sieve cimport SIEVE, fill_sieve, sieved

from blockd.errors import RulesetError
from blockd.ruleset.building._buckets import table_of
from blockd.ruleset.building.claims import UNCLAIMED as _UNCLAIMED

cdef enum:
    MAX_TEXT = MAX_KEY - 1  # characters of a name without its trailing dot
    MAX_KEY_SIZE = 255  # octets; what a record's length octet can say
    BATCH = 32  # names under way at once: enough to hide memory's latency, few enough for the nearest cache
    FIRST_SLOTS = 1024
    KNOWN = 1024  # joins remembered in C; a listing meets few different sets of claims
    STEP = 20_000  # networks returned at once, as in builder.py
    LINE_FEED = 0x0A
    RETURN = 0x0D
    DOT = 0x2E
    HYPHEN = 0x2D
    STAR = 0x2A

cdef struct Slot:
    uint32_t mark  # the upper half of the hash; its lowest bits are the place in the table
    uint32_t after  # the record's offset plus one, 0 if the slot is free

cdef struct Staged:
    uint64_t hashed
    uint32_t size
    uint32_t labels  # 0 for what is not a readable name
    uint8_t key[MAX_KEY_SIZE + 1]

cdef struct Known:
    uint32_t listing
    uint32_t place
    uint32_t wider
    uint8_t new_to_order
    uint8_t new_to_feed
    uint8_t refused

cdef uint32_t UNCLAIMED = _UNCLAIMED

# An octet of a plain name -> the same in lower case; 0 for every other.
cdef uint8_t FOLD[256]


cdef int _fill_fold() noexcept:
    cdef int octet
    memset(FOLD, 0, sizeof(FOLD))
    FOLD[0x5F] = 0x5F  # underscore
    FOLD[HYPHEN] = HYPHEN
    FOLD[DOT] = DOT
    for octet in range(0x30, 0x3A):
        FOLD[octet] = <uint8_t>octet
    for octet in range(0x61, 0x7B):
        FOLD[octet] = FOLD[octet - 0x20] = <uint8_t>octet
    return 0


_fill_fold()


cdef inline bint _is_number(const uint8_t *label, uint32_t size) noexcept nogil:
    cdef uint32_t at
    for at in range(size):
        if not 0x30 <= label[at] <= 0x39:
            return False
    return True


cdef inline bint _parsed(const uint8_t *line, uint64_t length, Staged *staged) noexcept nogil:
    """Stage the key of a line that holds a plain host name and nothing else; false if Python has to parse the line.

    Plain is what `blockd.formats.domains.line_key` accepts as well, without blanks, comments and Unicode. `line` has
    no line feed.
    """
    cdef uint8_t text[MAX_TEXT + 1]
    cdef uint32_t size, at, begin = 0, labels = 0
    cdef uint8_t octet
    if length and line[length - 1] == RETURN:
        length -= 1
    if length >= 2 and line[0] == STAR and line[1] == DOT:
        line += 2
        length -= 2
    if length and line[length - 1] == DOT:
        length -= 1
    if length < 3 or length > MAX_TEXT:
        return False
    size = <uint32_t>length
    # A label from `begin` to `end` of a text of `size` has its length octet at `size - end` of the key, which is one
    # octet longer than the text: what stands behind the label in the text stands before it in the key.
    for at in range(size + 1):
        octet = FOLD[line[at]] if at < size else <uint8_t>DOT
        if octet == 0:
            return False
        if octet != DOT:
            text[at] = octet
            continue
        if at == begin or at - begin > MAX_LABEL:
            return False
        if at == size and (labels == 0 or _is_number(text + begin, at - begin)):
            return False
        staged.key[size - at] = <uint8_t>(at - begin)
        memcpy(staged.key + size - at + 1, text + begin, at - begin)
        labels += 1
        begin = at + 1
    staged.size = size + 1
    staged.labels = labels
    return True


cdef class Builder:
    """Entries in their final form; see `builder.py` for the contract.

    The limit on the records is checked as they are written. Not thread-safe.
    """

    cdef bytes _hash_key
    cdef uint64_t _k0, _k1, _max_size
    cdef bytearray _records
    cdef uint8_t *_base  # of the records
    cdef uint64_t _size, _capacity  # of the records: octets written, octets allocated
    cdef uint64_t _walked, _networks_walked  # octets of the records that `below` and `networks` have seen
    cdef bint _has_unclaimed  # whether an entry may have lost all its claims
    cdef Slot *_slots
    cdef uint64_t _mask  # slots less one; a power of two less one
    cdef readonly uint64_t entries
    cdef readonly uint64_t names
    cdef readonly uint64_t refused
    cdef readonly uint32_t max_labels
    cdef readonly object ipv4_prefixes, ipv6_prefixes
    cdef object _joins
    cdef uint32_t _alone, _listing
    cdef uint64_t _before, _new_to_order, _new_to_feed
    cdef uint32_t _waiting  # names staged
    cdef Staged _staged[BATCH]
    cdef Known _known[KNOWN]

    def __cinit__(self, bytes hash_key not None, uint64_t max_size):
        if len(hash_key) != 16 or max_size > <uint64_t>1 << 32:
            raise ValueError("a hash key has 16 octets, and records are reached by 32 bits")
        self._hash_key = hash_key
        self._k0 = int.from_bytes(hash_key[:8], "little")
        self._k1 = int.from_bytes(hash_key[8:], "little")
        self._max_size = max_size
        self._records = bytearray()
        self._base = <uint8_t *>PyByteArray_AS_STRING(self._records)
        self._slots = <Slot *>PyMem_RawCalloc(FIRST_SLOTS, sizeof(Slot))
        if self._slots == NULL:
            raise MemoryError
        self._mask = FIRST_SLOTS - 1
        self.ipv4_prefixes = self.ipv6_prefixes = 0
        memset(self._known, 0, sizeof(self._known))

    def __dealloc__(self):
        PyMem_RawFree(self._slots)

    def start(self, joins):
        """Begin a listing."""
        self._joins = joins
        self._alone = joins.alone
        self._listing += 1  # what is remembered of other listings is void
        if self._listing == 0:
            raise RulesetError("there are too many listings")
        self._waiting = 0  # of a listing that an error has ended
        self._before = self.entries
        self._new_to_order = self._new_to_feed = self.refused = 0

    def new(self):
        """Return how many entries the listing has added to its order, and to its feed."""
        added = self.entries - self._before
        return added + self._new_to_order, added + self._new_to_feed

    def add_lines(self, bytes block not None, Py_ssize_t start):
        """Add plain names from `start` on; return where the first other line begins, and the number of lines taken."""
        cdef const uint8_t *base = <const uint8_t *>PyBytes_AS_STRING(block)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(block), at = start, taken = 0
        cdef const uint8_t *end
        self._must_be_open(listing=True)
        if start < 0 or start > size or (size and base[size - 1] != LINE_FEED):
            raise ValueError("a block holds whole lines")
        while at < size:
            end = <const uint8_t *>memchr(base + at, LINE_FEED, size - at)  # there is one: the block ends with it
            if not _parsed(base + at, end - (base + at), &self._staged[self._waiting]):
                break
            at = end - base + 1
            taken += 1
            self._stage()
        self._commit()
        return at, taken

    def add_keys(self, keys):
        """Add entries by their keys."""
        cdef Staged *staged
        cdef Py_ssize_t size, at
        cdef bytes key
        self._must_be_open(listing=True)
        for key in keys:
            if key is None:
                raise TypeError("a key is bytes")
            size = PyBytes_GET_SIZE(key)
            if size < 2 or size > MAX_KEY_SIZE:
                raise ValueError("a key has 2 to 255 octets")
            staged = &self._staged[self._waiting]
            staged.size = <uint32_t>size
            memcpy(staged.key, PyBytes_AS_STRING(key), size)
            staged.labels = at = 0
            while at < size and staged.key[0] <= MAX_LABEL:
                at += 1 + staged.key[at]
                staged.labels += 1
            self._stage()
        self._commit()

    def places(self, keys):
        """Return the claimed ones of `keys`, each with the place of its set of claims."""
        cdef uint8_t *record
        cdef uint32_t place
        cdef bytes key
        self._must_be_open(listing=False)
        found = []
        for key in keys:
            if key is None:
                raise TypeError("a key is bytes")
            record = self._record_of(key)
            if record != NULL:
                memcpy(&place, record, 4)
                if place != UNCLAIMED:
                    found.append((key, place))
        return found

    def put(self, bytes key not None, uint32_t place):
        """Replace an entry's set of claims."""
        cdef uint8_t *record
        cdef uint32_t before = UNCLAIMED
        self._must_be_open(listing=False)
        record = self._record_of(key)
        if record != NULL:
            memcpy(&before, record, 4)
        if before == UNCLAIMED or MAX_LABEL < record[ENTRY_SIZE] < KEY_IPV4:
            raise ValueError("only the claims of a claimed name or network can be changed")
        memcpy(record, &place, 4)
        if place == UNCLAIMED:
            self._has_unclaimed = True

    def count(self, frozenset places not None):
        """Return how many names have one of these sets of claims."""
        cdef uint64_t at = 0, found = 0
        cdef uint32_t place, last = UNCLAIMED
        cdef bint is_counted = False
        self._must_be_open(listing=False)
        if not places:
            return 0
        while at < self._size:  # whole records stand there: `_put` wrote them
            memcpy(&place, self._base + at, 4)
            at += ENTRY_SIZE + self._base[at + 4]
            if place != last:
                last, is_counted = place, place in places
            found += is_counted
        return found

    def below(self, frozenset parents not None, frozenset tops not None=frozenset()):
        """Return the new children of `parents`, and what is new under `tops`."""
        cdef uint8_t sieve[SIEVE]
        cdef uint8_t tops_sieve[SIEVE]
        cdef uint8_t *key
        cdef uint32_t size, at, last, place
        cdef bint has_tops = len(tops) > 0, is_under
        self._must_be_open(listing=False)
        fill_sieve(sieve, parents)
        fill_sieve(tops_sieve, tops)
        found = []
        while self._walked < self._size:  # whole records stand there: `_put` wrote them
            key = self._base + self._walked + ENTRY_SIZE
            size = self._base[self._walked + 4]
            self._walked += ENTRY_SIZE + size
            if key[0] > MAX_LABEL:
                continue
            last = at = 0
            is_under = False
            while at < size:
                if has_tops and at and not is_under:
                    place = sieved(key, at)
                    is_under = tops_sieve[place >> 3] >> (place & 7) & 1 and key[:at] in tops
                last = at
                at += 1 + key[at]
            if is_under:
                found.append(<bytes>key[:size])
                continue
            place = sieved(key, last)
            if sieve[place >> 3] >> (place & 7) & 1 and key[:last] in parents:
                found.append(<bytes>key[:size])
        return found

    def networks(self):
        """Return the next new networks."""
        cdef uint8_t *key
        cdef uint32_t size
        cdef Py_ssize_t count = 0
        self._must_be_open(listing=False)
        found = []
        while self._networks_walked < self._size and count < STEP:
            key = self._base + self._networks_walked + ENTRY_SIZE
            size = self._base[self._networks_walked + 4]
            self._networks_walked += ENTRY_SIZE + size
            if key[0] >= KEY_IPV4:
                found.append(<bytes>key[:size])
                count += 1
        return found

    def finish(self, told):
        """Return the buckets and the records; nothing can be added afterwards."""
        self._must_be_open(listing=False)
        if self._has_unclaimed:
            self._drop_unclaimed()
        PyMem_RawFree(self._slots)
        self._slots = NULL
        PyByteArray_Resize(self._records, self._size)
        records = self._records
        self._records = None
        return table_of(records, self.entries, self._hash_key, told), records

    cdef int _must_be_open(self, bint listing) except -1:
        if self._slots == NULL:
            raise ValueError("the builder has finished")
        if listing and self._joins is None:
            raise ValueError("no listing was started")
        return 0

    cdef inline int _stage(self) except -1:
        """Hash the name at `_waiting`, and commit the batch if it is full."""
        cdef Staged *staged = &self._staged[self._waiting]
        staged.hashed = siphash13(self._k0, self._k1, staged.key, staged.size)
        blockd_prefetch(&self._slots[(staged.hashed >> 32) & self._mask])
        self._waiting += 1
        if self._waiting == BATCH:
            self._commit()
        return 0

    cdef int _commit(self) except -1:
        """Write all staged names to the records, in their order."""
        cdef uint32_t count = self._waiting, at
        self._waiting = 0
        if (self.entries + count) * 4 > (self._mask + 1) * 3:
            self._more_slots()
        if self._capacity - self._size < <uint64_t>count * (ENTRY_SIZE + MAX_KEY_SIZE):
            self._more_records()
        for at in range(count):
            self._put(&self._staged[at])
        return 0

    cdef int _more_slots(self) except -1:
        """Double the table; a quarter of it stays free, so that every search ends."""
        cdef uint64_t mask = self._mask * 2 + 1, old, at
        cdef Slot *slots = <Slot *>PyMem_RawCalloc(mask + 1, sizeof(Slot))
        if slots == NULL:
            raise MemoryError
        for old in range(self._mask + 1):
            if self._slots[old].after:
                at = self._slots[old].mark & mask
                while slots[at].after:
                    at = (at + 1) & mask
                slots[at] = self._slots[old]
        PyMem_RawFree(self._slots)
        self._slots, self._mask = slots, mask
        return 0

    cdef int _more_records(self) except -1:
        """Allocate room for at least one more batch; pages that are never touched cost no memory."""
        cdef uint64_t capacity = self._capacity + self._capacity // 2 + BATCH * (ENTRY_SIZE + MAX_KEY_SIZE)
        PyByteArray_Resize(self._records, capacity)
        self._base = <uint8_t *>PyByteArray_AS_STRING(self._records)
        self._capacity = capacity
        return 0

    cdef inline int _put(self, const Staged *staged) except -1:
        """Add one entry, or the listing's claim to it. `_commit` has made room."""
        cdef uint32_t mark = <uint32_t>(staged.hashed >> 32)
        cdef uint64_t at = mark & self._mask
        cdef uint8_t *record
        while self._slots[at].after:
            if self._slots[at].mark == mark:
                record = self._base + self._slots[at].after - 1
                if record[4] == staged.size and memcmp(record + ENTRY_SIZE, staged.key, staged.size) == 0:
                    return self._join(record)
            at = (at + 1) & self._mask
        if self._size + ENTRY_SIZE + staged.size > self._max_size:
            raise RulesetError(f"the names take more than the format's {self._max_size} octets")
        record = self._base + self._size
        memcpy(record, &self._alone, 4)
        record[4] = <uint8_t>staged.size
        memcpy(record + ENTRY_SIZE, staged.key, staged.size)
        self._slots[at].mark = mark
        self._slots[at].after = <uint32_t>(self._size + 1)  # a record has octets behind its first: it fits
        self._size += ENTRY_SIZE + staged.size
        self.entries += 1
        if staged.key[0] >= KEY_IPV4:
            self._note_network(staged.key)
            return 0
        self.names += 1
        if staged.labels > self.max_labels:
            self.max_labels = staged.labels
        return 0

    cdef uint8_t *_record_of(self, bytes key):
        """Return the record of a key; NULL if it has none."""
        cdef uint64_t size = PyBytes_GET_SIZE(key), at
        cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(key)
        cdef uint32_t mark
        cdef uint8_t *record
        if size > MAX_KEY_SIZE:
            return NULL
        mark = <uint32_t>(siphash13(self._k0, self._k1, octets, size) >> 32)
        at = mark & self._mask
        while self._slots[at].after:
            if self._slots[at].mark == mark:
                record = self._base + self._slots[at].after - 1
                if record[4] == size and memcmp(record + ENTRY_SIZE, octets, size) == 0:
                    return record
            at = (at + 1) & self._mask
        return NULL

    cdef int _drop_unclaimed(self) except -1:
        """Remove the records of unclaimed entries; the slots are invalid afterwards."""
        cdef uint64_t start = 0, end = 0, step
        cdef uint32_t place, labels, at
        cdef uint8_t *record
        self.max_labels = 0
        self.ipv4_prefixes = self.ipv6_prefixes = 0
        while start < self._size:
            record = self._base + start
            step = ENTRY_SIZE + record[4]
            start += step
            memcpy(&place, record, 4)
            if place == UNCLAIMED:
                self.entries -= 1
                self.names -= record[ENTRY_SIZE] < KEY_IPV4
                continue
            if record[ENTRY_SIZE] >= KEY_IPV4:
                self._note_network(record + ENTRY_SIZE)
            labels = at = 0
            while at < record[4] and record[ENTRY_SIZE] <= MAX_LABEL:
                at += 1 + record[ENTRY_SIZE + at]
                labels += 1
            if labels > self.max_labels:
                self.max_labels = labels
            if self._base + end != record:
                memmove(self._base + end, record, step)
            end += step
        self._size = end
        return 0

    cdef inline int _join(self, uint8_t *record) except -1:
        """Add the listing's claim to an existing entry."""
        cdef uint32_t place
        cdef Known *known
        memcpy(&place, record, 4)
        if place == self._alone:
            return 0
        known = &self._known[place & (KNOWN - 1)]
        if known.listing != self._listing or known.place != place:
            wider, new_to_order, new_to_feed, refused = self._joins[place]
            known.wider, known.new_to_order, known.new_to_feed = wider, new_to_order, new_to_feed
            known.refused = refused
            known.listing, known.place = self._listing, place
        memcpy(record, &known.wider, 4)
        self._new_to_order += known.new_to_order
        self._new_to_feed += known.new_to_feed
        self.refused += known.refused
        return 0

    cdef int _note_network(self, const uint8_t *key) except -1:
        if key[0] == KEY_IPV4:
            self.ipv4_prefixes |= 1 << <object>key[1]
        else:
            self.ipv6_prefixes |= 1 << <object>key[1]
        return 0
