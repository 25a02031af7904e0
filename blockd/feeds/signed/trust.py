"""What is trusted of a repository, on disk, and the attempt to trust something newer (The Update Framework 1.0).

TUF's client decides: the root given by hand vouches for keys, the keys for metadata, the metadata for the length and
hash of every target. An attempt works on a copy, which takes the place of what is trusted only when its caller keeps
it; so a refused attempt leaves no trace, and the good repository is accepted as soon as it is back. Verified roots are
the exception: a key that was withdrawn stays so.

Only this module uses private parts of python-tuf (7): its public `refresh` cannot stop after the timestamp, which is
all that a look needs where nothing is new; nothing public brings the metadata of one delegated role, gives what was
verified, or takes another clock than the machine's. The conformance cases in tests/feeds/tuf tell when they change.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from blockd.errors import FeedRefused
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.limits import MAX_METADATA, MAX_ROTATIONS
from blockd.feeds.signed.refusals import FOREIGN, refusal
from blockd.files import replace_file
from blockd.orders.repository import ROOT_FILE, is_role

TOP = ("timestamp.json", "snapshot.json", "targets.json")
HISTORY = "root_history"


class RefreshAttempt:
    """One attempt to trust what is published now; every method raises FeedRefused, with `subject` in its sentence."""

    def __init__(self, updater: Updater, fetcher: BoundedFetcher, staging: Path, subject: str) -> None:
        self._updater = updater
        self._fetcher = fetcher
        self._staging = staging
        self._subject = subject
        self.failures = 0  # to fetch or to prove a file, which another attempt may mend
        self._set = updater._trusted_set

    @property
    def root(self) -> Root:
        """The newest root that was verified."""
        return self._set.root

    @property
    def timestamp(self) -> Timestamp:
        """The timestamp that was verified."""
        return self._set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that was verified."""
        return self._set.snapshot

    @property
    def targets(self) -> Targets:
        """What the top-level targets role has signed."""
        return self._set.targets

    def begin(self) -> None:
        """Bring the roots and the timestamp: two small requests where nothing is new."""
        with self._told(self._subject):
            self._updater._load_root()
            self._updater._load_timestamp()

    def finish(self) -> None:
        """Bring the snapshot and the top-level targets; with `begin` this is the client's `refresh`."""
        with self._told(self._subject):
            self._updater._load_snapshot()
            self._updater._load_targets(Targets.type, Root.type)

    def role(self, name: str, subject: str) -> Targets:
        """Bring the metadata of a role that the top-level targets delegate to.

        It is asked for by its name. A search for a target that could be its would also go down into whatever the role
        itself delegates, and could be led astray by a delegation that stands before it.
        """
        with self._told(subject):
            return self._updater._load_targets(name, Targets.type)

    def find(self, path: str) -> TargetFile | None:
        """Search for a target in all that is delegated, in the order that TUF has for it."""
        with self._told(self._subject):
            return self._updater.get_targetinfo(path)

    def bring(self, target: TargetFile, path: Path, subject: str) -> None:
        """Have the content of `target` at `path`, fetched only where it is not there or is another one."""
        _make_way(path)
        with self._told(subject, of_target=True):
            if self._updater.find_cached_target(target, str(path)) is None:
                self._updater.download_target(target, str(path))

    def octets(self, name: str) -> bytes:
        """Give the metadata file `name` (such as `timestamp.json`) as it came."""
        return (self._staging / name).read_bytes()

    @contextlib.contextmanager
    def _told(self, subject: str, *, of_target: bool = False) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            self.failures += 1
            raise refusal(error, subject, self._fetcher, of_target=of_target) from error


