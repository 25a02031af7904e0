"""A worker's side: how it sees each upstream, copied into its row of shared memory about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from blockd.metrics.upstreams import FAILURES, STATES, Load, UpstreamFigures, UpstreamRow
from blockd.resolver.forwarding.health import Health
from blockd.settings import Upstream

_NOTHING = UpstreamFigures(STATES.index("unknown"), 0, 0, 0, 0, 0, 0, 0, 0, 0, (0,) * len(FAILURES))


class UpstreamNotes:
    """The notes of one worker. Counts go on where those of the worker before it ended, and never run back."""

    def __init__(
        self,
        row: UpstreamRow,
        upstreams: Sequence[Upstream],
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`monotonic` is the clock of healths."""
        self._row = row
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._upstreams: tuple[Upstream, ...] = ()
        self._before: dict[Upstream, UpstreamFigures] = {}
        self.use(upstreams)

    def use(self, upstreams: Sequence[Upstream]) -> None:
        """Note these from now on; what was counted of those that stay is kept."""
        kept = {one: self._before.get(one, _NOTHING) for one in self._upstreams}
        self._upstreams = tuple(upstreams)
        self._row.use([one.text for one in self._upstreams])
        if not kept:
            kept = {one: self._row.figures(slot) or _NOTHING for slot, one in enumerate(self._upstreams)}
        self._before = {one: kept.get(one, _NOTHING) for one in self._upstreams}

    def note(self, healths: Mapping[Upstream, Health], looped: Mapping[str, int], load: Load) -> None:
        """Copy what is known of each upstream, how many of its questions came back, and the load."""
        self._row.note_load(load)
        ahead = self._wall_clock() - self._monotonic()
        for slot, upstream in enumerate(self._upstreams):
            health = healths.get(upstream)
            if health is None:
                continue
            before = self._before[upstream]
            self._row.note(
                slot,
                UpstreamFigures(
                    state=health.state,
                    since=health.since + ahead,
                    heard=health.heard + ahead if health.heard >= 0 else 0.0,
                    round_trip=max(health.smoothed, 0.0),
                    distance=max(health.distance, 0.0),
                    in_flight=max(health.in_flight, 0),
                    asked=before.asked + health.asked,
                    answered=before.answered + health.answered,
                    late=before.late + health.late,
                    hedged=before.hedged + health.hedged,
                    failures=tuple(was + now for was, now in zip(before.failures, health.failures, strict=True)),
                    looped=before.looped + looped.get(upstream.text, 0),
                ),
            )
