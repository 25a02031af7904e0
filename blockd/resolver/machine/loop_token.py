"""How blockd finds out that an upstream leads back to it, whatever is in between: it asks for a name that it alone has.

The name is under resolver.arpa, which resolvers answer themselves and do not ask the Internet for (RFC 9462 section
8.2). Its labels are random, and say nothing about clients: one is new for each question, so that no cache knows it, the
other for each daemon. What blockd answers is another secret, which no upstream can know before the question has come
back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from blockd.dns import types
from blockd.names import key_from_wire
from blockd.resolver.forwarding.edns import CLIENT_COOKIE
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.local.zone import STAR, LocalZoneData, ZoneKind, negative_soa, nodes_of
from blockd.settings import Upstream, ZoneRecord

SECRET = 8  # octets of each label, too many to guess
_PARENT = b"\x08resolver\x04arpa\0"
_LOCAL_TTL = 0  # nobody is to keep it


@dataclass(frozen=True, slots=True)
class LoopToken:
    """The secrets of one daemon: the label that its questions have, and what it answers them with."""

    label: bytes
    proof: bytes

    @classmethod
    def make(cls, randomness: Callable[[int], bytes]) -> LoopToken:
        """Make a new one; `randomness(n)` gives n unpredictable octets."""
        return cls(randomness(SECRET).hex().encode(), randomness(SECRET).hex().encode())

    def question(self, nonce: bytes) -> bytes:
        """Return the question section for the daemon's name; `nonce` is SECRET octets."""
        first = nonce.hex().encode()
        name = b"%c%b%c%b" % (len(first), first, len(self.label), self.label) + _PARENT
        return name + types.TXT.to_bytes(2) + types.CLASS_IN.to_bytes(2)

    def is_shown(self, message: bytes) -> bool:
        """Return whether an answer is one that only this daemon gives."""
        return self.proof in message

    def cookie_for(self, upstream: Upstream) -> bytes:
        """Return the client cookie that an upstream is shown, which no other upstream is (RFC 7873 section 4.1)."""
        return hashlib.blake2s(upstream.text.encode(), key=self.proof, digest_size=CLIENT_COOKIE).digest()

    def with_zone(self, local: LocalZones) -> LocalZones:
        """Return local zones with the one that has the daemon's name."""
        key = key_from_wire(b"%c%b" % (len(self.label), self.label) + _PARENT)
        record = ZoneRecord(key + STAR, types.TXT, _LOCAL_TTL, b"%c%b" % (len(self.proof), self.proof))
        nodes = nodes_of(key, [record], (), _LOCAL_TTL)
        zone = LocalZoneData(key, ZoneKind.DEFAULT, "blockd", negative_soa(key, nodes, _LOCAL_TTL), nodes)
        return LocalZones((*local.zones, zone), [node.key for node in local.nodes if node.zone is None])
