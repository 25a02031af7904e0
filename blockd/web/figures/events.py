"""What is sent to those who listen to events, beside the overview and the blocks that are new, in their own shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from blockd.web.figures.series import SeriesName

# `overview`: an Overview that differs from the last; `blocks`: RecentBlocks with those hit since the last;
# `feeds`: FeedsChanged; `versions`: VersionEnforced; `series`: SeriesTick, every 2 seconds.
EventName = Literal["overview", "blocks", "feeds", "versions", "series"]


@dataclass(frozen=True, slots=True)
class SeriesTick:
    """Rates per second over the `seconds` up to `time`, which is in seconds since the epoch."""

    time: int
    seconds: float
    series: Mapping[SeriesName, float]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FeedsChanged:
    """The feeds whose phase, refusal, version or what waits have changed; their age alone is no change."""

    feeds: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"feeds": list(self.feeds)}


@dataclass(frozen=True, slots=True)
class VersionEnforced:
    """Another version is in force, or another one is pinned; None for none."""

    version: int | None
    pinned: int | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)
