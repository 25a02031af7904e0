"""The block page's server: any method, any path, one answer per connection.

What is blocked is answered as RFC 7725 wants it, or with status 403 where its operator or the client wants the block.
The server's own addresses show what it is, and whether a name is blocked.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import cast

from blockd.web.answers import Answer, answer_to, followed
from blockd.web.lingering import Lingering
from blockd.web.request_head import RequestHead, RequestReader
from blockd.web.serving import BoundedConnection, Serving, ServingLimits, client_of
from blockd.web.site import Site
from blockd.web.writing import Writer

# To a client that speaks HTTP/2 without having asked: SETTINGS, and GOAWAY with HTTP_1_1_REQUIRED (RFC 9113 section 7).
USE_HTTP1 = bytes.fromhex("000000040000000000" + "000008070000000000" + "00000000" + "0000000d")


def serve_block_page(
    site: Site,
    sockets: Sequence[socket.socket],
    *,
    limits: ServingLimits | None = None,
) -> Serving:
    """Serve the block page on bound sockets, listening or not; nothing is logged about clients."""
    writer = Writer(site)
    return Serving(lambda connection: _Visit(site, writer, connection), sockets, limits or ServingLimits())


class _Visit(asyncio.Protocol):
    """One connection: reads one head and no body, sends one answer, discards the rest, closes."""

    def __init__(self, site: Site, writer: Writer, connection: BoundedConnection) -> None:
        self._site = site
        self._writer = writer
        self._connection = connection
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._is_answered = False
        self._lingering = Lingering()
        self._following: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer, and what is done for an answer."""
        self._lingering.cancel()
        if self._following is not None:
            self._following.cancel()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Read on, or answer; octets after the head are discarded."""
        if not self._is_answered:
            self._answer(self._reader.feed(data))

    def eof_received(self) -> bool:
        """Answer a client that sends no more; return whether the answer is still to be sent."""
        if not self._is_answered:
            self._answer(self._reader.finish())
        return self._following is not None and not self._following.done()

    def _answer(self, request: RequestHead | None) -> None:
        if request is None or self._transport is None:
            return
        self._is_answered = True
        self._connection.touch()
        self._site.arrived("http")
        if request.is_http2:
            self._send(USE_HTTP1)
            return
        answer = answer_to(self._site, request, client_of(self._transport))
        if answer.what in ("absent", "free") and self._site.where_it_leads is not None:
            self._connection.set_waiting(True)
            self._following = asyncio.get_running_loop().create_task(self._follow(request, answer))
        else:
            self._send(self._writer.response(request, answer))

    async def _follow(self, request: RequestHead, answer: Answer) -> None:
        """Send the answer about a name that is not listed once it is known where the name leads."""
        if self._transport is not None:
            answer = await followed(self._site, answer, client_of(self._transport))
            self._send(self._writer.response(request, answer))

    def _send(self, octets: bytes) -> None:
        if self._transport is None:
            return
        self._transport.write(octets)
        self._connection.set_waiting(False)
        self._connection.answered(len(octets))
        self._lingering.begin(self._transport)
