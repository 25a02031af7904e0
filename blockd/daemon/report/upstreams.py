"""How each upstream is: for `blockd status`, as alarms, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blockd.daemon.report.alarms import Alarm
from blockd.daemon.report.upstream_lines import MAX_SHOWN
from blockd.metrics.upstreams import FAILURES, MAX_SLOTS, STATES, UpstreamFigures, UpstreamsSample, UpstreamTable
from blockd.resolver.local.defaults import text_of
from blockd.resolver.resolution import Resolution
from blockd.times import time_text

FAILING = STATES.index("failing")
DOWN = STATES.index("down")
LOOPS_KEPT = 600.0  # seconds for which a question that came back is an alarm


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """One upstream as all workers see it together; figures are None if no worker has told of it yet."""

    upstream: str
    zones: tuple[str, ...]  # that it is asked for, `.` for all names
    figures: UpstreamFigures | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        seen = self.figures
        if seen is None:
            return {"upstream": self.upstream, "zones": list(self.zones), "state": "unknown"}
        return {
            "upstream": self.upstream,
            "zones": list(self.zones),
            "state": STATES[seen.state],
            "since": time_text(seen.since),
            "heard": time_text(seen.heard) if seen.heard else None,
            "round_trip_seconds": round(seen.round_trip, 6) or None,
            "probe_seconds": round(seen.distance, 6) or None,
            "in_flight": seen.in_flight,
            "asked": seen.asked,
            "answered": seen.answered,
            "unanswered": seen.unanswered,
            "late": seen.late,
            "hedged": seen.hedged,
            "looped": seen.looped,
            "failures": dict(zip(FAILURES, seen.failures, strict=True)),
        }


class UpstreamReport:
    """What is told of the upstreams in a table."""

    def __init__(self, table: UpstreamTable) -> None:
        self._table = table
        self._looped: dict[str, tuple[int, float]] = {}  # how many came back, and when that became more

    def status(self, resolution: Resolution) -> tuple[UpstreamStatus, ...]:
        """Return how each upstream is."""
        zones: dict[str, list[str]] = {}
        for group in resolution.groups:
            for upstream in group.upstreams:
                zones.setdefault(upstream.text, []).append(text_of(group.zone))
        return tuple(
            UpstreamStatus(upstream.text, tuple(zones[upstream.text]), self._table.figures(slot))
            for slot, upstream in enumerate(resolution.upstreams)
        )

    def sample(self, resolution: Resolution) -> UpstreamsSample:
        """Return what Prometheus is told."""
        states = self._states(resolution)
        return UpstreamsSample(
            self._table,
            tuple(upstream.text for upstream in resolution.upstreams[:MAX_SLOTS]),
            {
                text_of(group.zone): sum(states[one.text] < FAILING for one in group.upstreams)
                for group in resolution.groups
            },
            tuple(one.upstream.text for one in resolution.left_out[:MAX_SLOTS]),
        )

    def alarms(self, resolution: Resolution, now: float) -> Iterator[Alarm]:
        """Yield the alarms in force at `now`."""
        states = self._states(resolution)
        unserved: set[str] = set()  # upstreams of groups of which none is up
        for group in resolution.groups:
            zone = f"names in {text_of(group.zone)}" if group.zone else "names that are neither listed nor local"
            if all(states[one.text] >= FAILING for one in group.upstreams):
                unserved |= {one.text for one in group.upstreams}
                named = ", ".join(one.label for one in group.upstreams[:MAX_SHOWN])
                yield Alarm(
                    "BlockdNoUpstream", "critical", "",
                    f"No upstream for {zone} is up: {named}." if named else f"There is no upstream for {zone}.",
                    "blocks, the cache and local names; everything else gets SERVFAIL",
                    "Check the network and the resolvers: `blockd doctor` asks each of them."
                    if named else "Name your resolvers in `upstreams`; /etc/resolv.conf, for `system`, names none.",
                )  # fmt: skip
        for status in self.status(resolution)[:MAX_SLOTS]:
            if states[status.upstream] >= FAILING:
                yield _of_failing(status, has_others=status.upstream not in unserved)
        for one in resolution.left_out[:MAX_SHOWN]:
            yield Alarm(
                "BlockdUpstreamLoop", "warning", "", f"{one.why[0].upper()}{one.why[1:]}; it is left out.",
                "all of it, by the other upstreams", "Name other resolvers in `upstreams`.",
            )  # fmt: skip
        yield from self._of_loops(resolution, now)

    def _of_loops(self, resolution: Resolution, now: float) -> Iterator[Alarm]:
        for slot, upstream in enumerate(resolution.upstreams):
            figures = self._table.figures(slot)
            count, at = self._looped.get(upstream.text, (0, float("-inf")))
            if figures is not None and figures.looped > count:
                count, at = figures.looped, now
                self._looped[upstream.text] = count, at
            if now - at < LOOPS_KEPT:
                yield Alarm(
                    "BlockdUpstreamLoop", "warning", "",
                    f"{count:,} questions to the upstream {upstream.label} came back to blockd.",
                    "all of it; these questions got SERVFAIL, or were asked of another upstream",
                    "Name other resolvers in `upstreams`.",
                )  # fmt: skip

    def _states(self, resolution: Resolution) -> dict[str, int]:
        """Return the state of each upstream, by its text: unknown if no worker has told of it."""
        found = {}
        for slot, upstream in enumerate(resolution.upstreams):
            figures = self._table.figures(slot)
            found[upstream.text] = figures.state if figures is not None else STATES.index("unknown")
        return found


def _of_failing(status: UpstreamStatus, *, has_others: bool) -> Alarm:
    seen = status.figures
    since = f" since {time_text(seen.since)}" if seen is not None else ""
    silent = ""
    if seen is not None and seen.state == DOWN:
        silent = f"; it was last heard at {time_text(seen.heard)}" if seen.heard else "; it was never heard"
    word = STATES[seen.state] if seen is not None else "failing"
    failures = zip(FAILURES, seen.failures, strict=True) if seen is not None else ()
    counted = ", ".join(f"{count:,} {kind}" for kind, count in failures if count)
    return Alarm(
        "BlockdUpstreamFailing", "warning", "",
        f"The upstream {status.upstream} is {word}{since}{f' ({counted})' if counted else ''}{silent}.",
        "all of it; the other upstreams are asked, and this one is probed" if has_others
        else "blocks, the cache and local names; it is probed, and asked again once it answers",
        "`blockd doctor` says what is wrong with it; ask who runs it.",
    )  # fmt: skip
