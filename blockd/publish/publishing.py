"""Publishing: signed files are copied to a folder that a web server, or a daemon on the same machine, reads.

    FOLDER/root.json                               the first root: the anchor that a daemon is given by hand
    FOLDER/metadata/                               N.root.json, N.targets.json, N.ROLE.json, N.snapshot.json,
                                                   timestamp.json
    FOLDER/targets/orders/[ROLE/]SHA256.ID.json    the orders
    FOLDER/targets/lists/[ROLE/]SHA256.FILE        the files of their lists

Every file but the timestamp has its version or hash in its name and never changes. The timestamp leads to all others
and comes last, by rename, so a reader sees either the previous or the new version, complete. Old files stay for readers
that began earlier, until they are pruned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from blockd.errors import PublishError
from blockd.files import remove, replace_files
from blockd.publish.delegations import roles_of
from blockd.publish.workshop import Workshop, verifies

TIMESTAMP = "metadata/timestamp.json"
MAX_DIGITS = 10  # of a root's number
_BLOCK = 1024 * 1024  # bytes copied at once; a list's file has up to a gigabyte


@dataclass(frozen=True, slots=True)
class Published:
    """The result of one publishing; `written` are the new files, in the order in which they were written."""

    targets_version: int
    timestamp_version: int
    written: tuple[str, ...]


def publish(workshop: Workshop, folder: Path) -> Published:
    """Copy what the newest timestamp leads to to `folder`, which is made if necessary. The operation is idempotent.

    Raises PublishError if nothing is signed, or `folder` holds another authority's list or a newer one.
    """
    current = workshop.current()
    if current is None:
        raise PublishError(
            f"Nothing is signed in {workshop.folder} yet; sign first: blockd authority sign {workshop.folder}"
        )
    timestamp, snapshot, targets = current
    _refuse_unfit(workshop, {"timestamp": timestamp, "snapshot": snapshot, "targets": targets})
    _refuse_newer(workshop, folder, timestamp.signed, snapshot.signed)
    roots = [f"{version}.root.json" for version in workshop.root_versions()]
    named = [f"{file.version}.{name}" for name, file in snapshot.signed.meta.items()]
    metadata = {f"metadata/{name}": _read(workshop.metadata / name) for name in (*roots, *named)}
    metadata[f"metadata/{snapshot.signed.version}.snapshot.json"] = _read(
        workshop.metadata / f"{snapshot.signed.version}.snapshot.json"
    )
    first = {"root.json": _read(workshop.metadata / roots[0])}
    last = {TIMESTAMP: _read(workshop.metadata / "timestamp.json")}
    files = {
        f"targets/{target.get_prefixed_paths()[0]}": target for target in _targets(workshop, targets.signed, named)
    }

    missing = {name: content for name, content in {**first, **metadata}.items() if not _holds(folder / name, content)}
    brought = {name: target for name, target in files.items() if not _is_whole(folder / name, target)}
    for name in (*missing, *brought):
        if (folder / name).exists():
            raise PublishError(
                f"{folder / name} differs from what was signed here; nothing was published. Is it another authority's?"
            )
    for name, target in brought.items():
        _check(workshop.folder / name, target)
    if _holds(folder / TIMESTAMP, last[TIMESTAMP]):
        last = {}
    for parent in {(folder / name).parent for name in (*brought, *missing, *last)}:
        parent.mkdir(parents=True, exist_ok=True)
    # Each group is synced to disk before the next begins, so that a file comes after all that it leads to.
    replace_files((folder / name, _copied(workshop.folder / name, target)) for name, target in brought.items())
    replace_files((folder / name, (content,)) for name, content in missing.items())
    replace_files((folder / name, (content,)) for name, content in last.items())
    versions = {name.removesuffix(".json"): file.version for name, file in snapshot.signed.meta.items()}
    workshop.note_published(folder, versions)
    return Published(targets.signed.version, timestamp.signed.version, (*brought, *missing, *last))


def prune(workshop: Workshop, folder: Path, older_than: timedelta, now: datetime) -> tuple[str, ...]:
    """Remove and return older files that the published timestamp does not lead to. Roots are never removed.

    Raises PublishError if what is published is not what is signed here.
    """
    current = workshop.current()
    if current is None or not _holds(folder / TIMESTAMP, _read(workshop.metadata / "timestamp.json")):
        raise PublishError(f"{folder} does not hold what is signed here; publish first. Nothing was removed.")
    _, snapshot, targets = current
    named = [f"{file.version}.{name}" for name, file in snapshot.signed.meta.items()]
    kept = {f"metadata/{name}" for name in named} | {f"metadata/{snapshot.signed.version}.snapshot.json", TIMESTAMP}
    kept |= {f"targets/{it.get_prefixed_paths()[0]}" for it in _targets(workshop, targets.signed, named)}
    removed = []
    for path in sorted((folder / "metadata").glob("*.json")) + sorted((folder / "targets").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in kept or path.name.endswith(".root.json") or not path.is_file():
            continue
        if now.timestamp() - path.stat().st_mtime > older_than.total_seconds():
            remove(path)
            removed.append(name)
    return tuple(removed)


def _targets(workshop: Workshop, top: Targets, named: list[str]) -> Iterator[TargetFile]:
    """Return every target that the snapshot leads to: those of the repository and of its current authorities."""
    yield from top.targets.values()
    roles = roles_of(top)
    for name in named:
        if name.partition(".")[2].removesuffix(".json") in roles:
            yield from workshop.load(name, Targets).signed.targets.values()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}; nothing was published. Sign again.") from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _is_whole(path: Path, target: TargetFile) -> bool:
    """Return whether the target exists; its name has its hash and it came by rename, so its length is enough."""
    try:
        return path.stat().st_size == target.length
    except FileNotFoundError:
        return False


def _check(path: Path, target: TargetFile) -> None:
    try:
        with path.open("rb") as file:
            target.verify_length_and_hashes(file)
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}; nothing was published.") from error
    except RepositoryError as error:
        raise PublishError(f"{path} was changed after it was signed; nothing was published. Sign again.") from error


def _copied(source: Path, target: TargetFile) -> Iterator[bytes]:
    """Yield the blocks of a target's file; raises PublishError at the end if they are not what was signed."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            yield block
    if digest.hexdigest() != target.hashes["sha256"]:
        raise PublishError(f"{source} was changed while it was published; the timestamp was not changed.")


