"""The sockets, which the supervisor binds before it drops privileges, and which live as long as the supervisor.

Each worker index has its own UDP and TCP sockets on the same addresses (SO_REUSEPORT): the kernel spreads clients over
them, and messages for a worker that has died wait in its socket for the next one.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blockd.errors import ConfigError
from blockd.settings import Settings, SocketAddress
from blockd.settings.listening import LocalAddress, UnixSocket
from blockd.transports import unix_socket
from blockd.transports.accepting import BACKLOG
from blockd.transports.served import SERVED
from blockd.transports.given.sockets import GivenSockets

RECEIVE_BUFFER = 4 << 20  # octets of questions that the kernel may hold while a worker is busy or being replaced
# Octets that the kernel may hold of one connection over TCP: questions that are not taken yet, answers that are left
# unread. By itself it would let both grow to megabytes, which thousands of connections take from the whole machine.
TCP_RECEIVE_BUFFER = 1 << 15
TCP_SEND_BUFFER = 1 << 17

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An address that cannot be listened on: the setting that names it, and the kernel's answer."""

    path: str
    address: LocalAddress
    error: OSError

    @property
    def is_taken(self) -> bool:
        """Whether another socket has it."""
        return self.error.errno == errno.EADDRINUSE

    def __str__(self) -> str:
        return f"{self.path}: {self.address} cannot be listened on: {why_not(self.error, self.address)}"


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
    """The bound sockets: those for DNS by worker index, the others by what they serve."""

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
    _bound: Bound | None = None

    @property
    def has_page(self) -> bool:
        """Whether anything is listened on for the page process: the block page, the refusal of TLS, orders' pages."""
        return bool(self.block_page_http or self.block_page_https or self.public_http or self.public_https)

    @property
    def bound(self) -> Bound:
        """Where they listen, as the kernel said first; the workers' sockets have the same addresses."""
        if self._bound is None:
            self._bound = self._where()
        return self._bound

    def of_worker(self, index: int) -> list[list[socket.socket]]:
        """Return the groups that a worker serves."""
        return [groups[index] for groups in self._of_workers]

    def keep(self, *kept: list[socket.socket]) -> None:
        """Close all but some groups, in a process that serves only these; where all of them listen is still known."""
        self._bound = self.bound
        held = {id(sock) for group in kept for sock in group}
        for sock in self._all():
            if id(sock) not in held:
                sock.close()

    def _where(self) -> Bound:
        groups = (*(group[0] if group else [] for group in self._of_workers), *self._of_one)
        where = dict(zip(SERVED, map(_addresses, groups), strict=True))
        return Bound(**where | {"left_out": tuple(dict.fromkeys(address.text for address in self.left_out))})

    def close(self) -> None:
        """Close all of them."""
        for sock in self._all():
            if sock.family == socket.AF_UNIX:
                unix_socket.close(sock)
            else:
                sock.close()

    @property
    def _of_workers(self) -> tuple[list[list[socket.socket]], ...]:
        return self.udp, self.tcp, self.dot, self.doh

    @property
    def _of_one(self) -> tuple[list[socket.socket], ...]:
        """Those that one process serves, in the order of SERVED, as are those of workers."""
        pages = self.block_page_http, self.block_page_https, self.public_http, self.public_https
        return *pages, self.decide, self.admin

    def _all(self) -> list[socket.socket]:
        groups = (*(group for groups in self._of_workers for group in groups), *self._of_one)
        return [sock for group in groups for sock in group]


def bind(settings: Settings, source: str, given: GivenSockets | None = None) -> Sockets:
    """Bind all addresses of the config; raises ConfigError with every address that cannot be bound.

    Sockets that this process was `given` are taken where they fit; the others of them are closed, once all is bound. An
    IPv6 address on a machine without IPv6 is left out with a warning if the same setting has another address.
    """
    given = given or GivenSockets()
    sockets, found = _bind_all(settings, given)
    given.close()
    if found:
        sockets.close()
        raise ConfigError(source, list(dict.fromkeys(map(str, found))))
    for address in dict.fromkeys(sockets.left_out):
        log.warning("%s is not listened on, since this machine does not have that IPv6 address.", address)
    return sockets


def troubles(settings: Settings, given: GivenSockets | None = None) -> list[Trouble]:
    """Return every address of the config that cannot be listened on now; nothing stays bound but what was `given`."""
    copies = given.copied() if given else GivenSockets()
    sockets, found = _bind_all(settings, copies)
    sockets.close()
    copies.discard()
    return list({str(trouble): trouble for trouble in found}.values())


