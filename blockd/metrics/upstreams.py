"""How each worker sees each upstream, in memory that is shared by the supervisor's children.

An upstream has a slot, the same in every worker that knows the same upstreams, and a number by which it is found where
others have other ones. Only the worker that has a row writes it; the control process adds the rows up. What a worker
has counted stays in its row when it ends, and the next one that has the row counts on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from blockd.metrics.shared_rows import SharedRows

MAX_SLOTS = 128  # upstreams that are told apart; further ones are asked, but not counted one by one
# What `blockd.resolver.forwarding.health` numbers from 0.
STATES = ("up", "unknown", "doubtful", "failing", "down")
FAILURES = ("silent", "unreachable", "malformed", "refusing", "servfail", "disconnected", "unproven")

_STATE, _SINCE, _HEARD, _ROUND_TRIP, _DISTANCE, _IN_FLIGHT, _ASKED, _ANSWERED, _LATE, _HEDGED, _FAILURES = range(11)
_LOOPED = _FAILURES + len(FAILURES)
_KEY = _LOOPED + 1  # which upstream it is
FIELDS = _KEY + 1
_HEAD = 5  # before the slots: which upstreams they are for, and the load
_ROW = _HEAD + MAX_SLOTS * FIELDS
_USED = 1 << 63  # in the field of the state: a worker has noted figures in this slot
_GONE = 1 << 62  # that worker has ended, or asks the upstream no more: only its counts hold


@dataclass(frozen=True, slots=True)
class UpstreamFigures:
    """One upstream as one worker sees it, or as all do together. Moments are seconds since the epoch, 0 for never."""

    state: int  # a place in STATES
    since: float  # when it became that
    heard: float  # when anything of it came last
    round_trip: float  # seconds, smoothed, of clients' questions; 0 if unknown
    distance: float  # seconds, smoothed, of probes; 0 if unknown
    in_flight: int  # of those asked, of which nothing has come yet
    asked: int  # clients' questions sent to it
    answered: int  # of those, with whatever message
    late: int  # answers that came when their question had been given up
    hedged: int  # questions that were sent to another one as well, since this one took long
    failures: tuple[int, ...]  # by FAILURES
    looped: int = 0  # questions to it that came back to blockd

    @property
    def unanswered(self) -> int:
        """How many of those asked no message came for, as long as one was listened for."""
        return max(self.asked - self.answered - self.in_flight, 0)


class Load(NamedTuple):
    """What forwarding is busy with: questions in flight, those listened for though given up, failures remembered.

    `held_back` is how many questions got SERVFAIL since most new names below their domains fail.
    """

    flights: int
    late: int
    failures: int
    held_back: int = 0


class UpstreamRow:
    """One worker's figures."""

    def __init__(self, numbers: memoryview) -> None:
        self._head = numbers[:_HEAD]
        self._numbers = numbers[_HEAD:]

    def use(self, names: Sequence[str]) -> None:
        """Have slots for these upstreams from now on; what was counted of them is kept, of others it is forgotten."""
        mark = _mark_of(names)
        if self._head[0] == mark:
            return
        slots = [self._numbers[at : at + FIELDS].tolist() for at in range(0, MAX_SLOTS * FIELDS, FIELDS)]
        kept = {fields[_KEY]: fields for fields in slots if fields[_STATE] & _USED}
        self.clear()
        for slot, key in enumerate(map(_key_of, names[:MAX_SLOTS])):
            self._numbers[slot * FIELDS + _KEY] = key
            if key in kept:
                for place, number in enumerate(kept[key]):
                    self._numbers[slot * FIELDS + place] = number | _GONE if place == _STATE else number
        self._head[0] = mark

    def note_load(self, load: Load) -> None:
        """Replace the worker's load."""
        for place, number in enumerate(load, start=1):
            self._head[place] = number

    def figures(self, slot: int) -> UpstreamFigures | None:
        """Return the figures of a slot, also those that another worker has left; None if it is not used."""
        return _figures(self._numbers, slot) if 0 <= slot < MAX_SLOTS else None

    def note(self, slot: int, figures: UpstreamFigures) -> None:
        """Replace the figures of a slot; one beyond MAX_SLOTS is not kept."""
        if not 0 <= slot < MAX_SLOTS:
            return
        at = slot * FIELDS
        numbers = self._numbers
        moments = (figures.since, figures.heard, figures.round_trip, figures.distance)
        counts = (figures.in_flight, figures.asked, figures.answered, figures.late, figures.hedged)
        for place, number in enumerate(
            (*(max(int(moment * 1e6), 0) for moment in moments), *counts, *figures.failures, figures.looped),
            start=at + 1,
        ):
            numbers[place] = number
        numbers[at] = _USED | figures.state  # last: a reader sees figures that are whole

    def clear(self) -> None:
        """Forget all slots."""
        for place in range(MAX_SLOTS * FIELDS):
            self._numbers[place] = 0


