from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    REACH = 0x4000  # octets: a pointer has 14 bits
    MAX_NODES = 65536  # a message has fewer labels
    NAME_ROOT = 0  # the node of the root's name

cdef struct Names:
    const uint8_t *message
    uint32_t size
    uint32_t generation  # of the message, so that nothing has to be cleared for the next one
    uint32_t count
    uint64_t k0
    uint64_t k1
    uint32_t heads[REACH]  # of the chains of a hash table: generation and node
    uint32_t at_place[REACH]  # generation and node of the name at each place
    uint16_t targets[REACH]  # where the first pointer from there leads, 0 for none
    uint16_t ends[REACH]  # of the labels that stand there, up to a pointer or the root
    uint8_t jumps[REACH]  # pointers followed from there
    # Of each node, which is a label below another node's name:
    uint16_t next[MAX_NODES]
    uint16_t parent[MAX_NODES]
    uint16_t label[MAX_NODES]  # its place in the message
    uint8_t key_size[MAX_NODES]
    uint8_t depth[MAX_NODES]  # labels
    uint16_t written[MAX_NODES]  # place in a message that is written anew, 0 for none
    uint8_t above[MAX_NODES]  # the last step of the chain whose name is below it, counted from 1
    uint32_t marks[MAX_NODES]


cdef void start_names(Names *n, const uint8_t *message, uint32_t size) noexcept nogil
cdef bint read_name(Names *n, uint32_t at, uint16_t *node, uint32_t *end) noexcept nogil
cdef void write_key(const Names *n, uint16_t node, uint8_t *key) noexcept nogil
cdef bint same_label(const Names *n, uint16_t one, uint16_t other) noexcept nogil


cdef inline bint is_at_or_below(const Names *n, uint16_t node, uint16_t zone) noexcept nogil:
    while n.depth[node] > n.depth[zone]:
        node = n.parent[node]
    return node == zone


cdef inline void mark_upwards(Names *n, uint16_t node, uint32_t mark) noexcept nogil:
    """Mark a name and all above it, the root included."""
    while not n.marks[node] & mark:
        n.marks[node] |= mark
        node = n.parent[node]
