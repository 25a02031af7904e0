"""A name as a keyed hash, for orders whose names are not to be read from the list: BLAKE2s (RFC 7693), 16 octets.

The key is in the order, so the hash hides a name from whoever reads the list, not from whoever guesses it. As a table
key it begins with 0xF2, unlike the keys of domain names and networks.
"""

from __future__ import annotations

import hashlib

KEY_HASHED = 0xF2
DIGEST_SIZE = 16  # octets: enough that no two names share a digest
MIN_SALT, MAX_SALT = 16, 32  # octets of the hash's key; BLAKE2s takes at most 32


def name_digest(key: bytes, salt: bytes) -> bytes:
    """Return the 16 octets that stand for the domain name with `key`, under an order's `salt` of 16 to 32 octets."""
    return hashlib.blake2s(key, key=salt, digest_size=DIGEST_SIZE).digest()


def hashed_key(digest: bytes) -> bytes:
    """Return the table key of a name that is known by its digest only."""
    return bytes((KEY_HASHED,)) + digest


def is_hashed_key(key: bytes) -> bool:
    """Return whether a key is that of a name known by its digest only."""
    return key[:1] == b"\xf2"