class UpstreamTable:
    """A row for each of so many workers; `use` says of which upstreams rows are read."""

    def __init__(self, workers: int) -> None:
        self._rows = SharedRows(_ROW, "Q", workers)
        self._keys: list[int] = []

    def grow(self, rows: int) -> None:
        """Have at least so many rows; only processes that are forked later see the new ones."""
        self._rows.grow(rows)

    def forget(self, number: int) -> None:
        """Keep of a row whose worker has ended what that has counted, and nothing else."""
        row = self._rows[number]
        for place in range(1, _HEAD):
            row[place] = 0
        for at in range(_HEAD, _ROW, FIELDS):
            if row[at + _STATE] & _USED:
                row[at + _STATE] |= _GONE

    def use(self, names: Sequence[str]) -> None:
        """Read what rows have of these upstreams, and pass over others."""
        self._keys = list(map(_key_of, names[:MAX_SLOTS]))

    def row(self, number: int) -> UpstreamRow:
        """Return a row, which one worker writes at a time."""
        return UpstreamRow(self._rows[number])

    def load(self) -> Load:
        """Return the load of all workers."""
        heads = [row[1:_HEAD].tolist() for row in self._rows]
        return Load(*map(sum, zip(*heads, strict=True)))

    def seen_by(self, slot: int) -> list[UpstreamFigures]:
        """Return the figures of each running worker that asks the upstream of a slot."""
        return [figures for figures, is_gone in self._noted(slot) if not is_gone]

    def _noted(self, slot: int) -> list[tuple[UpstreamFigures, bool]]:
        """Return what rows have of the upstream of a slot, and whether the worker that has noted it is gone."""
        if not 0 <= slot < MAX_SLOTS:
            return []
        key = self._keys[slot] if slot < len(self._keys) else 0
        found = []
        for row in self._rows:
            place = _slot_of(row, slot, key)
            if place is not None and (figures := _figures(row[_HEAD:], place)) is not None:
                found.append((figures, bool(row[_HEAD + place * FIELDS + _STATE] & _GONE)))
        return found

    def figures(self, slot: int) -> UpstreamFigures | None:
        """Return what all workers see together, None if none uses the slot.

        Of states the one that is best for clients counts, since each worker finds out by itself and soon.
        """
        noted = self._noted(slot)
        seen = [figures for figures, is_gone in noted if not is_gone]
        if not seen:
            return None
        counted = [figures for figures, _ in noted]
        state = min(one.state for one in seen)
        return UpstreamFigures(
            state,
            min(one.since for one in seen if one.state == state),
            max(one.heard for one in seen),
            _mean([one.round_trip for one in seen if one.round_trip]),
            _mean([one.distance for one in seen if one.distance]),
            sum(one.in_flight for one in seen),
            sum(one.asked for one in counted),
            sum(one.answered for one in counted),
            sum(one.late for one in counted),
            sum(one.hedged for one in counted),
            tuple(map(sum, zip(*(one.failures for one in counted), strict=True))),
            sum(one.looped for one in counted),
        )


def _mark_of(names: Sequence[str]) -> int:
    """Return a number that only the same upstreams in the same order have; 0 for none."""
    return int.from_bytes(hashlib.sha256("\n".join(names).encode()).digest()[:8]) if names else 0


