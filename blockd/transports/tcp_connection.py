# cython: annotation_typing=False, binding=False
"""One client's connection: messages in, each with two octets of length before it (RFC 7766), answers out.

What a client can make it hold is bounded: READ octets and one message that has not come whole, the questions that wait
for upstreams, and the answers to these and to BURST others that it leaves unread.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.dns import types
from blockd.resolver import Outcome
from blockd.transports.stream_sockets import StreamSocket

if TYPE_CHECKING:
    from blockd.transports.tcp import TcpServer

READ = 1 << 14  # octets read at once
FIRST_IDLE = 2.0  # seconds in which the first question must come, however few places are free
MAX_QUESTION = 4096  # octets of a message that are kept: questions have some hundred; it is cut, as over UDP
MAX_PIPELINED = 100  # questions of one connection that wait; no more are taken until one is answered
BURST = 16  # messages of one connection that are handled in a row, so that others get their turn
MAX_GATHERED = 1 << 16  # octets of answers that are written at once: the longest one, or many usual ones
MAX_UNSENT = 1 << 18  # octets of answers that a client may leave unread before its connection is aborted

_ANSWER = types.QR >> 8  # in the third octet


class TcpConnection(StreamSocket):
    """A connection of `host`; see `TcpServer` for what it shares with others."""

    def __init__(self, server: TcpServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        StreamSocket.__init__(self, server.streams, sock)
        self._server = server
        self._host = host
        self._buffer = bytearray()
        self._cut = b""  # the beginning of a message that is too long
        self._left = 0  # octets that are still to come of that message
        self._waiting: set[asyncio.Task[None]] = set()
        # That it may be, as of its last message; until the first one has been taken it is not for lack of places.
        self._idle = max(server.idle_seconds(), min(FIRST_IDLE, server.idle))
        self._deadline = 0.0  # of the streams' clock: when it has been idle for too long
        self._ended = False
        self._half_closed = False
        self._is_unread = False  # the client leaves answers unread
        # Until the first of its messages has been handled; a front end, which asks for many clients, is none.
        self._newcomer_from = "" if server.resolver.clients.is_front_end(host) else host
        self._has_turn = False  # it is among those that wait for their turn
        server.connections.enter(host, self)
        self._restart_idle_time()

    def abort(self) -> None:
        """Close it now; unsent data is discarded."""
        self._ended = True
        self.close()

    def end(self) -> None:
        """Close the connection once all output is sent; abort it if the client does not read that in time."""
        self._ended = True
        self.finish()
        if self.is_open:
            self._deadline = self.streams.clock() + self._server.idle_seconds()
            self.streams.deadlines.keep(self, self._deadline)

    def closed(self) -> None:
        """Leave nothing behind."""
        self._ended = True
        self._buffer.clear()
        self._server.connections.leave(self)
        if self._is_unread:
            self._is_unread = False
            self._server.has_read(self._host, self)

    def wants_more(self) -> bool:
        """Return whether what has come is handled so far."""
        return not self._has_turn and not self._is_held()

    def received(self, octets: memoryview) -> None:
        """Handle what has come, now or when it is this connection's turn."""
        if self._ended:
            return
        size = len(octets)
        if self._left >= size:  # of a message that is too long
            self._left -= size
            if not self._left:
                self._ask_for_turn()
            return
        self._buffer += octets[self._left :] if self._left else octets
        self._left = 0
        self._ask_for_turn()

    def received_all(self) -> None:
        """Keep our half open while answers are pending."""
        self._half_closed = True
        self._end_if_owed_nothing()

    def left_unread(self) -> None:
        """Take no more messages: the client leaves answers unread."""
        self._is_unread = True
        self._server.leaves_unread(self._host, self)

    def taken(self) -> None:
        """Go on: the client has read everything."""
        self._is_unread = False
        self._server.has_read(self._host, self)
        if not self._ended:
            self._touch()
            self._ask_for_turn()

    def newcomer_from(self) -> str:
        """Return its address if no message of it has been handled yet, as `TakingTurns` asks."""
        return self._newcomer_from

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle some messages as `TakingTurns` asks for; return whether others are left that need not wait."""
        self._has_turn = False
        answers = b""
        for _ in range(BURST):
            if self._is_held() or (message := self._next()) is None:
                break
            answers += self._take(message)
            if not self._has_octets() or len(answers) >= MAX_GATHERED or not has_time():
                break
        if answers:
            self._answer(answers)
        if self._ended:
            return False
        self._has_turn = self._has_octets() and self._has_message() and not self._is_held()
        if not self._has_turn:
            if self._half_closed:
                self._end_if_owed_nothing()
            elif not self.reads and not self._is_held():
                self.read(True)
        return self._has_turn

    def _ask_for_turn(self) -> None:
        if not self._has_turn and self._server.turns.ask(self):
            self._has_turn = True

    def _is_held(self) -> bool:
        """Return whether no message may be taken before something else has happened."""
        return self._ended or self._is_unread or len(self._waiting) >= MAX_PIPELINED

    def _has_octets(self) -> bool:
        return bool(self._buffer or self._cut)

    def _has_message(self) -> bool:
        """Return whether the whole of a message is here, or all of it that is kept."""
        buffer = self._buffer
        if self._left:
            return False
        return bool(self._cut) or (
            len(buffer) >= 2 and len(buffer) >= 2 + min(buffer[0] << 8 | buffer[1], MAX_QUESTION)
        )

    def _next(self) -> bytes | None:
        """Return the next message, None if it is not here yet."""
        buffer = self._buffer
        while self._has_message():
            if self._cut:
                message, self._cut = self._cut, b""
                return message
            size = buffer[0] << 8 | buffer[1]
            kept = min(size, MAX_QUESTION)
            message = bytes(buffer[2 : 2 + kept])
            if size == kept:
                del buffer[: 2 + size]
                return message
            self._cut = message
            self._left = max(2 + size - len(buffer), 0)
            del buffer[: 2 + size]
        return None

    def _take(self, message: bytes) -> bytes:
        """Return the answer, framed, if nothing must be waited for, so that a burst costs no tasks; else nothing.

        The connection is ended for what is no question.
        Otherwise one packet could have hundreds of messages that cost the client two octets each. Unbound does so too.
        """
        if len(message) < types.HEADER_SIZE or message[2] & _ANSWER:
            self.abort()
            return b""
        self._newcomer_from = ""
        self._idle = self._server.idle_seconds()
        resolver = self._server.resolver
        begun = resolver.begin(message, self._host, self._server.transport, self._idle)
        if isinstance(begun, bytes):
            return len(begun).to_bytes(2) + begun
        if not isinstance(begun, Outcome):
            task = resolver.answer_later(begun, self._deliver)
            if task is not None:
                self._waiting.add(task)
                task.add_done_callback(self._finished)
                self._touch()  # but not for a message that is not answered, since it costs the client nothing
                self._server.connections.set_waiting(self, True)
        return b""

    def _deliver(self, answer: bytes | None) -> None:
        if answer is not None:
            self._answer(len(answer).to_bytes(2) + answer)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Resume what was waiting for a question to be answered: reading, or closing."""
        self._waiting.discard(task)
        if not self._waiting:
            self._server.connections.set_waiting(self, False)
        if not self._ended:
            self._ask_for_turn()

    def _answer(self, octets: bytes | bytearray) -> None:
        if self._ended:
            return
        self.send(octets)
        if self.unsent > MAX_UNSENT:
            self.abort()
        elif not self._ended:
            self._touch()

    def _end_if_owed_nothing(self) -> None:
        if self._half_closed and not self._ended and not self._waiting and not self._has_message():
            self.end()

    def _touch(self) -> None:
        """Note that it is not idle; not for a client that leaves answers unread, or it would never be."""
        if not self._is_unread:
            self._server.connections.touch(self)
            self._restart_idle_time()

    def _restart_idle_time(self) -> None:
        self._deadline = self.streams.clock() + self._idle
        self.streams.deadlines.keep(self, self._deadline)

    def tire(self) -> None:
        """End the connection if it has been idle for long enough, unless a question is still pending."""
        now = self.streams.clock()
        if self._ended:
            self.abort()
            return
        if (self._waiting or self._has_turn) and not self._is_unread:  # it is the server that is slow
            self._deadline = now + self._idle
        if now < self._deadline:
            self.streams.deadlines.keep(self, self._deadline)
        elif self._is_unread:
            self.abort()
        else:
            self.end()
