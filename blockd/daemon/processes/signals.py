"""Signals of the daemon, from its first line on.

SIGTERM, SIGINT and SIGQUIT end it with exit code 0. SIGHUP has the config taken and every feed fetched; one that comes
too early is remembered. Signals that other programs take as orders, and that are sent by habit or by mistake, are
ignored, since their default is to end a process. Little is imported here, so that the first line is soon reached.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
IGNORED = (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
_READ = 256  # octets read at once, each one signal

_is_hangup_remembered = False


def begin() -> None:
    """Handle signals until `Signals` does: nothing has been started, so that what ends the daemon does so at once.

    A mask that the starting process has left is removed.
    """
    signal.signal(signal.SIGHUP, _remember)
    for number in ENDING:
        signal.signal(number, _end)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _remember(_number: int, _frame: FrameType | None) -> None:
    global _is_hangup_remembered  # one process has one set of signals
    _is_hangup_remembered = True


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once: files are replaced whole or not at all, and there is no child."""
    os._exit(0)


class Signals:
    """The signals of the supervisor, as octets at a descriptor to wait for; SIGCHLD is among them."""

    def __init__(self) -> None:
        import socket  # which takes longer than all above: `begin` must not wait for it

        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        theirs.setblocking(False)
        self._theirs = theirs.detach()
        signal.set_wakeup_fd(self._theirs, warn_on_full_buffer=False)
        for number in (*ENDING, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        if _is_hangup_remembered:
            os.write(self._theirs, bytes([signal.SIGHUP]))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def received(self) -> set[int]:
        """Return the numbers of the signals received since the last call."""
        numbers: set[int] = set()
        with contextlib.suppress(BlockingIOError):
            while octets := self._socket.recv(_READ):
                numbers.update(octets)
        return numbers

    def close(self) -> None:
        """Close both ends, in a child."""
        self._socket.close()
        os.close(self._theirs)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold signals back while a child is forked: until `reset` it would take them for the supervisor's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reset() -> None:
    """Undo, in a child, what the supervisor has set up, and let signals through; SIGHUP is not for children."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (*ENDING, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
