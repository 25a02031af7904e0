"""Messages to and from a primary: over UDP, or over TCP with two octets of length before each message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.settings import SocketAddress

BUFFER = 1 << 20  # octets that a connection buffers at most: a few messages
UDP_TIME = 2.0  # seconds for one datagram's answer
UDP_TRIES = 2  # before TCP is tried


class _Asking(asyncio.DatagramProtocol):
    """Waits for the answer with the question's identifier; the kernel drops datagrams from others than the primary."""

    def __init__(self, identifier: bytes) -> None:
        self._identifier = identifier
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if data[:2] == self._identifier and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def ask_once(address: SocketAddress, question: bytes, seconds: float = UDP_TIME) -> bytes | None:
    """Ask over UDP; return the answer, or None if there is none or it is truncated, and TCP has to be tried."""
    loop = asyncio.get_running_loop()
    for _ in range(UDP_TRIES):
        with contextlib.suppress(OSError, TimeoutError):
            transport, asking = await loop.create_datagram_endpoint(
                lambda: _Asking(question[:2]), remote_addr=(address.host, address.port)
            )
            try:
                transport.sendto(question)
                async with asyncio.timeout(seconds):
                    answer = await asking.answer
            finally:
                transport.close()
            return None if len(answer) > 2 and answer[2] & 2 else answer
    return None


class PrimaryConnection:
    """A connection to a primary; no message may take longer than `stall` seconds to come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stall: float) -> None:
        self._reader = reader
        self._writer = writer
        self._stall = stall

    async def send(self, message: bytes) -> None:
        """Send a message."""
        self._writer.write(len(message).to_bytes(2) + message)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Return the next message; raises FeedRefused: stalled, cut."""
        try:
            async with asyncio.timeout(self._stall):
                size = int.from_bytes(await self._reader.readexactly(2))
                return await self._reader.readexactly(size)
        except TimeoutError as error:
            raise FeedRefused("stalled", f"no complete message was received in {self._stall:g} seconds") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise FeedRefused("cut", "the connection ended before the transfer did") from error


@contextlib.asynccontextmanager
async def connected(address: SocketAddress, stall: float) -> AsyncIterator[PrimaryConnection]:
    """Connect over TCP; raises FeedUnreachable if that fails or takes longer than `stall` seconds."""
    try:
        async with asyncio.timeout(stall):
            reader, writer = await asyncio.open_connection(address.host, address.port, limit=BUFFER)
    except TimeoutError as error:
        raise FeedUnreachable(f"{address.text} did not accept a connection in {stall:g} seconds") from error
    except OSError as error:
        raise FeedUnreachable(f"{address.text} cannot be connected to ({error.strerror or error})") from error
    try:
        yield PrimaryConnection(reader, writer, stall)
    except ConnectionError as error:
        raise FeedRefused("cut", "the connection ended before the transfer did") from error
    finally:
        writer.transport.abort()  # unread data are discarded
