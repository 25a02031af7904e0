"""Messages to and from a primary: over UDP, or over TCP with two octets of length before each message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from blockd.errors import FeedRefused, FeedUnreachable, system_words
from blockd.settings import SocketAddress

BUFFER = 1 << 20  # octets that a connection buffers at most: a few messages
PIECE = 1 << 16  # octets read at once, so that many small messages hold up nothing else for long
UDP_TIME = 2.0  # seconds for one datagram's answer


class _Asking(asyncio.DatagramProtocol):
    """Waits for the answer with the question's identifier; the kernel drops datagrams from others than the primary."""

    def __init__(self, identifier: bytes) -> None:
        self._identifier = identifier
        self.outcome: asyncio.Future[bytes | OSError] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if data[:2] == self._identifier and not self.outcome.done():
            self.outcome.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.outcome.done():
            # Not as an exception: that would hold, by its traceback, the frame that waits, which holds this.
            self.outcome.set_result(OSError(*error.args))


async def ask_once(address: SocketAddress, question: bytes, seconds: float | None = None) -> bytes:
    """Ask over UDP and return the answer; raises FeedRefused: stalled, or unreachable if nobody listens there."""
    seconds = UDP_TIME if seconds is None else seconds
    try:
        transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Asking(question[:2]), remote_addr=(address.host, address.port)
        )
        try:
            transport.sendto(question)
            async with asyncio.timeout(seconds):
                outcome = await asking.outcome
        finally:
            transport.close()
    except TimeoutError as error:
        raise FeedRefused("stalled", f"no answer in {seconds:g} seconds") from error
    except OSError as error:
        raise FeedUnreachable(f"it cannot be asked ({system_words(error)})") from error
    if isinstance(outcome, bytes):
        return outcome
    raise FeedUnreachable(f"it cannot be asked ({system_words(outcome)})")


class PrimaryConnection:
    """A connection to a primary; no message may take longer than `stall` seconds to come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stall: float) -> None:
        self._reader = reader
        self._writer = writer
        self._stall = stall
        self._received = b""  # the beginning of a message, or nothing

    async def send(self, message: bytes) -> None:
        """Send a message."""
        self._writer.write(len(message).to_bytes(2) + message)
        await self._writer.drain()

    async def receive(self) -> list[bytes]:
        """Return the next messages, at least one; raises FeedRefused: stalled, cut."""
        received, pieces = self._received, []
        try:
            async with asyncio.timeout(self._stall):
                while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2]):
                    if not (piece := await self._reader.read(PIECE)):
                        raise ConnectionResetError
                    received += piece
        except TimeoutError as error:
            raise FeedRefused("stalled", f"no complete message was received in {self._stall:g} seconds") from error
        except ConnectionError as error:
            raise FeedRefused("cut", "the connection ended before the transfer did") from error
        at = 0
        while len(received) >= at + 2 and len(received) >= (end := at + 2 + int.from_bytes(received[at : at + 2])):
            pieces.append(received[at + 2 : end])
            at = end
        self._received = received[at:]
        return pieces


@contextlib.asynccontextmanager
async def connected(address: SocketAddress, stall: float) -> AsyncIterator[PrimaryConnection]:
    """Connect over TCP; raises FeedUnreachable if that fails or takes longer than `stall` seconds."""
    try:
        async with asyncio.timeout(stall):
            reader, writer = await asyncio.open_connection(address.host, address.port, limit=BUFFER)
    except TimeoutError as error:
        raise FeedUnreachable(f"it did not accept a connection in {stall:g} seconds") from error
    except OSError as error:
        raise FeedUnreachable(f"it cannot be connected to ({system_words(error)})") from error
    try:
        yield PrimaryConnection(reader, writer, stall)
    except ConnectionError as error:
        raise FeedRefused("cut", "the connection ended before the transfer did") from error
    finally:
        writer.transport.abort()  # unread data are discarded
