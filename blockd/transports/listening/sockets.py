"""The sockets that blockd listens on, which the supervisor holds as long as it runs.

Each worker index has its own UDP and TCP sockets on the same addresses (SO_REUSEPORT): the kernel spreads clients over
them, and messages for a worker that has died, or is replaced, wait in its socket for the next one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from blockd.settings import SocketAddress
from blockd.settings.listening import LocalAddress, UnixSocket
from blockd.transports import unix_socket
from blockd.transports.listening.served import SERVED
from blockd.transports.listening.steering import steer_to_all, steer_to_first, turn_away

Place = tuple[str, str]
"""What is served, by its name in SERVED, and the text of the address where."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where blockd really listens, by protocol, and the addresses of the config that were left out."""

    dns_udp: tuple[str, ...] = ()
    dns_tcp: tuple[str, ...] = ()
    dot: tuple[str, ...] = ()
    doh: tuple[str, ...] = ()
    block_page_http: tuple[str, ...] = ()
    block_page_https: tuple[str, ...] = ()
    public_http: tuple[str, ...] = ()
    public_https: tuple[str, ...] = ()
    decide: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, list[str]]:
        """Return it as JSON values."""
        return {name: list(getattr(self, name)) for name in self.__slots__}


@dataclass(slots=True)
class Sockets:
    """The bound sockets: those for DNS by worker index, the others by what they serve.

    `leaving` are those that the config no longer has, in the kernel's order, where they stand behind those of workers;
    they are closed once they have been read empty. `absent` are addresses that the machine did not have when they were
    bound.
    """

    udp: list[list[socket.socket]] = field(default_factory=list)
    tcp: list[list[socket.socket]] = field(default_factory=list)
    dot: list[list[socket.socket]] = field(default_factory=list)
    doh: list[list[socket.socket]] = field(default_factory=list)
    block_page_http: list[socket.socket] = field(default_factory=list)
    block_page_https: list[socket.socket] = field(default_factory=list)
    public_http: list[socket.socket] = field(default_factory=list)
    public_https: list[socket.socket] = field(default_factory=list)
    decide: list[socket.socket] = field(default_factory=list)
    admin: list[socket.socket] = field(default_factory=list)
    left_out: list[SocketAddress] = field(default_factory=list)
    leaving: dict[Place, list[socket.socket]] = field(default_factory=dict)
    absent: list[SocketAddress] = field(default_factory=list)
    _bound: Bound | None = None

    @property
    def has_page(self) -> bool:
        """Whether anything is listened on for the page process: the block page, the refusal of TLS, orders' pages."""
        return bool(self.block_page_http or self.block_page_https or self.public_http or self.public_https)

    @property
    def all_leaving(self) -> list[int]:
        """Those that are leaving, wherever they listen, by descriptor."""
        return [sock.fileno() for group in self.leaving.values() for sock in group]

    @property
    def bound(self) -> Bound:
        """Where they listen, as the kernel said first; the workers' sockets have the same addresses."""
        if self._bound is None:
            self._bound = self._where()
        return self._bound

    def of_worker(self, index: int) -> list[list[socket.socket]]:
        """Return the groups that a worker serves."""
        return [groups[index] for groups in self.of_workers().values()]

    def of_workers(self) -> dict[str, list[list[socket.socket]]]:
        """Return those of workers, by their names in SERVED and by index."""
        return {"dns_udp": self.udp, "dns_tcp": self.tcp, "dot": self.dot, "doh": self.doh}

    def of_one(self) -> dict[str, list[socket.socket]]:
        """Return those that one process serves, by their names in SERVED."""
        names = tuple(SERVED)[len(self.of_workers()) :]
        return {name: getattr(self, name) for name in names}

    def places(self) -> dict[Place, list[socket.socket]]:
        """Return those that are served, by what and where; of workers in the order of their indices, as the kernel's.

        Of an address that is leaving there is an empty list.
        """
        found: dict[Place, list[socket.socket]] = {place: [] for place in self.leaving}
        for name, groups in self.of_workers().items():
            for group in groups:
                for sock in group:
                    found.setdefault((name, address_of(sock).text), []).append(sock)
        for name, group in self.of_one().items():
            for sock in group:
                found.setdefault((name, address_of(sock).text), []).append(sock)
        return found

    def give_to(self, uid: int, gid: int) -> None:
        """Have them belong to the user that this process is about to become, as root: only then it may bind more."""
        for sock in self._all():
            if sock.family != socket.AF_UNIX:
                os.fchown(sock.fileno(), uid, gid)

    def steer(self) -> None:
        """Have nothing more come to those that are leaving, and have what comes spread over all others."""
        for place, members in self.places().items():
            leaving = self.leaving.get(place, [])
            if members and members[0].family != socket.AF_UNIX:
                if leaving:
                    steer_to_first(members[0], len(members))
                else:
                    steer_to_all(members[0])
            elif leaving and place[0] == "dns_udp" and self._is_covered(leaving[0]):
                for sock in leaving:
                    turn_away(sock)

    def close_leaving(self, descriptors: Collection[int]) -> None:
        """Close those of some descriptors that are leaving, once no other process has them; others stay open."""
        for place, leaving in list(self.leaving.items()):
            for sock in [one for one in leaving if one.fileno() in descriptors]:
                # As the kernel does: the last one takes the place of one that is closed.
                leaving[leaving.index(sock)] = leaving[-1]
                leaving.pop()
                close_socket(sock)
            if not leaving:
                del self.leaving[place]
        self.steer()

    def keep(self, *kept: list[socket.socket]) -> None:
        """Close all but some groups, in a process that serves only these; where all of them listen is still known."""
        self._bound = self.bound
        self._close_all_but({id(sock) for group in kept for sock in group})

    def close_but(self, kept: Sockets) -> None:
        """Close, in a process that has others, those that are not among these, too."""
        self._close_all_but({id(sock) for sock in kept._all()})

    def _close_all_but(self, held: set[int]) -> None:
        for sock in self._all():
            if id(sock) not in held:
                sock.close()

    def close(self) -> None:
        """Close all of them."""
        for sock in self._all():
            close_socket(sock)

    def _is_covered(self, sock: socket.socket) -> bool:
        """Return whether a socket on a wildcard address gets what one on an address of its own does not, over UDP."""
        mine = address_of(sock)
        others = [address_of(other) for other in self.udp[0]]
        return isinstance(mine, SocketAddress) and any(
            isinstance(other, SocketAddress) and other.clashes_with(mine) for other in others
        )

    def _where(self) -> Bound:
        groups = (*(group[0] if group else [] for group in self.of_workers().values()), *self.of_one().values())
        where = dict(zip(SERVED, map(_addresses, groups), strict=True))
        return Bound(**where | {"left_out": tuple(dict.fromkeys(address.text for address in self.left_out))})

    def _all(self) -> list[socket.socket]:
        groups = [*(group for groups in self.of_workers().values() for group in groups), *self.of_one().values()]
        return [sock for group in (*groups, *self.leaving.values()) for sock in group]


def address_of(sock: socket.socket) -> LocalAddress:
    """Return where a socket is bound."""
    if sock.family == socket.AF_UNIX:
        return UnixSocket(Path(os.fsdecode(sock.getsockname())))
    return SocketAddress(*sock.getsockname()[:2])


def close_socket(sock: socket.socket) -> None:
    """Close a listening socket; what a Unix socket has in the file system goes, too."""
    if sock.family == socket.AF_UNIX:
        unix_socket.close(sock)
    else:
        sock.close()


def _addresses(sockets: list[socket.socket]) -> tuple[str, ...]:
    return tuple(address_of(sock).text for sock in sockets)
