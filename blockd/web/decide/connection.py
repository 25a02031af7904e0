# cython: annotation_typing=False, binding=False
"""One proxy's connection: requests in, answers out in their order, none of which waits for anything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.transports.turned_stream import TurnedStream
from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.request_stream import RequestStream

if TYPE_CHECKING:
    from blockd.web.decide.server import DecideServer

LOCAL = "0.0.0.0"  # noqa: S104 - whoever is at a Unix socket: no packet comes from this address (RFC 1122, 3.2.1.3)
BURST = 16  # requests of one connection that are answered in a row, so that others get their turn
LINGER = 2.0  # seconds in which what follows a request that is wrong is discarded
MAX_GATHERED = 1 << 16  # octets of answers that are written at once; a page has some ten thousand


class DecideConnection(TurnedStream):
    """A connection of `host`; see `DecideServer` for what it shares with others.

    What a peer can make it hold is bounded: one head that has not come whole and what is read at once, and the answers
    to BURST requests that it leaves unread: no more are taken until it has read them.
    """

    def __init__(self, server: DecideServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        TurnedStream.__init__(self, server.streams, server.turns, sock)
        self._server = server
        self._host = "" if host == LOCAL else host
        self._requests = RequestStream()
        self._is_front = server.is_front_end(host)
        self._newcomer_from = "" if self._is_front else host
        self._deadline = 0.0
        self._lingers = False
        self._table = server.connections_of(is_front=self._is_front)
        self._table.enter(host, self)
        self._touch()
        if server.is_draining:
            self.hurry()

    def end(self) -> None:
        """Close it once all answers are sent, or when its time has come."""
        self.has_ended = True
        self.finish()

    def hurry(self) -> None:
        """Have the next answer be the last; a connection that is quiet ends without one."""
        self._requests.is_leaving = True
        if not self._lingers and not self.has_ended:
            self._deadline = min(self._deadline, self.streams.clock() + self._server.idle)
            self.streams.deadlines.keep(self, self._deadline)

    def closed(self) -> None:
        """Leave nothing behind."""
        self.has_ended = True
        self._table.leave(self)

    def received(self, octets: memoryview) -> None:
        """Answer what has come, now or when it is this connection's turn."""
        if not self.has_ended:
            self._requests.feed(octets)
            self.ask_for_turn()

    def has_more(self) -> bool:
        """Return whether the head of a request is there whole, or is too long."""
        return self._requests.has_request()

    def handle_some(self, has_time: Callable[[], bool]) -> None:
        """Answer requests: BURST at most."""
        answers = b""
        requests = self._requests
        answer = self._server.answering.answer
        last = None
        for _ in range(BURST):
            if self.is_held() or (request := requests.next()) is None:
                break
            self._newcomer_from = ""
            answers += answer(request, self._host, is_front=self._is_front)
            if request.is_last:
                last = request
                break
            if requests.is_empty or len(answers) >= MAX_GATHERED or not has_time():
                break
        if answers:
            self._touch()
            self.send(answers)
        if last is not None:
            self._finish_after(last)

    def tire(self) -> None:
        """Close it if its time has come."""
        if self.streams.clock() < self._deadline:
            self.streams.deadlines.keep(self, self._deadline)
        else:
            self.abort()

    def _finish_after(self, last: ProxyRequest) -> None:
        """Close it once all is sent. What follows a request that is wrong is read, and discarded, for LINGER seconds.

        Closing with octets that were not read would reset it, and the peer might not get to read the answer.
        """
        if last.flaw and self.is_open:
            self._deadline = self.streams.clock() + LINGER
            self.streams.deadlines.keep(self, self._deadline)
            self._lingers = True
        else:
            self.end()

    def _touch(self) -> None:
        if self._lingers:
            return
        self._deadline = self.streams.clock() + self._server.idle
        self.streams.deadlines.keep(self, self._deadline)
        self._table.touch(self)