class Trust:
    """What is trusted in `folder`, beginning with `root`, the bytes of a root.json; `staging` is for attempts."""

    def __init__(self, root: bytes, folder: Path, staging: Path, now: Callable[[], float]) -> None:
        self.folder = folder
        self._root = root
        self._staging = staging
        self._now = now

    @contextlib.contextmanager
    def attempt(
        self, url: str, fetcher: BoundedFetcher, subject: str, targets_url: str = ""
    ) -> Iterator[RefreshAttempt]:
        """Begin an attempt to trust what is at `url`, the folder of metadata; verified roots are kept in any case."""
        self._stage()
        try:
            updater = self._updater(url, targets_url, fetcher, subject)
            yield RefreshAttempt(updater, fetcher, self._staging, subject)
        finally:
            self._keep_roots()
            shutil.rmtree(self._staging, ignore_errors=True)

    def keep(self, roles: Iterable[str]) -> None:
        """Trust what was brought: the top roles, and the delegated `roles`.

        Each file is proved by itself, so a stop half-way costs a fetch and no more.
        """
        self._keep_roots()
        for name in (*(f"{role}.json" for role in roles), *reversed(TOP)):
            if (self._staging / name).is_file():
                _take(self._staging / name, self.folder / name)

    def forget_all_but(self, roles: Iterable[str]) -> None:
        """Remove the metadata of roles that are no longer delegated."""
        kept = {*TOP, *(f"{role}.json" for role in roles)}
        for path in self.folder.glob("*.json"):
            if path.name not in kept and not path.is_dir():
                path.unlink()

    def roots(self, newest: int) -> dict[str, Path]:
        """Give the verified roots up to version `newest`, oldest first, by their names in the repository."""
        found = {}
        for path in (self.folder / HISTORY).iterdir():
            match = ROOT_FILE.fullmatch(path.name)
            if match and int(match[1]) <= newest:
                found[int(match[1])] = path
        return {found[version].name: found[version] for version in sorted(found)}

    def _updater(self, url: str, targets_url: str, fetcher: BoundedFetcher, subject: str) -> Updater:
        config = UpdaterConfig(
            max_root_rotations=MAX_ROTATIONS,
            root_max_length=MAX_METADATA["root"],
            timestamp_max_length=MAX_METADATA["timestamp"],
            snapshot_max_length=MAX_METADATA["snapshot"],
            targets_max_length=MAX_METADATA["targets"],
        )
        try:
            updater = Updater(
                metadata_dir=str(self._staging),
                metadata_base_url=url,
                target_base_url=targets_url or None,
                fetcher=fetcher,
                config=config,
                bootstrap=self._root,
            )
        except RepositoryError as error:
            raise FeedRefused(
                "signature",
                f"{subject} cannot be proved: the root that the config gives for it is no usable root.json; what it "
                f"gave before stays in force. Get it again from the authority. ({error})",
            ) from error
        updater._trusted_set.reference_time = datetime.fromtimestamp(self._now(), UTC)
        return updater

    def _stage(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        for folder in (self.folder / HISTORY, self._staging / HISTORY):
            folder.mkdir(parents=True, exist_ok=True)
        for name, source in self._files(self.folder):
            with contextlib.suppress(OSError):  # what cannot be read is fetched again
                os.link(source, self._staging / name)  # neither side ever changes a file, but for a whole new one

    def _keep_roots(self) -> None:
        for name, source in self._files(self._staging):
            if name.startswith(HISTORY):
                _take(source, self.folder / name)

    @staticmethod
    def _files(folder: Path) -> Iterator[tuple[str, Path]]:
        """Give the metadata files in `folder` by the name that TUF's client knows them under, none too large."""
        roots = [f"{HISTORY}/{path.name}" for path in (folder / HISTORY).glob("*") if ROOT_FILE.fullmatch(path.name)]
        roles = [path.name for path in folder.glob("*.json") if is_role(path.stem)]
        for name in (*TOP, *roles, *roots):
            path = folder / name
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= max(MAX_METADATA.values()):
                yield name, path


def _take(source: Path, destination: Path) -> None:
    with contextlib.suppress(OSError):
        if source.samefile(destination):
            return
    content = source.read_bytes()
    with contextlib.suppress(OSError):
        if destination.read_bytes() == content:
            return
    _make_way(destination)
    replace_file(destination, content)


def _make_way(path: Path) -> None:
    """Remove what is no file from where one has to stand: nothing of blockd's."""
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
