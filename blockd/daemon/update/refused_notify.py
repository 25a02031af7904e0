"""NOTIFY messages that were not heeded: counted, told in the log once and then by their number, and in the status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blockd.daemon.channel import Message
from blockd.feeds.transfer.notify_causes import CAUSES, sentence
from blockd.settings import Feed
from blockd.times import time_text

AGAIN = 3_600.0  # seconds after which the same cause is logged again, with its number
SHOWN = 86_400.0  # seconds for which the last one stays in the status

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    sentence: str
    last: float
    logged: float
    since: int = 0  # how many since it was logged


class RefusedNotifies:
    """What the workers have refused, by feed and cause; `clock` returns seconds since the epoch."""

    def __init__(self, feeds: Sequence[Feed], clock: Callable[[], float]) -> None:
        takers = [feed.name for feed in feeds if feed.hinted_by is not None]
        names = [*takers, ""] if takers else []
        self.counts = {(name, cause): 0 for name in names for cause in CAUSES}
        self._clock = clock
        self._told: dict[tuple[str, str], _Told] = {}

    def heard(self, message: Message) -> None:
        """Take a worker's message."""
        name, cause = str(message["feed"]), str(message["cause"])
        if (name, cause) not in self.counts:
            return
        self.counts[name, cause] += int(message["count"])
        now = self._clock()
        told = self._told.get((name, cause))
        what = sentence(cause, feed=name, host=str(message["host"]), zone=str(message["zone"]), key=str(message["key"]))
        if told is None or not 0 <= now - told.logged < AGAIN:
            more = f" There were {told.since:,} more since the last one that was logged." if told and told.since else ""
            log.warning("%s%s", what, more)
            self._told[name, cause] = _Told(what, now, now)
        else:
            told.sentence, told.last = what, now
            told.since += int(message["count"])

    def heeded(self, name: str) -> None:
        """Note that a NOTIFY for a feed was heeded: what was wrong with earlier ones is no longer shown."""
        for cause in CAUSES:
            self._told.pop((name, cause), None)

    def notes(self, name: str) -> list[str]:
        """Return a sentence for each cause of a feed's, or of no feed's if the name is empty."""
        now = self._clock()
        return [
            f"{told.sentence} ({self.counts[feed, cause]:,} since the start, the last at {time_text(told.last)})"
            for (feed, cause), told in self._told.items()
            if feed == name and now - told.last < SHOWN
        ]
