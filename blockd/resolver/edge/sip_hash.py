# cython: annotation_typing=False
"""SipHash-2-4 (Aumasson and Bernstein, 2012), word by word, for what both engines hash with a secret.

`sip_hash.pxd` has the types with which it is compiled.
"""

from __future__ import annotations

# Numbers in C, where this is compiled.
_MASK = 0xFFFFFFFFFFFFFFFF  # of 64 bits; every number in C has as many
_S0, _S1, _S2, _S3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573


class SipHash:
    """One hash at a time: `start`, `add` for each word of 8 octets in little-endian order, `end`."""

    def __init__(self) -> None:
        self.v0 = self.v1 = self.v2 = self.v3 = 0

    def start(self, k0: int, k1: int) -> None:
        """Begin a hash with a key of 128 bits, given as two little-endian numbers."""
        self.v0 = k0 ^ _S0
        self.v1 = k1 ^ _S1
        self.v2 = k0 ^ _S2
        self.v3 = k1 ^ _S3

    def add(self, word: int) -> None:
        """Take 8 octets more."""
        self.v3 ^= word
        self._round()
        self._round()
        self.v0 ^= word

    def end(self, tail: int, size: int) -> int:
        """Return the hash of `size` octets in all, of which the last `size` % 8 are `tail`."""
        self.add(tail | (size & 0xFF) << 56)
        self.v2 ^= 0xFF
        self._round()
        self._round()
        self._round()
        self._round()
        return self.v0 ^ self.v1 ^ self.v2 ^ self.v3

    def _round(self) -> None:
        v0, v1, v2, v3 = self.v0, self.v1, self.v2, self.v3
        v0 = (v0 + v1) & _MASK
        v2 = (v2 + v3) & _MASK
        v1 = ((v1 << 13) & _MASK | v1 >> 51) ^ v0
        v3 = ((v3 << 16) & _MASK | v3 >> 48) ^ v2
        v0 = (v0 << 32) & _MASK | v0 >> 32
        v2 = (v2 + v1) & _MASK
        v0 = (v0 + v3) & _MASK
        v1 = ((v1 << 17) & _MASK | v1 >> 47) ^ v2
        v3 = ((v3 << 21) & _MASK | v3 >> 43) ^ v0
        v2 = (v2 << 32) & _MASK | v2 >> 32
        self.v0, self.v1, self.v2, self.v3 = v0, v1, v2, v3
