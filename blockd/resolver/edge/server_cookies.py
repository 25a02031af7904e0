# cython: annotation_typing=False, boundscheck=False, wraparound=False, cdivision=True
"""Server cookies (RFC 7873, RFC 9018): who shows one has had an answer at its address, which nobody else can have seen.

Both engines share this; `server_cookies.pxd` has the types with which it is compiled. A cookie is version 1, three
reserved octets, a moment of 32 bits and a hash of these with the client's cookie and address, so that all servers with
the same secret know each other's (RFC 9018 section 4).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from blockd.resolver.edge import cookie_sizes
from blockd.resolver.edge.sip_hash import SipHash

# Numbers in C, where this is compiled.
_VERSION = 1
_CLIENT = cookie_sizes.CLIENT
_WHOLE = cookie_sizes.WHOLE
_MAX_AGE = 3600  # seconds, RFC 9018 section 4.3, and so are these
_MAX_AHEAD = 300  # the clocks of servers that share a secret may differ so much
_RENEWED = 1800  # a cookie that is older is replaced
_HALF = 1 << 31  # of the moments, which are compared as in RFC 1982
_MOST = 2 * _HALF - 1
_UNKNOWN, _KNOWN, _FRESH = cookie_sizes.UNKNOWN, cookie_sizes.KNOWN, cookie_sizes.FRESH


class ServerCookies:
    """The cookies of servers that share secrets."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """`secrets` are of SECRET octets each; the first one signs, and cookies of all of them are known."""
        self._count = len(secrets)
        halves = [int.from_bytes(half, "little") for secret in secrets for half in (secret[:8], secret[8:])]
        self._keys = array("Q", halves)
        self._hash = SipHash()

    def judge(self, cookie: bytes, size: int, host: bytes, host_size: int, now: int) -> int:
        """Return what is known of the content of a COOKIE option that a host has sent.

        `now` is in seconds since the epoch. FRESH: it is known, and need not be replaced; KNOWN; or UNKNOWN.
        """
        if size != _WHOLE or cookie[_CLIENT] != _VERSION:
            return _UNKNOWN
        moment = self._number(cookie, _CLIENT + 4, 4)
        age = (now - moment) & _MOST
        if age >= _HALF:
            age -= 2 * _HALF
        if age > _MAX_AGE or age < -_MAX_AHEAD:
            return _UNKNOWN
        head, shown = self._word(cookie, _CLIENT), self._word(cookie, _CLIENT + 8)
        for secret in range(self._count):
            if self.sign(secret, cookie, head, host, host_size) == shown:
                return _FRESH if secret == 0 and age <= _RENEWED else _KNOWN
        return _UNKNOWN

    def head(self, now: int) -> int:
        """Return the part of a new cookie before its hash, as a little-endian number."""
        swapped = (now & 0xFF) << 24 | (now >> 8 & 0xFF) << 16 | (now >> 16 & 0xFF) << 8 | now >> 24 & 0xFF
        return _VERSION | swapped << 32

    def sign(self, secret: int, cookie: bytes, head: int, host: bytes, host_size: int) -> int:
        """Return the hash for a client's cookie and address by one of the secrets, as a little-endian number."""
        self._hash.start(self._keys[2 * secret], self._keys[2 * secret + 1])
        self._hash.add(self._word(cookie, 0))
        self._hash.add(head)
        if host_size == 4:
            return self._hash.end(self._number_of_host(host), 20)
        self._hash.add(self._word(host, 0))
        self._hash.add(self._word(host, 8))
        return self._hash.end(0, 32)

    def _word(self, octets: bytes, place: int) -> int:
        """Return 8 octets as a little-endian number."""
        word = 0
        for number in range(8):
            word = word << 8 | octets[place + 7 - number]
        return word

    def _number(self, octets: bytes, place: int, size: int) -> int:
        """Return some octets as a big-endian number."""
        found = 0
        for number in range(size):
            found = found << 8 | octets[place + number]
        return found

    def _number_of_host(self, host: bytes) -> int:
        """Return the 4 octets of an address as a little-endian number."""
        found = 0
        for number in range(4):
            found = found << 8 | host[3 - number]
        return found
