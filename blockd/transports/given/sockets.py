"""The sockets that this process was given (LISTEN_FDS in sd_listen_fds(3)), to be taken in the place of new ones."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace

from blockd.printable import one_line, some_of

FIRST = 3  # the number of the first descriptor
MOST = 1 << 16  # descriptors; more than any process has
MOST_NAMED = 8  # addresses in one line of the log
_KINDS = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """One of them: under which name, where it is bound, and whether others may be bound there too (SO_REUSEPORT)."""

    name: str
    socket: socket.socket
    host: str
    port: int
    is_shared: bool

    @property
    def kind(self) -> int:
        """The kind of its messages: SOCK_DGRAM or SOCK_STREAM."""
        return self.socket.type

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} over {_KINDS[socket.SocketKind(self.kind)]}"


class GivenSockets:
    """Those that were given and not taken yet."""

    def __init__(self, given: Iterable[Given] = ()) -> None:
        self._left = list(given)
        self.names = tuple(dict.fromkeys(one.name for one in self._left))

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int) -> GivenSockets:
        """Return those that the environment tells the process `pid` of; programs started later are not told of them.

        What is no socket that blockd can serve is refused with a line in the log, and closed.
        """
        count, whose = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
        names = environment.pop("LISTEN_FDNAMES", "").split(":")
        if whose != str(pid) or not count:
            return cls()
        if not (count.isdecimal() and len(count) <= len(str(MOST)) and int(count) <= MOST):
            log.error("LISTEN_FDS=%s is not a number of sockets; new ones are made.", one_line(count))
            return cls()
        found = []
        for place in range(int(count)):
            name = names[place] if place < len(names) else ""
            if (one := _adopted(FIRST + place, name)) is not None:
                found.append(one)
        return cls(found)

    def has(self, kind: int, host: str, port: int) -> bool:
        """Return whether one is left that is bound there, so that the place is this process' own."""
        return any((one.kind, one.host, one.port) == (kind, host, port) for one in self._left)

    def take(self, name: str, kind: int, host: str, port: int, *, shared: bool) -> socket.socket | None:
        """Return the one for a place and no longer have it; None if none fits. One of the same name goes first."""
        fits = [
            one
            for one in self._left
            if (one.kind, one.host, one.port, one.is_shared) == (kind, host, port, shared) and port
        ]
        chosen = next((one for one in fits if one.name == name), fits[0] if fits else None)
        if chosen is None:
            return None
        self._left.remove(chosen)
        return chosen.socket

    def close(self) -> None:
        """Close those that nobody wanted, and tell which they were."""
        if self._left:
            told = dict.fromkeys(map(str, self._left))
            log.warning(
                "Sockets that were kept from before are closed, since the config does not ask for them: %s.",
                some_of(list(told), MOST_NAMED),
            )
        self.discard()

    def discard(self) -> None:
        """Close those that are left."""
        for one in self._left:
            one.socket.close()
        self._left = []

    def copied(self) -> GivenSockets:
        """Return copies of those that are left, to find out what would be taken."""
        return GivenSockets([replace(one, socket=one.socket.dup()) for one in self._left])


def _adopted(descriptor: int, name: str) -> Given | None:
    """Return a descriptor as a socket bound over IP; None if it is none: a line in the log says what it is."""
    called = f"Descriptor {descriptor}{f' ({one_line(name)})' if name else ''}, which the service manager has passed"
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        log.error("%s, is not a socket (%s); it is left out.", called, error.strerror)
        return None
    what = _wrong_with(sock)
    if what:
        log.error("%s, is %s; it is closed, and what the config names is bound anew.", called, what)
        sock.close()
        return None
    sock.setblocking(False)
    host, port = sock.getsockname()[:2]
    return Given(name, sock, host, port, bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)))


def _wrong_with(sock: socket.socket) -> str:
    """Return what a socket is that blockd cannot serve; empty if it can."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return "not a socket of IP"
    if sock.type not in _KINDS:
        return "neither a UDP nor a TCP socket"
    if sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return "bound to IPv4 and IPv6 at once, which blockd listens on apart (BindIPv6Only=ipv6-only)"
    try:
        sock.getpeername()
    except OSError:
        return ""
    return "a connection, not a socket that listens"
