"""Whether an address is one of this machine's: the kernel is asked where it would deliver a packet to it."""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import ip_address

from blockd.resolver.machine import netlink

_ROUTE = struct.Struct("=8BI")  # struct rtmsg of rtnetlink(7)
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_GET_ROUTE = 26  # RTM_GETROUTE
_NEW_ROUTE = 24  # RTM_NEWROUTE, its answer
_DESTINATION, _INTERFACE = 1, 4  # RTA_DST, RTA_OIF
_LOCAL = 2  # RTN_LOCAL: a packet is delivered to this machine
_TYPE_AT = netlink.HEADER.size + 7  # rtm_type
_TIMEOUT = 1.0  # seconds; the kernel answers at once


def is_own_address(host: str) -> bool:
    """Return whether a packet to an address, with its zone if it has one, is delivered to this machine.

    To bind to it would say less: where net.ipv4.ip_nonlocal_bind is set, any address can be bound.
    """
    text, _, zone = host.partition("%")
    try:
        interface = socket.if_nametoindex(zone) if zone else 0
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(_TIMEOUT)
            sock.send(_request(ip_address(text).packed, interface))
            answer = sock.recv(8192)
    except OSError as error:
        return error.errno in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT) and _is_source(text)
    if len(answer) <= _TYPE_AT:
        return False
    _, kind, _, _, _ = netlink.HEADER.unpack_from(answer)
    return kind == _NEW_ROUTE and answer[_TYPE_AT] == _LOCAL


def _request(address: bytes, interface: int) -> bytes:
    family = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
    body = _ROUTE.pack(family, len(address) * 8, 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address), _DESTINATION) + address
    if interface:
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _INTERFACE) + interface.to_bytes(4, "little")
    return netlink.message(_GET_ROUTE, body)


def _is_source(host: str) -> bool:
    """Return the same where a sandbox forbids to ask: a machine sends from the very address if it is its own."""
    address = ip_address(host)
    if address.is_loopback:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, 9))
            return ip_address(sock.getsockname()[0]) == address
    except OSError:
        return False
