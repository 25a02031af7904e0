"""Reading and writing sockets without waiting: by Python's sockets, where the same in C was not built.

Python's calls take arguments apart, give up the interpreter and take it again, which costs as much as the kernel's part
of reading a question.
"""

from __future__ import annotations

import importlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blockd.transports._stream_calls import NativeStreamCalls

NOT_NOW = -1  # nothing can be read now
UNUSABLE = -2  # the connection is of no more use

_NOW = socket.MSG_DONTWAIT  # sockets are accepted as blocking ones: a system call less


class StreamCalls:
    """Calls of sockets, all of which read into one buffer of `size` octets, `incoming`."""

    def __init__(self, size: int) -> None:
        self.incoming = memoryview(bytearray(size))

    def receive(self, sock: socket.SocketType, descriptor: int) -> int:
        """Read what is there; return how many octets of `incoming` it is, 0 at the end, NOT_NOW or UNUSABLE."""
        try:
            return sock.recv_into(self.incoming, 0, _NOW)
        except BlockingIOError:
            return NOT_NOW
        except OSError:
            return UNUSABLE

    def send(self, sock: socket.SocketType, descriptor: int, octets: bytes) -> int:
        """Return how many octets the kernel has taken, which may be none; or UNUSABLE."""
        try:
            return sock.send(octets, _NOW)
        except BlockingIOError:
            return 0
        except OSError:
            return UNUSABLE


def stream_calls(size: int) -> StreamCalls | NativeStreamCalls:
    """Return calls that read `size` octets at most: those in C if what uses them was compiled."""
    try:
        module = importlib.import_module("blockd.transports._stream_calls")
    except ImportError:
        return StreamCalls(size)
    native: NativeStreamCalls = module.NativeStreamCalls(size)
    return native