def _bind_all(settings: Settings, given: GivenSockets) -> tuple[Sockets, list[Trouble]]:
    found: list[Trouble] = []
    listen = settings.listen
    workers = range(settings.workers)
    udp, tcp, dot, doh = ([list[socket.socket]() for _ in workers] for _ in range(4))
    sockets = Sockets(udp, tcp, dot, doh)
    for addresses, setting, kind, groups, served in (
        (listen.dns, "listen.dns", socket.SOCK_DGRAM, sockets.udp, "dns_udp"),
        (listen.dns, "listen.dns", socket.SOCK_STREAM, sockets.tcp, "dns_tcp"),
        (listen.dot, "listen.dot", socket.SOCK_STREAM, sockets.dot, "dot"),
        (listen.doh, "listen.doh", socket.SOCK_STREAM, sockets.doh, "doh"),
    ):
        # A socket that does not share the port finds out whether any program uses it, even another blockd; but not
        # where this one was given a socket, by which it has the port.
        unknown = [one for one in addresses if not given.has(kind, one.host, one.port)]
        for probe in _bound(unknown, setting, kind, found, sockets.left_out, shared=False):
            probe.close()
        if not found:
            for index, group in enumerate(groups):
                name = f"{served}.{index}"
                group += _bound(addresses, setting, kind, found, sockets.left_out, given, name, shared=True)
    others: tuple[tuple[Sequence[LocalAddress], str, list[socket.socket]], ...] = (
        (listen.block_page.http, "listen.block_page.http", sockets.block_page_http),
        (listen.block_page.https, "listen.block_page.https", sockets.block_page_https),
        (listen.public.http, "listen.public.http", sockets.public_http),
        (listen.public.https, "listen.public.https", sockets.public_https),
        (listen.decide, "listen.decide", sockets.decide),
        ((listen.admin,), "listen.admin", sockets.admin),
    )
    for listened, setting, bound in others:
        name = setting.removeprefix("listen.").replace(".", "_")
        bound += _bound(listened, setting, socket.SOCK_STREAM, found, sockets.left_out, given, name, shared=False)
    return sockets, found


def attempt(address: SocketAddress, kind: socket.SocketKind) -> OSError | None:
    """Bind an address as a start does and release it at once; return the error, None if there is none."""
    try:
        _bind(address, kind, shared=False).close()
    except OSError as error:
        return error
    return None


def _bound(
    addresses: Sequence[LocalAddress],
    setting: str,
    kind: socket.SocketKind,
    found: list[Trouble],
    left_out: list[SocketAddress],
    given: GivenSockets | None = None,
    name: str = "",
    *,
    shared: bool,
) -> Iterator[socket.socket]:
    several = len(addresses) > 1
    for number, address in enumerate(addresses):
        path = f"{setting}[{number}]" if several else setting
        try:
            if isinstance(address, UnixSocket):
                yield unix_socket.listen(address.path, BACKLOG)
            else:
                kept = given and given.take(name, kind, address.host, address.port, shared=shared)
                yield _prepared(kept, address, shared=shared) if kept else _bind(address, kind, shared=shared)
        except OSError as error:
            if isinstance(address, UnixSocket):
                found.append(Trouble(path, address, error))
                continue
            no_ipv6 = ":" in address.host and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if no_ipv6 and several:
                left_out.append(address)
            else:
                found.append(Trouble(path, address, error))


def _addresses(sockets: list[socket.socket]) -> tuple[str, ...]:
    return tuple(map(_address, sockets))


def _address(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return UnixSocket(Path(os.fsdecode(sock.getsockname()))).text
    return SocketAddress(*sock.getsockname()[:2]).text


def why_not(error: OSError, address: LocalAddress) -> str:
    """Return why an address cannot be listened on."""
    if isinstance(address, UnixSocket):
        return unix_socket.why_not(error, address.path)
    if error.errno == errno.EADDRINUSE:
        return f"another program has this port (`ss -lnp 'sport = :{address.port}'` shows which)"
    if error.errno == errno.EACCES:
        return "ports below 1024 require root, or CAP_NET_BIND_SERVICE as in the systemd unit"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return str(error.strerror)


def _bind(address: SocketAddress, kind: socket.SocketKind, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    with contextlib.ExitStack() as stack:
        stack.callback(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _prepare_datagrams(sock, family, wildcard=ipaddress.ip_address(address.host).is_unspecified)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM and shared:  # what is accepted has them from here
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TCP_RECEIVE_BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_SEND_BUFFER)
        sock.bind((address.host, address.port))
        if kind == socket.SOCK_STREAM and shared:
            sock.listen(BACKLOG)
        stack.pop_all()
    return sock


def _prepared(sock: socket.socket, address: SocketAddress, *, shared: bool) -> socket.socket:
    """Return a socket that was bound before, with what a new one has."""
    if sock.type == socket.SOCK_DGRAM:
        _prepare_datagrams(sock, sock.family, wildcard=ipaddress.ip_address(address.host).is_unspecified)
    elif shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TCP_RECEIVE_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_SEND_BUFFER)
        sock.listen(BACKLOG)
    return sock


def _prepare_datagrams(sock: socket.socket, family: socket.AddressFamily, *, wildcard: bool) -> None:
    """Have the kernel report a query's destination address to a wildcard socket, so that it answers from there."""
    if wildcard and family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif wildcard:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # the module has the name only from Python 3.14 on
