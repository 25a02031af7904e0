"""Keeping the admin socket in place: if its folder is taken away and comes back, or was full, it is made anew."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from blockd.transports import unix_socket
from blockd.web.callers.socket_file import AdminSocket
from blockd.web.callers.socket_path import connected

LOOK = 5.0  # seconds between two looks

Exchange = Callable[[socket.socket, socket.socket | None], None]
"""Takes a listening socket to serve on, and the one to serve on no more, if there was one."""

log = logging.getLogger(__name__)


class SocketKeeping:
    """The admin socket at a path, made at once; `sock` is None while it cannot be, which is logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: AdminSocket | None = None
        self._why = ""  # it could not be made
        self._make()

    @property
    def sock(self) -> socket.socket | None:
        """The listening socket."""
        return None if self._made is None else self._made.sock

    def remove(self) -> None:
        """Remove the file, unless another socket was put in its place."""
        if self._made is not None:
            self._made.remove()

    async def keep(self, exchange: Exchange, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Look for ever whether it is in place, and have another served if it is not."""
        while True:
            await sleep(LOOK)
            self.look(exchange)

    def look(self, exchange: Exchange) -> None:
        """Make it anew if it is not in place, unless a successor's is."""
        if (self._made is not None and self._made.is_in_place) or _is_served(self._path):
            return
        earlier = self.sock
        if (made := self._make()) is not None:
            exchange(made.sock, earlier)
            log.warning("The admin socket %s was not in its place. It was made anew, and is listened on.", self._path)

    def _make(self) -> AdminSocket | None:
        """Make the socket; return None if that cannot be done."""
        try:
            made = self._made = AdminSocket(self._path)
        except OSError as error:
            why = unix_socket.why_not(error, self._path)
            if why != self._why:
                log.error(
                    "The admin socket %s cannot be listened on: %s. Enforcing goes on; the verbs of `blockd` need the "
                    "admin port and a token until that is mended. It is tried again every %.0f seconds.",
                    self._path, why, LOOK,
                )  # fmt: skip
            self._why = why
            return None
        self._why = ""
        return made


def _is_served(path: Path) -> bool:
    """Return whether somebody listens at a path; a socket that was copied there, as by a backup, nobody does."""
    try:
        connected(path, 0).close()
    except BlockingIOError:  # so many wait there
        return True
    except OSError:
        return False
    return True
