"""Questions over TCP or TLS, each over a connection of its own."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Sequence
from typing import Protocol

from blockd.errors import system_words
from blockd.settings import Upstream

ANSWER_TIME = 5.0  # seconds for one exchange


class StreamListener(Protocol):
    """Is told, in the event loop, what came of each question; never from within `Stream.ask`."""

    def answered(self, stream: Stream, message: bytes) -> None:
        """Take one whole DNS message with the ID that the question had; what it says is not checked."""

    def failed(self, stream: Stream, ids: Sequence[int], kind: str, why: str) -> None:
        """Take the IDs of questions that will not be answered, and why, in a sentence that names the upstream."""


class Stream:
    """Connections to one upstream."""

    def __init__(self, upstream: Upstream, listener: StreamListener) -> None:
        self._upstream = upstream
        self._listener = listener
        self._asking: set[asyncio.Task[None]] = set()

    def ask(self, message: bytes) -> None:
        """Ask a question, a whole message with its ID in front."""
        task = asyncio.get_running_loop().create_task(self._ask(message))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def close(self) -> None:
        """End all connections; nothing is reported any more."""
        for task in self._asking:
            task.cancel()

    async def _ask(self, message: bytes) -> None:
        name = self._upstream.tls_name
        label = self._upstream.text if name else f"{self._upstream.text} over TCP"
        try:
            async with asyncio.timeout(ANSWER_TIME):
                answer = await _exchange(self._upstream, message)
        except TimeoutError:
            self._fail(message, "silent", f"{label} has not answered for long")
        except EOFError:
            self._fail(message, "closed", f"{label} ended the connection")
        except OSError as error:
            self._fail(message, "connect", f"{label} cannot be connected to ({system_words(error)})")
        else:
            self._listener.answered(self, answer)

    def _fail(self, message: bytes, kind: str, why: str) -> None:
        self._listener.failed(self, [int.from_bytes(message[:2])], kind, why)


async def _exchange(upstream: Upstream, message: bytes) -> bytes:
    context = _tls() if upstream.tls_name else None
    reader, writer = await asyncio.open_connection(
        upstream.host, upstream.port, ssl=context, server_hostname=upstream.tls_name
    )
    try:
        writer.write(len(message).to_bytes(2) + message)
        size = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(size)
    finally:
        writer.transport.abort()


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the TLS settings for upstreams: the system's authorities, and the name checked."""
    return ssl.create_default_context()
