"""The interface by which the admin API asks for figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from blockd.web.figures.blocks import RecentBlocks
from blockd.web.figures.duty import DutyClock
from blockd.web.figures.ending import USUAL_WITHIN, EndingSoon
from blockd.web.figures.hits import HitsBy, HitTable, Span
from blockd.web.figures.overview import Overview
from blockd.web.figures.resolver import ResolverHealth
from blockd.web.figures.series import SERIES_NAMES, USUAL_POINTS, RateSeries, SeriesName
from blockd.web.figures.timeline import Timeline


class FigureSource(Protocol):
    """What the console shows. Times are seconds since the epoch; None stands for now, or for a day before `until`.

    What waits for the disk or for workers is awaited; each raises CommandError, with a sentence, for what cannot be
    asked, or if the file that it is read from cannot be.
    """

    def overview(self) -> Overview:
        """Return the state in one sentence, with the next step."""

    def blocks(self) -> RecentBlocks:
        """Return the newest blocks."""

    async def timeline(self, since: float | None = None, until: float | None = None, /) -> Timeline:
        """Return what changed from `since` to `until`."""

    async def series(
        self,
        names: Sequence[SeriesName] = SERIES_NAMES,
        since: float | None = None,
        until: float | None = None,
        points: int = USUAL_POINTS,
        /,
    ) -> RateSeries:
        """Return rates from `since` to `until`, in at most `points` steps."""

    async def duty(self) -> DutyClock:
        """Return how long orders took to be enforced."""

    async def hits(self, span: Span = "1d", by: HitsBy = "order", /) -> HitTable:
        """Return the hits over a time that ends now."""

    async def resolver(self) -> ResolverHealth:
        """Return how the resolver is; workers are asked for the names that fail."""

    def ending(self, within: float = USUAL_WITHIN, /) -> EndingSoon:
        """Return what ends within so many seconds, or has ended and was not renewed."""
