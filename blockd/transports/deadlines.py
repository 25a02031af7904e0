# cython: annotation_typing=False, binding=False
"""Deadlines of connections, kept together: one timer of the event loop for all, and none moved by a message.

A connection is looked at when its deadline, as it was once said, has come; if it has a later one by then, it is kept
again. So a message costs no timer, and a connection that ends takes its place among them with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

GRAIN = 0.1  # seconds by which a deadline may have passed before it is noted
AT_ONCE = 16  # connections that are told in one turn of the event loop, so that thousands delay nobody


class Mortal(Protocol):
    """What has a deadline; `due` belongs to `Deadlines`, and is 0 at first."""

    due: int

    def tire(self) -> None:
        """End, or have another deadline: the one that was kept has come."""


class Deadlines:
    """The deadlines of one server in the running event loop; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._groups: dict[int, set[Mortal]] = {}  # by the time at which they are told, in units of GRAIN
        self._next: asyncio.Handle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def keep(self, mortal: Mortal, deadline: float) -> None:
        """Have `tire` called once, at that time or at an earlier one that is kept already."""
        due = int(deadline / GRAIN) + 1
        if mortal.due:
            if mortal.due <= due:
                return
            self.forget(mortal)
        mortal.due = due
        group = self._groups.get(due)
        if group is None:
            group = self._groups[due] = set()
            if self._next is None:
                self._next = self._loop.call_later(GRAIN, self._tell)
        group.add(mortal)

    def forget(self, mortal: Mortal) -> None:
        """Keep none; one without a deadline is passed over."""
        if mortal.due:
            group = self._groups[mortal.due]
            group.discard(mortal)
            if not group:
                del self._groups[mortal.due]
            mortal.due = 0

    def _tell(self) -> None:
        """Tell AT_ONCE of those whose time has come; the others are told in the next turns."""
        now = int(self._clock() / GRAIN)
        left = AT_ONCE
        for due in sorted(due for due in self._groups if due <= now):
            while group := self._groups.get(due):
                if not left:
                    self._next = self._loop.call_soon(self._tell)
                    return
                left -= 1
                mortal = group.pop()
                mortal.due = 0
                if not group:
                    del self._groups[due]
                mortal.tire()
        self._next = self._loop.call_later(GRAIN, self._tell) if self._groups else None
