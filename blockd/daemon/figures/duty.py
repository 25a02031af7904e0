"""The duty clock, from the audit log's records of orders: nothing else knows it, and these survive restarts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from blockd.audit.chain import Record
from blockd.settings.feeds import OVERRIDES
from blockd.web.figures.duty import DutyClock, DutyTimes, DutyTurn

MAX_TURNS = 10_000  # changes of orders that are counted, the newest ones
MAX_RECENT = 100  # of them that are shown
KINDS = ("order",)


def duty_clock(records: Sequence[Record], deadline: float) -> DutyClock:
    """Return the duty clock of records of orders, the newest first; `deadline` is in seconds.

    A change counts if it is known since when it was due: of a signed order, or of one with a date. The operator's own
    overrides are no duty.
    """
    turns = [(record, record.body) for record in records if _counts(record.body)]
    times: dict[str, list[float]] = {"imposed": [], "lifted": []}
    for _, body in turns:
        times[body["change"]].append(float(body["seconds"]))
    return DutyClock(
        deadline=deadline,
        since=turns[-1][0].time if turns else None,
        imposed=_times(times["imposed"], deadline),
        lifted=_times(times["lifted"], deadline),
        recent=tuple(
            DutyTurn(
                record.time, body["change"], str(body.get("called", body["order"])), str(body["feed"]),
                str(body.get("authority", "")), float(body["seconds"]), float(body["seconds"]) > deadline,
            )
            for record, body in turns[:MAX_RECENT]
        ),
    )  # fmt: skip


def _counts(body: Mapping[str, Any]) -> bool:
    return (
        body.get("change") in ("imposed", "lifted")
        and isinstance(body.get("seconds"), int | float)
        and body.get("feed") != OVERRIDES
    )


def _times(seconds: Sequence[float], deadline: float) -> DutyTimes:
    if not seconds:
        return DutyTimes(0, None, None, None, 0)
    ranked = sorted(seconds)
    nearest = ranked[math.ceil(0.95 * len(ranked)) - 1]  # the nearest-rank method
    late = sum(one > deadline for one in ranked)
    return DutyTimes(len(ranked), round(statistics.median(ranked), 3), nearest, ranked[-1], late)
