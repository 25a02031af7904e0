# Keyed BLAKE2s with a digest of 16 octets (RFC 7693) over a name that grows label by label: the state after the key is
# computed once per key, full blocks are compressed once, and each label's end finishes a copy of the state.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from blockd.names._numbers cimport DIGEST_SIZE

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #define BLOCKD_B2_TURN(x, by) (((x) >> (by)) | ((x) << (32 - (by))))
    #define BLOCKD_B2_MIX(a, b, c, d, x, y) \\
        a += b + m[x]; d = BLOCKD_B2_TURN(d ^ a, 16); c += d; b = BLOCKD_B2_TURN(b ^ c, 12); \\
        a += b + m[y]; d = BLOCKD_B2_TURN(d ^ a, 8); c += d; b = BLOCKD_B2_TURN(b ^ c, 7);
    #define BLOCKD_B2_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \\
        BLOCKD_B2_MIX(v0, v4, v8, v12, s0, s1) BLOCKD_B2_MIX(v1, v5, v9, v13, s2, s3) \\
        BLOCKD_B2_MIX(v2, v6, v10, v14, s4, s5) BLOCKD_B2_MIX(v3, v7, v11, v15, s6, s7) \\
        BLOCKD_B2_MIX(v0, v5, v10, v15, s8, s9) BLOCKD_B2_MIX(v1, v6, v11, v12, s10, s11) \\
        BLOCKD_B2_MIX(v2, v7, v8, v13, s12, s13) BLOCKD_B2_MIX(v3, v4, v9, v14, s14, s15)

    static const uint32_t blockd_b2_start[8] = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19
    };

    /* The compression function F of RFC 7693 section 3.2; messages here are far shorter than 2**32 octets. */
    static void blockd_b2_compress(uint32_t *h, const uint8_t *block, uint32_t counted, int is_last)
    {
        uint32_t m[16];
        uint32_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        uint32_t v8 = blockd_b2_start[0], v9 = blockd_b2_start[1], v10 = blockd_b2_start[2], v11 = blockd_b2_start[3];
        uint32_t v12 = blockd_b2_start[4] ^ counted, v13 = blockd_b2_start[5];
        uint32_t v14 = blockd_b2_start[6] ^ (is_last ? 0xFFFFFFFFu : 0u), v15 = blockd_b2_start[7];
        memcpy(m, block, 64);
        BLOCKD_B2_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        BLOCKD_B2_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        BLOCKD_B2_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
        BLOCKD_B2_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
        BLOCKD_B2_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
        BLOCKD_B2_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
        BLOCKD_B2_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
        BLOCKD_B2_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
        BLOCKD_B2_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
        BLOCKD_B2_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
        h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ v10; h[3] ^= v3 ^ v11;
        h[4] ^= v4 ^ v12; h[5] ^= v5 ^ v13; h[6] ^= v6 ^ v14; h[7] ^= v7 ^ v15;
    }
    """
    const uint32_t *blockd_b2_start
    void blockd_b2_compress(uint32_t *h, const uint8_t *block, uint32_t counted, int is_last) noexcept nogil

cdef enum:
    B2_BLOCK = 64
    B2_DIGEST = DIGEST_SIZE

cdef struct B2State:
    uint32_t h[8]
    uint32_t counted  # octets compressed, the key's block among them


cdef inline void b2_start(B2State *s, const uint8_t *key, uint32_t size) noexcept nogil:
    """Initialize with a key of 1 to 32 octets; at least one octet must follow."""
    cdef uint8_t block[B2_BLOCK]
    memcpy(s.h, blockd_b2_start, 32)
    s.h[0] ^= <uint32_t>0x01010000 ^ size << 8 ^ B2_DIGEST
    memset(block, 0, B2_BLOCK)
    memcpy(block, key, size)
    s.counted = B2_BLOCK
    blockd_b2_compress(s.h, block, s.counted, 0)


cdef inline void b2_block(B2State *s, const uint8_t *block) noexcept nogil:
    """Compress a full block that is not the last."""
    s.counted += B2_BLOCK
    blockd_b2_compress(s.h, block, s.counted, 0)


cdef inline void b2_end(B2State s, const uint8_t *tail, uint32_t size, uint8_t *digest) noexcept nogil:
    """Finish a copy of the state with the last 1 to 64 octets."""
    cdef uint8_t block[B2_BLOCK]
    memset(block, 0, B2_BLOCK)
    memcpy(block, tail, size)
    blockd_b2_compress(s.h, block, s.counted + size, 1)
    memcpy(digest, s.h, B2_DIGEST)
