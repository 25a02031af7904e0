# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""`zone_table.py` in C: one binary search, then a walk up from the nearest key."""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp


cdef class NativeZoneTable:
    """Keys, each with its place in the sequence that they were given in; see `zone_table.ZoneTable`."""

    def __init__(self, keys):
        cdef int32_t place, above
        cdef bytes key
        ordered = sorted((bytes(key), given) for given, key in enumerate(keys))
        if self.places != NULL or len(set(keys)) != len(ordered):
            raise ValueError("the keys are not distinct, or were given before")
        self._keys = tuple([key for key, _ in ordered])  # keeps what is pointed to
        self.places = <Place *>calloc(len(ordered) + 1, sizeof(Place))
        self.sizes = <uint32_t *>calloc(len(ordered) + 1, sizeof(uint32_t))
        if self.places == NULL or self.sizes == NULL:
            raise MemoryError
        for place, (_, given) in enumerate(ordered):
            key = self._keys[place]
            self.places[place].key = <const uint8_t *><const char *>key
            self.places[place].size = <uint32_t>len(key)
            self.places[place].given = given
            self.sizes[given] = self.places[place].size
            above = place - 1
            while above >= 0 and not _is_under(key, len(key), &self.places[above]):
                above = self.places[above].above
            self.places[place].above = above
        self.count = len(ordered)

    def __dealloc__(self):
        free(self.places)
        free(self.sizes)

    def find(self, bytes key):
        """Return the place of the longest key that a name's is at or under, -1 if there is none."""
        return self.find_key(<const uint8_t *><const char *>key, <uint32_t>len(key))

    cdef int32_t find_key(self, const uint8_t *key, uint32_t size) noexcept nogil:
        """Do the same for `size` octets of a key.

        A key that is above the name begins as the name does, and so does every key between the two in the order: the
        last key that is not behind the name is under it, and the walk from there passes it. It is as long as zones
        lie in each other.
        """
        cdef int32_t low = 0, high = self.count, middle
        cdef uint32_t shared
        cdef int order
        while low < high:
            middle = (low + high) // 2
            shared = self.places[middle].size if self.places[middle].size < size else size
            order = memcmp(self.places[middle].key, key, shared)
            if order < 0 or (order == 0 and self.places[middle].size <= size):
                low = middle + 1
            else:
                high = middle
        low -= 1
        while low >= 0 and not _is_under(key, size, &self.places[low]):
            low = self.places[low].above
        return self.places[low].given if low >= 0 else -1


cdef inline bint _is_under(const uint8_t *key, uint32_t size, const Place *place) noexcept nogil:
    """Return whether a key is at or under that of a place: octets of length make its labels end where theirs do."""
    return place.size <= size and memcmp(place.key, key, place.size) == 0
