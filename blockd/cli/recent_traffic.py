"""How much of the recent traffic some names would touch, by the running daemon's sketch."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from blockd.cli.admin_client import ask
from blockd.errors import CommandError
from blockd.metrics import Sketch
from blockd.names import is_network_key
from blockd.orders import Entry
from blockd.settings import Settings

MAX_NAMES = 1_000_000  # names estimated: some seconds
SHOWN = 10  # names shown, those asked for most


@dataclass(frozen=True, slots=True)
class NameShare:
    """A name, and its share of the sampled questions, from 0 to 1."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class TrafficShare:
    """The share of the sampled questions, from 0 to 1, that some names have, and those asked for most."""

    sampled_questions: int
    names_estimated: int
    share: float
    most: tuple[NameShare, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


class RecentTraffic:
    """Estimates for names seen one by one; none without a sketch."""

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
            return cls(Sketch.from_json(ask(settings, "/api/v1/traffic")))
        except (CommandError, ValueError):
            return cls(None)

    def see(self, key: bytes) -> None:
        """Take a name into account, given as its key; of a network it is not known who asked for it."""
        if is_network_key(key):
            return
        self._names += 1
        if self._sketch is None or self._names > MAX_NAMES:
            return
        questions = self._sketch.estimate(key)
        if questions > self._noise:
            self._questions += questions
            heapq.heappush(self._most, (questions, key))
            if len(self._most) > SHOWN:
                heapq.heappop(self._most)

    def share(self) -> TrafficShare | None:
        """Return the share of the questions, and the names asked for most; None if no question is known."""
        if self._sketch is None or not (noted := self._sketch.noted):
            return None
        return TrafficShare(
            noted,
            min(self._names, MAX_NAMES),
            min(1.0, self._questions / noted),
            tuple(
                NameShare(Entry(key).text, min(1.0, questions / noted))
                for questions, key in sorted(self._most, reverse=True)
            ),
        )


def lines(traffic: TrafficShare | None) -> Iterator[str]:
    """Return a share of the traffic for people to read."""
    if traffic is None:
        yield "recent traffic: not known; no daemon has answered questions for this config lately"
        return
    of = f"{traffic.sampled_questions:,} sampled questions"
    yield f"recent traffic: the added names are about {traffic.share:.2%} of {of}"
    for found in traffic.most:
        yield f"  {found.share:.2%} {found.name}"
