# cython: language_level=3, boundscheck=False, wraparound=False
"""The hash of `_blake2s.pxd`, exposed for tests that compare it with `hashlib`'s."""

from libc.stdint cimport uint8_t, uint32_t


def digests(bytes key not None, bytes message not None, ends):
    """Return the digests of the prefixes of `message` that end at `ends`, ascending; the key has 1 to 32 octets."""
    cdef B2State state
    cdef uint8_t digest[B2_DIGEST]
    cdef const uint8_t *octets = <const uint8_t *><const char *>message
    cdef uint32_t at = 0, before = 0, end
    if not 1 <= len(key) <= 32:
        raise ValueError("a key has 1 to 32 octets")
    b2_start(&state, <const uint8_t *><const char *>key, <uint32_t>len(key))
    found = []
    for end in ends:
        if not before < end <= <uint32_t>len(message):
            raise ValueError("an end is behind the one before, and within the message")
        before = end
        while end - at > B2_BLOCK:
            b2_block(&state, octets + at)
            at += B2_BLOCK
        b2_end(state, octets + at, end - at, digest)
        found.append((<const char *>digest)[:B2_DIGEST])
    return found
