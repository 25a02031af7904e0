"""The sockets that this process was given (LISTEN_FDS in sd_listen_fds(3)), to be taken in the place of new ones."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass

from blockd.printable import one_line, some_of
from blockd.settings import Settings, SocketAddress
from blockd.transports.given.names import put
from blockd.transports.listening.bound_socket import prepared
from blockd.transports.listening.change import wanted
from blockd.transports.listening.served import kind_of
from blockd.transports.listening.sockets import Sockets, address_of

FIRST = 3  # the number of the first descriptor
MOST = 1 << 16  # descriptors; more than any process has
MOST_NAMED = 8  # addresses in one line of the log
_KINDS = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenSocket:
    """One of them, and the name under which it was kept."""

    name: str
    socket: socket.socket

    def __str__(self) -> str:
        kind = _KINDS.get(socket.SocketKind(self.socket.type), "")
        return f"{address_of(self.socket).text} over {kind}"


class GivenSockets:
    """Those that were given; `is_served` says that processes which were started before still read them."""

    def __init__(self, given: Iterable[GivenSocket] = (), *, is_served: bool = False) -> None:
        self._given = list(given)
        self.is_served = is_served

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int) -> GivenSockets:
        """Return those that the environment tells the process `pid` of; programs started later are not told of them.

        What is not a socket that blockd can serve is refused with a line in the log, and closed.
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which they were kept."""
        return tuple(dict.fromkeys(one.name for one in self._given))

    def sockets(self, settings: Settings) -> Sockets:
        """Return them as what was listened on before, by their names; those that have others by their addresses.

        One that has no place in the config by either is closed.
        """
        found = Sockets()
        strange = [one for one in self._given if not put(found, one.name, one.socket)]
        for one in strange:
            if (served := _served_at(one.socket, settings)) is None:
                tell_unwanted([one.socket])
                one.socket.close()
                self._given.remove(one)
            elif served in found.of_workers():
                put(found, f"{served}.{_first_free(found, served, one.socket)}", one.socket)
            else:
                put(found, served, one.socket)
        for served, groups in found.of_workers().items():
            for sock in (sock for group in groups for sock in group):
                where = address_of(sock)
                if isinstance(where, SocketAddress):
                    prepared(sock, where, has_clients=served != "dns_udp")
        return found

    def close(self) -> None:
        """Close all of them, where nothing is to come of it."""
        for one in self._given:
            one.socket.close()


def tell_unwanted(sockets: Sequence[socket.socket]) -> None:
    """Log which sockets are closed since the config does not ask for them."""
    told = dict.fromkeys(str(GivenSocket("", sock)) for sock in sockets)
    log.warning(
        "Sockets that were kept from before are closed, since the config does not ask for them: %s.",
        some_of(list(told), MOST_NAMED),
    )


def _served_at(sock: socket.socket, settings: Settings) -> str | None:
    """Return what is to be served where a socket is bound, by its name in SERVED; None if nothing is."""
    where = address_of(sock).text
    for served, _, addresses in wanted(settings.listen):
        if sock.type == kind_of(served) and where in [address.text for address in addresses]:
            return served
    return None


def _first_free(found: Sockets, served: str, sock: socket.socket) -> int:
    """Return the index of the first worker that has no socket where this one is bound."""
    where = address_of(sock).text
    groups = found.of_workers()[served]
    taken = [any(address_of(other).text == where for other in group) for group in groups]
    return taken.index(False) if False in taken else len(groups)


def _adopted(descriptor: int, name: str) -> GivenSocket | None:
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
    return GivenSocket(name, sock)


def _wrong_with(sock: socket.socket) -> str:
    """Return what a socket is that blockd cannot serve; empty if it can."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return "not a socket of IP"
    if sock.type not in _KINDS:
        return "neither a UDP nor a TCP socket"
    if sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return "bound to IPv4 and IPv6 at once, which blockd listens on apart (BindIPv6Only=ipv6-only)"
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        return "bound so that no second process can have its address, as each worker does (ReusePort=yes)"
    try:
        sock.getpeername()
    except OSError:
        return ""
    return "a connection, not a socket that listens"
