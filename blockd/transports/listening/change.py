"""A change of where blockd listens, by another config: what is new is bound first, and can be taken back.

What stays is the same socket: same protocol, address and worker index. A worker more gets sockets of its own, which are
steered around until it reads them; what goes is steered around, read empty by the process that has it, and closed last.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blockd.errors import ConfigError
from blockd.resolver.forwarding.source_ports import LOWEST_PORT
from blockd.settings import Settings, SocketAddress
from blockd.settings.listening import Listen, LocalAddress, UnixSocket
from blockd.transports import unix_socket
from blockd.transports.accepting import BACKLOG
from blockd.transports.listening.bound_socket import bind_alone, bind_shared
from blockd.transports.listening.served import SERVED, kind_of
from blockd.transports.listening.sockets import Place, Sockets, address_of, close_socket
from blockd.transports.listening.steering import is_turned_away, steer_to_first
from blockd.transports.listening.trouble import Trouble

OF_WORKERS = ("dns_udp", "dns_tcp", "dot", "doh")
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_RESTART = "blockd has given up the right to bind ports below 1024; restart it, or keep CAP_NET_BIND_SERVICE"

_ASKED_FROM = (
    "another socket has this port, of another program or of blockd, which asks upstreams from random ports. "
    "Name it in upstream.avoid_ports, reload, then name it here"
)


@dataclass(slots=True)
class SocketChange:
    """A change that has been prepared: `sockets` are those of the new config, `before` those until now.

    `new` are those that were bound for it.
    """

    before: Sockets
    sockets: Sockets
    new: list[socket.socket] = field(default_factory=list)

    def steer(self) -> None:
        """Have questions come to the new sockets, and no more to those that go: whoever reads the former runs by now.

        Raises OSError if the kernel cannot do that.
        """
        self.sockets.steer()

    def take_back(self) -> None:
        """Close what was bound, and have everything come where it came before."""
        for sock in self.new:
            close_socket(sock)
        self.new.clear()
        self.before.steer()

    def going(self, held: Sequence[Sequence[socket.socket]]) -> list[int]:
        """Return which of the sockets that a process has go, by descriptor: it is to read these empty."""
        leaving = set(self.sockets.all_leaving)
        return [sock.fileno() for group in held for sock in group if sock.fileno() in leaving]


def changed(before: Sockets, settings: Settings, source: str) -> SocketChange:
    """Prepare the change to another config; raises ConfigError with every address that cannot be bound.

    Nothing has changed then. Of `before` nothing is closed, nor does its content change.
    """
    change, found = attempted(before, settings)
    if found:
        change.take_back()
        raise ConfigError(source, list(dict.fromkeys(map(str, found))))
    return change


def attempted(before: Sockets, settings: Settings, *, is_start: bool = False) -> tuple[SocketChange, list[Trouble]]:
    """Prepare the change as far as that is possible; return what was not as well.

    `is_start` says that this process still has all rights that it is given.
    """
    changing = _Changing(before, settings, is_start=is_start)
    changing.run()
    return changing.change, changing.found


class _Changing:
    def __init__(self, before: Sockets, settings: Settings, *, is_start: bool) -> None:
        self._places = before.places()
        self._settings = settings
        self._is_first = is_start or not self._places
        leaving = {place: list(group) for place, group in before.leaving.items()}
        udp, tcp, dot, doh = ([list[socket.socket]() for _ in range(settings.workers)] for _ in OF_WORKERS)
        self._after = Sockets(udp, tcp, dot, doh, leaving=leaving)
        self.change = SocketChange(before, self._after)
        self.found: list[Trouble] = []

    def run(self) -> None:
        """Bind what is new."""
        asked = list(wanted(self._settings.listen))
        named = {(name, address.text) for name, _, addresses in asked for address in addresses}
        for name, setting, addresses in asked:
            for number, address in enumerate(addresses):
                path = f"{setting}[{number}]" if len(addresses) > 1 else setting
                try:
                    self._take(name, path, address)
                except OSError as error:
                    if isinstance(address, SocketAddress) and len(addresses) > 1 and _is_without_ipv6(address, error):
                        self._after.left_out.append(address)  # the setting has others
                    else:
                        self.found.append(Trouble(path, address, error, self._why(name, address, error)))
        for place, members in self._places.items():
            if place not in named and members:
                self._leave(place, members)

    def _take(self, name: str, path: str, address: LocalAddress) -> None:
        """Have an address listened on: by what is there, what was leaving, and what is bound; raises OSError."""
        place = name, address.text
        kind = kind_of(name)
        wanted = self._settings.workers if name in OF_WORKERS else 1
        members = self._places.get(place, [])
        kept, gone = members[:wanted], members[wanted:]
        found = [*kept, *self._back(place, wanted - len(kept))]
        why = self._is_in_use(name, address, found)
        if why:
            self.found.append(Trouble(path, address, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)), why))
            return
        new = self._bound(address, kind, name, wanted - len(found), found)
        if gone:
            self._leave(place, gone)
        self._put(name, [*found, *new])

    def _back(self, place: Place, count: int) -> list[socket.socket]:
        """Take back those that were leaving, in the kernel's order, as many as are wanted."""
        leaving = self._after.leaving.get(place, [])
        back, left = leaving[:count], leaving[count:]
        if left:
            self._after.leaving[place] = left
        else:
            self._after.leaving.pop(place, None)
        return back

    def _bound(
        self, address: LocalAddress, kind: socket.SocketKind, name: str, count: int, beside: list[socket.socket]
    ) -> list[socket.socket]:
        """Bind so many more; those that share an address with others are steered around for now."""
        if count <= 0:
            return []
        if isinstance(address, UnixSocket):
            new = [unix_socket.listen(address.path, BACKLOG)]
            self.change.new += new
            return new
        if beside:
            steer_to_first(beside[0], len(beside))
        elif not any(self._shares(address, kind, sock) for sock in self._held()):
            # A socket that does not share the port finds out whether any program uses it, even another blockd.
            _probe(address, kind)
        new = []
        for _ in range(count):
            sock, is_there = bind_shared(address, kind, has_clients=name in OF_WORKERS)
            self.change.new.append(sock)
            new.append(sock)
            if not is_there and address not in self._after.absent:
                self._after.absent.append(address)
        return new

    def _is_in_use(self, name: str, address: LocalAddress, found: list[socket.socket]) -> str:
        """Say why an address cannot be served yet: what is asked there would come to two processes for a while."""
        if name == "dns_udp" and any(map(is_turned_away, found)):
            return "the sockets that it had are still being read empty. Try again in some seconds"
        for (other, where), group in (*self._places.items(), *self.change.before.leaving.items()):
            if not found and group and where == address.text and "dns_udp" not in (name, other) and other != name:
                return f"it is where {SERVED[other]} is served until now. Remove it there, reload, then name it here"
        return ""

    def _held(self) -> Iterator[socket.socket]:
        for group in (*self._places.values(), *self.change.before.leaving.values()):
            yield from group

    @staticmethod
    def _shares(address: SocketAddress, kind: socket.SocketKind, sock: socket.socket) -> bool:
        """Return whether a socket has the address as well, be it as or by a wildcard."""
        if sock.family == socket.AF_UNIX or sock.type != kind:
            return False
        other = address_of(sock)
        return isinstance(other, SocketAddress) and address.clashes_with(other)

    def _leave(self, place: Place, gone: list[socket.socket]) -> None:
        self._after.leaving[place] = [*gone, *self._after.leaving.get(place, [])]

    def _put(self, name: str, sockets: list[socket.socket]) -> None:
        groups = self._after.of_workers().get(name)
        if groups is None:
            self._after.of_one()[name].extend(sockets)
        else:
            for group, sock in zip(groups, sockets, strict=True):
                group.append(sock)

    def _why(self, name: str, address: LocalAddress, error: OSError) -> str:
        """Say what a daemon that runs has to do with it; empty if the kernel's answer is all."""
        if self._is_first:
            return ""
        if error.errno == errno.EADDRINUSE and name == "dns_udp":
            return _ASKED_FROM if isinstance(address, SocketAddress) and address.port >= LOWEST_PORT else ""
        return _RESTART if error.errno == errno.EACCES else ""


def _probe(address: SocketAddress, kind: socket.SocketKind) -> None:
    """Find out whether any program has an address; raises OSError if so, or if it cannot be bound at all."""
    try:
        bind_alone(address, kind).close()
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise


def _is_without_ipv6(address: SocketAddress, error: OSError) -> bool:
    """Return whether an address cannot be bound since the machine is without IPv6."""
    return ":" in address.host and error.errno in _NO_IPV6


def wanted(listen: Listen) -> Iterator[tuple[str, str, Sequence[LocalAddress]]]:
    """Yield what is served, by its name in SERVED, the setting that says where, and the addresses."""
    yield "dns_udp", "listen.dns", listen.dns
    yield "dns_tcp", "listen.dns", listen.dns
    yield "dot", "listen.dot", listen.dot
    yield "doh", "listen.doh", listen.doh
    yield "block_page_http", "listen.block_page.http", listen.block_page.http
    yield "block_page_https", "listen.block_page.https", listen.block_page.https
    yield "public_http", "listen.public.http", listen.public.http
    yield "public_https", "listen.public.https", listen.public.https
    yield "decide", "listen.decide", listen.decide
    yield "admin", "listen.admin", (listen.admin,)
