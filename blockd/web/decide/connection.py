# cython: annotation_typing=False, binding=False
"""One proxy's connection: requests in, answers out in their order, none of which waits for anything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.transports.stream_sockets import StreamSocket
from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.request_stream import RequestStream

if TYPE_CHECKING:
    from blockd.web.decide.server import DecideServer

READ = 1 << 14  # octets read at once
BURST = 16  # requests of one connection that are answered in a row, so that others get their turn
LINGER = 2.0  # seconds in which what follows a request that is wrong is discarded
MAX_GATHERED = 1 << 16  # octets of answers that are written at once; a page has some ten thousand


class DecideConnection(StreamSocket):
    """A connection of `host`; see `DecideServer` for what it shares with others.

    What a peer can make it hold is bounded: one head that has not come whole and READ octets, and the answers to BURST
    requests that it leaves unread: no more are taken until it has read them.
    """

    def __init__(self, server: DecideServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        StreamSocket.__init__(self, server.streams, sock)
        self._server = server
        self._host = host
        self._requests = RequestStream()
        self._is_front = server.is_front(host)
        self._newcomer_from = "" if self._is_front else host
        self._deadline = 0.0
        self._ended = False
        self._half_closed = False
        self._is_unread = False
        self._has_turn = False
        self._lingers = False
        self._table = server.connections_of(is_front=self._is_front)
        self._table.enter(host, self)
        self._touch()

    def abort(self) -> None:
        """Close it now; what is unsent is discarded."""
        self._ended = True
        self.close()

    def end(self) -> None:
        """Close it once all answers are sent, or when its time has come."""
        self._ended = True
        self.finish()

    def closed(self) -> None:
        """Leave nothing behind."""
        self._ended = True
        self._table.leave(self)

    def wants_more(self) -> bool:
        """Return whether what has come is answered so far, and read."""
        return not self._has_turn and not self._ended and not self._is_unread

    def received(self, octets: memoryview) -> None:
        """Answer what has come, now or when it is this connection's turn."""
        if not self._ended:
            self._requests.feed(octets)
            self._ask_for_turn()

    def received_all(self) -> None:
        """End it once all that came is answered."""
        self._half_closed = True
        if not self._has_turn and not self._is_unread:
            self.end()

    def left_unread(self) -> None:
        """Take no more requests: the peer leaves answers unread."""
        self._is_unread = True

    def taken(self) -> None:
        """Go on: the peer has read everything."""
        self._is_unread = False
        if not self._ended:
            self._touch()
            self._ask_for_turn()

    def newcomer_from(self) -> str:
        """Return its address if no request of it has been answered yet, as `TakingTurns` asks."""
        return self._newcomer_from

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Answer some requests as `TakingTurns` asks for; return whether others are left that need not wait."""
        self._has_turn = False
        answers = b""
        requests = self._requests
        answer = self._server.answering.answer
        last = None
        for _ in range(BURST):
            if self._ended or self._is_unread or (request := requests.next()) is None:
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
        if self._ended:
            return False
        self._has_turn = not self._is_unread and requests.has_request()
        if not self._has_turn:
            if self._half_closed and not self._is_unread:
                self.end()
            elif not self.reads and not self._is_unread and not self._half_closed:
                self.read(True)
        return self._has_turn

    def tire(self) -> None:
        """Close it if its time has come."""
        if self.streams.clock() < self._deadline:
            self.streams.deadlines.keep(self, self._deadline)
        else:
            self.abort()

    def _ask_for_turn(self) -> None:
        if not self._has_turn and self._server.turns.ask(self):
            self._has_turn = True

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
