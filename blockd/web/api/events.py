"""What happens in the daemon, handed to those who listen: each gets what is published from then on, in order.

Everything is bounded: how many listen, what waits for one of them, and what is remembered for those who come back. Who
does not keep up is let go, and comes back with the number of the last event that it had.

There is a place for each caller. Whoever has as many as one may have gives up the oldest of them for a new one; if all
are taken, so does the caller who has most, for one who would not have more. Those with no more than one keep it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

MAX_LISTENERS = 16  # of the admin port's 50 connections, so that scrapers and verbs find places beside open pages
MAX_OF_CALLER = 8  # of one caller: a browser opens as many pages to one server as six
MAX_WAITING = 256  # events that wait for one listener: minutes of them
MAX_WAITING_OCTETS = 1 << 20  # that wait for one listener, so that those who do not read keep little memory
REMEMBERED = 256  # events that are known to those who come back
MAX_REMEMBERED = 1 << 20  # octets of these
MAX_DIGITS = 20  # of an event's number
RESET = "reset"
MAX_EVENT = 64 * 1024  # octets of an event; more is not published but by its kind, so that a page asks for it


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, by its number from 1 on; `data` is JSON in one line, `{}` if it was too large."""

    number: int
    kind: str
    data: str


class TooManyListeners(Exception):
    """No more may listen."""


class Listener:
    """One who listens: the events that wait for it. `is_lost` once it had to be let go."""

    def __init__(self, caller: bytes) -> None:
        self.caller = caller
        self.is_lost = False
        self._waiting: deque[Event] = deque()
        self._octets = 0  # of what waits
        self._wake = asyncio.Event()

    def put(self, event: Event) -> None:
        """Have an event wait; a listener for whom too many wait is lost."""
        self._octets += len(event.data)
        if len(self._waiting) >= MAX_WAITING or self._octets > MAX_WAITING_OCTETS:
            self.is_lost = True
            self._waiting.clear()
        else:
            self._waiting.append(event)
        self._wake.set()

    def end(self) -> None:
        """Let it go."""
        self.is_lost = True
        self._wake.set()

    def take(self) -> list[Event]:
        """Return what waits, and forget it."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._octets = 0
        self._wake.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Return when something waits, when it is lost, or after `seconds`."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return


class Events:
    """What is published, and who listens. `run` tells the numbers of this process from those of an earlier one."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self._listeners: dict[Listener, None] = {}  # the oldest first
        self._last: deque[Event] = deque()
        self._octets = 0  # of these
        self._number = 0
        self._is_closed = False

    @property
    def listening(self) -> int:
        """How many listen: what nobody hears need not be computed."""
        return len(self._listeners)

    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        """Hand an event to all who listen; `data` are JSON values. It takes as long as to write these once."""
        text = json.dumps(data, ensure_ascii=True, allow_nan=False, default=str)  # so that it is one line
        self._number += 1
        event = Event(self._number, kind, text if len(text) <= MAX_EVENT else "{}")
        self._last.append(event)
        self._octets += len(event.data)
        while len(self._last) > REMEMBERED or self._octets > MAX_REMEMBERED:
            self._octets -= len(self._last.popleft().data)
        for listener in self._listeners:
            listener.put(event)

    def listen(self, caller: bytes, last: str = "") -> Listener:
        """Return a new listener of a caller; raises TooManyListeners.

        `last` is the id of the last event that it had, empty if it is new. It gets what came after that; if that is not
        known any more, it is told by an event RESET that it has to ask for everything again. Who comes back takes no
        place from another listener of the same caller, so that two of these do not end each other by turns.
        """
        if self._is_closed:
            raise TooManyListeners
        if (gives_way := self._who_gives_way(caller, comes_back=bool(last))) is not None:
            gives_way.end()
            self.leave(gives_way)
        listener = Listener(caller)
        for event in self._missed(last) if last else ():
            listener.put(event)
        self._listeners[listener] = None
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.pop(listener, None)

    def close(self) -> None:
        """Let all go, and take no more."""
        self._is_closed = True
        for listener in self._listeners:
            listener.end()

    def id_of(self, event: Event) -> str:
        """Return the id of an event."""
        return f"{self.run}-{event.number}"

    def _who_gives_way(self, caller: bytes, *, comes_back: bool) -> Listener | None:
        """Return whose place a new listener takes, None if there is one without; raises TooManyListeners."""
        counts = Counter(listener.caller for listener in self._listeners)
        if counts[caller] < MAX_OF_CALLER and len(self._listeners) < MAX_LISTENERS:
            return None
        most = max(counts, key=counts.__getitem__, default=caller)
        if counts[caller] >= MAX_OF_CALLER or counts[most] <= counts[caller] + 1:
            if comes_back or not counts[caller]:
                raise TooManyListeners
            most = caller
        return next(listener for listener in self._listeners if listener.caller == most)

    def _missed(self, last: str) -> list[Event]:
        run, _, number = last.partition("-")
        oldest = self._last[0].number if self._last else self._number + 1
        is_known = run == self.run and number.isascii() and number.isdecimal() and len(number) < MAX_DIGITS
        if not is_known or not oldest - 1 <= int(number) <= self._number:
            return [Event(self._number, RESET, "{}")]
        return [event for event in self._last if event.number > int(number)]