def _refuse_unfit(workshop: Workshop, parts: Mapping[str, Metadata[Any]]) -> None:
    """Refuse a new root whose metadata is not signed by its keys: nodes would follow it, and refuse all the rest."""
    root = workshop.root().signed
    for role, metadata in parts.items():
        if not verifies(root, role, metadata):
            raise PublishError(
                f"Version {root.version} of the root has other keys of {role}, and not enough of them have signed; "
                f"nothing was published. Next: blockd authority sign {workshop.folder}, with the new keys."
            )


def _refuse_newer(workshop: Workshop, folder: Path, timestamp: Timestamp, snapshot: Snapshot) -> None:
    """Refuse to publish older versions, which nodes refuse: a workshop from a backup must first be brought up to date.

    A timestamp of keys that the root no longer has may be a thief's, and is replaced whatever its version.
    """
    root = workshop.root().signed
    newest = max(map(_version_of, (folder / "metadata").glob("*.root.json")), default=0)
    if newest > root.version:
        raise _is_behind(workshop, folder, "root", newest, root.version)
    path = folder / TIMESTAMP
    try:
        there: Metadata[Timestamp] = Metadata.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return
    except RepositoryError as error:
        raise PublishError(f"{path} is damaged; remove it and publish again. Nothing was published.") from error
    if not verifies(root, "timestamp", there):
        return
    if there.signed.version > timestamp.version:
        raise _is_behind(workshop, folder, "timestamp", there.signed.version, timestamp.version)
    for name, version in _led_to(folder, root, there.signed).items():
        ours = snapshot.meta[name].version if name in snapshot.meta else 0
        if ours < version:
            raise _is_behind(workshop, folder, name.removesuffix(".json"), version, ours)


def _led_to(folder: Path, root: Root, timestamp: Timestamp) -> dict[str, int]:
    """Return the versions that a published timestamp leads to; none if its snapshot is missing."""
    path = folder / "metadata" / f"{timestamp.snapshot_meta.version}.snapshot.json"
    try:
        there: Metadata[Snapshot] = Metadata.from_bytes(path.read_bytes())
    except (OSError, RepositoryError):
        return {}
    if not verifies(root, "snapshot", there):
        return {}
    return {name: file.version for name, file in there.signed.meta.items()}


def _version_of(path: Path) -> int:
    number = path.name.partition(".")[0]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < MAX_DIGITS else 0


def _is_behind(workshop: Workshop, folder: Path, role: str, there: int, here: int) -> PublishError:
    return PublishError(
        f"{folder} holds version {there} of {role}, which is newer than {here} here; nothing was published, since "
        f"nodes refuse to go back. If {workshop.folder} was restored from a backup, copy metadata and targets of "
        f"{folder} over its own, and stage again what was staged since the backup, before anything is signed."
    )
