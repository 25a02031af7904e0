"""An authority with its workshop and the folder it publishes to: the other side of a signed feed, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile, TargetFile

from blockd.errors import FeedRefused
from blockd.feeds.reasons import REASONS
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.repository import SignedRepository
from blockd.publish import Workshop, publish, sign
from tests.publish.people import load_signer
from tests.publish.staging import order_document, stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Authority:
    """A workshop and the folder it publishes to; `now` is the clock of both sides."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.workshop = Workshop.make(folder / "workshop", NOW)
        self.out = folder / "out"
        self.order("order-1", ["chat.example.net", {"name": "example.org", "scope": "exact"}])
        self.publish()
        self.root = (self.out / "root.json").read_bytes()

    def order(self, identifier: str, names: list[object]) -> None:
        stage(self.workshop, order_document(identifier, names))

    def publish(self) -> None:
        sign(self.workshop, self.now)
        publish(self.workshop, self.out)

    def repository(
        self, url: str = "", root: bytes = b"", fetcher: type[BoundedFetcher] | None = None
    ) -> SignedRepository:
        return SignedRepository(
            url or self.out.as_uri(),
            root or self.root,
            self.folder / "state",
            now=lambda: self.now.timestamp(),
            fetcher=fetcher or BoundedFetcher,
        )

    def timestamp(self) -> Path:
        return self.out / "metadata" / "timestamp.json"

    def order_file(self, identifier: str = "order-1") -> Path:
        return max(
            (self.out / "targets" / "orders").glob(f"*.{identifier}.json"), key=lambda path: path.stat().st_mtime_ns
        )


def forge(authority: Authority, identifier: str, content: bytes) -> None:
    """Sign with the authority's keys what `blockd authority` would not: one target of any content, or none."""
    current = authority.workshop.current()
    assert current
    timestamp, snapshot, targets = current
    keys = authority.workshop.keys
    metadata = authority.out / "metadata"
    if identifier:
        target = TargetFile.from_data(f"orders/{identifier}.json", content, ["sha256"])
        targets.signed.targets[target.path] = target
        path = authority.out / "targets" / target.get_prefixed_paths()[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    else:
        targets.signed.targets.clear()
    targets.signed.version += 1
    targets.sign(load_signer(keys, "targets"))
    (metadata / f"{targets.signed.version}.targets.json").write_bytes(targets.to_bytes())
    snapshot.signed.version += 1
    snapshot.signed.meta["targets.json"] = MetaFile(targets.signed.version)
    snapshot.sign(load_signer(keys, "snapshot"))
    (metadata / f"{snapshot.signed.version}.snapshot.json").write_bytes(snapshot.to_bytes())
    timestamp.signed.version += 1
    timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
    timestamp.sign(load_signer(keys, "timestamp"))
    (metadata / "timestamp.json").write_bytes(timestamp.to_bytes())


def refused(repository: SignedRepository) -> FeedRefused:
    with pytest.raises(FeedRefused) as caught:
        repository.fetch()
    assert caught.value.reason in REASONS
    assert "what it gave before stays in force" in str(caught.value)
    return caught.value


def state(folder: Path) -> dict[str, bytes]:
    trusted = folder / "trusted"
    return {str(path.relative_to(trusted)): path.read_bytes() for path in trusted.rglob("*") if path.is_file()}
