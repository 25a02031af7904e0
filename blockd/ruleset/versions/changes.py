"""What changes from one ruleset to another, as JSON values: counts, names, orders, popular names, what is held back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blockd.orders import Entry
from blockd.ruleset import Ruleset
from blockd.ruleset.catalogue import OrderRecord
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.lists import POPULAR_SHIPPED, popular_path
from blockd.ruleset.gate.popular import read_popular
from blockd.ruleset.versions.contradictions import contradictions
from blockd.ruleset.versions.diff import Comparison, Touched, order_changes
from blockd.settings import GateSettings

MAX_POPULAR = 1_000  # popular names shown; a list that covers more is not a blocklist


@dataclass(frozen=True, slots=True)
class PopularNames:
    """Keys of popular names; `ranked` says whether their order is a rank."""

    keys: Sequence[bytes]
    ranked: bool

    @classmethod
    def chosen(cls, file: Path | None, settings: GateSettings) -> PopularNames:
        """Return the names of a file, of `gate.popular` if it is None, or none; raises CommandError."""
        return cls.of(file or popular_path(settings))

    @classmethod
    def of(cls, path: Path | None) -> PopularNames:
        """Return the names of a file, or none; raises CommandError."""
        return cls(read_popular(path) if path else [], path != POPULAR_SHIPPED)


def contradiction_changes(old: Ruleset, new: Ruleset) -> dict[str, object]:
    """Return the contradictions of one side only, as JSON values, and whether all of both were found."""
    before, after = contradictions(old), contradictions(new)
    known = {one.key for one in before.listed}, {one.key for one in after.listed}
    return {
        "came": [one.to_json() for one in after.listed if one.key not in known[0]],
        "went": [one.to_json() for one in before.listed if one.key not in known[1]],
        "is_whole": all(found.is_whole and len(found.listed) == found.count for found in (before, after)),
    }


def held_changes(
    old: Mapping[str, GuardReport], new: Mapping[str, GuardReport], limit: int
) -> dict[str, dict[str, object]]:
    """Return what is held back or reported of one side only, by feed, at most `limit` entries of each kind."""
    told: dict[str, dict[str, object]] = {}
    for name in sorted(old.keys() | new.keys()):
        before, after = _found(old.get(name)), _found(new.get(name))
        came, went = sorted(after - before), sorted(before - after)
        if came or went:
            told[name] = {
                "came": [_held(*found) for found in came[:limit]], "came_more": max(0, len(came) - limit),
                "went": [_held(*found) for found in went[:limit]], "went_more": max(0, len(went) - limit),
            }  # fmt: skip
    return told


def ignore(key: bytes) -> None:
    """Ignore a key."""


def changes(
    comparison: Comparison, popular: PopularNames, limit: int, seen: Callable[[bytes], None] = ignore
) -> dict[str, Any]:
    """Return what changes as JSON values: counts, at most `limit` names of each kind, orders, popular names.

    `seen` is called with the key of each name that was added.
    """
    added = _sample(comparison.added(), limit, seen)
    removed = _sample(comparison.removed(), limit)
    return {**summary(comparison, popular, limit), "added_names": added, "removed_names": removed}


def summary(comparison: Comparison, popular: PopularNames, limit: int = MAX_POPULAR) -> dict[str, Any]:
    """Return the counts, once the names were read, the orders, and at most `limit` popular names of each kind."""
    covered = comparison.newly_covered(popular.keys)
    no_longer_covered = comparison.no_longer_covered(popular.keys)
    catalogues = comparison.old.catalogue, comparison.new.catalogue
    orders = order_changes(*catalogues)
    types = {feed.name: feed.type for catalogue in catalogues for feed in catalogue.feeds}
    return {
        "added": comparison.changes.added,
        "removed": comparison.changes.removed,
        "changed": comparison.changes.changed,
        "orders": {
            "came": [_order(record, types) for record in orders.came],
            "went": [_order(record, types) for record in orders.went],
            "changed": [_order(new, types) for _, new in orders.changed],
        },
        "popular": {
            "ranked": popular.ranked,
            "covered": _touched(covered, limit),
            "no_longer_covered": _touched(no_longer_covered, limit),
            "counts": {"covered": len(covered), "no_longer_covered": len(no_longer_covered)},
        },
    }


def _found(report: GuardReport | None) -> set[tuple[str, str, bool]]:
    if report is None:
        return set()
    return {
        (entry.text, reason, report.holds(reason)) for reason, entries in report.entries.items() for entry in entries
    }


def _held(entry: str, reason: str, held: bool) -> dict[str, object]:
    return {"entry": entry, "reason": reason, "held": held}


def _sample(keys: Iterable[bytes], limit: int, seen: Callable[[bytes], None] = ignore) -> list[str]:
    found: list[str] = []
    for key in keys:
        seen(key)
        if len(found) < limit:
            found.append(Entry(key).text)
    return found


def _touched(found: Sequence[Touched], limit: int) -> list[dict[str, Any]]:
    return [asdict(touched) for touched in found[: min(limit, MAX_POPULAR)]]


def _order(record: OrderRecord, types: Mapping[str, str]) -> dict[str, Any]:
    order, feed = record.order, record.feed
    return {
        "feed": feed,
        "type": types.get(feed, ""),
        "called": order.name,
        "id": order.id,
        "role": order.role,
        "action": str(order.action),
        "names": record.names,
    }
