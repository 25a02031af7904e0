"""The result: one row for each server, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

KINDS = ("blocked", "cached", "missed")
HEAD = (
    *("server", "blocked µs", "cached µs", "miss µs", "ratio to floor", "p50 / p99 / p99.9 ms"),
    *("memory MB", "start s", "change s", "lost", "late"),
)
QUIET = 0.05  # of a core that others may use while a server is measured on it
FULL = 0.9  # of a core: a server that used less was waiting for the load
NONE = "-"
_LEGEND = (
    "* µs: CPU time of all of a server's processes for each answer, asked as fast as it answers. With ~ the load was",
    f"  the limit: the server used less than {FULL:.0%} of its core, and each waking paid for fewer questions.",
    "* ms: how long answers took at half the server's maximum; half of the questions were blocked, half cached.",
    "* start: from nothing to the first block / with the list compiled before, where a server does that.",
    "* change: from the grown list to its enforcement, at the same rate; lost, late (over 50 ms): questions meanwhile.",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What questions of one kind cost a server, asked as fast as it answers: the median of the runs."""

    cpu: float  # microseconds of CPU for each answer
    rate: float  # answers a second
    busy: float  # the share of its core that the server used
    lost: int = 0  # questions without an answer


@dataclass(slots=True)
class Row:
    """The figures of one server; None if there is none."""

    server: str
    version: str = ""
    how: str = ""
    problem: str = ""  # why there are no figures, or no more
    costs: dict[str, Cost] = field(default_factory=dict)  # by kind
    disturbed: float = 0.0  # the largest share of the server's core that anything else used in a run
    load: float | None = None  # questions a second while delays were measured, half of them blocked, half cached
    percentiles: tuple[float, float, float] | None = None  # milliseconds: p50, p99, p99.9
    memory: float | None = None  # 10^6 octets
    start: float | None = None  # seconds from nothing to the first block
    warm_start: float | None = None  # the same with the list compiled before
    change: float | None = None  # seconds
    lost: int | None = None  # questions
    late: int | None = None
    asked: int | None = None  # questions during the change, of which so many were lost or late


@dataclass(frozen=True, slots=True)
class Result:
    """All of one benchmark."""

    machine: dict[str, str]
    rows: list[Row]
    skipped: dict[str, str]  # servers by name, and what this machine lacks for them

    def json(self) -> str:
        """Return it for programs."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Return it for people."""
        floor = next((row.costs["blocked"].cpu for row in self.rows if row.server == "floor" and row.costs), None)
        out = [f"* {key}: {value}" for key, value in self.machine.items()]
        out += ["", _line(HEAD), _line("---" if number == 0 else "---:" for number in range(len(HEAD)))]
        out += [_line(_cells(row, floor)) for row in self.rows]
        out += ["", *_LEGEND, ""]
        out += [f"* {row.server} {row.version}: {row.how}." for row in self.rows]
        out += [f"* {row.server} is broken: {row.problem}" for row in self.rows if row.problem]
        out += [
            f"* {row.server} was disturbed: others used {row.disturbed:.0%} of its core. Repeat it on a quiet machine."
            for row in self.rows
            if row.disturbed > QUIET
        ]
        out += [f"* {name} is skipped: this machine has no {lacks}." for name, lacks in self.skipped.items()]
        return "\n".join(out) + "\n"


def _cells(row: Row, floor: float | None) -> list[str]:
    blocked = row.costs.get("blocked")
    starts = [start for start in (row.start, row.warm_start) if start is not None]
    return [
        row.server,
        *(_cost(row.costs.get(kind)) for kind in KINDS),
        f"{blocked.cpu / floor:.1f}" if blocked and floor else NONE,
        " / ".join(f"{value:.2f}" for value in row.percentiles) if row.percentiles else NONE,
        f"{row.memory:,.0f}" if row.memory is not None else NONE,
        " / ".join(f"{value:.2f}" for value in starts) or NONE,
        f"{row.change:.2f}" if row.change is not None else NONE,
        f"{row.lost:,}" if row.lost is not None else NONE,
        f"{row.late:,}" if row.late is not None else NONE,
    ]


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return NONE
    return f"{'~' if cost.busy < FULL else ''}{cost.cpu:.1f}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
