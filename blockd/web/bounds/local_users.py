"""Which user of this machine has the other end of a connection, by the kernel's table of sockets (proc(5), /proc/net).

On loopback everybody has the same address; users are told apart by the owner of the socket instead. The kernel writes
the whole table for each reading, so that it is read seldom, and no further than to a bound.

A socket that its program has closed has no inode, and an owner of 0 whoever it was: it is passed over, as is one in
TIME_WAIT. Otherwise anybody could close half of a connection and be taken for root.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from blockd.resolver.clients import unmapped

TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
MAX_TABLE = 4 << 20  # octets read of each: some 27,000 sockets, and about 20 ms
PAUSE = 4.0  # times as long as a reading took, until the next: a fifth of the time at most

Endpoint = tuple[bytes, int]
"""The octets of an IP address, 4 if it is one of IPv4 in IPv6, and a port."""

_TIME_WAIT = b"06"
_SEVERAL = 1 << 16  # octets read at once


class SocketOwners:
    """Reads the tables; `clock` is monotonic, in seconds."""

    def __init__(self, tables: Iterable[Path] = TABLES, clock: Callable[[], float] = time.monotonic) -> None:
        self._tables = tuple(tables)
        self._clock = clock
        self._next = 0.0  # when it may be read again

    @property
    def rest(self) -> float:
        """Seconds until the tables may be read again, 0 if they may be now."""
        return max(0.0, self._next - self._clock())

    def of_clients(self, ports: Iterable[int]) -> dict[tuple[Endpoint, Endpoint], int]:
        """Return the user ids of this machine's sockets that are connected to one of `ports`, by both their ends.

        A table that cannot be read, or the rest of one that is too long, is left out.
        """
        began = self._clock()
        wanted = b"|".join(b"%04X" % port for port in sorted(set(ports)))
        row = re.compile(
            rb"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):(" + wanted + rb") ([0-9A-F]{2}) "
            rb"\S+ \S+ \S+ +(\d+) +\d+ (\d+) ",
            re.MULTILINE,
        )
        found = {}
        for table in self._tables:
            for host, port, other, to, state, user, inode in row.findall(_read(table)):
                if state != _TIME_WAIT and int(inode):
                    found[(_address(host), int(port, 16)), (_address(other), int(to, 16))] = int(user)
        now = self._clock()
        self._next = now + (now - began) * PAUSE
        return found


def endpoint(address: tuple[str, int]) -> Endpoint:
    """Return an end of a connection as the tables have it; `address` begins as a socket of TCP writes it."""
    host = address[0].partition("%")[0]
    packed = socket.inet_pton(socket.AF_INET6, host) if ":" in host else socket.inet_aton(host)
    return unmapped(packed), address[1]


def _read(table: Path) -> bytes:
    parts = []
    size = 0
    try:
        with table.open("rb", buffering=0) as file:
            while size < MAX_TABLE and (part := file.read(_SEVERAL)):
                parts.append(part)
                size += len(part)
    except OSError:
        return b""
    return b"".join(parts)


def _address(written: bytes) -> bytes:
    """Return the octets of an address: the kernel writes each four of them as a number of the machine."""
    packed = bytes.fromhex(written.decode("ascii"))
    if sys.byteorder == "little":
        packed = b"".join(packed[place : place + 4][::-1] for place in range(0, len(packed), 4))
    return unmapped(packed)
