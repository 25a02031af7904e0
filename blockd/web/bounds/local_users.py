"""Which user of this machine has the other end of a connection, as the kernel says by netlink (sock_diag(7)).

On loopback everybody has the same address; users are told apart by the owner of the socket instead. The kernel is asked
of each connection by both its ends, which costs it the same however many sockets there are. A program may keep the
kernel's own lock on that table, so that what is asked takes a bounded part of the time.

A socket that its program has closed has no inode, and an owner of 0 whoever it was: it is passed over, as is one in
TIME_WAIT. Otherwise anybody could close half of a connection and be taken for root.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from blockd.errors import cause_of
from blockd.resolver.clients import unmapped
from blockd.resolver.machine import netlink

MAX_TIME = 0.02  # seconds after which no more is asked: some 2,000 connections if nobody keeps the lock
PAUSE = 4.0  # times as long as asking took, until the next: a fifth of the time at most
AT_ONCE = 16  # connections asked of by one message, whose answers the kernel's smallest buffers hold

Endpoint = tuple[bytes, int]
"""The octets of an IP address, 4 if it is one of IPv4 in IPv6, and a port."""

Ends = tuple[Endpoint, Endpoint]
"""Both ends of a connection, the client's first."""

SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY, also the type of its answer
_REQUEST = struct.Struct("=BBBBI")  # the beginning of struct inet_diag_req_v2: family, protocol, extensions, 0, states
_ENDS = struct.Struct(">HH16s16s")  # of struct inet_diag_sockid: ports and addresses, the asked socket's own end first
_REST = struct.Struct("=III")  # the rest of it: interface, and a cookie of two words
_ANSWER = struct.Struct("=xB62xII")  # struct inet_diag_msg: state, owner, inode
_EVERY_STATE = 0xFFFFFFFF
_ANY_COOKIE = 0xFFFFFFFF  # INET_DIAG_NOCOOKIE
_LOOPBACK = 1  # its interface: what is sent to oneself comes by it, also from a socket that is bound to it
_CONNECTED = frozenset({1, 4, 5, 8, 9, 11})  # ESTABLISHED, FIN_WAIT1 and 2, CLOSE_WAIT, LAST_ACK, CLOSING

_log = logging.getLogger(__name__)


class SocketOwners:
    """Asks the kernel, each time by a socket of its own; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0  # when it may be asked again
        self._is_told = False

    @property
    def rest(self) -> float:
        """Seconds until the kernel may be asked again, 0 if it may be now."""
        return max(0.0, self._next - self._clock())

    def of_clients(self, connections: Iterable[Ends]) -> dict[Ends, int]:
        """Return the user ids of the sockets of this machine that are the clients' ends of connections.

        Those of other machines are left out, and all that are not asked of since it takes too long, or fails, which
        the log says once. A socket that is bound to another interface than loopback, as for a link-local address, is
        not found.
        """
        began = self._clock()
        found: dict[Ends, int] = {}
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, SOCK_DIAG) as kernel:
                asked = list(connections)
                while asked and self._clock() - began <= MAX_TIME:
                    found.update(_ask(kernel, asked[:AT_ONCE]))
                    del asked[:AT_ONCE]
        except OSError as error:
            self._tell(error)
        now = self._clock()
        self._next = now + (now - began) * PAUSE
        return found

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warning(
                "The kernel does not say whose connections to the admin port are: %s. All users of this machine count "
                "there as one; root and blockd's user are to use the admin socket. In a systemd unit, add AF_NETLINK "
                "to RestrictAddressFamilies=.",
                cause_of(error),
            )


def endpoint(address: tuple[str, int]) -> Endpoint:
    """Return an end of a connection; `address` begins as a socket of TCP writes it."""
    host = address[0].partition("%")[0]
    packed = socket.inet_pton(socket.AF_INET6, host) if ":" in host else socket.inet_aton(host)
    return unmapped(packed), address[1]


def _ask(kernel: socket.socket, connections: Sequence[Ends]) -> Iterator[tuple[Ends, int]]:
    """Yield the connections whose client's socket is one of this machine's, with its user.

    The kernel answers each request before `send` returns, if only that there is no such socket.
    """
    kernel.send(b"".join(netlink.message(_BY_FAMILY, _request(ends), at) for at, ends in enumerate(connections)))
    for _ in connections:
        answer, sender = kernel.recvfrom(4096)
        if sender[0] != 0 or len(answer) < netlink.HEADER.size + _ANSWER.size:
            continue  # not the kernel's, or its error
        _, kind, _, at, _ = netlink.HEADER.unpack_from(answer)
        if kind != _BY_FAMILY or at >= len(connections):
            continue
        state, user, inode = _ANSWER.unpack_from(answer, netlink.HEADER.size)
        # If there is none, the kernel answers with one that listens at the client's end, if there is such a one.
        if state in _CONNECTED and inode:
            yield connections[at], user


def _request(ends: Ends) -> bytes:
    (client, port), (server, to) = ends
    family = socket.AF_INET if len(client) == 4 else socket.AF_INET6
    head = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _EVERY_STATE)
    return head + _ENDS.pack(port, to, client, server) + _REST.pack(_LOOPBACK, _ANY_COOKIE, _ANY_COOKIE)
