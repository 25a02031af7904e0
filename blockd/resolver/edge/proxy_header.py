"""PROXY protocol version 2: what a front end says of the client that it asks for, before the question itself.

By section 2.2 of HAProxy's proxy-protocol.txt. A header is either LOCAL, which the front end asks for itself, or has
the client's address. Whether a front end took the question over a stream or in a datagram does not matter: dnsdist
hands on over UDP what a client asked over HTTPS. TLVs are passed over; a checksum among them is not verified.
"""

from __future__ import annotations

from typing import NamedTuple

from blockd.errors import BadProxyHeader
from blockd.resolver.clients import host_of_packed

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # no question begins so: it would have 13 questions, and the opcode 1
FIXED_HEADER = 16  # octets of signature, command, family and length
LOCAL_HEADER = SIGNATURE + b"\x20\0\0\0"  # of what a front end asks for itself
MAX_HEADER = 512  # octets, with all TLVs: as much as dnsdist and PowerDNS Recursor take unless told otherwise

_VERSION_2 = 2
_LOCAL, _PROXY = 0, 1  # commands
_SIZES = {1: 4, 2: 16}  # octets of an address, by family; AF_UNIX has none
_PROTOCOLS = (1, 2)  # STREAM and DGRAM
_PORTS = 4  # octets of two ports, behind two addresses
_TLV = 3  # octets of a TLV's type and length


class ProxyHeader(NamedTuple):
    """A header of `size` octets.

    `host` is the client's IP address as a socket would write it; empty for a question of the front end's own.
    """

    size: int
    host: str


def is_proxied(octets: bytes) -> bool:
    """Return whether octets begin with the signature of a header, right or wrong."""
    return octets.startswith(SIGNATURE)


def read_header(octets: bytes) -> ProxyHeader | None:
    """Return the header that octets begin with; None if more of it must come.

    Raises BadProxyHeader as soon as it is clear that these do not begin with a header that can be taken.
    """
    if not octets.startswith(SIGNATURE[: len(octets)]):
        raise BadProxyHeader("it does not begin with the signature of PROXY protocol version 2")
    if len(octets) < FIXED_HEADER:
        return None
    version, command = octets[12] >> 4, octets[12] & 15
    family, protocol = octets[13] >> 4, octets[13] & 15
    size = FIXED_HEADER + int.from_bytes(octets[14:16])
    if version != _VERSION_2:
        raise BadProxyHeader(f"its version is {version}, expected 2")
    if size > MAX_HEADER:
        raise BadProxyHeader(f"it has {size} octets, and may have {MAX_HEADER}")
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeader(f"its command is {command}, expected LOCAL or PROXY")
    if command == _PROXY and (family not in _SIZES or protocol not in _PROTOCOLS):
        raise BadProxyHeader(f"its family is {octets[13]:#04x}, expected IPv4 or IPv6 with STREAM or DGRAM")
    if len(octets) < size:
        return None
    if command == _LOCAL:  # what else it has is to be passed over
        return ProxyHeader(size, "")
    octets_of_one = _SIZES[family]
    tlvs = FIXED_HEADER + 2 * octets_of_one + _PORTS
    if tlvs > size:
        raise BadProxyHeader(f"it has {size} octets, too few for its addresses")
    if not _are_tlvs(octets, tlvs, size):
        raise BadProxyHeader("the lengths of its TLVs do not fit")
    packed = octets[FIXED_HEADER : FIXED_HEADER + octets_of_one]
    return ProxyHeader(size, host_of_packed(packed))


def _are_tlvs(octets: bytes, start: int, end: int) -> bool:
    """Return whether TLVs fill some octets: a type, a length in two octets, and as many octets each."""
    while end - start >= _TLV:
        start += _TLV + int.from_bytes(octets[start + 1 : start + _TLV])
    return start == end
