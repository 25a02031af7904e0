from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from blockd.transports.stream_sockets import StreamSocket, StreamSockets
from tests.transports.loops import Run, until


class Noting(StreamSocket):
    """Notes what happens to it."""

    def __init__(self, made: StreamSockets, sock: socket.socket) -> None:
        super().__init__(made, sock)
        self.noted: list[str] = []
        self.octets = b""
        self.wants = True

    def received(self, octets: memoryview) -> None:
        self.octets += octets

    def received_all(self) -> None:
        self.noted.append("all")

    def wants_more(self) -> bool:
        return self.wants

    def left_unread(self) -> None:
        self.noted.append("unread")

    def taken(self) -> None:
        self.noted.append("taken")

    def closed(self) -> None:
        self.noted.append("closed")

    def tire(self) -> None:
        self.noted.append("tired")


@contextmanager
def pair(made: StreamSockets) -> Iterator[tuple[Noting, socket.socket]]:
    """Connect a stream to a socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as far:
        far.setblocking(False)
        near, _ = server.accept()
        stream = Noting(made, near)
        try:
            yield stream, far
        finally:
            stream.close()


def test_octets_come_and_go_until_it_is_closed(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        with pair(made) as (stream, far):
            far.send(b"question")
            await until(lambda: stream.octets == b"question")
            stream.send(b"answer")
            assert await asyncio.get_running_loop().sock_recv(far, 99) == b"answer"
            far.shutdown(socket.SHUT_WR)
            await until(lambda: stream.noted == ["all"])
            stream.finish()
            assert await asyncio.get_running_loop().sock_recv(far, 99) == b""
            assert stream.noted == ["all", "closed"]
            assert not stream.is_open
        made.close()

    run(main())


def test_what_the_kernel_does_not_take_is_sent_later_and_before_the_end(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        octets = bytes(range(256)) * (1 << 16)
        with pair(made) as (stream, far):
            stream.send(octets)
            assert stream.noted == ["unread"]
            stream.send(b"more")
            assert 4 < stream.unsent < len(octets)
            stream.finish()
            assert stream.is_open
            got = bytearray()
            while octet := await asyncio.get_running_loop().sock_recv(far, 1 << 20):
                got += octet
            assert got == octets + b"more"
            assert stream.noted == ["unread", "closed"]
        made.close()

    run(main())


def test_who_has_read_all_is_told_of(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        with pair(made) as (stream, far):
            stream.send(bytes(1 << 24))
            while "taken" not in stream.noted:
                await asyncio.get_running_loop().sock_recv(far, 1 << 20)
            assert stream.noted == ["unread", "taken"]
            assert stream.unsent == 0
        made.close()

    run(main())


def test_nothing_is_read_of_one_that_wants_no_more(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        with pair(made) as (stream, far), pair(made) as (other, others):
            stream.wants = False
            far.send(b"question")
            await until(lambda: not stream.reads)
            others.send(b"question")
            await until(lambda: other.octets == b"question")
            assert stream.octets == b""
            stream.wants = True
            stream.read(True)
            await until(lambda: stream.octets == b"question")
        made.close()

    run(main())


def test_an_rst_closes_it_even_if_nothing_is_read(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        with pair(made) as (stream, far):
            stream.read(False)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            far.close()
            await until(lambda: stream.noted == ["closed"])
            stream.send(b"nobody")
            assert stream.unsent == 0
        made.close()

    run(main())


def test_time_bounds_what_is_read_in_one_turn_and_all_have_theirs(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14, clock=itertools.count().__next__)  # each look at the clock takes a second
        with pair(made) as (one, first), pair(made) as (two, second):
            first.send(b"1")
            second.send(b"2")
            made._serve()
            assert sorted((one.octets, two.octets)) in ([b"", b"1"], [b"", b"2"])
            first.send(b"1")
            second.send(b"2")
            await until(lambda: bool(one.octets and two.octets))
        made.close()

    run(main())


def test_the_last_stream_takes_the_epoll_with_it(run: Run) -> None:
    async def main() -> None:
        made = StreamSockets(1 << 14)
        with pair(made) as (stream, far):
            made.close()
            far.send(b"question")
            await until(lambda: stream.octets == b"question")
            assert not made._epoll.closed
        assert made._epoll.closed

    run(main())
