"""Publishing: what is signed is copied to a folder that a web server, or a daemon on the same machine, reads.

    FOLDER/root.json                          the first root: the anchor that a daemon is given by hand
    FOLDER/metadata/                          N.root.json, N.targets.json, N.snapshot.json, timestamp.json
    FOLDER/targets/orders/SHA256.ID.json      the orders

Every file but the timestamp has its version or hash in its name and never changes. The timestamp leads to all others
and comes last, by rename, so a reader at any moment sees the version before or the new one, whole. Old files stay for
readers who began earlier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

from blockd.errors import PublishError
from blockd.publish.workshop import Workshop
from blockd.ruleset.replace import replace_file

TIMESTAMP = "metadata/timestamp.json"


@dataclass(frozen=True, slots=True)
class Published:
    """What one publishing did; `written` are the files that were new, in the order in which they were written."""

    targets_version: int
    timestamp_version: int
    written: tuple[str, ...]


def publish(workshop: Workshop, folder: Path) -> Published:
    """Copy what was signed last to `folder`, which is made where it is missing. Doing it twice changes nothing.

    Raises PublishError where nothing is signed, or `folder` holds another authority's list or a newer one.
    """
    current = workshop.current()
    if current is None:
        raise PublishError(
            f"Nothing is signed in {workshop.folder} yet; sign first: blockd authority sign {workshop.folder}"
        )
    timestamp, snapshot, targets = current
    files = dict(_files(workshop, snapshot.signed, targets.signed))
    _refuse_newer(folder, timestamp.signed.version)
    missing = [name for name, content in files.items() if not _is_there(folder / name, content)]
    for name in missing:
        if name != TIMESTAMP and (folder / name).exists():
            raise PublishError(
                f"{folder / name} differs from what was signed here; nothing was published. Is it another authority's?"
            )
    for name in missing:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        replace_file(folder / name, files[name])
    return Published(targets.signed.version, timestamp.signed.version, tuple(missing))


def _files(workshop: Workshop, snapshot: Snapshot, targets: Targets) -> Iterator[tuple[str, bytes]]:
    """Give every file that the current timestamp leads to, by its place in the folder, the timestamp last."""
    yield "root.json", _read(workshop.metadata / "1.root.json")
    for version in workshop.root_versions():
        yield f"metadata/{version}.root.json", _read(workshop.metadata / f"{version}.root.json")
    for target in targets.targets.values():
        path = target.get_prefixed_paths()[0]
        content = _read(workshop.folder / "targets" / path)
        try:
            target.verify_length_and_hashes(content)
        except RepositoryError as error:
            raise PublishError(f"{path} was changed after it was signed; nothing was published. Sign again.") from error
        yield f"targets/{path}", content
    for name in (f"{targets.version}.targets.json", f"{snapshot.version}.snapshot.json", "timestamp.json"):
        yield f"metadata/{name}", _read(workshop.metadata / name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}; nothing was published. Sign again.") from error


def _is_there(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _refuse_newer(folder: Path, version: int) -> None:
    path = folder / TIMESTAMP
    try:
        there: Metadata[Timestamp] = Metadata.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return
    except RepositoryError as error:
        raise PublishError(f"{path} is damaged; remove it and publish again. Nothing was published.") from error
    if there.signed.version > version:
        raise PublishError(
            f"{folder} holds version {there.signed.version}, which is newer than {version} here; nothing was "
            "published. A daemon would refuse to go back."
        )
