"""The ports that questions are sent from: random ones, never one that the machine or the operator keeps for others."""

from __future__ import annotations

import contextlib
import errno
import socket
from array import array
from collections.abc import Iterable
from pathlib import Path

from blockd.resolver.options import Randomness

RESERVED_PORTS = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
LOWEST_PORT = 1024  # RFC 5452 section 9.2: any port above the system's own
HIGHEST_PORT = 65535
PORT_TRIES = 32  # random ports tried: more than enough unless nearly all are taken
_MAX_SIZE = 1 << 20  # octets of the kernel's list: every second port


class SourcePorts:
    """The ports that may be bound."""

    def __init__(self, avoided: Iterable[range], randomness: Randomness, reserved: Path = RESERVED_PORTS) -> None:
        """`avoided` are the operator's; those of the kernel's list in the file `reserved` are left out too."""
        left = bytearray(b"\1") * (HIGHEST_PORT + 1)
        left[:LOWEST_PORT] = bytes(LOWEST_PORT)
        for ports in (*avoided, *reserved_ports(reserved)):
            left[ports.start : ports.stop] = bytes(len(ports))
        self._ports = array("H", (port for port, is_left in enumerate(left) if is_left))
        self._randomness = randomness

    def __len__(self) -> int:
        return len(self._ports)

    def bind(self, sock: socket.socket) -> None:
        """Bind a socket to a random one of them; raises OSError if none is free."""
        host = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - the kernel chooses the address
        for _ in range(PORT_TRIES if self._ports else 0):
            port = self._ports[self._randomness(len(self._ports))]
            try:
                sock.bind((host, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "no port is left to send from")


def reserved_ports(path: Path = RESERVED_PORTS) -> list[range]:
    """Return the ports that the kernel does not hand out by itself (ip-sysctl); none if that is not known."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        words = file.read(_MAX_SIZE).decode("ascii").strip().split(",")
        return [_range_of(word) for word in words if word]
    return []


def _range_of(word: str) -> range:
    first, _, last = word.partition("-")
    start, end = (min(int(number), HIGHEST_PORT) for number in (first, last or first))
    return range(start, end + 1)
