# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The names of one message as a tree of labels: equal names are one node; `reading/names.py` in C.

The work for all names together grows with the message's size: what a pointer leads to is remembered by its place.
"""

from libc.string cimport memset

from blockd.names._numbers cimport MAX_KEY, MAX_LABEL
from blockd.dns cimport _types as types
from blockd.dns._cursor cimport folded
from blockd.resolver._numbers cimport MAX_POINTERS
from blockd.ruleset._siphash cimport siphash13

cdef enum:
    STEPS = 256  # labels and pointers of one name: up to 127 of either
    GENERATIONS = 0xFFFF


cdef void start_names(Names *n, const uint8_t *message, uint32_t size) noexcept nogil:
    """Begin with another message."""
    n.message = message
    n.size = size
    n.generation += 1
    if n.generation > GENERATIONS:
        memset(n.heads, 0, sizeof(n.heads))
        memset(n.at_place, 0, sizeof(n.at_place))
        n.generation = 1
    n.count = 1
    n.parent[NAME_ROOT] = n.label[NAME_ROOT] = n.key_size[NAME_ROOT] = n.depth[NAME_ROOT] = 0
    n.written[NAME_ROOT] = n.above[NAME_ROOT] = n.marks[NAME_ROOT] = 0


cdef bint _is_label(const uint8_t *one, const uint8_t *other) noexcept nogil:
    cdef uint32_t i
    if one[0] != other[0]:
        return False
    for i in range(1, <uint32_t>one[0] + 1):
        if one[i] != other[i] and folded(one[i]) != folded(other[i]):
            return False
    return True


cdef bint same_label(const Names *n, uint16_t one, uint16_t other) noexcept nogil:
    return _is_label(n.message + n.label[one], n.message + n.label[other])


cdef int _child(Names *n, uint32_t parent, uint32_t at) noexcept nogil:
    """Return the node of the label at a place below another one; below 0 if there are too many."""
    cdef uint8_t hashed[2 + 1 + MAX_LABEL]
    cdef const uint8_t *label = n.message + at
    cdef uint32_t size = 1 + label[0], i, head, node, stamp = n.generation << 16
    hashed[0], hashed[1] = <uint8_t>parent, <uint8_t>(parent >> 8)
    for i in range(size):
        hashed[2 + i] = folded(label[i])
    head = <uint32_t>siphash13(n.k0, n.k1, hashed, 2 + size) & (REACH - 1)
    node = n.heads[head] & 0xFFFF if n.heads[head] >> 16 == n.generation else 0
    while node:
        if n.parent[node] == parent and _is_label(n.message + n.label[node], label):
            return <int>node
        node = n.next[node]
    if n.count >= MAX_NODES:
        return -1
    node = n.count
    n.count += 1
    n.next[node] = <uint16_t>(n.heads[head] & 0xFFFF) if n.heads[head] >> 16 == n.generation else 0
    n.heads[head] = stamp | node
    n.parent[node] = <uint16_t>parent
    n.label[node] = <uint16_t>at
    n.key_size[node] = <uint8_t>(n.key_size[parent] + size)
    n.depth[node] = n.depth[parent] + 1
    n.written[node] = n.above[node] = n.marks[node] = 0
    return <int>node


cdef bint read_name(Names *n, uint32_t at, uint16_t *node, uint32_t *end) noexcept nogil:
    """Find the node of the name at a place, and where it ends; False if it is malformed."""
    cdef const uint8_t *message = n.message
    cdef uint32_t limit = n.size, length, segment = at, total = 0, jumps = 0, i, target
    cdef uint32_t stamp = n.generation << 16
    cdef uint32_t steps = 0, segments = 0
    cdef uint32_t places[STEPS]
    cdef uint8_t before[STEPS]  # pointers before it
    cdef uint8_t of_segment[STEPS]
    cdef uint32_t targets[MAX_POINTERS + 2]
    cdef uint32_t ends[MAX_POINTERS + 2]  # of each segment: the labels up to a pointer or the root
    cdef int found = NAME_ROOT
    while True:
        if at < REACH and n.at_place[at] >> 16 == n.generation:
            if n.targets[at] >= segment or n.ends[at] > limit:
                return False
            found = n.at_place[at] & 0xFFFF
            jumps += n.jumps[at]
            targets[segments], ends[segments] = n.targets[at], n.ends[at]
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
            places[steps] = at
            before[steps], of_segment[steps] = <uint8_t>jumps, <uint8_t>segments
            steps += 1
            at += 1 + length
        elif length >= types.POINTER and at + 1 < limit:
            places[steps] = at
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
    if jumps > MAX_POINTERS or n.key_size[found] + total > MAX_KEY:
        return False
    for i in range(steps):
        at = places[steps - 1 - i]
        if message[at] <= MAX_LABEL:
            found = _child(n, <uint32_t>found, at)
            if found < 0:
                return False
        if at < REACH:
            n.at_place[at] = stamp | <uint32_t>found
            n.jumps[at] = <uint8_t>(jumps - before[steps - 1 - i])
            n.targets[at] = <uint16_t>targets[of_segment[steps - 1 - i]]
            n.ends[at] = <uint16_t>ends[of_segment[steps - 1 - i]]
    node[0] = <uint16_t>found
    end[0] = ends[0]
    return True


cdef void write_key(const Names *n, uint16_t node, uint8_t *key) noexcept nogil:
    """Write the key of a name, which has `key_size` octets."""
    cdef const uint8_t *label
    cdef uint32_t at, i
    while node != NAME_ROOT:
        label = n.message + n.label[node]
        node = n.parent[node]
        at = n.key_size[node]
        for i in range(1 + <uint32_t>label[0]):
            key[at + i] = folded(label[i])
