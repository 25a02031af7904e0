# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The names of one message as a tree of labels: equal names are one node; `reading/names.py` in C.

The work for all names together grows with the message's size: what a pointer leads to is remembered by its place.
"""

from libc.string cimport memcpy, memset

from blockd.names._numbers cimport MAX_KEY, MAX_LABEL
from blockd.dns cimport _types as types
from blockd.dns._cursor cimport folded
from blockd.resolver._numbers cimport MAX_POINTERS, MAX_STEPS, REACH

cdef extern from *:
    """
    /* Both halves of a product: as good as no two labels have one hash to those who do not know the factor. */
    static inline uint64_t blockd_mixed(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t blockd_mixed(uint64_t a, uint64_t b) noexcept nogil

cdef enum:
    STEPS = 256  # labels and pointers of one name: up to 127 of either
    GENERATIONS = 0xFFFF

cdef uint64_t LOW_BITS = <uint64_t>0x7F7F7F7F7F7F7F7F  # of each of 8 octets
cdef uint64_t HIGH_BITS = <uint64_t>0x8080808080808080
cdef uint64_t FROM_A = <uint64_t>0x3F3F3F3F3F3F3F3F  # carries into the high bit from A on
cdef uint64_t BEHIND_Z = <uint64_t>0x2525252525252525


cdef void start_names(Names *n, const uint8_t *message, uint32_t size) noexcept nogil:
    """Begin with another message."""
    n.message = message
    n.size = size
    n.generation += 1
    if n.generation > GENERATIONS:
        memset(n.heads, 0, sizeof(n.heads))
        memset(n.places, 0, sizeof(n.places))
        n.generation = 1
    n.count = 1
    n.steps = 0
    n.nodes[NAME_ROOT].parent = n.nodes[NAME_ROOT].label = n.nodes[NAME_ROOT].key_size = n.nodes[NAME_ROOT].depth = 0
    n.nodes[NAME_ROOT].written = n.nodes[NAME_ROOT].above = n.nodes[NAME_ROOT].marks = 0


cdef inline uint64_t _folded(uint64_t word) noexcept nogil:
    """Return 8 octets with ASCII letters in lower case."""
    cdef uint64_t low = word & LOW_BITS
    return word | (~word & HIGH_BITS & ((low + FROM_A) ^ (low + BEHIND_Z))) >> 2


cdef inline uint64_t _whole(const uint8_t *octets) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, octets, 8)
    return _folded(word)


cdef inline uint64_t _rest(const uint8_t *octets, uint32_t size) noexcept nogil:
    """Return up to 7 octets as a word, in some order that depends on nothing but their number."""
    cdef uint32_t one, other
    if size >= 4:
        memcpy(&one, octets, 4)
        memcpy(&other, octets + size - 4, 4)
        return _folded(<uint64_t>other << 32 | one)
    if size == 0:
        return 0
    return _folded(<uint64_t>octets[size - 1] << 16 | <uint64_t>octets[size >> 1] << 8 | octets[0])


cdef bint _is_label(const uint8_t *one, const uint8_t *other) noexcept nogil:
    cdef uint32_t size = 1 + <uint32_t>one[0], at = 0
    if one[0] != other[0]:
        return False
    while at + 8 <= size:
        if _whole(one + at) != _whole(other + at):
            return False
        at += 8
    return _rest(one + at, size - at) == _rest(other + at, size - at)


cdef bint same_label(const Names *n, uint16_t one, uint16_t other) noexcept nogil:
    return _is_label(n.message + n.nodes[one].label, n.message + n.nodes[other].label)


cdef int _child(Names *n, uint32_t parent, uint32_t at) noexcept nogil:
    """Return the node of the label at a place below another one; below 0 if there are too many."""
    cdef const uint8_t *label = n.message + at
    cdef uint32_t size = 1 + <uint32_t>label[0], done = 0, head, node, stamp = n.generation << 16
    cdef uint64_t hashed = n.seeds[0] ^ parent
    while done + 8 <= size:
        hashed = blockd_mixed(hashed ^ _whole(label + done), n.seeds[1])
        done += 8
    hashed = blockd_mixed(hashed ^ _rest(label + done, size - done), n.seeds[1])
    head = <uint32_t>(hashed >> 32) & (REACH - 1)
    node = n.heads[head] & 0xFFFF if n.heads[head] >> 16 == n.generation else 0
    while node:
        if n.nodes[node].parent == parent and _is_label(n.message + n.nodes[node].label, label):
            return <int>node
        node = n.nodes[node].next
    if n.count >= MAX_NODES:
        return -1
    node = n.count
    n.count += 1
    n.nodes[node].next = <uint16_t>(n.heads[head] & 0xFFFF) if n.heads[head] >> 16 == n.generation else 0
    n.heads[head] = stamp | node
    n.nodes[node].parent = <uint16_t>parent
    n.nodes[node].label = <uint16_t>at
    n.nodes[node].key_size = <uint8_t>(n.nodes[parent].key_size + size)
    n.nodes[node].depth = n.nodes[parent].depth + 1
    n.nodes[node].written = n.nodes[node].above = n.nodes[node].marks = 0
    return <int>node


