"""The names by which the listening sockets are kept: `dns_udp.0` for those of worker 0, `admin` for those of all."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from blockd.transports.binding import Sockets
from blockd.transports.listening.served import SERVED


def named(sockets: Sockets) -> Iterator[tuple[str, list[socket.socket]]]:
    """Yield each group of sockets by its name; those with a path are left out, as each start makes them anew.

    A name fits what a service manager takes (FDNAME= in sd_pid_notify_with_fds(3)).
    """
    of_workers = {"dns_udp": sockets.udp, "dns_tcp": sockets.tcp, "dot": sockets.dot, "doh": sockets.doh}
    for served in SERVED:
        if served in of_workers:
            for index, group in enumerate(of_workers[served]):
                yield f"{served}.{index}", group
        else:
            yield served, [one for one in getattr(sockets, served) if one.family != socket.AF_UNIX]
