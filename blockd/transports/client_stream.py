# cython: annotation_typing=False, binding=False
"""What is common to clients' connections, whatever is spoken over them: their time, their turns, and TLS.

What a client can make a connection hold is bounded: READ octets and what its protocol keeps of a message that has not
come whole, the questions that wait for upstreams, and the answers to these and to BURST others that it leaves unread.
Over TLS it is a record more, and what the session needs.

All that TLS computes is done when it is the connection's turn: a handshake costs as much as a hundred questions.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from blockd.errors import TlsFailure
from blockd.metrics import StreamEvent
from blockd.resolver import Outcome, Pending, PendingQuestion
from blockd.transports.fronted_stream import FrontedStream

if TYPE_CHECKING:
    from blockd.tls import TlsSession
    from blockd.transports.stream_server import StreamServer

FIRST_IDLE = 2.0  # seconds in which the first question must come, however few places are free
MAX_PIPELINED = 100  # questions of one connection that wait; no more are taken until one is answered
GRAIN = 0.1  # seconds within which connections that are not idle are in no order of idleness, which costs time
BURST = 16  # messages of one connection that are handled in a row, so that others get their turn
MAX_GATHERED = 1 << 16  # octets of answers that are written at once: the longest one, or many usual ones
MAX_UNSENT = 1 << 18  # octets of answers that a client may leave unread before its connection is aborted


class ClientStream(FrontedStream):
    """A connection of `host`; see `StreamServer` for what it shares with others. A protocol inherits from it."""

    def __init__(self, server: StreamServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        FrontedStream.__init__(self, server, host, sock)
        self._waiting: set[Pending] = set()
        # That it may be, as of its last message; until the first one has been taken it is not for lack of places.
        self._idle = max(server.idle_seconds(), min(FIRST_IDLE, server.idle))
        self._deadline = 0.0  # of the streams' clock: when it has been idle for too long
        self._tls: TlsSession | None = None  # made when the first octets come
        self._has_sealed = False  # records that the session has not decrypted yet
        self._touched = 0.0  # when its place was last said to be that of the one who has been idle least
        self._restart_idle_time(self.streams.clock())

    # What a protocol does.

    def is_plain(self, octets: memoryview) -> bool:
        """Return whether the first octets that came, where TLS is expected, are taken as they are."""
        return False

    def secured(self, alpn: str) -> None:
        """Note that the handshake is complete, with the protocol agreed on; empty if the client named none."""

    def arrived(self, octets: memoryview) -> bool:
        """Keep octets that came, which are there during this call; return whether to ask for a turn.

        They are READ at most, and over TLS a record more.
        """
        raise NotImplementedError

    def has_work(self) -> bool:
        """Return whether something that came is there whole, for `handle`."""
        raise NotImplementedError

    def owes(self) -> bool:
        """Return whether something is still to be done or sent for what came."""
        return bool(self._waiting) or self.has_more()

    def handle(self, has_time: Callable[[], bool]) -> bytes:
        """Handle what came: at least one message, BURST at most, while there is time and `is_held` does not hold it.

        Return what is to be sent; it is at most about MAX_GATHERED octets.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """Let go what is kept of messages: the connection is closed."""
        raise NotImplementedError

    # What a protocol asks for.

    def ask(self, message: bytes, host: str, deliver: Callable[[bytes | None], None]) -> bytes | Outcome | None:
        """Return the answer to a message of `host` if nothing must be waited for, so that a burst costs no tasks.

        Return Outcome.SILENCE if there is none, and None if it comes later, when `deliver` is called with it, or with
        None for silence. `deliver` is called at once if too many wait.
        """
        server = self.server
        if self._lacks_header and not server.resolver.proxied.needs_no_header(message):
            self._refuse_header()
            return Outcome.SILENCE
        self._newcomer_from = ""
        self._idle = server.idle_seconds()
        idle = self._idle if server.tells_idle_time else 0.0
        said = server.resolver.ask(message, host, server.transport, idle, deliver, self._finished)
        if isinstance(said, (bytes, Outcome)):
            return said
        if said is not None:
            self._waiting.add(said)
            self._touch()  # but not for a message that is not answered, since it costs the client nothing
            server.connections.set_waiting(self, True)
        return None

    def reply(self, octets: bytes) -> None:
        """Send octets of answers, after which the client is idle; it is aborted if it leaves too many unread."""
        if self.transmit(octets):
            self._touch()

    def transmit(self, octets: bytes) -> bool:
        """Send octets that are no answer, as `reply` does; return whether the connection goes on."""
        if self.has_ended:
            return False
        tls = self._tls
        if tls is not None:
            try:
                tls.write(octets)
            except TlsFailure:
                self.abort()
                return False
            octets = tls.take()
        self.send(octets)
        if self.unsent > MAX_UNSENT:
            self.abort()
        return not self.has_ended

    def is_held(self) -> bool:
        """Return whether no message may be taken before something else has happened."""
        return self.has_ended or self._is_unread or len(self._waiting) >= MAX_PIPELINED

    def end(self) -> None:
        """Close the connection once all output is sent; abort it if the client does not read that in time."""
        if self._tls is not None:
            self._tls.close()
            self._send_sealed()
        self.has_ended = True
        self.finish()
        if self.is_open:
            self._deadline = self.streams.clock() + self.server.idle_seconds()
            self.streams.deadlines.keep(self, self._deadline)

    def hurry(self) -> None:
        """Be idle for no longer than the server, which drains, lets it; a newcomer has time for its first question."""
        if self.has_ended:
            return
        last = self._deadline - self._idle
        idle = self.server.idle_seconds()
        self._idle = min(self._idle, max(idle, FIRST_IDLE) if self._newcomer_from else idle)
        self._deadline = last + self._idle
        self.streams.deadlines.keep(self, self._deadline)

    # What sockets and turns call.

    def closed(self) -> None:
        """Leave nothing behind."""
        self.has_ended = True
        for waiting in tuple(self._waiting):
            if isinstance(waiting, PendingQuestion):  # the pipeline goes on with its own, which it counts in the end
                self._waiting.discard(waiting)
                waiting.cancel()
        self.forget()
        self.server.connections.leave(self)
        if self._is_unread:
            self._is_unread = False
            self.server.has_read(self.host, self)
        if self._is_half_open:
            self._end_half_open(StreamEvent.HANDSHAKE_FAILED)
        self._tls = None

    def received(self, octets: memoryview) -> None:
        """Handle what has come, now or when it is this connection's turn."""
        if self.has_ended:
            return
        if self._preface is not None and self._tls is None:
            octets = self._after_header(octets)
            if not octets:
                return
        if self._is_half_open and self._tls is None:
            tls = self.server.tls
            if tls is None or self.is_plain(octets):
                self._end_half_open(None)
            else:
                self._tls = tls.session()
                self._begin_tls()
        if self._tls is not None:
            self._tls.feed(octets)
            self.ask_for_turn()
        elif self.arrived(octets):
            self.ask_for_turn()

    def received_all(self) -> None:
        """Keep our half open while answers are pending."""
        if self._is_half_open and self._tls is None:
            self._end_half_open(None)  # whoever only looks whether the port is open has not failed in a handshake
        FrontedStream.received_all(self)

    def left_unread(self) -> None:
        """Take no more messages: the client leaves answers unread."""
        FrontedStream.left_unread(self)
        self.server.leaves_unread(self.host, self)

    def taken(self) -> None:
        """Go on: the client has read everything."""
        self.server.has_read(self.host, self)
        FrontedStream.taken(self)

    def has_more(self) -> bool:
        """Return whether something that came is there whole, decrypted or not."""
        return self._has_sealed or self.has_work()

    def handle_some(self, has_time: Callable[[], bool]) -> None:
        """Have the session take a step if nothing is there to be handled, then handle what is."""
        if self._tls is not None and not self.has_work() and not self.is_held():
            self._decrypt(self._tls)
            if self.has_ended:
                return
        answers = self.handle(has_time)
        if answers:
            self.reply(answers)
        elif self._tls is not None:
            self._send_sealed()

    def tire(self) -> None:
        """End the connection if it has been idle for long enough, unless a question is still pending."""
        now = self.streams.clock()
        if self.has_ended:
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

    def _decrypt(self, tls: TlsSession) -> None:
        """Have the session take its next step with what has come."""
        try:
            octets = tls.read()
            self._has_sealed = tls.has_more
        except TlsFailure:
            self._has_sealed = False
            if not self._is_half_open:
                self.server.happened(StreamEvent.FLOOD)
            self.end()  # with the alert that says why
            return
        if self._is_half_open and tls.is_established:
            self._end_half_open(StreamEvent.HANDSHAKE)
            if tls.is_resumed:
                self.server.happened(StreamEvent.RESUMED)
            self.secured(tls.alpn)
        if octets:
            plain = self._after_header(memoryview(octets))
            if plain:
                self.arrived(plain)
        if self.has_ended:
            return
        if tls.is_over:
            self._half_closed = True
            self.read(False)

    def _end_half_open(self, event: StreamEvent | None) -> None:
        self._is_half_open = False
        self.server.is_half_open_no_more(self.host, self)
        if event is not None:
            self.server.happened(event)

    def _send_sealed(self) -> None:
        """Send what the session has to say by itself: its part of the handshake, alerts, tickets."""
        if self._tls is not None and (octets := self._tls.take()):
            self.send(octets)

    def _finished(self, answered: Pending) -> None:
        """Resume what was waiting for a question to be answered: reading, or closing."""
        self._waiting.discard(answered)
        if not self._waiting:
            self.server.connections.set_waiting(self, False)
        if not self.has_ended:
            self.ask_for_turn()

    def _touch(self) -> None:
        """Note that it is not idle; not for a client that leaves answers unread, or it would never be."""
        if not self._is_unread:
            now = self.streams.clock()
            if now >= self._touched + GRAIN:
                self._touched = now
                self.server.connections.touch(self)
            self._restart_idle_time(now)

    def _restart_idle_time(self, now: float) -> None:
        self._deadline = now + self._idle
        self.streams.deadlines.keep(self, self._deadline)
