"""A TUF repository of orders in memory, with real keys, which publishes and which attacks."""

from __future__ import annotations

import copy
import json
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from blockd.feeds.signed.documents import ListTexts
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.repository import SignedRepository

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATE = NOW.replace(year=2200)  # for what runs by the machine's clock
DAY = timedelta(days=1)
URL = "http://simulated.example"
TOPS = ("root", "timestamp", "snapshot", "targets")
AUTHORITIES = {"ministry": "Ministry of Samples", "court": "Sample Court"}


def keys(number: int = 1) -> list[Signer]:
    return [CryptoSigner.generate_ed25519() for _ in range(number)]


class Repository:
    """`files` is what is published, by path; `signed` what is signed next, by role; `signers` who signs it."""

    def __init__(
        self, *, own: bool = True, authorities: bool = True, hashes: bool = True, end: datetime = NOW + 30 * DAY
    ) -> None:
        self.now = NOW
        self.algorithms = ["sha256"]  # of the digests that targets and metadata are listed with
        self.hashes = hashes  # of metadata, in the snapshot and the timestamp
        self.files: dict[str, bytes] = {}
        self.signers: dict[str, list[Signer]] = {role: keys() for role in TOPS}
        self.end = end
        self.root = Root(expires=end, consistent_snapshot=True)
        self.signed: dict[str, Signed] = {
            "root": self.root,
            "timestamp": Timestamp(expires=end, snapshot_meta=MetaFile(1)),
            "snapshot": Snapshot(expires=end, meta={}),
            "targets": Targets(expires=end),
        }
        for signed in self.signed.values():
            signed.version = 0
        self.endless: set[str] = set()
        self.asked: list[str] = []
        self.octets_given = 0
        for role in TOPS:
            self.root.add_key(self.signers[role][0].public_key, role)
        if own:
            self.order("", "own-1", ["own.example"])
        if authorities:
            for role, name in AUTHORITIES.items():
                self.delegate(role, name, number=2, threshold=2 if role == "court" else 1)
                self.order(role, f"{role}-1", [f"{role}.example"])
        self.publish()
        self.first_root = self.files["metadata/1.root.json"]

    @property
    def targets(self) -> Targets:
        return cast(Targets, self.signed["targets"])

    @property
    def snapshot(self) -> Snapshot:
        return cast(Snapshot, self.signed["snapshot"])

    @property
    def timestamp(self) -> Timestamp:
        return cast(Timestamp, self.signed["timestamp"])

    @property
    def roles(self) -> list[str]:
        return [role for role in self.signed if role not in TOPS]

    def role(self, role: str) -> Targets:
        return cast(Targets, self.signed[role or "targets"])

    def delegate(self, role: str, authority: str, *, number: int = 1, threshold: int = 1, **changes: Any) -> None:
        self.signers[role] = keys(number)
        self.signed[role] = Targets(expires=self.end)
        self.signed[role].version = 0
        paths = changes.pop("paths", [f"orders/{role}/*", f"lists/{role}/*"])
        fields = {"x-blockd-authority": authority}
        delegated = DelegatedRole(
            role, [], threshold, changes.pop("terminating", True), paths, None, changes.pop("fields", fields)
        )
        if self.targets.delegations is None:
            self.targets.delegations = Delegations({}, {})
        assert self.targets.delegations.roles is not None
        self.targets.delegations.roles[role] = delegated
        for signer in self.signers[role]:
            self.targets.add_key(signer.public_key, role)

    def delegation(self, role: str) -> DelegatedRole:
        assert self.targets.delegations is not None
        assert self.targets.delegations.roles is not None
        return self.targets.delegations.roles[role]

    def order(self, role: str, identifier: str, names: list[str], **changes: Any) -> None:
        document = {
            "schema": "1.0",
            "id": identifier,
            "authority": AUTHORITIES.get(role, "Sample Authority"),
            "platform": "Example Messenger",
            "in_force_from": "2026-01-01",
            "names": names,
            **changes,
        }
        self.target(role, f"orders/{role}/{identifier}.json".replace("//", "/"), json.dumps(document).encode())

    def target(self, role: str, path: str, content: bytes) -> str:
        target = TargetFile.from_data(path, content, self.algorithms)
        self.role(role).targets[path] = target
        file = f"targets/{target.get_prefixed_paths()[0]}"
        self.files[file] = content
        return file

    def order_file(self, role: str, identifier: str) -> str:
        path = f"orders/{role}/{identifier}.json".replace("//", "/")
        return f"targets/{self.role(role).targets[path].get_prefixed_paths()[0]}"

    def octets(self, role: str, signers: list[Signer] | None = None) -> bytes:
        """Sign the current metadata of `role` with the keys of `signers`."""
        metadata: Metadata[Any] = Metadata(cast(Any, copy.deepcopy(self.signed[role])))
        for signer in self.signers[role] if signers is None else signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer(compact=True))

    def write(self, role: str, signers: list[Signer] | None = None, content: bytes | None = None) -> str:
        """Publish the current metadata of `role`; return the path."""
        version = "" if role == "timestamp" else f"{self.signed[role].version}."
        path = f"metadata/{version}{role}.json"
        self.files[path] = self.octets(role, signers) if content is None else content
        return path

    def publish(self, *roles: str) -> None:
        """Sign `roles`, all by default, with the snapshot and the timestamp, one version on."""
        for role in roles or ("root", "targets", *self.roles):
            if role not in ("snapshot", "timestamp"):
                self.signed[role].version += 1
                self.write(role)
        if roles == ("root",):
            return
        if roles != ("timestamp",):
            self.list_all()
            self.signed["snapshot"].version += 1
            self.write("snapshot")
        self.stamp()

    def list_all(self) -> None:
        """Make the snapshot list the metadata of all roles as they are published."""
        for role in ("targets", *self.roles):
            self.snapshot.meta[f"{role}.json"] = self.meta(role)

    def meta(self, role: str) -> MetaFile:
        version = self.signed[role].version
        content = self.files.get(f"metadata/{version}.{role}.json")
        return MetaFile.from_data(version, content, self.algorithms) if self.hashes and content else MetaFile(version)

    def stamp(self) -> None:
        """Sign a timestamp for the snapshot as it is published."""
        self.timestamp.snapshot_meta = self.meta("snapshot")
        self.timestamp.version += 1
        self.timestamp.unrecognized_fields["x-blockd-published"] = "2026-11-24T12:00:00.250Z"
        self.write("timestamp")

    def rotate(self, role: str, number: int = 1) -> None:
        """Replace the keys of a top role in the root that is signed next."""
        for signer in self.signers[role]:
            self.root.revoke_key(signer.public_key.keyid, role)
        self.signers[role] = keys(number)
        for signer in self.signers[role]:
            self.root.add_key(signer.public_key, role)

    def fork(self) -> Repository:
        """Return an independent copy with the same keys."""
        other = copy.copy(self)
        other.signed = copy.deepcopy(self.signed)
        other.root = cast(Root, other.signed["root"])
        other.signers = {role: list(signers) for role, signers in self.signers.items()}
        other.files, other.endless, other.asked = dict(self.files), set(self.endless), []
        return other

    def node(self, folder: Path, texts: ListTexts | None = None) -> SignedRepository:
        """Return a node that polls this repository."""
        return SignedRepository(
            URL,
            self.first_root,
            folder,
            now=lambda: self.now.timestamp(),
            fetcher=lambda: SimulatedFetcher(self),
            texts=texts,
        )

    def serve(self, path: str) -> Iterator[bytes]:
        """Yield the file at `path` in pieces; raises KeyError."""
        self.asked.append(path)
        content = self.files[path]
        for at in range(0, len(content), 65536):
            self.octets_given += len(content[at : at + 65536])
            yield content[at : at + 65536]
        while path in self.endless:
            self.octets_given += 65536
            yield b" " * 65536


class SimulatedFetcher(BoundedFetcher):
    """Fetches from a repository in memory."""

    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository

    def _http(self, url: str, deadline: float) -> Generator[bytes, None, None]:
        try:
            yield from self._repository.serve(url.removeprefix(f"{URL}/"))
        except KeyError as error:
            raise DownloadHTTPError(f"{url} was answered with 404", 404) from error
