"""The address of an upstream as sockets take it: a link-local one with the number of its interface."""

from __future__ import annotations

import errno
import socket

from blockd.settings import Upstream


class NoSuchInterface(OSError):
    """The zone of a link-local address names an interface that the machine does not have; its text is a clause."""

    def __init__(self, zone: str) -> None:
        super().__init__(errno.ENODEV, f"the machine has no interface {zone}")

    def __str__(self) -> str:
        return str(self.strerror)


def socket_address(upstream: Upstream) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    """Return the family of an upstream's address and the address for `connect`; raises NoSuchInterface.

    The number of an interface (RFC 4007 section 11.2) changes as interfaces come and go, so it is found at each call.
    """
    host, _, zone = upstream.host.partition("%")
    if ":" not in host:
        return socket.AF_INET, (host, upstream.port)
    return socket.AF_INET6, (host, upstream.port, 0, _number(zone) if zone else 0)


def _number(zone: str) -> int:
    try:
        return socket.if_nametoindex(zone)
    except OSError:
        if zone.isascii() and zone.isdigit() and 0 < int(zone) < 1 << 32:
            return int(zone)
        raise NoSuchInterface(zone) from None
