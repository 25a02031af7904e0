"""One socket that is bound to an address of the config, with what the kernel is told about it."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from blockd.settings import SocketAddress
from blockd.transports.accepting import BACKLOG

RECEIVE_BUFFER = 4 << 20  # octets of questions that the kernel may hold while a worker is busy or being replaced
# Octets that the kernel may hold of one connection over TCP: questions that are not taken yet, answers that are left
# unread. By itself it would let both grow to megabytes, which thousands of connections take from the whole machine.
TCP_RECEIVE_BUFFER = 1 << 15
TCP_SEND_BUFFER = 1 << 17

_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # the module has the name only from Python 3.14 on
# IP_FREEBIND of ip(7), and IPV6_FREEBIND: the module has no names for them.
_FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}


def bind_alone(address: SocketAddress, kind: socket.SocketKind) -> socket.socket:
    """Return a socket on an address that nobody else has, not even one who would share it; raises OSError."""
    return _bound(address, kind, is_shared=False)


def bind_shared(address: SocketAddress, kind: socket.SocketKind, *, has_clients: bool) -> tuple[socket.socket, bool]:
    """Return a socket on an address that others of this user may have as well, and whether the machine has that.

    One that the machine does not have is bound all the same (IP_FREEBIND): anycast addresses come and go with their
    routes. Not so one of the loopback interface, which is missing only where its family is. `has_clients` says that it
    is a worker's: then it listens at once, and the kernel holds little of each connection. Raises OSError.
    """
    try:
        return _bound(address, kind, is_shared=True, has_clients=has_clients), True
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL or ipaddress.ip_address(address.host).is_loopback:
            raise
    return _bound(address, kind, is_shared=True, has_clients=has_clients, is_free=True), False


def prepared(sock: socket.socket, address: SocketAddress, *, has_clients: bool) -> socket.socket:
    """Return a socket that was bound before, with what a new one has."""
    if sock.type == socket.SOCK_DGRAM:
        _prepare_datagrams(sock, sock.family, wildcard=ipaddress.ip_address(address.host).is_unspecified)
    elif has_clients:
        _hold_little(sock)
        sock.listen(BACKLOG)
    return sock


def _bound(
    address: SocketAddress,
    kind: socket.SocketKind,
    *,
    is_shared: bool,
    has_clients: bool = False,
    is_free: bool = False,
) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    with contextlib.ExitStack() as stack:
        stack.callback(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if is_free:
            sock.setsockopt(*_FREEBIND[family], 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _prepare_datagrams(sock, family, wildcard=ipaddress.ip_address(address.host).is_unspecified)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM and has_clients:  # what is accepted has them from here
            _hold_little(sock)
        sock.bind((address.host, address.port))
        if kind == socket.SOCK_STREAM and has_clients:
            sock.listen(BACKLOG)
        stack.pop_all()
    return sock


def _hold_little(sock: socket.socket) -> None:
    """Have the kernel hold little of each connection that is accepted."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TCP_RECEIVE_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_SEND_BUFFER)


def _prepare_datagrams(sock: socket.socket, family: socket.AddressFamily, *, wildcard: bool) -> None:
    """Have the kernel report a query's destination address to a wildcard socket, so that it answers from there."""
    if wildcard and family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif wildcard:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
