from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from blockd.resolver._numbers cimport REACH

cdef enum:
    MAX_NODES = 65536  # a message has fewer labels
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

cdef struct Span:  # of a name: it and all below it have the numbers from `first` to before `last`
    uint32_t first
    uint32_t last
    uint32_t free  # the next number for a name below it, while they are given out

cdef struct Names:
    const uint8_t *message
    uint32_t size
    uint32_t generation  # of the message, so that nothing has to be cleared for the next one
    uint32_t count
    uint32_t steps  # labels and pointers read; those known by their place are not read again
    uint64_t seeds[2]
    uint32_t heads[REACH]  # of the chains of a hash table: generation and node
    Place places[REACH]
    Node nodes[MAX_NODES]
    Span spans[MAX_NODES]  # once `number_names` has been called


cdef void start_names(Names *n, const uint8_t *message, uint32_t size) noexcept nogil
cdef bint read_name(Names *n, uint32_t at, uint16_t *node, uint32_t *end) noexcept nogil
cdef void number_names(Names *n) noexcept nogil
cdef void write_key(const Names *n, uint16_t node, uint8_t *key) noexcept nogil
cdef bint same_label(const Names *n, uint16_t one, uint16_t other) noexcept nogil


cdef inline bint is_at_or_below(const Names *n, uint16_t node, uint16_t zone) noexcept nogil:
    """Return whether a name is in a zone; `number_names` has been called."""
    return n.spans[zone].first <= n.spans[node].first < n.spans[zone].last


cdef inline void mark_upwards(Names *n, uint16_t node, uint32_t mark) noexcept nogil:
    """Mark a name and all above it, the root included."""
    while not n.nodes[node].marks & mark:
        n.nodes[node].marks |= mark
        node = n.nodes[node].parent
