"""A line in the log when an upstream fails or answers again: one for all workers, and seldom for each upstream."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blockd.metrics.upstreams import FAILURES, STATES, UpstreamFigures, UpstreamTable
from blockd.resolver.local.defaults import text_of
from blockd.resolver.resolution import Resolution
from blockd.settings import Upstream

SELDOM = 30.0  # seconds between two lines about one upstream
LOOPS_SELDOM = 60.0  # the same for questions that came back
UP, UNKNOWN, FAILING, DOWN = range(len(STATES))

_WORDS = {
    "silent": "unanswered",
    "unreachable": "refused by the network",
    "malformed": "answered with what no resolver may send",
    "refusing": "refused",
    "disconnected": "lost with their connection",
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    """What was said of an upstream last, and when; and its figures when it was up last."""

    is_failing: bool = False
    state: int = UP
    at: float = float("-inf")
    began: float = 0.0  # when it began to fail, in seconds since the epoch
    good: UpstreamFigures | None = None
    looped: int = 0
    looped_at: float = float("-inf")


class StateLog:
    """What was said of the upstreams of a resolution."""

    def __init__(self, table: UpstreamTable) -> None:
        self._table = table
        self._told: dict[Upstream, _Told] = {}
        self._down: set[bytes] = set()  # groups without an upstream that is up, by their zone

    def tell(self, resolution: Resolution, now: float) -> None:
        """Log what is another than before, at `now` by a monotonic clock."""
        for level, sentence in self.news(resolution, now):
            log.log(level, "%s", sentence)

    def news(self, resolution: Resolution, now: float) -> Iterator[tuple[int, str]]:
        """Yield the levels and sentences."""
        upstreams = resolution.upstreams
        self._told = {upstream: self._told.get(upstream) or _Told() for upstream in upstreams}
        states: dict[Upstream, int] = {}
        for slot, upstream in enumerate(upstreams):
            figures = self._table.figures(slot)
            if figures is not None:
                states[upstream] = figures.state
                yield from self._of(upstream, self._told[upstream], figures, now)
        for group in resolution.groups:
            known = [states[upstream] for upstream in group.upstreams if upstream in states]
            is_down = bool(known) and min(known) >= FAILING
            if is_down and group.zone not in self._down:
                yield logging.ERROR, f"No upstream {names_of(group.zone)} is up: what is not cached gets SERVFAIL."
            elif group.zone in self._down and known and not is_down:
                yield logging.INFO, f"An upstream {names_of(group.zone)} is up again."
            if known:
                (self._down.add if is_down else self._down.discard)(group.zone)

    def _of(self, upstream: Upstream, told: _Told, figures: UpstreamFigures, now: float) -> Iterator[tuple[int, str]]:
        if figures.looped > told.looped and now - told.looped_at >= LOOPS_SELDOM:
            count, told.looped, told.looped_at = figures.looped - told.looped, figures.looped, now
            came = f"{count:,} question{'s' * (count > 1)} to the upstream {upstream.label} came back to blockd"
            yield logging.WARNING, f"{came}, and got SERVFAIL: it leads here. Name other resolvers in `upstreams`."
        is_failing = figures.state >= FAILING
        is_news = is_failing != told.is_failing or (is_failing and figures.state > told.state)
        if is_news and now - told.at >= SELDOM:
            yield self._changed(upstream, told, figures, is_failing=is_failing)
            told.is_failing, told.state, told.at = is_failing, figures.state, now
        if not is_failing:
            told.good = figures

    def _changed(
        self, upstream: Upstream, told: _Told, figures: UpstreamFigures, *, is_failing: bool
    ) -> tuple[int, str]:
        if not is_failing:
            seconds = max(figures.since - told.began, 0.0)
            return logging.INFO, f"The upstream {upstream.label} answers again, after {seconds:,.0f} s."
        if not told.is_failing:
            told.began = figures.since
        how = "is down, and is only probed" if figures.state == DOWN else "is failing; others are asked first"
        return logging.WARNING, f"The upstream {upstream.label} {how}: {why(figures, told.good)}."


def why(figures: UpstreamFigures, before: UpstreamFigures | None) -> str:
    """Say in words which failures came since figures of before."""
    earlier: Sequence[int] = before.failures if before is not None else (0,) * len(FAILURES)
    counts = {kind: now - was for kind, now, was in zip(FAILURES, figures.failures, earlier, strict=True)}
    said = [f"{counts[kind]:,} {words}" for kind, words in _WORDS.items() if counts[kind] > 0]
    return f"of the last questions {' and '.join(said)}" if said else "its probes were not answered well"


def names_of(zone: bytes) -> str:
    """Say which names a group is for."""
    return f"for the zone {text_of(zone)}" if zone else "for all names"
