"""The UDP sockets to one upstream: connected, each from a random port, replaced by others one after the other.

Both engines open theirs here. A connected socket hears nobody but its upstream, and the kernel's reports about it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.resolver.forwarding.limits import MAX_RETIRED, MIN_SOCKETS, SOCKETS
from blockd.resolver.forwarding.source_ports import SourcePorts
from blockd.resolver.options import Randomness
from blockd.resolver.streams import NoSuchInterface, socket_address
from blockd.settings import Upstream

if TYPE_CHECKING:
    from blockd.resolver.forwarding.tries import Try


def sockets_each(upstreams: int, sockets: int) -> int:
    """Return how many sockets each of some upstreams gets, given how many there may be to all of them."""
    return max(MIN_SOCKETS, min(SOCKETS, sockets // max(upstreams, 1)))


def connected(upstream: Upstream, ports: SourcePorts) -> socket.socket:
    """Return a non-blocking socket from a random port to an upstream; raises OSError."""
    family, address = socket_address(upstream)
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        ports.bind(sock)
        sock.connect(address)
    except OSError as error:
        sock.close()
        if error.errno == errno.ENODEV and "%" in upstream.host:
            raise NoSuchInterface(upstream.host.partition("%")[2]) from None
        raise
    return sock


class UdpSocket:
    """One socket, with the questions that are in the air on it by their IDs."""

    __slots__ = ("is_retired", "sock", "strays", "tries")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.tries: dict[int, Try] = {}
        self.strays = 0
        self.is_retired = False


class UdpSockets:
    """The sockets of one upstream; each is opened when it is first drawn."""

    def __init__(
        self,
        upstream: Upstream,
        ports: SourcePorts,
        randomness: Randomness,
        opened: Callable[[UdpSocket], None],
        closed: Callable[[UdpSocket], None],
        size: int = SOCKETS,
    ) -> None:
        """`opened` is called for each socket that is to be read from now on, `closed` before one is closed."""
        self._upstream = upstream
        self._ports = ports
        self._randomness = randomness
        self._opened = opened
        self._closed = closed
        self._sockets: list[UdpSocket | None] = [None] * size
        self._retired: list[UdpSocket] = []
        self._next = 0  # the one that is replaced next

    def __len__(self) -> int:
        return sum(one is not None for one in self._sockets) + len(self._retired)

    def resize(self, size: int) -> None:
        """Have at most so many from now on."""
        for one in self._sockets[size:]:
            if one is not None:
                self._retire(one)
        self._sockets = self._sockets[:size] + [None] * (size - len(self._sockets))
        self._next %= size

    def draw(self) -> UdpSocket:
        """Return a random one; raises OSError if it cannot be opened."""
        index = self._randomness(len(self._sockets))
        one = self._sockets[index]
        if one is None:
            one = self._sockets[index] = self._open()
        return one

    def renew(self) -> None:
        """Replace the next open one by a socket with another port; raises OSError if it cannot be opened.

        The one before is listened to as long as questions are in the air on it.
        """
        if len(self._retired) >= MAX_RETIRED:
            return
        for _ in range(len(self._sockets)):
            index, self._next = self._next, (self._next + 1) % len(self._sockets)
            one = self._sockets[index]
            if one is not None:
                self._sockets[index] = self._open()
                self._retire(one)
                return

    def shut_idle(self) -> None:
        """Close those that nothing is in the air on: the way to the upstream is another than before."""
        for index, one in enumerate(self._sockets):
            if one is not None and not one.tries:
                self._sockets[index] = None
                self._close(one)

    def give_up(self, one: UdpSocket) -> None:
        """Close a socket at once; another one is opened when it is drawn again."""
        for index, mine in enumerate(self._sockets):
            if mine is one:
                self._sockets[index] = None
        if one in self._retired:
            self._retired.remove(one)
        self._close(one)

    def release(self, one: UdpSocket) -> None:
        """Close a socket that was replaced, if nothing is in the air on it any more."""
        if one.is_retired and not one.tries and one in self._retired:
            self._retired.remove(one)
            self._close(one)

    def close(self) -> None:
        """Close all."""
        for one in (*self._sockets, *self._retired):
            if one is not None:
                self._close(one)
        self._sockets = [None] * len(self._sockets)
        self._retired.clear()

    def _open(self) -> UdpSocket:
        made = UdpSocket(connected(self._upstream, self._ports))
        self._opened(made)
        return made

    def _retire(self, one: UdpSocket) -> None:
        one.is_retired = True
        self._retired.append(one)
        self.release(one)

    def _close(self, one: UdpSocket) -> None:
        self._closed(one)
        one.sock.close()
