# cython: annotation_typing=False, boundscheck=False, wraparound=False, cdivision=True
"""The limit of answers over UDP to one network: a question with a forged address is answered to somebody else.

Both engines share this; `rate_limit.pxd` has the types with which it is compiled. Answers are counted by network, kind
and name, as named counts them, so that a flood of one answer leaves the others alone. Of a network nothing is kept but
a moment under a keyed hash, which loses its meaning within seconds. All moments are seconds of the monotonic clock.
"""

from __future__ import annotations

from array import array

from blockd.dns import types
from blockd.resolver.edge import rates
from blockd.resolver.edge.sip_hash import SipHash
from blockd.resolver.moment_table import MomentTable

# Numbers in C, where this is compiled.
_BURST = 1.0  # seconds for which the answers of a rate may go out at once
_DEBT = 5.0  # seconds that a network needs at most to be answered again once it is quiet
_ROUNDING = 1e-6  # seconds, far above what is lost in sums
_IPV4_OCTETS = 3  # of an address that make its network: 24 bits
_IPV6_OCTETS = 7  # 56 bits
_SETS = 4096  # of four buckets; 256 KiB in all
_MAX_LABELS = 128  # of a name
_PASSED, _DROPPED, _TRUNCATED, _BADCOOKIE = rates.PASSED, rates.DROPPED, rates.TRUNCATED, rates.BADCOOKIE
_RESPONSES, _STRANGERS = rates.RESPONSES, rates.STRANGERS
_HEADER_SIZE, _POINTER = types.HEADER_SIZE, types.POINTER


class RateLimiter:
    """The answers of one worker."""

    def __init__(self, limits: rates.RateLimits, seed: bytes) -> None:
        """`seed` is SEED unpredictable octets, so that nobody can aim at another network's bucket."""
        allowed = limits.responses, limits.errors, limits.strangers
        self.limits_clients = limits.responses > 0 or limits.errors > 0
        self.limits_strangers = limits.strangers > 0
        self._costs = array("d", [1.0 / rate if rate else 0.0 for rate in allowed])  # seconds that an answer takes
        self._slip = limits.slip
        self._k0 = int.from_bytes(seed[:8], "little")
        self._k1 = int.from_bytes(seed[8:16], "little")
        self._hash = SipHash()
        self._buckets = MomentTable(_SETS)  # with the moment at which all that was answered is paid for
        self._limited = array("I", [0]) * self._buckets.size  # answers that were, so that one in `slip` is found

    def judge(
        self, answer: bytes, size: int, rcode: int, host: bytes, host_size: int, kind: int, has_cookie: bool, now: float
    ) -> int:
        """Return what becomes of an answer over UDP, which is counted.

        `host` is an address of 4 or 16 octets. `has_cookie` says that its question had a client cookie.
        """
        cost = self._costs[kind]
        if cost <= 0.0:
            return _PASSED
        bucket = self._bucket(self._hashed(answer, size, rcode, host, host_size, kind), now)
        until = max(self._buckets.until[bucket], now) + cost
        if until - now <= _BURST + _ROUNDING:
            self._buckets.until[bucket] = until
            return _PASSED
        self._buckets.until[bucket] = min(until, now + _BURST + _DEBT)
        self._limited[bucket] += 1
        if kind == _STRANGERS or self._slip <= 0 or self._limited[bucket] % self._slip != 0:
            return _DROPPED  # a stranger finds no open door over TCP either
        if has_cookie:
            return _BADCOOKIE
        return _TRUNCATED if kind == _RESPONSES else _PASSED  # as with named: an error has nothing to truncate

    def _hashed(self, answer: bytes, size: int, rcode: int, host: bytes, host_size: int, kind: int) -> int:
        """Return the hash of what an answer is counted by."""
        word = 0
        for place in range(_IPV4_OCTETS if host_size == 4 else _IPV6_OCTETS):
            word = word << 8 | host[place]
        self._hash.start(self._k0, self._k1)
        self._hash.add(word << 8 | host_size)
        if kind != _RESPONSES:
            return self._hash.end(kind, 1)
        end = self._name_end(answer, size)
        begin = _HEADER_SIZE
        qtype = 0
        if end + 2 <= size:
            if answer[6] == 0 and answer[7] == 0:  # NXDOMAIN, or no data
                begin = self._zone(answer, size, end)
                qtype = 1 << 16 | rcode
            else:
                qtype = answer[end] << 8 | answer[end + 1]
        self._hash.add(qtype)
        word = 0
        for place in range(begin, end):
            octet = answer[place]
            if 65 <= octet <= 90:
                octet += 32
            word |= octet << 8 * ((place - begin) & 7)
            if (place - begin) & 7 == 7:
                self._hash.add(word)
                word = 0
        return self._hash.end(word, end - begin)

    def _name_end(self, answer: bytes, size: int) -> int:
        """Return where the question's name ends, or the header if there is no question."""
        place = _HEADER_SIZE
        if size <= place or (answer[4] == 0 and answer[5] == 0):
            return _HEADER_SIZE
        for _ in range(_MAX_LABELS):
            if place >= size or answer[place] == 0:
                break
            place += 1 + answer[place]
        return min(place + 1, size)

    def _zone(self, answer: bytes, size: int, end: int) -> int:
        """Return where in the question's name that of the authority section's first record begins.

        That is an SOA record of the zone, and so its name ends the question's. Without one it is the root.
        """
        place = end + 4
        length = 0
        if answer[8] == 0 and answer[9] == 0:
            return end - 1
        for _ in range(_MAX_LABELS):
            if place + 1 >= size:
                return end - 1
            octet = answer[place]
            if octet >= _POINTER:
                target = (octet & 0x3F) << 8 | answer[place + 1]
                if not _HEADER_SIZE <= target < end:
                    return end - 1
                length += end - target
                break
            length += 1 + octet
            if octet == 0:
                break
            place += 1 + octet
        return end - length if length <= end - _HEADER_SIZE else end - 1

    def _bucket(self, hashed: int, now: float) -> int:
        """Return the bucket of a hash."""
        bucket = self._buckets.place(hashed, now)
        if self._buckets.is_new:
            self._limited[bucket] = 0
        return bucket
