"""A line in the log when an upstream fails or answers again: one for all workers, and seldom for each upstream."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blockd.metrics.upstreams import FAILURES, MAX_SLOTS, STATES, UpstreamFigures, UpstreamTable
from blockd.resolver.local.defaults import text_of
from blockd.resolver.resolution import Resolution
from blockd.settings import Upstream

SELDOM = 30.0  # seconds between two lines about one upstream
LOOPS_SELDOM = 60.0  # the same for questions that came back
UP, FAILING, DOWN = (STATES.index(word) for word in ("up", "failing", "down"))

_WORDS = {
    "silent": "unanswered",
    "unreachable": "for which it could not be reached",
    "malformed": "answered with what cannot be used",
    "refusing": "refused",
    "servfail": "answered with SERVFAIL",
    "disconnected": "lost with their connection",
    "unproven": "not sent, since TLS failed or the certificate was wrong",
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


@dataclass(slots=True)
class _ToldOfGroup:
    """What was said of a group last, and when: whether it is without an upstream that is up."""

    is_down: bool = False
    at: float = float("-inf")


class StateLog:
    """What was said of the upstreams of a resolution."""

    def __init__(self, table: UpstreamTable) -> None:
        self._table = table
        self._told: dict[Upstream, _Told] = {}
        self._groups: dict[bytes, _ToldOfGroup] = {}  # by their zone

    def tell(self, resolution: Resolution, now: float) -> None:
        """Log what is another than before, at `now` by a monotonic clock."""
        for level, sentence in self.news(resolution, now):
            log.log(level, "%s", sentence)

    def news(self, resolution: Resolution, now: float) -> Iterator[tuple[int, str]]:
        """Yield the levels and sentences."""
        upstreams = resolution.upstreams[:MAX_SLOTS]
        self._told = {upstream: self._told.get(upstream) or _Told() for upstream in upstreams}
        self._groups = {group.zone: self._groups.get(group.zone) or _ToldOfGroup() for group in resolution.groups}
        states: dict[Upstream, int] = {}
        beside = {upstream for group in resolution.groups if len(group.upstreams) > 1 for upstream in group.upstreams}
        for slot, upstream in enumerate(upstreams):
            figures = self._table.figures(slot)
            if figures is not None:
                states[upstream] = figures.state
                yield from self._of(upstream, figures, now, has_others=upstream in beside)
        for group in resolution.groups:
            known = [states[upstream] for upstream in group.upstreams if upstream in states]
            said = self._groups[group.zone]
            is_down = min(known) >= FAILING if known else said.is_down
            if is_down == said.is_down or now - said.at < SELDOM:
                continue
            said.is_down, said.at = is_down, now
            if is_down:
                yield logging.ERROR, f"No upstream {names_of(group.zone)} is up: what is not cached gets SERVFAIL."
            else:
                yield logging.INFO, f"An upstream {names_of(group.zone)} is up again."

    def _of(
        self, upstream: Upstream, figures: UpstreamFigures, now: float, *, has_others: bool
    ) -> Iterator[tuple[int, str]]:
        told = self._told[upstream]
        if figures.looped > told.looped and now - told.looped_at >= LOOPS_SELDOM:
            count, told.looped, told.looped_at = figures.looped - told.looped, figures.looped, now
            came = f"{count:,} question{'s' * (count > 1)} to the upstream {upstream.label} came back to blockd"
            yield logging.WARNING, f"{came}, and got SERVFAIL: it leads here. Name other resolvers in `upstreams`."
        is_failing = figures.state >= FAILING
        is_news = is_failing != told.is_failing or (is_failing and figures.state > told.state)
        if is_news and now - told.at >= SELDOM:
            yield (
                _recovered(upstream, told, figures) if not is_failing else _failing(upstream, told, figures, has_others)
            )
            told.is_failing, told.state, told.at = is_failing, figures.state, now
        if not is_failing:
            told.good = figures


def _recovered(upstream: Upstream, told: _Told, figures: UpstreamFigures) -> tuple[int, str]:
    seconds = max(figures.since - told.began, 0.0)
    return logging.INFO, f"The upstream {upstream.label} answers again, after {seconds:,.0f} s."


def _failing(upstream: Upstream, told: _Told, figures: UpstreamFigures, has_others: bool) -> tuple[int, str]:
    if not told.is_failing:
        told.began = figures.since
    how = "is down, and is only probed" if figures.state == DOWN else "is failing"
    others = "; others are asked first" if has_others and figures.state != DOWN else ""
    return logging.WARNING, f"The upstream {upstream.label} {how}{others}: {why(figures, told.good)}."


def why(figures: UpstreamFigures, before: UpstreamFigures | None) -> str:
    """Say in words which failures came since figures of before."""
    earlier: Sequence[int] = before.failures if before is not None else (0,) * len(FAILURES)
    counts = {kind: now - was for kind, now, was in zip(FAILURES, figures.failures, earlier, strict=True)}
    said = [f"{counts[kind]:,} {words}" for kind, words in _WORDS.items() if counts[kind] > 0]
    return f"of the last questions {' and '.join(said)}" if said else "its probes were not answered well"


def names_of(zone: bytes) -> str:
    """Say which names a group is for."""
    return f"for the zone {text_of(zone)}" if zone else "for all names"
