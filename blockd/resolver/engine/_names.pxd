from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver._numbers cimport MAX_READ_LABELS, REACH

cdef enum:
    MAX_NODES = MAX_READ_LABELS + 1  # with the root
    NAME_ROOT = 0  # the node of the root's name

cdef struct Place:  # of a name in the message
    uint16_t generation  # of the message that this was noted for
    uint16_t node
    uint16_t target  # where the first pointer from there leads, 0 for none
    uint16_t end  # of the labels that stand there, up to a pointer or the root
    uint8_t jumps  # pointers followed from there

cdef struct Node:  # a label below another node's name
    uint16_t next  # of those with the same hash
    uint16_t parent
    uint16_t label  # its place in the message
    uint16_t written  # its place in a message that is written anew, 0 for none
    uint32_t marks
    uint8_t key_size
    uint8_t depth  # labels
    uint8_t above  # the last step of the chain whose name is below it, counted from 1

cdef struct Names:
    const uint8_t *message
    uint32_t size
    uint32_t generation  # of the message, so that nothing has to be cleared for the next one
    uint32_t count
    uint32_t labels  # and pointers that were read, of all names
    uint64_t seeds[2]
    uint32_t heads[REACH]  # of the chains of a hash table: generation and node
    Place places[REACH]
    Node nodes[MAX_NODES]


cdef void start_names(Names *n, const uint8_t *message, uint32_t size) noexcept nogil
cdef bint read_name(Names *n, uint32_t at, uint16_t *node, uint32_t *end) noexcept nogil
cdef bint has_too_many(const Names *n) noexcept nogil
cdef void write_key(const Names *n, uint16_t node, uint8_t *key) noexcept nogil
cdef bint same_label(const Names *n, uint16_t one, uint16_t other) noexcept nogil


cdef inline bint is_at_or_below(const Names *n, uint16_t node, uint16_t zone) noexcept nogil:
    while n.nodes[node].depth > n.nodes[zone].depth:
        node = n.nodes[node].parent
    return node == zone


cdef inline void mark_upwards(Names *n, uint16_t node, uint32_t mark) noexcept nogil:
    """Mark a name and all above it, the root included."""
    while not n.nodes[node].marks & mark:
        n.nodes[node].marks |= mark
        node = n.nodes[node].parent
