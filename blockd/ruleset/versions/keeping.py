"""Which versions are kept, and why: by number, by age, and within a size.

The last few are kept, and of the last few contents of what others publish the newest version each: a change of what
the operator writes, overrides included, pushes out nobody else's list. Beyond them the last version of each hour is
kept for a day, and the last of each day for a week, as long as all of it fits; and the one in force before, which need
not be among the last few if its content had come back. The version in force, a pinned one and what the one in force was
made from are kept always.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from blockd.errors import RulesetError
from blockd.ruleset.mapped import Ruleset
from blockd.ruleset.versions.kept import Versions
from blockd.ruleset.versions.version_record import VersionRecord
from blockd.settings import Settings
from blockd.settings.feeds import OVERRIDES

MAX_AUTO = 10 * 1000**3  # octets, or a quarter of the disk if that is less
HOUR, DAY, WEEK = 3600, 86400, 7 * 86400  # seconds


@dataclass(frozen=True, slots=True)
class Retention:
    """How many versions are kept, within how many octets; `own` are the feeds that the operator writes."""

    keep: int
    max_size: int
    own: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Retention:
        """Return what a config says; its `auto` depends on the disk of the state folder."""
        max_size = settings.versions.max_size
        if max_size is None:
            try:
                max_size = min(MAX_AUTO, shutil.disk_usage(settings.state_dir).total // 4)
            except OSError:  # there is no state folder yet
                max_size = MAX_AUTO
        own = {feed.name for feed in settings.feeds if feed.is_kept_by_hand} | {OVERRIDES}
        return cls(settings.versions.keep, max_size, frozenset(own))


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A version on disk: its octets, when it was made, and why it is kept, empty if it is not.

    `made` is in seconds since the epoch, never later than now. `content` stands for what others publish of it; None if
    that is not known. `base` is what it was made from by other overrides, `ended` when it was last in force.
    """

    version: int
    size: int
    made: float
    content: Set[tuple[str, str]] | None
    base: int | None = None
    ended: int | None = None
    why: str = ""


def kept_files(versions: Versions, retention: Retention, now: float) -> list[KeptFile]:
    """Return every version on disk, the oldest first, with the reason for which it is kept at `now`."""
    files = [_read(versions, version, retention.own, now) for version in versions.all()]
    current, pinned = versions.current(), versions.pinned()
    bases = {file.version: file.base for file in files}
    whys = {
        bases.get(current) if current is not None else None: f"version {current} is made from it",
        pinned: "pinned",
        current: "in force",
    }
    always = {version for version in whys if version is not None}
    wanted = _wanted(files, retention.keep, now)
    ended = [file for file in files if file.ended is not None and file.version != current]
    if ended:
        before = max(ended, key=lambda file: (file.ended or 0, file.version))
        wanted.insert(0, next((one for one in wanted if one[0] is before), (before, "in force before")))
    room = retention.max_size - sum(file.size for file in files if file.version in always)
    for file, why in wanted:  # the most wanted first
        if file.version in whys:
            continue
        if file.size <= room:
            room -= file.size
            whys[file.version] = why
        else:
            room = 0
    return [_with(file, whys.get(file.version, "")) for file in files]


def prune(versions: Versions, retention: Retention, now: float) -> list[int]:
    """Delete the versions that are not kept, and what is left of others; return their numbers. Raises OSError."""
    gone = [file.version for file in kept_files(versions, retention, now) if not file.why]
    for version in gone:
        versions.drop(version)
    versions.sweep()
    return gone


def spare_one(versions: Versions) -> bool:
    """Delete the oldest version that nothing in force needs; return whether there was one. Raises OSError.

    The version in force, a pinned one and what the one in force was made from are kept.
    """
    current = versions.current()
    record = versions.record(current) if current is not None else None
    needed = {current, versions.pinned(), record.base if record is not None else None}
    known = versions.all()
    for version in known:
        if version not in needed and version != known[-1]:  # the newest may be about to be enforced
            versions.drop(version)
            return True
    return False


def _wanted(files: Sequence[KeptFile], keep: int, now: float) -> list[tuple[KeptFile, str]]:
    """Return the versions to be kept and why, the most wanted first."""
    newest = list(reversed(files))
    found: dict[int, tuple[KeptFile, str]] = {}
    contents: list[Set[tuple[str, str]]] = []
    for place, file in enumerate(newest):
        is_new = file.base is None and file.content is not None and file.content not in contents
        if is_new and file.content is not None and len(contents) < keep:
            contents.append(file.content)
            found[file.version] = file, f"one of the last {keep} contents"
        if place < keep:
            found[file.version] = file, f"one of the last {keep}"
    for width, span, word in ((HOUR, DAY, "hour"), (DAY, WEEK, "day")):
        seen: set[int] = set()
        for file in newest:
            place = int(file.made // width)
            if file.base is None and now - file.made < span and place not in seen:
                seen.add(place)
                found.setdefault(file.version, (file, f"the last of its {word}"))
    return list(found.values())


def _read(versions: Versions, version: int, own: Set[str], now: float) -> KeptFile:
    record = versions.record(version) or _record(versions.ruleset(version))
    size = sum(map(_size, (versions.ruleset(version), versions.record_path(version))))
    if record is None:
        return KeptFile(version, size, 0.0, None)
    content = frozenset((feed.name, feed.digest) for feed in record.feeds if feed.name not in own)
    return KeptFile(version, size, min(float(record.compiled), now), content, record.base, record.until)


def _record(path: Path) -> VersionRecord | None:
    """Return a record made from the ruleset itself; None if it is damaged."""
    try:
        ruleset = Ruleset.open(path, verify=False)
    except RulesetError:
        return None
    ruleset.close()
    return VersionRecord.of(ruleset.header, ruleset.catalogue, {})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _with(file: KeptFile, why: str) -> KeptFile:
    return KeptFile(file.version, file.size, file.made, file.content, file.base, file.ended, why)
