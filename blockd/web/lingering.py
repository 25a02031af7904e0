"""How a connection ends of which everything was answered, so that the client gets to read the answer."""

from __future__ import annotations

import asyncio

MAX_LINGER = 2.0  # seconds in which an unwanted request body is discarded, so that the client can read the answer


class Lingering:
    """Ends a connection some time after all was sent to it; what comes until then is to be discarded.

    Closing a connection with octets that were not read resets it, and the client might not get to read the answer.
    """

    def __init__(self, seconds: float = MAX_LINGER) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Say that nothing more will be sent, and end the connection later."""
        if transport.can_write_eof():
            transport.write_eof()
        self._wait(transport)

    def cancel(self) -> None:
        """Do nothing more: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, transport: asyncio.Transport) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end, transport)

    def _end(self, transport: asyncio.Transport) -> None:
        if transport.get_write_buffer_size():
            self._wait(transport)
        else:
            transport.abort()
