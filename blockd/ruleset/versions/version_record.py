"""The record kept beside a ruleset: where each feed's content came from, its reports, and when it was enforced.

A record is for people only. If it is missing or damaged, blockd goes on without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from blockd.files import read_kept, replace_file
from blockd.orders.operator_line import MAX_LINE
from blockd.ruleset.catalogue import Catalogue, FeedRecord
from blockd.ruleset.format import MAX_TIME, Header

MAX_RECORD = 16 << 20  # octets: a thousand feeds, each with its reports
MAX_PERIODS = 50  # times of enforcement kept of one version, the first and the latest ones

Report = Mapping[str, object]
"""A report on a feed's entries, as JSON values."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a feed's content came from."""

    place: str = ""  # the path or URL
    time: int | None = None  # when the source says it was made: seconds since the epoch


@dataclass(frozen=True, slots=True)
class FeedPart:
    """What one feed contributed to a version."""

    name: str
    type: str
    source: str  # the path or URL; empty if that is not known
    source_time: int | None  # when the source says it was made: seconds since the epoch
    digest: str  # SHA-256 of what was fetched, hexadecimal
    version: str  # as the feed names it
    names: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Period:
    """A period during which a version was enforced, in seconds since the epoch; None if it still is."""

    since: int
    until: int | None = None
    rollback: bool = False  # whether an operator rolled back to it
    reason: str = ""  # the operator's


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between a version and the one in force before it."""

    against: int
    added: int
    removed: int
    changed: int  # entries under other orders or scopes


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version."""

    content: str  # fingerprint of what it was made from
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
    base: int | None = None  # the version that it was made from by other overrides, if it was

    @classmethod
    def of(cls, header: Header, catalogue: Catalogue, sources: Mapping[str, Source]) -> VersionRecord:
        """Return the record of a ruleset; `sources` are by feed, as far as they are known."""
        return cls(
            content=catalogue.made_from,
            digest=header.digest.hex(),
            compiled=header.created,
            names=header.names,
            networks=header.networks,
            orders=len(catalogue.orders),
            feeds=tuple(_part(feed, sources.get(feed.name, Source())) for feed in catalogue.feeds),
        )

    @property
    def since(self) -> int | None:
        """When it was first enforced; None if it never was."""
        return self.periods[0].since if self.periods else None

    @property
    def until(self) -> int | None:
        """When it was last enforced; None if it still is or never was."""
        return self.periods[-1].until if self.periods else None

    def begun(self, now: float, *, rollback: bool = False, reason: str = "") -> VersionRecord:
        """Return the record of the version enforced from `now` on; unchanged if it is enforced already."""
        if self.periods and self.periods[-1].until is None and not rollback:
            return self
        periods = (*self.ended(now).periods, Period(int(now), None, rollback, reason[:MAX_LINE]))
        if len(periods) > MAX_PERIODS:
            periods = (periods[0], *periods[-MAX_PERIODS + 1 :])
        return replace(self, periods=periods)

    def ended(self, now: float) -> VersionRecord:
        """Return the record of the version no longer enforced from `now` on."""
        if not self.periods or self.periods[-1].until is not None:
            return self
        return replace(self, periods=(*self.periods[:-1], replace(self.periods[-1], until=int(now))))

    def write(self, path: Path) -> None:
        """Write the record to `path`; raises OSError."""
        replace_file(path, json.dumps(asdict(self), ensure_ascii=True).encode())

    @classmethod
    def read(cls, path: Path) -> VersionRecord | None:
        """Return the record at `path`; None if it is missing or damaged."""
        try:
            return _record(json.loads(read_kept(path, MAX_RECORD)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
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


def _record(fields: Mapping[str, Any]) -> VersionRecord:
    difference = fields["difference"]
    return VersionRecord(
        content=_text(fields["content"]),
        digest=_text(fields["digest"]),
        compiled=_time(fields["compiled"]),
        names=_count(fields["names"]),
        networks=_count(fields["networks"]),
        orders=_count(fields["orders"]),
        feeds=tuple(_feed_part(part) for part in fields["feeds"]),
        rejects={_text(name): _report(report) for name, report in fields["rejects"].items()},
        held={_text(name): _report(report) for name, report in fields["held"].items()},
        difference=Difference(**{key: _count(difference[key]) for key in Difference.__slots__}) if difference else None,
        periods=tuple(_period(period) for period in fields["periods"][:MAX_PERIODS]),
        base=None if fields.get("base") is None else _count(fields["base"]),
    )


def _feed_part(fields: Mapping[str, Any]) -> FeedPart:
    return FeedPart(
        name=_text(fields["name"]),
        type=_text(fields["type"]),
        source=_text(fields["source"]),
        source_time=None if fields["source_time"] is None else _time(fields["source_time"]),
        digest=_text(fields["digest"]),
        version=_text(fields["version"]),
        names=_count(fields["names"]),
        rejected=_count(fields["rejected"]),
    )


def _report(fields: Mapping[str, Any]) -> Report:
    for reason, found in fields["reasons"].items():
        _text(reason)
        _count(found["count"])
    return fields


def _period(fields: Mapping[str, Any]) -> Period:
    until = None if fields["until"] is None else _time(fields["until"])
    return Period(_time(fields["since"]), until, fields["rollback"] is True, _text(fields["reason"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("expected a count")
    return value


def _time(value: object) -> int:
    if not 0 <= _count(value) <= MAX_TIME:
        raise ValueError("expected a time")
    return _count(value)
