"""Rates over time, for charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

SeriesName = Literal["queries", "blocked", "cached", "missed", "failed", "udp", "tcp", "dot", "doh", "http", "tls"]
SERIES_NAMES: tuple[SeriesName, ...] = get_args(SeriesName)
MAX_POINTS = 2000  # of one series: more than a screen has pixels
USUAL_POINTS = 300


@dataclass(frozen=True, slots=True)
class RateSeries:
    """Rates per second, each the mean of the `step` seconds from its time on; None where blockd did not run.

    `times` are seconds since the epoch, ascending and `step` apart. `queries` are those of all transports of DNS,
    `failed` are answers with SERVFAIL, `http` and `tls` come to the block page.
    """

    step: int
    times: tuple[int, ...]
    series: Mapping[SeriesName, tuple[float | None, ...]]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "step": self.step,
            "times": list(self.times),
            "series": {name: list(rates) for name, rates in self.series.items()},
        }
