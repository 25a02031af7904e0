"""An address that cannot be listened on, and why."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from blockd.settings.listening import LocalAddress, UnixSocket
from blockd.transports import unix_socket


@dataclass(frozen=True, slots=True)
class Trouble:
    """An address that cannot be listened on: the setting that names it, and the kernel's answer.

    `why` is said instead of that if it is not empty.
    """

    path: str
    address: LocalAddress
    error: OSError
    why: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether another socket has it."""
        return self.error.errno == errno.EADDRINUSE

    def __str__(self) -> str:
        return f"{self.path}: {self.address} cannot be listened on: {self.why or why_not(self.error, self.address)}"


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
