# cython: annotation_typing=False, binding=False
"""DNS messages in a stream, each with two octets of length before it (RFC 7766): how TCP and DoT carry them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.dns import types
from blockd.transports.client_stream import BURST, MAX_GATHERED, ClientStream

if TYPE_CHECKING:
    from blockd.transports.stream_server import StreamServer

MAX_QUESTION = 4096  # octets of a message that are kept: questions have some hundred; it is cut, as over UDP

_ANSWER = types.QR >> 8  # in the third octet


class TcpConnection(ClientStream):
    """A client's connection: messages in, answers out."""

    def __init__(self, server: StreamServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        self._buffer = bytearray()
        self._cut = b""  # the beginning of a message that is too long
        self._left = 0  # octets that are still to come of that message
        ClientStream.__init__(self, server, host, sock)

    def forget(self) -> None:
        """Let go what is kept of messages."""
        self._buffer.clear()

    def arrived(self, octets: memoryview) -> bool:
        """Keep octets that came, but for what is too long; return whether to ask for a turn."""
        size = len(octets)
        if self._left >= size:  # of a message that is too long
            self._left -= size
            return not self._left
        self._buffer += octets[self._left :] if self._left else octets
        self._left = 0
        return True

    def pass_on(self, heir: Callable[[int, bytes], bool]) -> bool:
        """Have an heir go on with the connection, if nothing is owed; return whether it does.

        Not so those of front ends with a PROXY protocol header, which is not sent again.
        """
        is_own = self.peer == self.host and not self._lacks_header
        is_busy = (
            self.owes() or self._has_turn or self._is_unread or self._half_closed or bool(self._cut) or self._left > 0
        )
        if self.has_ended or not is_own or is_busy or self.unsent or len(self._buffer) > MAX_QUESTION:
            return False
        if not heir(self._descriptor, bytes(self._buffer)):
            return False
        self.abort()  # the heir has a copy of the socket: the client is told nothing
        return True

    def go_on(self, octets: bytes) -> None:
        """Be the heir: take what has come of a question."""
        self._preface = None
        self._newcomer_from = ""
        if octets and self.arrived(memoryview(octets)):
            self.ask_for_turn()

    def has_work(self) -> bool:
        """Return whether the whole of a message is here, or all of it that is kept."""
        buffer = self._buffer
        if self._left:
            return False
        return bool(self._cut) or (
            len(buffer) >= 2 and len(buffer) >= 2 + min(buffer[0] << 8 | buffer[1], MAX_QUESTION)
        )

    def handle(self, has_time: Callable[[], bool]) -> bytes:
        """Handle messages; return the answers that need not be waited for."""
        answers = b""
        for _ in range(BURST):
            if self.is_held() or (message := self._next()) is None:
                break
            answers += self._take(message)
            if not (self._buffer or self._cut) or len(answers) >= MAX_GATHERED or not has_time():
                break
        return answers

    def _next(self) -> bytes | None:
        """Return the next message, None if it is not here yet."""
        buffer = self._buffer
        while self.has_work():
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
        """Return the answer, framed, if nothing must be waited for; else nothing.

        The connection is ended for what is no question.
        Otherwise one packet could have hundreds of messages that cost the client two octets each. Unbound does so too.
        """
        if len(message) < types.HEADER_SIZE or message[2] & _ANSWER:
            self.abort()
            return b""
        answer = self.ask(message, self.host, self._deliver)
        return len(answer).to_bytes(2) + answer if isinstance(answer, bytes) else b""

    def _deliver(self, answer: bytes | None) -> None:
        if answer is not None:
            self.reply(len(answer).to_bytes(2) + answer)
