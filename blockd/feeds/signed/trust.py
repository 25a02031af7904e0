"""The trusted metadata of a repository, on disk, and attempts to trust newer ones (The Update Framework 1.0).

TUF's client decides: the configured root vouches for keys, the keys for metadata, the metadata for the length and hash
of every target. An attempt works on a copy, which replaces the trusted metadata only if its caller keeps it; so a
refused attempt leaves no trace, and the good repository is accepted as soon as it is back. Verified roots are the
exception: a revoked key stays revoked.

Only this module uses private parts of python-tuf (7): its public `refresh` cannot stop after the timestamp, which is
all that a poll needs if nothing is new; nothing public fetches the metadata of one delegated role, returns what was
verified, or takes another clock than the machine's. The conformance cases in tests/feeds/tuf fail if they change.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from blockd.errors import FeedRefused
from blockd.feeds.signed.fetchers import LookFetcher
from blockd.feeds.signed.limits import MAX_LIST_FILE, MAX_METADATA, MAX_ROTATIONS, MAX_VERSION
from blockd.feeds.signed.refusals import FOREIGN, refusal
from blockd.files import replace_file
from blockd.orders.repository import ROOT_FILE, is_role

TOP = ("timestamp.json", "snapshot.json", "targets.json")
HISTORY = "root_history"


class RefreshAttempt:
    """One attempt to trust what is published now; every method raises FeedRefused, with `subject` in its sentence."""

    def __init__(self, updater: Updater, fetcher: LookFetcher, staging: Path, subject: str) -> None:
        self._updater = updater
        self._fetcher = fetcher
        self._staging = staging
        self._subject = subject
        self.failures = 0  # to fetch or verify a file, which another attempt may succeed in
        self._set = updater._trusted_set

    @property
    def root(self) -> Root:
        """The newest verified root."""
        return self._set.root

    @property
    def timestamp(self) -> Timestamp:
        """The verified timestamp."""
        return self._set.timestamp

    @property
    def snapshot(self) -> Snapshot:
        """The verified snapshot."""
        return self._set.snapshot

    @property
    def targets(self) -> Targets:
        """The verified metadata of the top-level targets role."""
        return self._set.targets

    def begin(self) -> None:
        """Fetch and verify the roots and the timestamp: two small requests if nothing is new."""
        with self._told(self._subject):
            self._fetcher.limit = MAX_METADATA["root"]
            self._updater._load_root()
            self._fetcher.limit = MAX_METADATA["timestamp"]
            self._updater._load_timestamp()
        self._bound(self.timestamp, self._subject)

    def finish(self) -> None:
        """Fetch and verify the snapshot and the top-level targets; with `begin` this is the client's `refresh`."""
        with self._told(self._subject):
            self._fetcher.limit = MAX_METADATA["snapshot"]  # a timestamp may say that it is larger
            self._updater._load_snapshot()
            self._fetcher.limit = MAX_METADATA["targets"]
            self._updater._load_targets(Targets.type, Root.type)
        for top in (self.snapshot, self.targets):
            self._bound(top, self._subject)

    def role(self, name: str, subject: str) -> Targets:
        """Fetch, verify and return the metadata of a role that the top-level targets delegate to.

        It is fetched by name: a search for one of its targets would also follow the role's own delegations, and could
        be diverted by an earlier delegation.
        """
        with self._told(subject):
            self._fetcher.limit = MAX_METADATA["targets"]
            part = self._updater._load_targets(name, Targets.type)
        self._bound(part, subject)
        return part

    def find(self, path: str) -> TargetFile | None:
        """Return a target found by TUF's search through all delegations; None if there is none."""
        with self._told(self._subject):
            self._fetcher.limit = MAX_METADATA["targets"]
            return self._updater.get_targetinfo(path)

    def bring(self, target: TargetFile, path: Path, subject: str) -> None:
        """Make `path` hold the content of `target`, which is fetched only if it is missing or differs."""
        _make_way(path)
        with self._told(subject, of_target=True):
            self._fetcher.limit = MAX_LIST_FILE  # its own length was checked with the part that lists it
            if self._updater.find_cached_target(target, str(path)) is None:
                self._updater.download_target(target, str(path))

    def octets(self, name: str) -> bytes:
        """Return the metadata file `name` (such as `timestamp.json`) as fetched."""
        return (self._staging / name).read_bytes()

    @staticmethod
    def _bound(signed: Signed, subject: str) -> None:
        """Raise FeedRefused for a version that nothing could ever follow."""
        if signed.version > MAX_VERSION:
            raise FeedRefused(
                "format",
                f"{subject} has a {signed.type} whose version is over {MAX_VERSION}; what it gave before stays in "
                "force. Inform the authority.",
            )

    @contextlib.contextmanager
    def _told(self, subject: str, *, of_target: bool = False) -> Iterator[None]:
        try:
            yield
        except FOREIGN as error:
            self.failures += 1
            raise refusal(error, subject, self._fetcher, of_target=of_target) from error


class Trust:
    """The trusted metadata in `folder`, based on `root`, the bytes of a root.json; `staging` is for attempts."""

    def __init__(self, root: bytes, folder: Path, staging: Path, now: Callable[[], float]) -> None:
        self.folder = folder
        self._root = root
        self._staging = staging
        self._now = now

    @contextlib.contextmanager
    def attempt(self, url: str, fetcher: LookFetcher, subject: str, targets_url: str = "") -> Iterator[RefreshAttempt]:
        """Begin an attempt to trust what is at `url`, the folder of metadata; verified roots are always kept."""
        self._stage()
        try:
            updater = self._updater(url, targets_url, fetcher, subject)
            yield RefreshAttempt(updater, fetcher, self._staging, subject)
        finally:
            self._keep_roots()
            shutil.rmtree(self._staging, ignore_errors=True)

    def keep(self, roles: Iterable[str]) -> None:
        """Trust what was fetched: the top roles, and the delegated `roles`.

        Each file is verified by itself, so an interruption costs another fetch only.
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
        """Return the verified roots up to version `newest`, oldest first, by their names in the repository."""
        found = {}
        for path in (self.folder / HISTORY).iterdir():
            match = ROOT_FILE.fullmatch(path.name)
            if match and int(match[1]) <= newest:
                found[int(match[1])] = path
        return {found[version].name: found[version] for version in sorted(found)}

    def _updater(self, url: str, targets_url: str, fetcher: LookFetcher, subject: str) -> Updater:
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
                f"{subject} cannot be verified: its configured root is not a usable root.json; what it gave before "
                f"stays in force. Get the root again from the authority.",
            ) from error
        updater._trusted_set.reference_time = datetime.fromtimestamp(self._now(), UTC)
        return updater

    def _stage(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        for folder in (self.folder / HISTORY, self._staging / HISTORY):
            folder.mkdir(parents=True, exist_ok=True)
        for name, source in self._files(self.folder):
            with contextlib.suppress(OSError):  # what cannot be read is fetched again
                os.link(source, self._staging / name)  # files are only ever replaced, never changed in place

    def _keep_roots(self) -> None:
        for name, source in self._files(self._staging):
            if name.startswith(HISTORY):
                _take(source, self.folder / name)

    @staticmethod
    def _files(folder: Path) -> Iterator[tuple[str, Path]]:
        """Yield the metadata files in `folder` that are not too large, by their names in TUF's client."""
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
    """Remove anything but a file, which is not blockd's, from a path where a file is to be written."""
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
