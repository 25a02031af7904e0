"""Which refusals are recorded: the same one once, with a count, and of those that vary only so many in an hour.

What is refused is a feed as a whole, the part of one authority, or one order. Sources and signers are bounded apart, so
that one whose faults vary neither fills the disk nor displaces the records of another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

HOUR = 3600.0  # seconds
MOST = 60  # records in an hour of one feed's own refusals
MOST_OF_ROLE = 20  # records in an hour of the refusals of one role, its orders included
VARIED = 6  # records in an hour of one part for one reason, if only the sentences differ: sources write into them


class Part(NamedTuple):
    """What is refused: a feed, an authority's part of it, or an order of either."""

    feed: str
    role: str = ""
    order: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole feed."""
        return not self.role and not self.order


@dataclass(slots=True)
class _Ongoing:
    """A refusal that is not over: its last record, and how often it was seen since and in all."""

    reason: str
    sentence: str
    is_recorded: bool = False
    since: int = 0  # refusals after the last record
    times: int = 0
    varied: deque[float] = field(default_factory=lambda: deque(maxlen=VARIED))


class Refusals:
    """The refusals that are not over, and what was recorded in the last hour."""

    def __init__(self) -> None:
        self._ongoing: dict[Part, _Ongoing] = {}
        self._recorded: dict[tuple[str, str, bool], deque[float]] = {}
        self._passed_over: dict[str, int] = {}

    def remember(self, part: Part, reason: str, sentence: str) -> None:
        """Take over a refusal that an earlier process recorded, and that was not over when it ended."""
        self._ongoing[part] = _Ongoing(reason, sentence, is_recorded=True)

    def of(self, feed: str) -> Iterator[Part]:
        """Yield the parts of a feed, itself excluded, that are refused."""
        yield from [part for part in self._ongoing if part.feed == feed and not part.is_whole]

    def refused(self, part: Part, reason: str, sentence: str, now: float) -> dict[str, int] | None:
        """Count a refusal; return the counts for its record, None if it needs none.

        `times` is how often it was seen after the record before; `passed_over` how many records of the feed were left
        out since the last.
        """
        ongoing = self._ongoing.get(part)
        if ongoing is None:
            ongoing = self._ongoing[part] = _Ongoing("", "")
        ongoing.times += 1
        is_same = ongoing.reason == reason
        if is_same and ongoing.sentence == sentence:
            ongoing.since += 1
            return None
        if (is_same and not _has_room(ongoing.varied, VARIED, now)) or not self._has_room(part, now):
            ongoing.since += 1
            if not is_same:
                ongoing.reason, ongoing.sentence, ongoing.is_recorded = reason, sentence, False
            self._passed_over[part.feed] = self._passed_over.get(part.feed, 0) + 1
            return None
        ongoing.varied.append(now)
        passed_over = self._passed_over.pop(part.feed, 0)
        counts = {"times": ongoing.since, "passed_over": passed_over}
        ongoing.reason, ongoing.sentence, ongoing.is_recorded, ongoing.since = reason, sentence, True, 0
        return {name: count for name, count in counts.items() if count}

    def over(self, part: Part) -> int | None:
        """Note that a part is no longer refused; return how often it was, None if that needs no record."""
        ongoing = self._ongoing.pop(part, None)
        return ongoing.times if ongoing is not None and ongoing.is_recorded else None

    def _has_room(self, part: Part, now: float) -> bool:
        most = MOST if part.is_whole else MOST_OF_ROLE
        recorded = self._recorded.setdefault((part.feed, part.role, part.is_whole), deque(maxlen=most))
        if not _has_room(recorded, most, now):
            return False
        recorded.append(now)
        return True


def _has_room(recorded: deque[float], most: int, now: float) -> bool:
    return len(recorded) < most or not recorded[0] <= now < recorded[0] + HOUR
