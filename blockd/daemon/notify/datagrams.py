"""The client of the service manager: datagrams to the Unix socket that it names in the environment (sd_notify(3))."""

from __future__ import annotations

import array
import contextlib
import errno
import logging
import os
import socket
from collections.abc import MutableMapping, Sequence

from blockd.printable import one_line
from blockd.transports.unix_socket import FORBIDDEN

MAX_STATUS = 500  # characters of the sentence that `systemctl status` shows: a few lines of a terminal
MAX_DESCRIPTORS = 253  # in one message (SCM_MAX_FD of the kernel)
MAX_WAITING = 10_000  # datagrams that wait for room: more than a daemon of the most workers and addresses has to say
_PATH, _ABSTRACT = "/", "@"
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

log = logging.getLogger(__name__)


class ServiceManager:
    """Who started this process, if it wants to be told; else nothing is done.

    `address` is that of its socket, `watchdog` the seconds within which it wants to hear of this process, 0 for never.
    What it has no room for waits until `flush`, in its order.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.watchdog = watchdog
        self.variables: dict[str, str] = {}  # of the environment, for a program that takes the place of this one
        self._address = f"\0{address[1:]}" if address.startswith(_ABSTRACT) else address
        self._waiting: list[tuple[bytes, list[int]]] = []
        self._socket: socket.socket | None = None
        if address and not address.startswith((_PATH, _ABSTRACT)):
            self._give_up(f"its socket, {one_line(address)}, is not a Unix socket")
        elif address:
            try:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                self._give_up(_why_not(error))

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int) -> ServiceManager:
        """Return the one that the environment of the process `pid` names; programs started later are not told of it."""
        found = {name: environment.pop(name) for name in _VARIABLES if name in environment}
        every, whose = found.get("WATCHDOG_USEC", ""), found.get("WATCHDOG_PID", "")
        is_own = every.isdecimal() and whose in ("", str(pid))
        made = cls(found.get("NOTIFY_SOCKET", ""), int(every[:18]) / 1_000_000 if is_own else 0.0)
        made.variables = found
        return made

    @property
    def is_there(self) -> bool:
        """Whether anybody is told."""
        return self._socket is not None

    def tell(self, *assignments: str, descriptors: Sequence[int] = ()) -> None:
        """Tell some assignments such as `READY=1` in one datagram; copies of descriptors go with it."""
        if self._socket is None or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.append(("\n".join(assignments).encode(errors="replace"), list(descriptors)))
        self.flush()

    def beat(self) -> None:
        """Tell that this process does its work (WATCHDOG=1); it is not told later if there is no room now."""
        if self._socket is not None and not self._waiting:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"WATCHDOG=1", self._address)

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting and self._socket is not None:
            octets, descriptors = self._waiting[0]
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            try:
                self._socket.sendmsg([octets], passed, 0, self._address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in (errno.ENOBUFS, errno.ENOMEM):
                    return
                self._give_up(_why_not(error))
                return
            del self._waiting[0]

    def close(self) -> None:
        """Tell nothing more, in a child too; the others still can."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._waiting.clear()

    def _give_up(self, why: str) -> None:
        self.close()
        log.warning("The service manager cannot be told how blockd stands: %s. It may take the start for failed.", why)


def status_of(sentence: str) -> str:
    """Return the assignment of a sentence that tells how blockd stands, on one line."""
    return f"STATUS={one_line(sentence, MAX_STATUS)}"


def main_process() -> str:
    """Return the assignment that tells which process is the main one: this."""
    return f"MAINPID={os.getpid()}"


def _why_not(error: OSError) -> str:
    if error.errno == errno.EAFNOSUPPORT:
        return FORBIDDEN
    return error.strerror or str(error)
