"""An IP network as a value, and as a key that shares the ruleset's table with domain names.

No domain name's key begins with an octet over 63, so a network's key begins with 0xF4 for IPv4 or 0xF6 for IPv6,
then the prefix length, then the address in network order with its host bits clear. A network of clients, whose
questions a policy zone has a rule for, begins with 0xF8 or 0xFA instead.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from blockd.errors import BadName

KEY_IPV4 = 0xF4
KEY_IPV6 = 0xF6
KEY_CLIENT_IPV4 = 0xF8
KEY_CLIENT_IPV6 = 0xFA
_SIZES = {KEY_IPV4: 4, KEY_IPV6: 16, KEY_CLIENT_IPV4: 4, KEY_CLIENT_IPV6: 16}
_CLIENT_KINDS = {KEY_IPV4: KEY_CLIENT_IPV4, KEY_IPV6: KEY_CLIENT_IPV6}


def address_key(packed: bytes, prefix_length: int) -> bytes:
    """Return the key of the network of `prefix_length` bits that holds an address of 4 or 16 octets."""
    bits = len(packed) * 8
    host_bits = bits - prefix_length
    network = (int.from_bytes(packed) >> host_bits) << host_bits
    kind = KEY_IPV4 if bits == 32 else KEY_IPV6
    return bytes((kind, prefix_length)) + network.to_bytes(len(packed))


def client_key(packed: bytes, prefix_length: int) -> bytes:
    """Return the key of the network of clients that holds an address, as `address_key` does."""
    key = address_key(packed, prefix_length)
    return bytes((_CLIENT_KINDS[key[0]],)) + key[1:]


def is_network_key(key: bytes) -> bool:
    """Return whether a key is that of a network, of clients or not."""
    return key[:1] >= b"\xf4"


def is_client_key(key: bytes) -> bool:
    """Return whether a key is that of a network of clients."""
    return key[0] >= KEY_CLIENT_IPV4


def network_from_key(key: bytes) -> Network:
    """Return the network of a key, also of a network of clients; raises BadName if the key is not a network's."""
    size = _SIZES.get(key[0]) if len(key) > 2 else None
    if size is None or len(key) != size + 2 or key[1] > size * 8:
        raise BadName("bad network")
    return Network(key[2:], key[1])


@dataclass(frozen=True, slots=True, order=True)
class Network:
    """One IPv4 or IPv6 network: `packed` has 4 or 16 octets, host bits clear."""

    packed: bytes
    prefix_length: int

    @classmethod
    def from_text(cls, text: str) -> Network:
        """Parse `192.0.2.0/24`, `192.0.2.1`, `2001:db8::/32`; raises BadName for anything else or host bits set."""
        prefix = text.partition("/")[2]
        if "%" in text or (prefix and not (prefix.isascii() and prefix.isdigit())):
            raise BadName("bad network")  # a zone or a netmask, which ipaddress would take
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise BadName("bad network") from error
        return cls(network.network_address.packed, network.prefixlen)

    def within(self, prefix_length: int) -> Network:
        """Return the network of `prefix_length` bits that this one lies in; it is not longer than this one's."""
        return network_from_key(address_key(self.packed, prefix_length))

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self.packed) == 4 else 6

    @property
    def key(self) -> bytes:
        """The table key described at the top of this module."""
        return address_key(self.packed, self.prefix_length)

    @property
    def text(self) -> str:
        """Presentation form: an address alone for a host, with its prefix length otherwise."""
        address = str(ipaddress.ip_address(self.packed))
        return address if self.prefix_length == len(self.packed) * 8 else f"{address}/{self.prefix_length}"

    def __contains__(self, packed: bytes) -> bool:
        """Whether an address of 4 or 16 octets lies in this network."""
        return len(packed) == len(self.packed) and address_key(packed, self.prefix_length) == self.key

    def __str__(self) -> str:
        return self.text
