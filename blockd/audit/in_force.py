"""Which version was in force at a moment, as far as the records know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from blockd.audit.chain import Record
from blockd.audit.log import SIGN_OF_LIFE
from blockd.orders import OrderKey
from blockd.settings.feeds import OVERRIDES
from blockd.times import moment_from_text, moment_text


class Records(Protocol):
    """Source of the records about a moment."""

    def last(self, kind: str, until: float | None = None) -> Record | None:
        """Return the newest record of a kind, at or before a time."""

    def first(self, kind: str, after: float) -> Record | None:
        """Return the oldest record of a kind after a time."""

    def state_of(self, order: OrderKey, until: float) -> Record | None:
        """Return the newest record of an order's state, at or before a time."""

    def evidence(self, digest: str) -> bytes | None:
        """Return the octets with a SHA-256."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The record of the version in force at a time; None with a note that says why none was, or that it is unknown."""

    record: Record | None
    note: str = ""
    had_stopped: bool = False  # nothing was enforced, since this node did not run


def in_force_at(records: Records, at: float, alive: float | None) -> InForce:
    """Return which version was in force at a time; `at` and `alive` are as in `prove_name`."""
    record = records.last("enforced", at)
    if record is None:
        return InForce(None, _nothing_yet(records, at))
    stop, start = records.last("stop", at), records.last("start", at)
    if stop is not None and start is not None and stop.number > max(start.number, record.number):
        return InForce(None, f"blockd had stopped, at {stop.time}: nothing was enforced by this node.", True)
    silence = _silence(records, record, at, alive)
    if silence:
        return InForce(None, f"{silence}: whether this node enforced anything at that time is not known.")
    return InForce(record)


def exceptions_then(records: Records, at: float, feeds: Sequence[str]) -> list[str]:
    """Return a sentence for each group of clients to whom some of the feeds in force did not apply at a time."""
    start = records.last("start", at)
    groups = start.body.get("groups") if start is not None else None
    sentences = []
    for group in groups if isinstance(groups, list) else ():
        try:
            name, applying = str(group["name"]), {str(feed) for feed in group["feeds"]}
        except (KeyError, TypeError):
            continue  # of another version
        lacks = [feed for feed in feeds if feed not in applying and not (feed == OVERRIDES and applying)]
        if lacks:
            what = f"feed {lacks[0]}" if len(lacks) == 1 else f"feeds {', '.join(lacks)}"
            sentences.append(f"This is what clients in no group got: to the group {name} {what} did not apply.")
    return sentences


def _nothing_yet(records: Records, at: float) -> str:
    """Return the sentence about a time before the log's first version in force."""
    start = records.last("start", at)
    if start is None:
        return "The log begins later; what was enforced then is not known."
    return (
        f"blockd had started, at {start.time}, and the log has no version in force by then: "
        "what was enforced then is not known."
    )


def _silence(records: Records, enforced: Record, at: float, alive: float | None) -> str:
    """Return a sentence if a time lies in a gap between the last sign of life and the next start, else nothing."""
    start = records.first("start", at)
    if start is not None and start.number > enforced.number:
        last = start.body.get("last_alive")
        if last is not None and moment_from_text(last) < at:
            return (
                f"blockd ended without recording it: it was last seen alive at {last} and started again at {start.time}"
            )
    elif alive is not None and at > alive + 3 * SIGN_OF_LIFE:
        return f"blockd was last seen alive at {moment_text(alive)}"
    return ""
