"""One client's connection: messages in, each with two octets of length before it (RFC 7766), answers out.

What a client can make it hold is bounded: READ octets and one message that has not come whole, the questions that wait
for upstreams, and the answers to these and to BURST others that it leaves unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from blockd.dns import types
from blockd.resolver import Outcome

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


class TcpConnection(asyncio.BufferedProtocol):
    """A connection of `host`; see `TcpServer` for what it shares with others."""

    def __init__(self, server: TcpServer, host: str) -> None:
        self._server = server
        self._host = host
        self._buffer = bytearray()
        self._cut = b""  # the beginning of a message that is too long
        self._left = 0  # octets that are still to come of that message
        self._waiting: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        # That it may be, as of its last message; until the first one has been taken it is not for lack of places.
        self._idle = max(server.idle_seconds(), min(FIRST_IDLE, server.idle))
        self._deadline = 0.0  # of the event loop's clock: when it has been idle for too long
        self._ended = False
        self._half_closed = False
        self._reads = True
        self._is_unread = False  # the client leaves answers unread
        self._is_newcomer = True  # none of its messages has been handled yet
        self._has_turn = False  # it is among those that wait for their turn

    def abort(self) -> None:
        """Close it now; unsent data is discarded."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Close the connection once all output is sent; abort it if the client does not read that in time."""
        self._ended = True
        if self._timer:
            self._timer.cancel()
        if self._transport:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._server.idle_seconds(), self._transport.abort)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place in the table; another connection may lose its own."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self._transport.set_write_buffer_limits(high=0)  # `pause_writing` as soon as the kernel takes no more
        self._server.connections.enter(self._host, self)
        self._touch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        self._ended = True
        self._transport = None
        if self._timer:
            self._timer.cancel()
        self._buffer.clear()
        self._server.connections.leave(self)
        self._server.unread.pop(self, None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next octets go, which all connections share."""
        return self._server.incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Handle what has come, now or when it is this connection's turn."""
        if self._ended:
            return
        if self._left >= nbytes:  # of a message that is too long
            self._left -= nbytes
            if not self._left:
                self._ask_for_turn()
            return
        self._buffer += self._server.incoming[self._left : nbytes]
        self._left = 0
        self._ask_for_turn()

    def eof_received(self) -> bool:
        """Keep our half open while answers are pending."""
        self._half_closed = True
        self._end_if_owed_nothing()
        return True

    def pause_writing(self) -> None:
        """Take no more messages: the client leaves answers unread."""
        self._is_unread = True
        self._server.leaves_unread(self)

    def resume_writing(self) -> None:
        """Go on: the client has read everything."""
        self._is_unread = False
        self._server.unread.pop(self, None)
        if not self._ended:
            self._touch()
            self._ask_for_turn()

    def is_newcomer(self) -> bool:
        """Return whether no message of it has been handled yet, as `TakingTurns` asks."""
        return self._is_newcomer

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle some messages as `TakingTurns` asks for; return whether others are left that need not wait."""
        self._has_turn = False
        answers = bytearray()
        for _ in range(BURST):
            if self._is_held() or (message := self._next()) is None:
                break
            self._take(message, answers)
            if len(answers) >= MAX_GATHERED or not has_time():
                break
        if answers:
            self._send(answers)
        if self._ended:
            return False
        self._has_turn = self._has_message() and not self._is_held()
        self._read(not self._has_turn and not self._is_held())
        if not self._has_turn:
            self._end_if_owed_nothing()
        return self._has_turn

    def _ask_for_turn(self) -> None:
        if not self._has_turn and self._server.turns.ask(self):
            self._has_turn = True
            self._read(False)

    def _is_held(self) -> bool:
        """Return whether no message may be taken before something else has happened."""
        return self._ended or self._is_unread or len(self._waiting) >= MAX_PIPELINED

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

    def _take(self, message: bytes, answers: bytearray) -> None:
        """Answer at once if nothing must be waited for, so that a burst costs no tasks; end it for what is no question.

        Otherwise one packet could have hundreds of messages that cost the client two octets each. Unbound does so too.
        """
        if len(message) < types.HEADER_SIZE or message[2] & _ANSWER:
            self.abort()
            return
        self._is_newcomer = False
        self._idle = self._server.idle_seconds()
        resolver = self._server.resolver
        begun = resolver.begin(message, self._host, self._server.transport, self._idle)
        if isinstance(begun, bytes):
            answers += len(begun).to_bytes(2) + begun
        elif not isinstance(begun, Outcome):
            task = resolver.answer_later(begun, self._deliver)
            if task is not None:
                self._waiting.add(task)
                task.add_done_callback(self._finished)
                self._touch()  # but not for a message that is not answered, since it costs the client nothing
                self._server.connections.set_waiting(self, True)

    def _deliver(self, answer: bytes | None) -> None:
        if answer is not None:
            self._send(len(answer).to_bytes(2) + answer)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Resume what was waiting for a question to be answered: reading, or closing."""
        self._waiting.discard(task)
        if not self._waiting:
            self._server.connections.set_waiting(self, False)
        if not self._ended:
            self._ask_for_turn()

    def _send(self, octets: bytes | bytearray) -> None:
        transport = self._transport
        if transport is None or self._ended:
            return
        transport.write(octets)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()
        else:
            self._touch()

    def _read(self, reads: bool) -> None:
        """Read on, or read no more for now; nothing comes any more once half is closed."""
        if reads != self._reads and self._transport is not None and not self._half_closed:
            self._reads = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _end_if_owed_nothing(self) -> None:
        if self._half_closed and not self._ended and not self._waiting and not self._has_message():
            self.end()

    def _touch(self) -> None:
        """Restart the idle time; not for a client that leaves answers unread, or it would never be idle."""
        if self._is_unread:
            return
        self._server.connections.touch(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._idle
        if self._timer is None or self._timer.when() > self._deadline:
            self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._deadline, self._tire)

    def _tire(self) -> None:
        """End the connection if it has been idle for long enough, unless a question is still pending."""
        loop = asyncio.get_running_loop()
        if (self._waiting or self._has_turn) and not self._is_unread:  # it is the server that is slow
            self._deadline = loop.time() + self._idle
        if loop.time() < self._deadline:
            self._arm(loop)
        elif self._is_unread:
            self.abort()
        else:
            self.end()