cdef bint read_name(Names *n, uint32_t at, uint16_t *node, uint32_t *end) noexcept nogil:
    """Find the node of the name at a place, and where it ends; False if it is malformed, or beyond MAX_STEPS."""
    cdef const uint8_t *message = n.message
    cdef uint32_t limit = n.size, length, segment = at, total = 0, jumps = 0, i, target
    cdef uint32_t steps = 0, segments = 0
    cdef Place *place
    cdef uint32_t at_step[STEPS]
    cdef uint8_t before[STEPS]  # pointers before it
    cdef uint8_t of_segment[STEPS]
    cdef uint32_t targets[MAX_POINTERS + 2]
    cdef uint32_t ends[MAX_POINTERS + 2]  # of each segment: the labels up to a pointer or the root
    cdef int found = NAME_ROOT
    while True:
        if at < REACH and n.places[at].generation == n.generation:
            place = &n.places[at]
            if place.target >= segment or place.end > limit:
                return False
            found = place.node
            jumps += place.jumps
            targets[segments], ends[segments] = place.target, place.end
            break
        if at >= limit:
            return False
        length = message[at]
        if length == 0:
            targets[segments], ends[segments] = 0, at + 1
            break
        if length <= MAX_LABEL:
            total += 1 + length
            if at + 1 + length > limit or total > MAX_KEY:
                return False
            at_step[steps] = at
            before[steps], of_segment[steps] = <uint8_t>jumps, <uint8_t>segments
            steps += 1
            at += 1 + length
        elif length >= types.POINTER and at + 1 < limit:
            at_step[steps] = at
            before[steps], of_segment[steps] = <uint8_t>jumps, <uint8_t>segments
            steps += 1
            target = (length & ~types.POINTER) << 8 | message[at + 1]
            jumps += 1
            if target < types.HEADER_SIZE or target >= segment or jumps > MAX_POINTERS:
                return False
            targets[segments], ends[segments] = target, at + 2
            segments += 1
            limit = segment
            segment = at = target
        else:
            return False
    if jumps > MAX_POINTERS or n.nodes[found].key_size + total > MAX_KEY:
        return False
    n.steps += steps
    if n.steps > MAX_STEPS:
        return False
    for i in range(steps):
        at = at_step[steps - 1 - i]
        if message[at] <= MAX_LABEL:
            found = _child(n, <uint32_t>found, at)
            if found < 0:
                return False
        if at < REACH:
            place = &n.places[at]
            place.generation, place.node = <uint16_t>n.generation, <uint16_t>found
            place.jumps = <uint8_t>(jumps - before[steps - 1 - i])
            place.target = <uint16_t>targets[of_segment[steps - 1 - i]]
            place.end = <uint16_t>ends[of_segment[steps - 1 - i]]
    node[0] = <uint16_t>found
    end[0] = ends[0]
    return True


cdef void number_names(Names *n) noexcept nogil:
    """Number the names so that those at or below one have numbers that follow each other; none is read afterwards."""
    cdef uint32_t i, free
    cdef Span *above
    for i in range(n.count):
        n.spans[i].last = 1  # for now, how many are at or below it
    for i in range(n.count - 1, 0, -1):  # a name stands behind the one that it is below
        n.spans[n.nodes[i].parent].last += n.spans[i].last
    n.spans[NAME_ROOT].first = 0
    n.spans[NAME_ROOT].free = 1
    for i in range(1, n.count):
        above = &n.spans[n.nodes[i].parent]
        free = above.free
        above.free += n.spans[i].last
        n.spans[i].first, n.spans[i].free = free, free + 1
        n.spans[i].last += free


cdef void write_key(const Names *n, uint16_t node, uint8_t *key) noexcept nogil:
    """Write the key of a name, which has `key_size` octets."""
    cdef const uint8_t *label
    cdef uint32_t at, i
    while node != NAME_ROOT:
        label = n.message + n.nodes[node].label
        node = n.nodes[node].parent
        at = n.nodes[node].key_size
        for i in range(1 + <uint32_t>label[0]):
            key[at + i] = folded(label[i])
