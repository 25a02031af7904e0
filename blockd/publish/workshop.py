"""The workshop of an authority: a folder with its keys, its metadata and the orders it has staged.

DIR/keys/{root,targets,snapshot,timestamp}.pem    private keys; the only secret
DIR/orders/ID.json                                staged orders, canonical JSON
DIR/metadata/                                     what was signed (TUF 1.0, consistent snapshots)
DIR/targets/orders/SHA256.ID.json                 orders as they were signed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Delegations, Metadata, Root, Snapshot, T, Targets, Timestamp

from blockd.errors import BadOrder, PublishError
from blockd.orders import OrderDocument, parse_document
from blockd.orders.document import time_from_text
from blockd.publish.documents import canonical
from blockd.publish.keys import make_keys
from blockd.ruleset.replace import replace_file, sync_folder

ROOT_LIFE = timedelta(days=3652)  # ten years: a new root has to reach every daemon by hand
ORDERS = "orders"


class Workshop:
    """One authority's folder. Every method raises PublishError with a sentence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.metadata = folder / "metadata"
        self.orders = folder / ORDERS
        self.targets = folder / "targets" / ORDERS
        if not (self.metadata / "1.root.json").is_file():
            raise PublishError(f"{folder} is no workshop; make one with: blockd authority init {folder}")

    @classmethod
    def make(cls, folder: Path, now: datetime, expires: datetime | None = None) -> Workshop:
        """Make a workshop with fresh keys; its root lasts until `expires`, by default ten years from `now`."""
        keys, metadata, orders = folder / "keys", folder / "metadata", folder / ORDERS
        if any(part.exists() for part in (keys, metadata, orders)):
            raise PublishError(f"{folder} already is a workshop; its keys and orders were left alone.")
        folder.mkdir(parents=True, exist_ok=True)
        signers = make_keys(keys)
        for part in (metadata, orders, folder / "targets", folder / "targets" / ORDERS):
            part.mkdir()
        root = Root(expires=in_utc(expires or now + ROOT_LIFE), consistent_snapshot=True)
        for role, signer in signers.items():
            root.add_key(signer.public_key, role)
        signed = Metadata(root)
        signed.sign(signers["root"])
        replace_file(metadata / "1.root.json", signed.to_bytes())
        sync_folder(folder)
        return cls(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second command out of the workshop until the block ends."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PublishError(f"Another command is at work in {self.folder}; nothing was done.") from error
            yield
        finally:
            os.close(descriptor)

    def roles(self) -> dict[str, str]:
        """The full name of each authority that has a role of its own, by its role."""
        path = self.folder / "delegations.json"
        staged = Delegations.from_dict(json.loads(path.read_bytes())) if path.is_file() else Delegations({}, roles={})
        return {
            name: str(role.unrecognized_fields.get("x-blockd-authority", ""))
            for name, role in (staged.roles or {}).items()
        }

    def authority_of(self, role: str) -> str:
        """The full name of a role's authority; raises PublishError where there is none."""
        if not role:
            return ""
        try:
            return self.roles()[role]
        except KeyError:
            known = ", ".join(self.roles()) or "none"
            raise PublishError(f"No authority has the role {role} in {self.folder}; there are: {known}.") from None

    def stage(self, documents: dict[str, bytes], role: str = "") -> None:
        """Stage canonical documents by id; an order of the same id is replaced. `role` is empty for the own orders."""
        folder = self._staging(role)
        folder.mkdir(exist_ok=True)
        for identifier, content in documents.items():
            replace_file(folder / f"{identifier}.json", content)

    def staged(self, role: str = "") -> dict[str, bytes]:
        """The canonical documents of all staged orders, by id."""
        return {path.stem: path.read_bytes() for path in sorted(self._staging(role).glob("*.json"))}

    def document(self, identifier: str, role: str = "") -> OrderDocument:
        """One staged order, parsed."""
        return parse_document(self._load(identifier, role), str(self._path(identifier, role)))

    def lift(self, identifier: str, on: str, reason: str) -> None:
        """Write into a staged order that it is lifted at `on` (RFC 3339) and why."""
        try:
            time_from_text(on)
        except (ValueError, OverflowError) as error:
            raise PublishError(
                f"{on!r} is no RFC 3339 date such as 2017-08-10; {identifier} was not lifted."
            ) from error
        if not reason.strip():
            raise PublishError(f"A lifting needs a reason; {identifier} was not lifted.")
        raw = {**self._load(identifier), "lifted_on": on, "lifted_reason": reason}
        try:
            self.stage(dict([canonical(raw, str(self._path(identifier)))]))
        except BadOrder as error:
            raise PublishError(f"{identifier} was not lifted: {error}") from error

    def remove(self, identifier: str, role: str = "") -> None:
        """Take a staged order out; the next signing leaves it out of the list."""
        self._path(identifier, role).unlink()
        sync_folder(self._staging(role))

    def root(self) -> Metadata[Root]:
        """The newest root."""
        return self.load(f"{max(self.root_versions())}.root.json", Root)

    def root_versions(self) -> list[int]:
        """The versions of all roots, from the first on."""
        names = (path.name.partition(".")[0] for path in self.metadata.glob("*.root.json"))
        return sorted(int(name) for name in names if name.isdecimal())

    def accepted(self, role: str) -> Metadata[Targets] | None:
        """The newest metadata of `targets` or of an authority; None where there is none."""
        names = (path.name.partition(".")[0] for path in self.metadata.glob(f"*.{role}.json"))
        versions = sorted(int(name) for name in names if name.isdecimal())
        return self.load(f"{versions[-1]}.{role}.json", Targets) if versions else None

    def current(self) -> tuple[Metadata[Timestamp], Metadata[Snapshot], Metadata[Targets]] | None:
        """What was signed last; None where nothing was."""
        if not (self.metadata / "timestamp.json").is_file():
            return None
        timestamp = self.load("timestamp.json", Timestamp)
        snapshot = self.load(f"{timestamp.signed.snapshot_meta.version}.snapshot.json", Snapshot)
        targets = self.load(f"{snapshot.signed.meta['targets.json'].version}.targets.json", Targets)
        return timestamp, snapshot, targets

    def load(self, name: str, kind: type[T]) -> Metadata[T]:
        """Read one metadata file, which has to be of the role `kind`."""
        path = self.metadata / name
        try:
            found: Metadata[T] = Metadata.from_bytes(path.read_bytes())
        except (OSError, RepositoryError) as error:
            raise PublishError(f"{path} cannot be used: {error}. Bring it back from a backup.") from error
        if not isinstance(found.signed, kind):
            raise PublishError(f"{path} is metadata of another role. Bring it back from a backup.")
        return found

    def _staging(self, role: str) -> Path:
        if role:
            self.authority_of(role)
        return self.orders / role

    def _path(self, identifier: str, role: str = "") -> Path:
        path = self._staging(role) / f"{identifier}.json"
        if "/" in identifier or not path.is_file():
            known = ", ".join(sorted(self.staged(role))) or "none"
            raise PublishError(f"No order {identifier} is staged in {self.folder}; staged: {known}.")
        return path

    def _load(self, identifier: str, role: str = "") -> dict[str, object]:
        path = self._path(identifier, role)
        try:
            raw = json.loads(path.read_bytes())
        except ValueError as error:
            raise PublishError(f"{path} is no JSON: {error}. Stage the order again.") from error
        if not isinstance(raw, dict):
            raise PublishError(f"{path} is no JSON object. Stage the order again.")
        return raw


def in_utc(moment: datetime) -> datetime:
    """Give `moment` in UTC and in whole seconds, as TUF's metadata wants it."""
    return moment.astimezone(UTC).replace(microsecond=0)
