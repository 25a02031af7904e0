# cython: annotation_typing=False, boundscheck=False, wraparound=False, cdivision=True
"""Who asks for the names of a domain that fail: whose part in a flood is larger than that of one among many.

Both engines share this; `askers.pxd` has the types with which it is compiled. A client's failures, and its names that
take long, are counted by its address (IPv6 by /64) until these are more than its share, and only until then by its
network (/24 and /48): so one who floods is held back alone, a network of those who do at the network, and a domain for
all only if it is more networks. How far one was counted is remembered by whoever takes it back.
Of a client nothing is kept but a moment under a keyed hash, which loses its meaning within seconds.
"""

from __future__ import annotations

from array import array

from blockd.resolver.forwarding.limits import CALM, MAX_DOUBTS, WINDOW
from blockd.resolver.moment_table import MomentTable

ADDRESS_PART = 16  # one address may fail at this part of the limit of a domain before it is held back in a flood ...
NETWORK_PART = 4  # ... and one network at this part
AT_ADDRESS = 1  # how far one is counted: by the address alone, which has more than its share; ...
AT_NETWORK = 2  # ... by the network as well; ...
WITHIN_SHARES = 3  # ... and, of failures, for the domain; of names that take long, for what seems to fail
_ADDRESS, _NETWORK = 0, 1
_IPV4_NETWORK = 3  # octets of an address that make its network
_IPV6_NETWORK = 6
_SETS = 2048  # of four places; 160 KiB in all
_WINDOW, _CALM = WINDOW, CALM
_DOUBTS = MAX_DOUBTS
_AT_ADDRESS, _AT_NETWORK, _WITHIN_SHARES = AT_ADDRESS, AT_NETWORK, WITHIN_SHARES


class Askers:
    """Those of one worker. `domain` is a registered domain's key, `asker` as `Floods` has it."""

    def __init__(self, rate: float) -> None:
        """`rate` is how many names a second may fail below one domain."""
        self._cost = 1.0 / rate if rate > 0 else 0.0  # seconds that a failure takes, of the whole rate
        self._places = MomentTable(_SETS)  # with the moment at which all failures are within the share
        self._doubts = array("i", [0]) * self._places.size
        self._seeming = (
            array("i", [0]) * self._places.size
        )  # of these, as many as would be within shares if they failed

    def is_over(self, domain: bytes, asker: bytes, now: float, *, with_doubts: bool) -> bool:
        """Return whether an address or its network has more than its share, perhaps with the names that take long."""
        if not asker:
            return False
        for tier in range(2):
            place = self._find(domain, asker, tier)
            if place >= 0:
                ahead = max(self._places.until[place] - now, 0.0)
                if with_doubts:
                    ahead += self._seeming[place] * self._cost_of(tier)
                if ahead > _WINDOW:
                    return True
        return False

    def is_waiting(self, domain: bytes, asker: bytes) -> bool:
        """Return whether more names than its share take long for an address or its network."""
        if not asker:
            return False
        for tier in range(2):
            place = self._find(domain, asker, tier)
            if place >= 0 and self._doubts[place] > _DOUBTS // (NETWORK_PART if tier else ADDRESS_PART):
                return True
        return False

    def note_failure(self, domain: bytes, asker: bytes, now: float) -> int:
        """Count a failure; return how far it was counted."""
        if not asker:
            return _WITHIN_SHARES
        for tier in range(2):
            place = self._place(domain, asker, tier, now)
            until = max(self._places.until[place], now) + self._cost_of(tier)
            self._places.until[place] = min(until, now + _WINDOW + _CALM)
            if until - now > _WINDOW:
                return _AT_NETWORK if tier else _AT_ADDRESS
        return _WITHIN_SHARES

    def take_back(self, domain: bytes, asker: bytes, counted: int) -> None:
        """Count a failure no more, which was `counted` so far."""
        if not asker:
            return
        for tier in range(min(counted, 2)):
            place = self._find(domain, asker, tier)
            if place >= 0:
                self._places.until[place] -= self._cost_of(tier)

    def note_doubt(self, domain: bytes, asker: bytes, now: float) -> int:
        """Count a name that takes long; return how far it was counted."""
        if not asker:
            return _WITHIN_SHARES
        place = self._place(domain, asker, _ADDRESS, now)
        self._doubts[place] += 1
        if self._doubts[place] > _DOUBTS // ADDRESS_PART:
            return _AT_ADDRESS
        self._seeming[place] += 1
        ahead = max(self._places.until[place] - now, 0.0) + self._seeming[place] * self._cost_of(_ADDRESS)
        place = self._place(domain, asker, _NETWORK, now)
        self._doubts[place] += 1
        if ahead > _WINDOW:
            return _AT_NETWORK
        self._seeming[place] += 1
        return _WITHIN_SHARES

    def end_doubt(self, domain: bytes, asker: bytes, counted: int) -> None:
        """Count a name that took long no more, which was `counted` so far."""
        if not asker:
            return
        for tier in range(min(counted, 2)):
            place = self._find(domain, asker, tier)
            if place >= 0:
                self._doubts[place] = max(self._doubts[place] - 1, 0)
                if counted > tier + 1:
                    self._seeming[place] = max(self._seeming[place] - 1, 0)

    def _cost_of(self, tier: int) -> float:
        return self._cost * (NETWORK_PART if tier else ADDRESS_PART)

    def _hashed(self, domain: bytes, asker: bytes, tier: int) -> int:
        """Return a keyed hash of a domain with an address or its network, whose octets have different sizes."""
        size = len(asker)
        if tier == _NETWORK:
            size = _IPV4_NETWORK if size == 4 else _IPV6_NETWORK
        return hash((asker[:size], domain)) & 0xFFFF_FFFF_FFFF_FFFF

    def _find(self, domain: bytes, asker: bytes, tier: int) -> int:
        """Return the place at which an asker is counted, -1 if it has none."""
        return self._places.find(self._hashed(domain, asker, tier))

    def _place(self, domain: bytes, asker: bytes, tier: int, now: float) -> int:
        """Return the place at which an asker is counted from now on."""
        place = self._places.place(self._hashed(domain, asker, tier), now)
        if self._places.is_new:
            self._doubts[place] = self._seeming[place] = 0
        return place
