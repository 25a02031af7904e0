"""One visit of the incident's page: a connection, plain or over TLS, on which one request is answered.

What a visit costs, the handshake above all, is done in turns: for a millisecond in each turn of the event loop, whoever
comes first network by network. So any number of visits leaves the block page, in the same process, its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from blockd.errors import TlsFailure
from blockd.metrics import StreamEvent
from blockd.tls import TlsSession
from blockd.transports.turns import TakingTurns
from blockd.web.answers import Answer
from blockd.web.block_page import USE_HTTP1
from blockd.web.lingering import Lingering
from blockd.web.public.answering import answer_to_anybody, followed_for_client, is_to_be_followed
from blockd.web.public.site import PublicSite
from blockd.web.public.writer import PublicWriter
from blockd.web.request_head import RequestHead, RequestReader
from blockd.web.serving import BoundedConnection, client_of

RECEIVE_BUFFER = 1 << 14  # octets that the kernel may hold of a request; so many at most are here at once


class Visits:
    """What all visits share; `happened` counts what happens on their connections."""

    def __init__(self, public: PublicSite, happened: Callable[[StreamEvent], None]) -> None:
        self.public = public
        self.happened = happened
        self.writer = PublicWriter(public)
        self.turns = TakingTurns()


class Visit(asyncio.Protocol):
    """One connection: reads one head and no body, sends one answer, discards the rest, closes."""

    def __init__(self, visits: Visits, connection: BoundedConnection, session: TlsSession | None = None) -> None:
        """`session` is the connection's TLS; None if it is plain."""
        self._visits = visits
        self._connection = connection
        self._session = session
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._received: list[bytes] = []
        self._host = ""
        self._is_new = True
        self._is_waiting = False  # for its turn
        self._has_ended = False  # the client sends no more
        self._is_answered = False
        self._lingering = Lingering()
        self._following: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the handshake, or the head."""
        self._transport = cast(asyncio.Transport, transport)
        with contextlib.suppress(OSError, TypeError):  # it has ended meanwhile
            self._host = transport.get_extra_info("peername")[0].partition("%")[0]
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._visits.happened(StreamEvent.CONNECTION)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer, and what is done for an answer."""
        if self._session is not None and not self._session.is_established:
            self._visits.happened(StreamEvent.HANDSHAKE_FAILED)
        self._lingering.cancel()
        if self._following is not None:
            self._following.cancel()
        self._received.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Read no more until it is the visit's turn; what comes after the head is discarded."""
        if self._is_answered or self._transport is None:
            return
        self._received.append(data)
        self._transport.pause_reading()
        self._ask()

    def eof_received(self) -> bool:
        """Answer a client that sends no more; return whether the answer is still to be sent."""
        self._has_ended = True
        if not self._is_answered:
            self._ask()
        return self._is_waiting or (self._following is not None and not self._following.done())

    def newcomer_from(self) -> str:
        """Return where it comes from if nothing was done for it yet."""
        return self._host if self._is_new else ""

    def work(self, _has_time: Callable[[], bool]) -> bool:
        """Handle what has come; return whether some is left for a later turn."""
        self._is_new = self._is_waiting = False
        transport, received = self._transport, b"".join(self._received)
        self._received.clear()
        if transport is None or self._is_answered:
            return False
        try:
            plain, is_left = self._decrypted(received)
        except TlsFailure:
            self._end_at_once(transport)
            return False
        request = self._reader.feed(plain) if plain else None
        if request is None and self._has_ended and not is_left:
            request = self._reader.finish()
            if request is None:
                self._end_at_once(transport)
                return False
        if request is not None:
            self._answer(transport, request)
            return False
        if is_left:
            self._is_waiting = True
        elif not transport.is_closing():
            transport.resume_reading()
        return is_left

    def _ask(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._visits.turns.begin()
            self._is_waiting = self._visits.turns.ask(self)

    def _decrypted(self, received: bytes) -> tuple[bytes, bool]:
        """Return octets of the request, and whether there are more; raises TlsFailure."""
        session = self._session
        if session is None:
            return received, False
        was_established = session.is_established
        session.feed(received)
        try:
            plain = session.read()
        finally:
            if self._transport is not None and (octets := session.take()):
                self._transport.write(octets)
        if session.is_established and not was_established:
            self._visits.happened(StreamEvent.HANDSHAKE)
            if session.is_resumed:
                self._visits.happened(StreamEvent.RESUMED)
            self._connection.touch()
        self._has_ended = self._has_ended or session.is_over
        return plain, session.has_more

    def _answer(self, transport: asyncio.Transport, request: RequestHead) -> None:
        self._is_answered = True
        self._connection.touch()
        self._visits.public.site.arrived("public")
        transport.resume_reading()  # what comes is discarded
        if request.is_http2:
            self._send(USE_HTTP1)
            return
        client = client_of(transport)
        answer = answer_to_anybody(self._visits.public, request, client)
        if is_to_be_followed(self._visits.public, answer):
            self._connection.set_waiting(True)
            self._following = asyncio.get_running_loop().create_task(self._follow(request, answer, client))
        else:
            self._send(self._visits.writer.response(request, answer))

    async def _follow(self, request: RequestHead, answer: Answer, client: bytes) -> None:
        """Send the answer about a name that is not listed once it is known where the name leads."""
        answer = await followed_for_client(self._visits.public, answer, client)
        self._send(self._visits.writer.response(request, answer))

    def _send(self, octets: bytes) -> None:
        transport, session = self._transport, self._session
        if transport is None:
            return
        if session is not None:
            try:
                session.write(octets)
            except TlsFailure:
                self._end_at_once(transport)
                return
            session.close()
            octets = session.take()
        transport.write(octets)
        self._connection.set_waiting(False)
        self._connection.answered(len(octets))
        self._lingering.begin(transport)

    def _end_at_once(self, transport: asyncio.Transport) -> None:
        """Close a connection on which there is nothing to answer, once an alert of TLS is sent."""
        self._is_answered = True
        transport.close()
