"""Binding the sockets at a start, before the supervisor drops privileges; see `blockd.transports.listening`."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from blockd.errors import ConfigError
from blockd.settings import Settings, SocketAddress
from blockd.transports.given.sockets import GivenSockets, tell_unwanted
from blockd.transports.listening.bound_socket import (
    RECEIVE_BUFFER,
    TCP_RECEIVE_BUFFER,
    TCP_SEND_BUFFER,
    bind_alone,
)
from blockd.transports.listening.change import attempted
from blockd.transports.listening.sockets import Bound, Sockets
from blockd.transports.listening.trouble import Trouble, why_not

__all__ = [
    "RECEIVE_BUFFER",
    "TCP_RECEIVE_BUFFER",
    "TCP_SEND_BUFFER",
    "Bound",
    "Sockets",
    "Trouble",
    "attempt",
    "bind",
    "tell",
    "troubles",
    "why_not",
]

log = logging.getLogger(__name__)


def bind(settings: Settings, source: str, given: GivenSockets | None = None) -> Sockets:
    """Bind all addresses of the config; raises ConfigError with every address that cannot be bound.

    An IPv6 address on a machine without IPv6 is left out with a warning if the same setting has another address.
    Sockets that this process was `given` are taken where they fit; others of them are closed, unless they are served.
    """
    given = given or GivenSockets()
    change, found = attempted(given.sockets(settings), settings, is_start=True)
    if found:
        change.take_back()
        if not given.is_served:
            given.close()
        raise ConfigError(source, list(dict.fromkeys(map(str, found))))
    tell(change.sockets)
    if not given.is_served:
        if leaving := [sock for group in change.sockets.leaving.values() for sock in group]:
            tell_unwanted(leaving)
            change.sockets.close_leaving([sock.fileno() for sock in leaving])
        change.steer()
    return change.sockets


def tell(sockets: Sockets, known: Sequence[SocketAddress] = ()) -> None:
    """Log which addresses that are new are not those of this machine; `known` are those left out that were told of."""
    for address in dict.fromkeys(address for address in sockets.left_out if address not in known):
        log.warning("%s is not listened on, since this machine does not have that IPv6 address.", address)
    for address in dict.fromkeys(sockets.absent):
        log.warning(
            "%s is listened on although this machine does not have that address now: it answers there once it does.",
            address,
        )


def troubles(settings: Settings, given: GivenSockets | None = None) -> list[Trouble]:
    """Return every address of the config that cannot be listened on now; nothing stays bound but what was `given`."""
    before = given.sockets(settings) if given else Sockets()
    change, found = attempted(before, settings, is_start=True)
    change.take_back()
    return list({str(trouble): trouble for trouble in found}.values())


def attempt(address: SocketAddress, kind: socket.SocketKind) -> OSError | None:
    """Bind an address as a start does and release it at once; return the error, None if there is none."""
    try:
        bind_alone(address, kind).close()
    except OSError as error:
        return error
    return None
