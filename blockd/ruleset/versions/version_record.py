"""What is kept beside a ruleset: where each feed's content came from, its reports, and when it was enforced.

A record is for people. One that is missing or damaged stops nothing: what it told is unknown from then on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from blockd.files import read_file, replace_file
from blockd.ruleset.catalogue import Catalogue, FeedRecord
from blockd.ruleset.format import MAX_TIME, Header

MAX_RECORD = 16 << 20  # octets: a thousand feeds, each with its reports
MAX_PERIODS = 50  # times of enforcement kept of one version, the first and the latest ones
MAX_REASON = 500  # characters of an operator's reason

Report = Mapping[str, object]
"""A report on a feed's entries, as JSON values."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a feed's content came from."""

    place: str = ""  # the path or URL
    time: int | None = None  # when the source says it was made: seconds since the epoch


@dataclass(frozen=True, slots=True)
class FeedPart:
    """What one feed gave to a version."""

    name: str
    type: str
    source: str  # the path or URL; empty where that is not known
    source_time: int | None  # when the source says it was made: seconds since the epoch
    digest: str  # SHA-256 of what was fetched, hexadecimal
    version: str  # the feed's own word for it
    names: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Period:
    """A time during which a version was enforced, in seconds since the epoch; None: it still is."""

    since: int
    until: int | None = None
    rollback: bool = False  # whether an operator went back to it
    reason: str = ""  # the operator's


@dataclass(frozen=True, slots=True)
class Difference:
    """What a version changed against the one that was in force before it."""

    against: int
    added: int
    removed: int
    changed: int  # entries under other orders or scopes


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version."""

    content: str  # two rulesets with the same one were made from the same
    digest: str  # of the file
    compiled: int  # seconds since the epoch
    names: int
    networks: int
    orders: int
    feeds: tuple[FeedPart, ...]
    rejects: Mapping[str, Report] = field(default_factory=dict)  # by feed
    held: Mapping[str, Report] = field(default_factory=dict)  # entries that the gate held back, by feed
    difference: Difference | None = None
    periods: tuple[Period, ...] = ()

    @classmethod
    def of(cls, header: Header, catalogue: Catalogue, sources: Mapping[str, Source]) -> VersionRecord:
        """Record a ruleset; `sources` by feed, as far as they are known."""
        return cls(
            content=catalogue.made_from,
            digest=header.digest.hex(),
            compiled=header.created,
            names=header.names,
            networks=header.entries - header.names,
            orders=len(catalogue.orders),
            feeds=tuple(_part(feed, sources.get(feed.name, Source())) for feed in catalogue.feeds),
        )

    @property
    def since(self) -> int | None:
        """When it was enforced first; None where it never was."""
        return self.periods[0].since if self.periods else None

    @property
    def until(self) -> int | None:
        """When it was enforced last; None where it still is or never was."""
        return self.periods[-1].until if self.periods else None

    def begun(self, now: float, *, rollback: bool = False, reason: str = "") -> VersionRecord:
        """Give the record of the version from now on enforced; one that is already is left as it is."""
        if self.periods and self.periods[-1].until is None and not rollback:
            return self
        periods = (*self.ended(now).periods, Period(int(now), None, rollback, reason[:MAX_REASON]))
        if len(periods) > MAX_PERIODS:
            periods = (periods[0], *periods[-MAX_PERIODS + 1 :])
        return replace(self, periods=periods)

    def ended(self, now: float) -> VersionRecord:
        """Give the record of the version that is no longer enforced."""
        if not self.periods or self.periods[-1].until is not None:
            return self
        return replace(self, periods=(*self.periods[:-1], replace(self.periods[-1], until=int(now))))

    def write(self, path: Path) -> None:
        """Make `path` hold the record; raises OSError."""
        replace_file(path, json.dumps(asdict(self), ensure_ascii=True).encode())

    @classmethod
    def read(cls, path: Path) -> VersionRecord | None:
        """Read a record; None where it is missing, damaged or of another shape."""
        try:
            return _record(json.loads(read_file(path, MAX_RECORD)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Give the record as JSON values."""
        return asdict(self)


def _part(feed: FeedRecord, source: Source) -> FeedPart:
    return FeedPart(
        name=feed.name,
        type=feed.type,
        source=source.place,
        source_time=source.time,
        digest=feed.digest,
        version=feed.version,
        names=feed.names,
        rejected=feed.rejected,
    )


def _record(told: Mapping[str, Any]) -> VersionRecord:
    difference = told["difference"]
    return VersionRecord(
        content=_text(told["content"]),
        digest=_text(told["digest"]),
        compiled=_time(told["compiled"]),
        names=_count(told["names"]),
        networks=_count(told["networks"]),
        orders=_count(told["orders"]),
        feeds=tuple(_feed_part(part) for part in told["feeds"]),
        rejects={_text(name): _report(report) for name, report in told["rejects"].items()},
        held={_text(name): _report(report) for name, report in told["held"].items()},
        difference=Difference(**{key: _count(difference[key]) for key in Difference.__slots__}) if difference else None,
        periods=tuple(_period(period) for period in told["periods"][:MAX_PERIODS]),
    )


def _feed_part(told: Mapping[str, Any]) -> FeedPart:
    return FeedPart(
        name=_text(told["name"]),
        type=_text(told["type"]),
        source=_text(told["source"]),
        source_time=None if told["source_time"] is None else _time(told["source_time"]),
        digest=_text(told["digest"]),
        version=_text(told["version"]),
        names=_count(told["names"]),
        rejected=_count(told["rejected"]),
    )


def _report(told: Mapping[str, Any]) -> Report:
    for reason, found in told["reasons"].items():
        _text(reason)
        _count(found["count"])
    return told


def _period(told: Mapping[str, Any]) -> Period:
    until = None if told["until"] is None else _time(told["until"])
    return Period(_time(told["since"]), until, told["rollback"] is True, _text(told["reason"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("no count")
    return value


def _time(value: object) -> int:
    if not 0 <= _count(value) <= MAX_TIME:
        raise ValueError("no time")
    return _count(value)
