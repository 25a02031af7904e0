"""Child processes that the supervisor forks for the control process: all code is loaded, and its memory is shared.

So a child starts within milliseconds, and none has to wait ready-made. The supervisor's side is
`blockd.daemon.update.nursery`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import struct

from blockd.daemon.update.child_process import ChildProcess, start

NUMBER = struct.Struct("<i")  # a process id, or what a process ended with
LOST = -signal.SIGKILL  # what children end with when the supervisor does

log = logging.getLogger(__name__)


class ForkedChildren:
    """Has children forked by whoever serves the other end of `channel`."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._is_lost = False

    async def start(self, module: str, *arguments: str, reads: bool = False) -> ChildProcess:
        """Fork a child, as `Start` says; if the supervisor fails, start one without it."""
        if not self._is_lost:
            try:
                return await _ForkedChild.started(self._channel, [module, *arguments])
            except (OSError, asyncio.IncompleteReadError) as error:
                log.error("The supervisor cannot fork a process (%s). It is started more slowly, without it.", error)
                self._is_lost = isinstance(error, OSError)
        return await start(module, *arguments, reads=reads)


class _ForkedChild:
    """A forked child; implements `ChildProcess`."""

    def __init__(
        self, channel: socket.socket, pid: int, talk: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self._channel = channel
        self.pid = pid
        self.stdout, self.stdin = talk
        self.returncode: int | None = None
        self._ended: asyncio.Task[int] | None = None

    @classmethod
    async def started(cls, channel: socket.socket, words: list[str]) -> _ForkedChild:
        """Have `words`, a module and its arguments, run in a child; raises OSError or IncompleteReadError."""
        talk, their_talk = socket.socketpair()
        told, their_told = socket.socketpair()
        with their_talk, their_told:
            try:
                request = json.dumps({"start": words}).encode()
                socket.send_fds(channel, [request], [their_talk.fileno(), their_told.fileno()])
            except OSError:
                talk.close()
                told.close()
                raise
        talking = await asyncio.open_connection(sock=talk)
        telling, writer = await asyncio.open_connection(sock=told)
        try:
            (pid,) = NUMBER.unpack(await telling.readexactly(NUMBER.size))
        except asyncio.IncompleteReadError:
            talking[1].close()
            writer.close()
            raise
        child = cls(channel, pid, talking)
        child._ended = asyncio.create_task(child._wait(telling, writer))
        return child

    async def wait(self) -> int:
        """Wait until it has ended; return what with."""
        assert self._ended is not None  # noqa: S101 - it was started
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):  # the supervisor has ended, and all its children with it
            self._channel.send(json.dumps({"kill": self.pid}).encode())

    async def _wait(self, telling: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        try:
            (self.returncode,) = NUMBER.unpack(await telling.readexactly(NUMBER.size))
        except (OSError, asyncio.IncompleteReadError):
            self.returncode = LOST
        writer.close()
        return self.returncode
