"""HTTP servers on loopback that answer as a test says, well or badly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Visitor:
    """One connection to the server: its request, and both its directions."""

    head: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Answer = Callable[[Visitor], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server that answers as `answer` says, well or badly."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(Visitor(head.decode("ascii"), reader, writer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def saying(status: str, *headers: str, body: bytes = b"", length: int | None = None) -> Answer:
    async def answer(visitor: Visitor) -> None:
        lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", "")
        visitor.writer.write("\r\n".join(lines).encode() + body)

    return answer
