"""Rates over time, from the history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blockd.daemon.figures.history_file import RATE_STEPS, HistoryFile
from blockd.daemon.figures.totals import DNS, KEPT
from blockd.errors import CommandError
from blockd.times import time_text
from blockd.web.figures.series import MAX_POINTS, SERIES_NAMES, RateSeries, SeriesName

USUAL_SPAN = 86400.0  # seconds up to the end that is asked for
_FIELDS: Mapping[SeriesName, tuple[str, ...]] = {name: (name,) for name in SERIES_NAMES} | {"queries": DNS}


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """Which rates are asked for; times are in seconds since the epoch."""

    names: Sequence[SeriesName]
    since: float
    until: float
    points: int

    @classmethod
    def of(cls, names: Sequence[str], since: float | None, until: float | None, points: int, now: float) -> SeriesQuery:
        """Check what is asked for; raises CommandError. Without times it is the last day."""
        if unknown := [name for name in names if name not in SERIES_NAMES]:
            raise CommandError(f"There is no series {unknown[0]!r}; there are {', '.join(SERIES_NAMES)}.")
        end = now if until is None else until
        begin = end - USUAL_SPAN if since is None else since
        if not begin < end:
            raise CommandError(f"The time from {time_text(begin)} to {time_text(end)} has no length.")
        if not 1 <= points <= MAX_POINTS:
            raise CommandError(f"A series has 1 to {MAX_POINTS:,} points.")
        return cls([name for name in SERIES_NAMES if name in names], begin, end, points)

    def step(self, now: float) -> int:
        """Return the step of the history that is read: the longest that is no longer than a point.

        Steps that are not kept long enough are left out.
        """
        kept = [step for step, most in RATE_STEPS.items() if self.since >= now - step * most]
        wide = (self.until - self.since) / self.points
        return max((step for step in kept if step <= wide), default=min(kept, default=max(RATE_STEPS)))


def series_of(file: HistoryFile, query: SeriesQuery, now: float) -> RateSeries:
    """Return the rates that are asked for, of a history that is written up to now."""
    step = query.step(now)
    width = step * max(math.ceil((query.until - query.since) / (step * query.points)), 1)
    begin = int(query.since // width) * width
    count = math.ceil((query.until - begin) / width)
    seconds, sums = [0.0] * count, {name: [0] * count for name in query.names}
    places = {name: [KEPT.index(field) for field in _FIELDS[name]] for name in query.names}
    for row in file.rates(step, begin, query.until):
        at = (row.time - begin) // width
        seconds[at] += row.seconds
        for name, fields in places.items():
            sums[name][at] += sum(row.counts[field] for field in fields)
    return RateSeries(
        width,
        tuple(range(begin, begin + count * width, width)),
        {
            name: tuple(
                round(found / over, 3) if over > 0 else None for found, over in zip(counts, seconds, strict=True)
            )
            for name, counts in sums.items()
        },
    )
