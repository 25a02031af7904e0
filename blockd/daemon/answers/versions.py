"""The versions kept: what each is made of, when it was enforced, and why it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.versions.keeping import KeptFile, Retention, kept_files
from blockd.ruleset.versions.version_record import VersionRecord
from blockd.times import time_text


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version kept; `record` is made from the ruleset itself if none is kept, and None if that is damaged too."""

    version: int
    is_current: bool
    is_pinned: bool
    record: VersionRecord | None
    file: KeptFile
    is_recorded: bool = True
    damage: str = ""

    @classmethod
    def read(cls, versions: Versions, file: KeptFile, current: int | None, pinned: int | None) -> KeptVersion:
        """Read what is known of a version; `current` and `pinned` are those marked so."""
        version = file.version
        marks = version == current, version == pinned
        record = versions.record(version)
        if record is not None:
            return cls(version, *marks, record, file)
        try:
            ruleset = Ruleset.open(versions.ruleset(version), verify=False)
        except RulesetError as error:
            return cls(version, *marks, None, file, is_recorded=False, damage=str(error))
        record = VersionRecord.of(ruleset.header, ruleset.catalogue, {})
        ruleset.close()
        return cls(version, *marks, record, file, is_recorded=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; what is not known is None."""
        told: dict[str, Any] = {
            "version": self.version,
            "current": self.is_current,
            "pinned": self.is_pinned,
            "size": self.file.size,
            "kept": self.file.why or None,
            "record": "kept" if self.is_recorded else "missing or damaged",
            "since": None,
            "until": None,
            "names": None,
            "networks": None,
            "orders": None,
            "base": None,
            "difference": None,
            "periods": [],
            "feeds": [],
            "rejects": {},
            "held": {},
        }
        record = self.record
        if record is None:
            return {**told, "damaged": self.damage}
        told |= record.to_json()
        told["since"], told["until"] = _time(record.since), _time(record.until)
        told["compiled"] = time_text(record.compiled)
        told["periods"] = [
            {**period, "since": _time(period["since"]), "until": _time(period["until"])} for period in told["periods"]
        ]
        told["feeds"] = [{**feed, "source_time": _time(feed["source_time"])} for feed in told["feeds"]]
        return told


BY_FEED = ("feeds", "rejects", "held")  # keys of a version that grow with the number of feeds


@dataclass(frozen=True, slots=True)
class VersionsInBrief:
    """All versions kept, without what is known of each by feed: of many versions of many feeds that is much."""

    kept: VersionsKept

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        told = self.kept.to_json()
        brief = [{key: value for key, value in one.items() if key not in BY_FEED} for one in told["versions"]]
        return {**told, "versions": brief}


@dataclass(frozen=True, slots=True)
class VersionsKept:
    """All versions kept, the oldest first; `max_size` is in octets."""

    current: int | None
    pinned: int | None
    max_size: int
    versions: tuple[KeptVersion, ...]

    @classmethod
    def read(cls, versions: Versions, retention: Retention, now: float) -> VersionsKept:
        """Read what is known of them from the disk."""
        current, pinned = versions.current(), versions.pinned()
        files = kept_files(versions, retention, now)
        found = tuple(KeptVersion.read(versions, file, current, pinned) for file in files)
        return cls(current, pinned, retention.max_size, found)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "current": self.current,
            "pinned": self.pinned,
            "max_size": self.max_size,
            "versions": [version.to_json() for version in self.versions],
        }


def kept_version(versions: Versions, retention: Retention, now: float, version: int) -> KeptVersion:
    """Return what is known of one version; raises CommandError if it is not kept."""
    files = kept_files(versions, retention, now)
    file = next((one for one in files if one.version == version), None)
    if file is None:
        raise not_kept(version, [one.version for one in files])
    return KeptVersion.read(versions, file, versions.current(), versions.pinned())


def not_kept(version: int, kept: Sequence[int]) -> CommandError:
    """Return what to raise if a version is asked for that is not among those kept."""
    return CommandError(f"Version {version} is not kept; kept are {', '.join(map(str, kept)) or 'none'}.")


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else time_text(seconds)
