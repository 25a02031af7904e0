"""Accepting connections: for a moment of each turn of the event loop, and none for whom there is no descriptor.

Those that are closed at once cost next to nothing and do not count among the few, so that a client that connects too
often does not keep others waiting behind it; time bounds both.

The loops of asyncio and libuv accept all that wait in one turn. Without descriptors, asyncio's logs a traceback each
time and pauses for a second.

TCP_DEFER_ACCEPT is not set, which would spare those that connect and say nothing: the kernel keeps them among its half
open connections then, where they leave no room for others, and no bound by address holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

BACKLOG = 1024  # connections that the kernel holds until they are accepted
AT_ONCE = 16  # connections admitted in one turn of the event loop; what was asked over UDP comes next
BUDGET = 0.0005  # seconds after which no more of them are accepted in the same turn
LINING_UP = 0.001  # the same where those that are accepted wait in line: that must keep up with whoever connects
PAUSE = 0.1  # seconds until it is tried again if not even one descriptor can be had
LOG_EVERY = 60.0  # seconds between two lines about missing descriptors, whichever socket they are missing for

_LACKING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_OF_ONE = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR)  # accept(2): errors of one connection

S = TypeVar("S", bound=socket.SocketType)

log = logging.getLogger(__name__)


class AnyAcceptor(Generic[S]):
    """Accepts the connections of a bound socket, listening or not, in the running event loop.

    `admit` gets the IP address of each and its socket, and returns whether it has taken it; else it is closed at once,
    and nothing has been allocated for it but its descriptor. `lacking` is called for each connection that is closed
    since the process, or the machine, has no descriptor left for it. `budget` is for how many seconds connections are
    accepted in one turn of the event loop.
    """

    at_once = AT_ONCE

    def __init__(
        self,
        sock: socket.socket,
        admit: Callable[[str, S], bool],
        lacking: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        budget: float = BUDGET,
    ) -> None:
        self._sock = sock
        self._family = int(sock.family)
        self._admit = admit
        self._lacking = lacking
        self._clock = clock
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._spare: int | None = None  # a descriptor that is given up to accept, and close, when no other is left
        self._pause: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._go_on()

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._sock.fileno()

    def close(self) -> None:
        """Accept no more; the socket itself stays open, and those that were accepted are not touched."""
        self._loop.remove_reader(self._sock.fileno())
        if self._pause is not None:
            self._pause.cancel()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _go_on(self) -> None:
        self._pause = None
        self._save()
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        """Accept some; the loop calls again if there are more."""
        end = self._clock() + self._budget
        admitted = 0
        while admitted < self.at_once:
            try:
                connection, host = self._accepted()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _OF_ONE:
                    self._turn_away(error)
                    return
            else:
                if self._admit(host, connection):
                    admitted += 1
                else:
                    connection.close()
            if self._clock() >= end:
                return

    def _accepted(self) -> tuple[S, str]:
        """Return the next connection, and its IP address; raises OSError."""
        raise NotImplementedError

    def _turn_away(self, error: OSError) -> None:
        """Close those that wait, with the spare descriptor; pause if that cannot be had either."""
        if error.errno in _LACKING:
            tell(error, self._clock())
        closed = 0
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):  # among them that no more wait
                for _ in range(AT_ONCE):
                    self._sock.accept()[0].close()
                    self._lacking()
                    closed += 1
            self._save()
        if not closed:  # otherwise the loop would call again at once, for ever
            self._loop.remove_reader(self._sock.fileno())
            self._pause = self._loop.call_later(PAUSE, self._go_on)

    def _save(self) -> None:
        """Have a spare descriptor, if one can be had."""
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open("/", os.O_RDONLY | os.O_CLOEXEC)


class StreamAcceptor(AnyAcceptor[socket.SocketType]):
    """Accepts connections as sockets of C, without the calls that Python's own make; `begins` is called before some.

    Those that are admitted wait in line, which costs next to nothing either: time alone bounds them. Of a Unix socket
    `admit` gets an empty address.
    """

    at_once = BACKLOG

    def __init__(
        self,
        sock: socket.socket,
        admit: Callable[[str, socket.SocketType], bool],
        lacking: Callable[[], None] = lambda: None,
        begins: Callable[[], None] = lambda: None,
    ) -> None:
        self._begins = begins
        super().__init__(sock, admit, lacking, budget=LINING_UP)

    def _accept(self) -> None:
        self._begins()
        super()._accept()

    def _accepted(self) -> tuple[socket.SocketType, str]:
        descriptor, address = self._sock._accept()  # type: ignore[attr-defined]
        return socket.SocketType(self._family, socket.SOCK_STREAM, 0, descriptor), address[0] if address else ""


class Acceptor(AnyAcceptor[socket.socket]):
    """Accepts connections for which the loop makes transports.

    `admit` returns the protocol that handles a connection, or None if it is to be closed at once.
    """

    def __init__(
        self,
        sock: socket.socket,
        admit: Callable[[str, socket.socket], asyncio.BaseProtocol | None],
        lacking: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        budget: float = BUDGET,
    ) -> None:
        self._admit_protocol = admit
        self._connecting: set[asyncio.Task[None]] = set()
        super().__init__(sock, self._take, lacking, clock, budget)

    def _accepted(self) -> tuple[socket.socket, str]:
        connection, address = self._sock.accept()
        return connection, address[0] if address else ""  # that of a Unix socket is empty

    def _take(self, host: str, connection: socket.socket) -> bool:
        protocol = self._admit_protocol(host, connection)
        if protocol is None:
            return False
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection, protocol))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    async def _connect(self, connection: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # it has ended meanwhile
            connection.close()


_told = -LOG_EVERY  # when the last line was written, by the clock


def tell(error: OSError, now: float) -> None:
    """Log that descriptors are missing, at most once in LOG_EVERY seconds."""
    global _told
    if now - _told >= LOG_EVERY:
        _told = now
        log.error(
            "New connections are closed, since no descriptor can be had for them (%s); those that are open, and "
            "questions over UDP, go on. Raise LimitNOFILE in the systemd unit, or `ulimit -n`.",
            error.strerror,
        )


A = TypeVar("A", Acceptor, StreamAcceptor)


def close_but(acceptors: Sequence[A], but: Collection[int]) -> list[A]:
    """Close acceptors but for those of some listening sockets, by descriptor, and return these."""
    for acceptor in acceptors:
        if acceptor.fileno() not in but:
            acceptor.close()
    return [one for one in acceptors if one.fileno() in but]
