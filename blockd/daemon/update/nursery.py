"""The supervisor's side of child processes that it forks for the control process.

A request is one packet: `{"start": [module, argument, …]}` with two descriptors, of which the child gets the first as
its standard input and output, and the second is told the child's id and then what it ended with; or `{"kill": pid}`.
The other side is `blockd.daemon.update.forked_child`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from blockd.daemon.processes import signals, streams
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, drop
from blockd.daemon.update.child_process import CHILD, CONTROL, be_nicer, end_with_parent
from blockd.daemon.update.forked_child import NUMBER

_MAX_REQUEST = 16 << 10  # octets: a module and some paths
_GIVEN = 2  # descriptors with a request to start a child

log = logging.getLogger(__name__)


class Nursery:
    """The children of the control process. Nothing here waits for one of them, and none is left unreaped.

    `forget` is called in each of them first: it gives up the memory of the supervisor's that they must not write.
    """

    def __init__(self, reaper: Reaper | None = None, forget: Callable[[], None] = lambda: None) -> None:
        self._reaper = reaper or Reaper()
        self._forget = forget
        self._channel: socket.socket | None = None
        self._children: dict[int, tuple[int, int]] = {}  # by pidfd: a process, and where to tell what it ended with

    @property
    def pids(self) -> Collection[int]:
        """The process ids of the children."""
        return [pid for pid, _ in self._children.values()]

    @property
    def descriptors(self) -> list[int]:
        """What has to be handled when it is readable."""
        return [*self._children, *([] if self._channel is None else [self._channel.fileno()])]

    def open(self) -> socket.socket:
        """Return the other end of the channel, for a new control process."""
        self.close()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return theirs

    def handle(self, descriptor: int) -> None:
        """Serve a request, or reap a child."""
        if descriptor in self._children:
            self._reap(descriptor)
        elif self._channel is not None and descriptor == self._channel.fileno():
            try:
                message, descriptors, _, _ = socket.recv_fds(self._channel, _MAX_REQUEST, _GIVEN)
            except OSError:
                message, descriptors = b"", []
            if message:
                self._serve(json.loads(message), descriptors)
            else:
                self.close()

    def forget(self) -> None:
        """Close, in another child of the supervisor, what only the supervisor needs."""
        if self._channel is not None:
            self._channel.close()
        for watch, (_, told) in self._children.items():
            os.close(watch)
            os.close(told)

    def close(self) -> None:
        """End the children: the control process has ended, and nobody needs their results."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for watch in self._children:
            _end(watch)

    def _serve(self, request: dict[str, Any], descriptors: list[int]) -> None:
        if "kill" in request:
            self._kill(int(request["kill"]))
        elif len(descriptors) == _GIVEN:
            self._fork(request["start"], *descriptors)
        else:  # this process has no descriptors left
            for descriptor in descriptors:
                os.close(descriptor)

    def _fork(self, words: list[str], talk: int, told: int) -> None:
        """Fork a child; if that fails, `told` ends without having told anything."""
        try:
            own = os.getpid()
            with signals.held():
                pid = os.fork()
                if pid == 0:
                    _be_child(words, talk, own, self._forget)
            try:
                self._children[os.pidfd_open(pid)] = pid, told
            except OSError:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise
        except OSError as error:
            log.error("A process cannot be started: %s.", error.strerror)
            os.close(told)
        else:
            _tell(told, pid)
        os.close(talk)

    def _kill(self, wanted: int) -> None:
        """End a child, unless it has been waited for: then its number may be another's."""
        for watch, (pid, _) in self._children.items():
            if pid == wanted:
                _end(watch)

    def _reap(self, watch: int) -> None:
        pid, told = self._children.pop(watch)
        _tell(told, os.waitstatus_to_exitcode(self._reaper.status(pid)))
        os.close(told)
        os.close(watch)


def _be_child(words: list[str], talk: int, parent: int, forget: Callable[[], None]) -> NoReturn:
    """Run the `main` of a module, with standard input and output at `talk`; never return into the supervisor's code."""
    code = 1
    try:
        end_with_parent(parent)
        drop(CAP_NET_BIND_SERVICE)  # which is the supervisor's alone
        forget()
        signals.reset()
        os.setpgid(0, 0)  # a signal to the foreground reaches the control process, which then ends its children
        be_nicer(CONTROL + CHILD)
        os.dup2(talk, 0)
        os.dup2(talk, 1)
        _close_all()
        streams.follow()
        module, *arguments = words
        code = importlib.import_module(module).main([str(parent), *arguments])
    except BaseException:  # as the interpreter does with what nobody has caught
        streams.LossyStream(streams.ERRORS).write(traceback.format_exc())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _close_all() -> None:
    """Close all descriptors but the standard ones, as a new program would have them.

    The objects that these belong to stay referenced by the supervisor's, so that none closes another's number later.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(len(streams.STANDARD), most)


def _end(watch: int) -> None:
    """Kill a child; its process id may be another's by now, its pidfd is not."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(watch, signal.SIGKILL)


def _tell(told: int, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        os.write(told, NUMBER.pack(number))
