"""The signed repository: a feed whose every byte is proved by The Update Framework before it is parsed.

TUF's client decides what is trusted: the root given by hand vouches for keys, the keys for metadata, the metadata for
the length and hash of every order. A fetch works on a copy of the trusted metadata, which takes the place of the
trusted one only when every order was fetched and could be read. So a refused fetch leaves no trace, and the good
repository is accepted as soon as it is back. Verified roots are the exception: a key that was withdrawn stays so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, T, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from blockd.errors import BadOrder, FeedRefused
from blockd.feeds.bundle import SignedVersion, read_bundle, write_bundle
from blockd.feeds.fetchers import BoundedFetcher
from blockd.feeds.refusals import FOREIGN, refusal
from blockd.orders import OrderDocument, parse_document
from blockd.ruleset.replace import replace_file

__all__ = ["SignedRepository", "SignedVersion", "read_bundle", "write_bundle"]

MAX_ORDERS = 10_000  # orders in one repository
MAX_ORDER = 64 * 1024 * 1024  # bytes; a million names with their scopes
MAX_TOTAL = 256 * 1024 * 1024  # bytes of all orders together, in memory and on disk
MAX_METADATA = {"root": 512 * 1024, "timestamp": 16 * 1024, "snapshot": 64 * 1024, "targets": 8 * 1024 * 1024}  # bytes
MAX_ROTATIONS = 256  # roots newer than the one given by hand
_TOP = ("timestamp.json", "snapshot.json", "targets.json")
_ROOT = re.compile(r"[1-9][0-9]{0,8}\.root\.json", re.ASCII)
_ORDER = re.compile(r"orders/([a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9])?)\.json", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class SignedRepository:
    """One signed repository at `url` (`file:`, `http:` or `https:`), trusted through `root`, the bytes of a root.json.

    `folder` is this feed's own; it keeps what was trusted last, so that an older list is known as such after a
    restart, and the orders already fetched. `now` gives seconds since the epoch; `fetcher` makes one for each fetch.
    """

    def __init__(
        self,
        url: str,
        root: bytes,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        fetcher: Callable[[], BoundedFetcher] = BoundedFetcher,
    ) -> None:
        self._url = url.rstrip("/")
        self._root = root
        self._folder = folder
        self._trusted = folder / "trusted"
        self._staging = folder / "staging"
        self._orders = folder / "orders"
        self._now = now
        self._fetcher = fetcher
        self._last: SignedVersion | None = None

    def fetch(self) -> SignedVersion:
        """Fetch and verify what is published now; blocks, so a daemon calls it in a thread.

        Where the digest is the one that was given before, nothing has changed and no order was fetched. Raises
        FeedRefused, or FeedUnreachable where the repository does not answer; what was given before stays trusted.
        """
        fetcher = self._fetcher()
        try:
            self._stage()
            try:
                version = self._verified(fetcher)
            finally:
                self._keep_roots()
            self._commit()
        except FOREIGN as error:
            raise refusal(error, self._url, fetcher) from error
        except OSError as error:
            raise FeedRefused(
                "fault",
                f"The signed list {self._url} could not be stored in {self._folder}: {error}; what it gave before "
                "stays in force. See that the folder can be written and the disk has room; the folder may be removed.",
            ) from error
        finally:
            fetcher.close()
            shutil.rmtree(self._staging, ignore_errors=True)
        self._last = version
        return version

    def _verified(self, fetcher: BoundedFetcher) -> SignedVersion:
        updater = self._updater(fetcher)
        updater.refresh()
        timestamp, targets = self._staged(Timestamp), self._staged(Targets)
        tops = (timestamp, targets, self._staged(Snapshot), self._staged(Root))
        listed = self._listed(targets)
        hashes = [(identifier, target.hashes["sha256"]) for identifier, target in listed.items()]
        digest = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
        if self._last is not None and self._last.digest == digest:
            documents = self._last.documents
        else:
            self._prune(listed.values())
            documents = tuple(self._document(updater, identifier, target) for identifier, target in listed.items())
        return SignedVersion(
            targets_version=targets.version,
            timestamp_version=timestamp.version,
            expires=min(int(top.expires.timestamp()) for top in tops),
            documents=documents,
            digest=digest,
        )

    def _updater(self, fetcher: BoundedFetcher) -> Updater:
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
                metadata_base_url=f"{self._url}/metadata/",
                target_dir=str(self._orders),
                target_base_url=f"{self._url}/targets/",
                fetcher=fetcher,
                config=config,
                bootstrap=self._root,
            )
        except RepositoryError as error:
            raise FeedRefused(
                "signature",
                f"The root that the config gives for {self._url} is no usable root.json, so nothing can be proved; "
                f"what it gave before stays in force. Get it again from the authority. ({error})",
            ) from error
        # The client takes the machine's clock and has no argument for another.
        updater._trusted_set.reference_time = datetime.fromtimestamp(self._now(), UTC)
        return updater

    def _staged(self, kind: type[T]) -> T:
        """Read the metadata of the role `kind` that the client has verified and stored."""
        return Metadata[T].from_bytes((self._staging / f"{kind.type}.json").read_bytes()).signed

    def _listed(self, targets: Targets) -> dict[str, TargetFile]:
        """Give the orders by id; targets outside orders/ are for later versions of blockd."""
        listed = {}
        for path, target in sorted(targets.targets.items()):
            if not path.startswith("orders/"):
                continue
            match = _ORDER.fullmatch(path)
            if not match or not _SHA256.fullmatch(target.hashes.get("sha256", "")):
                raise self._refused("format", f"lists {path[:100]!r}, which is no order's path with a SHA-256")
            if target.length > MAX_ORDER:
                raise self._refused("too large", f"lists {path} with more than {MAX_ORDER} bytes")
            listed[match[1]] = target
        if not listed:
            raise self._refused("empty", "lists no order")
        if len(listed) > MAX_ORDERS:
            raise self._refused("too large", f"lists {len(listed)} orders; {MAX_ORDERS} are the limit")
        if sum(target.length for target in listed.values()) > MAX_TOTAL:
            raise self._refused("too large", f"lists orders of more than {MAX_TOTAL} bytes together")
        return listed

    def _document(self, updater: Updater, identifier: str, target: TargetFile) -> OrderDocument:
        path = self._orders / f"{target.hashes['sha256']}.json"
        if updater.find_cached_target(target, str(path)) is None:
            updater.download_target(target, str(path))
        try:
            document = parse_document(json.loads(path.read_bytes()), target.path)
        except BadOrder as error:
            raise self._refused("format", f"is signed, but {error}") from error
        except (ValueError, RecursionError) as error:
            raise self._refused("format", f"is signed, but {target.path} is no JSON: {error}") from error
        if document.order.id != identifier:
            raise self._refused("format", f"holds the order {document.order.id} under the name of {identifier}")
        return document

    def _refused(self, reason: str, what: str) -> FeedRefused:
        return FeedRefused(
            reason,
            f"The signed list {self._url} {what}; what it gave before stays in force. Tell the authority.",
        )

    def _stage(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        for folder in (self._trusted / "root_history", self._staging / "root_history", self._orders):
            folder.mkdir(parents=True, exist_ok=True)
        for name, source in self._files(self._trusted):
            with contextlib.suppress(OSError):  # what cannot be read is fetched again
                shutil.copyfile(source, self._staging / name)

    def _keep_roots(self) -> None:
        for name, source in self._files(self._staging):
            if name not in _TOP:
                _take(source, self._trusted / name)

    def _commit(self) -> None:
        """Trust what is staged. Each file is proved by itself, so a stop half-way costs a fetch and no more."""
        for name in reversed(_TOP):
            _take(self._staging / name, self._trusted / name)

    @staticmethod
    def _files(folder: Path) -> Iterator[tuple[str, Path]]:
        """Give the metadata files in `folder` by the name that TUF's client knows them under, none too large."""
        roots = [
            f"root_history/{path.name}" for path in (folder / "root_history").iterdir() if _ROOT.fullmatch(path.name)
        ]
        for name in (*_TOP, *roots):
            path = folder / name
            if path.is_file() and path.stat().st_size <= max(MAX_METADATA.values()):
                yield name, path

    def _prune(self, listed: Iterable[TargetFile]) -> None:
        """Remove fetched orders that neither `listed` nor the trusted list names."""
        kept = {target.hashes["sha256"] for target in listed}
        with contextlib.suppress(OSError, RepositoryError, AttributeError):
            trusted: Metadata[Targets] = Metadata.from_bytes((self._trusted / "targets.json").read_bytes())
            kept.update(target.hashes.get("sha256", "") for target in trusted.signed.targets.values())
        for path in self._orders.iterdir():
            if path.stem not in kept and path.is_file():
                path.unlink()


def _take(source: Path, destination: Path) -> None:
    content = source.read_bytes()
    with contextlib.suppress(OSError):
        if destination.read_bytes() == content:
            return
    replace_file(destination, content)