def _key_of(name: str) -> int:
    """Return a number that tells an upstream from others; never 0."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) or 1


def _slot_of(row: memoryview, slot: int, key: int) -> int | None:
    """Return the slot of an upstream in a row, most often the one that is looked at first; None if it has none."""
    if row[_HEAD + slot * FIELDS + _KEY] == key:
        return slot
    keys: list[int] = row[_HEAD + _KEY :: FIELDS].tolist()
    return keys.index(key) if key and key in keys else None


def _figures(numbers: memoryview, slot: int) -> UpstreamFigures | None:
    """Return the figures in a slot of a row, None if it is not used."""
    at = slot * FIELDS
    fields = numbers[at : at + FIELDS].tolist()
    if not fields[_STATE] & _USED:
        return None
    since, heard, round_trip, distance = (micro / 1e6 for micro in fields[_SINCE : _DISTANCE + 1])
    in_flight, asked, answered, late, hedged, *failures, looped = fields[_IN_FLIGHT:_KEY]
    return UpstreamFigures(
        state=fields[_STATE] & ~(_USED | _GONE),
        since=since,
        heard=heard,
        round_trip=round_trip,
        distance=distance,
        in_flight=in_flight,
        asked=asked,
        answered=answered,
        late=late,
        hedged=hedged,
        failures=tuple(failures),
        looped=looped,
    )


@dataclass(frozen=True, slots=True)
class UpstreamsSample:
    """What the control process knows of upstreams at the moment of a scrape; `names` are in the order of their slots.

    `usable` is how many upstreams of a zone are neither failing nor down; `left_out` are those that lead back here.
    """

    table: UpstreamTable | None = None
    names: tuple[str, ...] = ()
    usable: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def metrics(self) -> Iterator[Metric]:
        """Yield the families of upstreams."""
        yield from upstream_metrics(self.table or UpstreamTable(1), self.names)
        usable = GaugeMetricFamily(
            "blockd_upstreams_usable",
            "How many upstreams of a zone, `.` for all names, neither fail nor are down; if 0, its names get SERVFAIL.",
            labels=["zone"],
        )
        for zone, count in self.usable.items():
            usable.add_metric([zone], count)
        left_out = GaugeMetricFamily(
            "blockd_upstream_left_out", "1 while an upstream is not asked, since it leads back to blockd.",
            labels=["upstream"],
        )  # fmt: skip
        for name in self.left_out:
            left_out.add_metric([name], 1)
        flights: list[GaugeMetricFamily | CounterMetricFamily] = [
            GaugeMetricFamily("blockd_flights", "Questions that upstreams are asked now."),
            GaugeMetricFamily(
                "blockd_late_flights", "Questions that have been given up, whose answers are still listened for."
            ),
            GaugeMetricFamily(
                "blockd_remembered_failures", "Questions that failed, and are not asked again for some time (RFC 9520)."
            ),
            CounterMetricFamily(
                "blockd_held_back_questions",
                "Questions that got SERVFAIL, since most new names below their domains fail (`upstream.flood_limit`).",
            ),
        ]
        for family, count in zip(flights, self.table.load() if self.table else Load(0, 0, 0, 0), strict=True):
            family.add_metric([], count)
        yield from (usable, left_out, *flights)


def upstream_metrics(table: UpstreamTable, names: Sequence[str]) -> Iterator[Metric]:
    """Yield the families of the upstreams, whose texts `names` are in the order of their slots."""
    state = GaugeMetricFamily(
        "blockd_upstream_state",
        "How many workers see the upstream so: up, unknown before its first answer, doubtful while only what clients "
        "ask it fails, failing if probes fail as well, or down: then it is only probed.",
        labels=["upstream", "state"],
    )
    up = _gauge("up", "0 if the upstream is failing or down for all workers, else 1.")
    gauges = [
        _gauge("round_trip_seconds", "How long the upstream takes for clients' questions, smoothed; 0 if unknown."),
        _gauge("probe_seconds", "How long the upstream takes for blockd's own probes, smoothed; 0 if unknown."),
        _gauge(
            "in_flight",
            "Clients' questions to the upstream of which nothing has come yet, and which are waited for.",
        ),
    ]
    counters = [
        _counter("questions", "Clients' questions sent to the upstream."),
        _counter("answers", "Answers of the upstream to clients' questions, SERVFAIL and what is refused among them."),
        _counter("unanswered", "Clients' questions for which no message came as long as it was listened for."),
        _counter("late_answers", "Answers of these that came when their question had been given up."),
        _counter("hedges", "Questions sent to another upstream as well, since this one took long."),
        _counter("loops", "Questions to the upstream that came back to blockd, and were answered with SERVFAIL."),
    ]
    failures = CounterMetricFamily(
        "blockd_upstream_failures",
        "What else came of clients' questions: nothing of any question while this one was waited for (silent), nobody "
        "could be reached (unreachable), what cannot be parsed, contradicts itself or is over a bound (malformed), "
        "REFUSED and the like (refusing), SERVFAIL, the end of a connection (disconnected), or a failed TLS handshake "
        "or the wrong certificate (unproven). What came as a message is among the answers as well.",
        labels=["upstream", "kind"],
    )
    for slot, name in enumerate(names):
        seen = [one.state for one in table.seen_by(slot)]
        for number, word in enumerate(STATES):
            state.add_metric([name, word], seen.count(number))
        figures = table.figures(slot)
        up.add_metric([name], figures is None or figures.state < STATES.index("failing"))
        if figures is None:
            continue
        for gauge, value in zip(gauges, (figures.round_trip, figures.distance, figures.in_flight), strict=True):
            gauge.add_metric([name], value)
        for counter, count in zip(
            counters,
            (figures.asked, figures.answered, figures.unanswered, figures.late, figures.hedged, figures.looped),
            strict=True,
        ):
            counter.add_metric([name], count)
        for kind, count in zip(FAILURES, figures.failures, strict=True):
            failures.add_metric([name, kind], count)
    yield from (state, up, *gauges, *counters, failures)


def _gauge(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"blockd_upstream_{name}", what, labels=["upstream"])


def _counter(name: str, what: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"blockd_upstream_{name}", what, labels=["upstream"])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
