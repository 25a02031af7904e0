"""Binding the sockets at a start, before the supervisor drops privileges; see `blockd.transports.listening`."""

from __future__ import annotations

import logging
import socket

from blockd.errors import ConfigError
from blockd.settings import Settings, SocketAddress
from blockd.transports.given.sockets import GivenSockets
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

    Sockets that this process was `given` are taken where they fit; the others of them are closed, once all is bound. An
    IPv6 address on a machine without IPv6 is left out with a warning if the same setting has another address.
    """
    given = given or GivenSockets()
    change, found = attempted(Sockets(), settings, given)
    given.close()
    if found:
        change.take_back()
        raise ConfigError(source, list(dict.fromkeys(map(str, found))))
    tell(change.sockets)
    return change.sockets


def tell(sockets: Sockets) -> None:
    """Log which addresses are not those of this machine."""
    for address in dict.fromkeys(sockets.left_out):
        log.warning("%s is not listened on, since this machine does not have that IPv6 address.", address)
    for address in dict.fromkeys(sockets.absent):
        log.warning(
            "%s is listened on although this machine does not have that address now: it answers there once it does.",
            address,
        )


def troubles(settings: Settings, given: GivenSockets | None = None) -> list[Trouble]:
    """Return every address of the config that cannot be listened on now; nothing stays bound but what was `given`."""
    copies = given.copied() if given else GivenSockets()
    change, found = attempted(Sockets(), settings, copies)
    change.take_back()
    copies.discard()
    return list({str(trouble): trouble for trouble in found}.values())


def attempt(address: SocketAddress, kind: socket.SocketKind) -> OSError | None:
    """Bind an address as a start does and release it at once; return the error, None if there is none."""
    try:
        bind_alone(address, kind).close()
    except OSError as error:
        return error
    return None
