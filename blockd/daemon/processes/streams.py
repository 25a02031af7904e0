"""Standard output and error of the daemon: nothing waits for who reads them, and nothing fails if nobody can.

A log that nobody reads, on a full disk or at a broken pipe must not stop an answer: what cannot be written at once is
lost, and how much was is said once there is room again.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import stat
import sys
from collections.abc import Callable

STANDARD = (0, 1, 2)
ERRORS = 2
_PIECE = select.PIPE_BUF  # octets that a pipe takes whole if it can be written to (pipe(7))


def occupy() -> None:
    """Open each standard descriptor that was closed before the start, so that no socket or lock gets its number."""
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            _open_nothing()  # gets the lowest number that is free: this one


def _open_nothing() -> None:
    try:
        os.open(os.devnull, os.O_RDWR)
    except OSError:  # no /dev: what is read from this, or written to it, fails
        os.open("/", os.O_PATH)


def begin() -> None:
    """Have all output of this process, and of those that it forks, go through a `LossyStream`."""
    sys.stdout, sys.stderr = LossyStream(1), LossyStream(2)


def follow() -> None:
    """Have what `begin` has set up write to what the standard descriptors are now; all others have been closed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LossyStream):
            stream.reopen()


def say_what_is_lost_by(line: Callable[[str], str]) -> None:
    """Have the line about lost messages made of its sentence by `line`, as all other lines of the log are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LossyStream):
            stream.line = line


class LossyStream(io.TextIOBase):
    """A stream to a standard descriptor that never waits and never raises an error of the descriptor."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._put, self._close = _writer(number)
        self._before: list[object] = []  # kept, as closing what was closed already would close another's descriptor
        self._lost = 0  # pieces of text
        self.line: Callable[[str], str] = lambda sentence: f"({sentence})"
        self._is_cut = False  # whether the last one that was written lacks its end

    def write(self, text: str) -> int:
        """Write a text, or lose what of it cannot be written at once; return its length."""
        octets = text.encode(self.encoding, self.errors)
        if self._lost:
            said = f"{self.line(f'{self._lost} messages were lost here: nobody has read them in time')}\n".encode()
            if not self._written(b"\n" * self._is_cut + said):
                self._lost += 1
                return len(text)
            self._lost, self._is_cut = 0, False
        if not self._written(octets):
            self._lost += 1
        return len(text)

    def reopen(self) -> None:
        """Write to what is at the standard descriptor now; all others have been closed."""
        self._before.append((self._put, self._close))
        self._put, self._close = _writer(self._number)

    def close(self) -> None:
        """Close what was opened for it; the standard descriptor stays open."""
        if not self.closed:
            super().close()
            self._close()

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._number)

    def fileno(self) -> int:
        """Return the standard descriptor."""
        return self._number

    def _written(self, octets: bytes) -> bool:
        """Write as much as possible; return whether that was all."""
        left = memoryview(octets)
        try:
            while left:
                left = left[self._put(left) :]
        except OSError:
            self._is_cut = self._is_cut or len(left) < len(octets)
            return False
        return True


def _writer(number: int) -> tuple[Callable[[memoryview], int], Callable[[], None]]:
    """Return what writes to a descriptor without waiting, and what ends that; raises OSError if it cannot write now.

    The descriptor itself stays as it is: other programs may have it too, and would not expect that it does not wait.
    """
    kind = os.fstat(number).st_mode
    if stat.S_ISSOCK(kind):
        sock = socket.socket(fileno=os.dup(number))
        return lambda octets: sock.send(octets, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL), sock.close
    if not stat.S_ISREG(kind):  # for which waiting cannot be avoided, nor a place of one's own be had
        with contextlib.suppress(OSError):  # no /proc, or another user's terminal
            own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            return lambda octets: os.write(own, octets), lambda: os.close(own)
    return lambda octets: os.write(number, _if_ready(number, octets)), lambda: None


def _if_ready(number: int, octets: memoryview) -> memoryview:
    """Return what a descriptor takes without waiting; raises BlockingIOError if that is nothing."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    return octets[:_PIECE]
