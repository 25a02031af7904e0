"""DNS messages over TCP or TLS, each behind two octets of length (RFC 1035 section 4.2.2, RFC 7766 section 8)."""

from __future__ import annotations

from collections.abc import Callable

from blockd.dns import types
from blockd.resolver.streams.connection import QR, ConnectionOwner, StreamQuestion, UpstreamConnection
from blockd.resolver.streams.options import StreamOptions
from blockd.resolver.streams.tls import UpstreamProof

_IDS = 1 << 16


class FramedConnection(UpstreamConnection):
    """Questions are known by their ID: the caller's, or another one while that is in use."""

    def __init__(
        self, owner: ConnectionOwner, options: StreamOptions, proof: UpstreamProof | None, clock: Callable[[], float]
    ) -> None:
        super().__init__(owner, options, proof, clock)
        self._given_up: set[int] = set()  # IDs that a late answer may still have
        self._unwritten: list[bytes] = []
        self._received = bytearray()  # the beginning of a message, or nothing

    def send(self, question: StreamQuestion) -> None:
        """Ask a question, with an ID that no other has."""
        super().send(question)
        mark = int.from_bytes(question.id)
        while mark in self.questions or mark in self._given_up:
            mark = (mark + 1) % _IDS
        self.questions[mark] = question
        message = question.message
        self._unwritten += (len(message).to_bytes(2), mark.to_bytes(2), message[2:])

    def push(self) -> None:
        """Write what was asked since, at once."""
        if self._unwritten:
            self.write(b"".join(self._unwritten))
            self._unwritten.clear()

    def give_up(self, mark: int) -> None:
        """Forget a question; its ID is not used again. A connection with many such is replaced."""
        del self.questions[mark]
        self._given_up.add(mark)
        if len(self._given_up) >= self.options.max_asked:
            self.retire()

    def receive(self, data: bytes) -> None:
        """Take the messages that are whole."""
        received = self._received
        received += data
        at, size = 0, len(received)
        while size - at >= 2:
            length = received[at] << 8 | received[at + 1]
            if length < types.HEADER_SIZE:
                self.end("malformed", f"sent a message of {length} octets")
                return
            end = at + 2 + length
            if end > size:
                break
            self._take(bytes(received[at + 2 : end]))
            if not self.is_open:
                return
            at = end
        del received[:at]

    def _take(self, message: bytes) -> None:
        mark = message[0] << 8 | message[1]
        if mark in self.questions and message[2] & QR:
            self.answer(mark, message)
        elif mark in self._given_up:
            self._given_up.discard(mark)
        else:
            self.stray()
