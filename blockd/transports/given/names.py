"""The names by which the listening sockets are kept: `dns_udp.0` for those of worker 0, `admin` for those of all."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from blockd.transports.listening.sockets import Sockets


def named(sockets: Sockets) -> Iterator[tuple[str, list[socket.socket]]]:
    """Yield each group of sockets by its name, which fits what a service manager takes (sd_pid_notify_with_fds(3))."""
    for served, groups in sockets.of_workers().items():
        for index, group in enumerate(groups):
            yield f"{served}.{index}", group
    yield from sockets.of_one().items()


def put(sockets: Sockets, name: str, sock: socket.socket) -> bool:
    """Put a socket into the group of its name; return false if there is no such name."""
    served, _, index = name.partition(".")
    if index and served in (of_workers := sockets.of_workers()):
        if not (index.isdecimal() and len(index) <= MOST_DIGITS):
            return False
        groups = of_workers[served]
        groups += ([] for _ in range(int(index) + 1 - len(groups)))
        groups[int(index)].append(sock)
        return True
    if served in (of_one := sockets.of_one()) and not index:
        of_one[served].append(sock)
        return True
    return False


MOST_DIGITS = 3  # of a worker's index (`MAX_WORKERS` in blockd.settings.values)
