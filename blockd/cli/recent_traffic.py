"""How much of the recent traffic some names would touch, by the running daemon's sketch."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from blockd.cli.admin_client import ask
from blockd.errors import CommandError
from blockd.metrics import Sketch
from blockd.orders import Entry
from blockd.settings import Settings

MAX_NAMES = 1_000_000  # names estimated: some seconds
SHOWN = 10  # names shown, those asked for most


class RecentTraffic:
    """Estimates of names seen one by one; with no sketch, none."""

    def __init__(self, sketch: Sketch | None) -> None:
        self._sketch = sketch
        self._noise = sketch.noise if sketch else 0.0
        self._names = 0
        self._questions = 0
        self._most: list[tuple[int, bytes]] = []

    @classmethod
    def of_daemon(cls, settings: Settings) -> RecentTraffic:
        """Ask the running daemon for its sketch; without one nothing is known of the traffic."""
        try:
            return cls(Sketch.from_json(ask(settings, "/api/traffic")))
        except (CommandError, ValueError):
            return cls(None)

    def see(self, key: bytes) -> None:
        """Take a name into account, given as its key."""
        self._names += 1
        if self._sketch is None or self._names > MAX_NAMES:
            return
        questions = self._sketch.estimate(key)
        if questions > self._noise:
            self._questions += questions
            heapq.heappush(self._most, (questions, key))
            if len(self._most) > SHOWN:
                heapq.heappop(self._most)

    def told(self) -> dict[str, Any] | None:
        """Give the share of the questions, and the names asked for most; None where no question is known."""
        if self._sketch is None or not (noted := self._sketch.noted):
            return None
        return {
            "sampled_questions": noted,
            "names_estimated": min(self._names, MAX_NAMES),
            "share": min(1.0, self._questions / noted),
            "most": [
                {"name": Entry(key).text, "share": min(1.0, questions / noted)}
                for questions, key in sorted(self._most, reverse=True)
            ],
        }


def lines(told: dict[str, Any] | None) -> Iterator[str]:
    """Give what `told` gave for people."""
    if told is None:
        yield "recent traffic: not known; no daemon has answered questions for this config lately"
        return
    of = f"{told['sampled_questions']:,} sampled questions"
    yield f"recent traffic: the added names are about {told['share']:.2%} of {of}"
    for found in told["most"]:
        yield f"  {found['share']:.2%} {found['name']}"
