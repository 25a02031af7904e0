# cython: annotation_typing=False, binding=False
"""A connection that handles what came when it is its turn, and not while its client leaves answers unread."""

from __future__ import annotations

import socket
from collections.abc import Callable

from blockd.transports.stream_sockets import StreamSocket, StreamSockets
from blockd.transports.turns import TakingTurns


class TurnedStream(StreamSocket):
    """A connection of an `AdmittingServer`, whose turns it waits for; a protocol inherits from it."""

    def __init__(self, streams: StreamSockets, turns: TakingTurns, sock: socket.SocketType) -> None:
        StreamSocket.__init__(self, streams, sock)
        self._turns = turns
        self.has_ended = False
        self._newcomer_from = ""  # its address until the first of its messages has been handled; empty for a front end
        self._half_closed = False  # the client sends no more
        self._is_unread = False  # the client leaves answers unread
        self._has_turn = False  # it is among those that wait for their turn

    # What a protocol does.

    def handle_some(self, has_time: Callable[[], bool]) -> None:
        """Handle what came: at least one message while `is_held` does not hold it, and others while there is time."""
        raise NotImplementedError

    def has_more(self) -> bool:
        """Return whether something that came is there whole, for `handle_some`."""
        raise NotImplementedError

    def owes(self) -> bool:
        """Return whether something is still to be done or sent for what came."""
        return self.has_more()

    def end(self) -> None:
        """Close it once all output is sent."""
        raise NotImplementedError

    def hurry(self) -> None:
        """End as soon as the server, which drains, lets it: after a shorter time without a message."""
        raise NotImplementedError

    def _touch(self) -> None:
        """Note that it is not idle."""
        raise NotImplementedError

    # What a protocol asks for.

    def abort(self) -> None:
        """Close it now; unsent data is discarded."""
        self.has_ended = True
        self.close()

    def end_when_answered(self) -> None:
        """Read no more, and end it once all that has come is answered."""
        if not self.has_ended:
            self.read(False)
            self._half_closed = True
            self._end_if_owed_nothing()

    def is_held(self) -> bool:
        """Return whether no message may be taken before something else has happened."""
        return self.has_ended or self._is_unread

    def ask_for_turn(self) -> None:
        """Have `handle_some` called, now or when it is this connection's turn."""
        if not self._has_turn and self._turns.ask(self):
            self._has_turn = True

    # What sockets and turns call.

    def newcomer_from(self) -> str:
        """Return its address if no message of it has been handled yet, as `TakingTurns` asks."""
        return self._newcomer_from

    def work(self, has_time: Callable[[], bool]) -> bool:
        """Handle some messages as `TakingTurns` asks for; return whether others are left that need not wait."""
        self._has_turn = False
        self.handle_some(has_time)
        if self.has_ended:
            return False
        self._has_turn = self.has_more() and not self.is_held()
        if not self._has_turn:
            if self._half_closed:
                self._end_if_owed_nothing()
            elif not self.reads and not self.is_held():
                self.read(True)
        return self._has_turn

    def wants_more(self) -> bool:
        """Return whether what has come is handled so far."""
        return not self._has_turn and not self.is_held()

    def received_all(self) -> None:
        """Keep our half open while answers are pending."""
        self._half_closed = True
        self._end_if_owed_nothing()

    def left_unread(self) -> None:
        """Take no more messages: the client leaves answers unread."""
        self._is_unread = True

    def taken(self) -> None:
        """Go on: the client has read everything."""
        self._is_unread = False
        if not self.has_ended:
            self._touch()
            self.ask_for_turn()

    def _end_if_owed_nothing(self) -> None:
        if self._half_closed and not self.has_ended and not self.owes():
            self.end()
