# cython: annotation_typing=False, binding=False
"""Connected sockets without a transport of asyncio's for each: one epoll for all, which the event loop watches.

A transport of asyncio or libuv costs more than the question that a client connects for: a task, a timer, a dozen system
calls and as many objects. Here a connection is a socket and what its protocol knows; it is registered once.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from collections.abc import Callable

from blockd.transports.deadlines import Deadlines
from blockd.transports.stream_calls import UNUSABLE, stream_calls

AT_ONCE = 32  # sockets that are read or written in one turn of the event loop
BUDGET = 0.0005  # seconds after which no more of them are in the same turn

_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT
_BROKEN = select.EPOLLERR | select.EPOLLHUP  # an RST came, or nothing has come for too long


class StreamSockets:
    """The streams of one server, in the running event loop; `clock` is monotonic, in seconds."""

    def __init__(
        self, read: int, begins: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """At most `read` octets are read of one stream at once. `begins` is called before some are served."""
        self.clock = clock
        self.deadlines = Deadlines(clock)
        self.calls = stream_calls(read)
        self._begins = begins
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._streams: dict[int, StreamSocket] = {}  # by descriptor
        self._closing = False
        self._loop.add_reader(self._epoll.fileno(), self._serve)

    def close(self) -> None:
        """Watch no more once the last stream has ended."""
        self._closing = True
        self._close_if_empty()

    def add(self, stream: StreamSocket, descriptor: int) -> None:
        """Watch for what it receives."""
        self._streams[descriptor] = stream
        self._epoll.register(descriptor, _READ)

    def watch(self, descriptor: int, events: int) -> None:
        """Watch for other events."""
        self._epoll.modify(descriptor, events)

    def remove(self, stream: StreamSocket, descriptor: int) -> None:
        """Watch it no more; its socket is still open."""
        del self._streams[descriptor]
        self._epoll.unregister(descriptor)
        self.deadlines.forget(stream)
        if self._closing:
            self._close_if_empty()

    def _serve(self) -> None:
        """Let some of them read and write; the loop calls again if there are more, and the kernel takes turns."""
        self._begins()
        end = self.clock() + BUDGET
        for descriptor, events in self._epoll.poll(0, AT_ONCE):
            stream = self._streams.get(descriptor)  # it may have ended meanwhile
            if stream is not None:
                stream.serve(events)
                if self.clock() >= end:
                    return

    def _close_if_empty(self) -> None:
        if not self._streams and not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


class StreamSocket:
    """A connected socket until it is closed; a protocol inherits from it.

    What the kernel does not take at once is kept, and sent as soon as it does.
    """

    def __init__(self, streams: StreamSockets, sock: socket.SocketType) -> None:
        self.streams = streams
        self.due = 0  # see `Deadlines`
        self._sock: socket.SocketType | None = sock
        self._descriptor = sock.fileno()
        self._events = _READ
        self.reads = True
        self._unsent = b""
        self._finishing = False
        streams.add(self, self._descriptor)

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        return len(self._unsent)

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return self._sock is not None

    # What a protocol does.

    def received(self, octets: memoryview) -> None:
        """Take octets, which are there during this call; at least one."""
        raise NotImplementedError

    def received_all(self) -> None:
        """Note that nothing more will come."""
        raise NotImplementedError

    def wants_more(self) -> bool:
        """Return whether to read now; if not, nothing is read until `read` is called with True."""
        raise NotImplementedError

    def left_unread(self) -> None:
        """Note that the kernel does not take all that was sent."""
        raise NotImplementedError

    def taken(self) -> None:
        """Note that it has taken all by now."""
        raise NotImplementedError

    def closed(self) -> None:
        """Note that it is closed, by whichever side."""
        raise NotImplementedError

    def tire(self) -> None:
        """Note that the deadline has come."""
        raise NotImplementedError

    # What a protocol asks for.

    def receive(self) -> None:
        """Read what is there."""
        sock = self._sock
        if sock is None:
            return
        calls = self.streams.calls
        size = calls.receive(sock, self._descriptor)
        if size > 0:
            self.received(calls.incoming[:size])
        elif not size:
            self.received_all()
            self.read(False)
        elif size == UNUSABLE:
            self.close()

    def read(self, reads: bool) -> None:
        """Read on as octets come, or no more for now."""
        if reads != self.reads:
            self.reads = reads
            self._watch(self._events ^ _READ)

    def acknowledge(self) -> None:
        """Acknowledge what was received now, and not with the next octets that are sent, or 40 ms later.

        It is for what has come in part: a client that sends the rest as a small segment may wait for that (RFC 896).
        """
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send(self, octets: bytes) -> None:
        """Send octets; it is closed if that is impossible."""
        if self._sock is None:
            return
        if self._unsent:
            self._unsent += octets
            return
        sent = self._send(octets)
        if self._sock is not None and sent < len(octets):
            self._unsent = octets[sent:]
            self._watch(self._events | _WRITE)
            self.left_unread()

    def finish(self) -> None:
        """Close it once all is sent; nothing more is read."""
        self._finishing = True
        if self._unsent:
            self.read(False)
        else:
            self.close()

    def close(self) -> None:
        """Close it now; what is unsent is discarded."""
        sock = self._sock
        if sock is not None:
            self._sock = None
            self._unsent = b""
            self.streams.remove(self, self._descriptor)
            sock.close()
            self.closed()

    def serve(self, events: int) -> None:
        """Do what epoll says is possible."""
        if events & _BROKEN:
            self.close()
            return
        if events & _WRITE:
            self._unsent = self._unsent[self._send(self._unsent) :]
            if not self._unsent and self._sock is not None:
                self._sent_all()
        if events & _READ:
            if self.wants_more():
                self.receive()
            else:
                self.read(False)

    def _sent_all(self) -> None:
        if self._finishing:
            self.close()
        else:
            self._watch(self._events & ~_WRITE)
            self.taken()

    def _send(self, octets: bytes) -> int:
        """Return how many octets the kernel has taken."""
        if self._sock is None:
            return 0
        sent = self.streams.calls.send(self._sock, self._descriptor, octets)
        if sent == UNUSABLE:
            self.close()
            return 0
        return sent

    def _watch(self, events: int) -> None:
        if events != self._events and self._sock is not None:
            self._events = events
            self.streams.watch(self._descriptor, events)
