"""The workshop: a folder with everything that a repository of orders is made from, and its signed files.

DIR/keys/NAME.pem                        private keys of those who sign here; the only secrets
DIR/orders/[ROLE/]ID.json                staged orders, canonical JSON; those in ROLE are an authority's
DIR/delegations.json                     the authorities as they are staged (`blockd.publish.delegations`)
DIR/signers.json                         names of people by their keys, for this folder's readers; never published
DIR/pending/ROLE.json                    metadata that still lacks signatures (`blockd.publish.pending`)
DIR/metadata/                            what was signed (TUF 1.0, consistent snapshots)
DIR/published.json                       which versions were published last, and where; for this folder's readers
DIR/targets/orders/[ROLE/]SHA256.ID.json orders as they are, or are to be, signed
DIR/targets/lists/[ROLE/]SHA256.FILE     files of lists that orders name
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Delegations, Metadata, Root, Snapshot, T, Targets, Timestamp

from blockd.errors import PublishError, cause_of
from blockd.files import remove, replace_file, replace_files, sync_folder
from blockd.orders import OrderDocument, parse_document
from blockd.orders.repository import ORDERS
from blockd.publish.delegations import authority_name, checked_role, read_delegations
from blockd.publish.initial_root import ROOT_LIFE, Founding
from blockd.publish.keys.key_files import make_keys

TARGETS = "targets"  # the role that signs the repository's own orders, and the authorities
_ROOT = "root.json"
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Workshop:
    """One repository's folder. Every method may raise PublishError; `role` "" is the repository itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        self.metadata = folder / "metadata"
        self.pending = folder / "pending"
        self.orders = folder / ORDERS
        self.targets = folder / "targets" / ORDERS
        self.signers = folder / "signers.json"
        self._published = folder / "published.json"
        self.delegations = folder / "delegations.json"
        if not any((part / name).is_file() for part, name in ((self.metadata, "1.root.json"), (self.pending, _ROOT))):
            raise PublishError(f"{folder} is not a workshop; make one with: blockd authority init {folder}")

    @classmethod
    def make(
        cls, folder: Path, now: datetime, expires: datetime | None = None, founding: Founding | None = None
    ) -> Workshop:
        """Make a workshop; its root lasts until `expires`, by default ten years from `now`.

        Keys that `founding` does not have are made. If it has keys of the root, the root waits for their signatures.
        """
        founding = founding or Founding()
        founding.check()
        keys, metadata, pending = folder / "keys", folder / "metadata", folder / "pending"
        if any(part.exists() for part in (keys, metadata, pending, folder / ORDERS)):
            raise PublishError(f"{folder} already is a workshop; nothing in it was changed.")
        folder.mkdir(parents=True, exist_ok=True)
        made = make_keys(keys, founding.roles_without_keys(), founding.password)
        replace_file(folder / ".gitignore", b"/keys/\n")  # keys are not shared with a folder that is shared by git
        for part in (folder / ORDERS, folder / "targets", folder / "targets" / ORDERS, metadata, pending):
            part.mkdir()
        root = founding.root(
            {role: signer.public_key for role, signer in made.items()}, in_utc(expires or now + ROOT_LIFE)
        )
        signed = Metadata(root)
        if founding.root_keys:
            replace_file(pending / _ROOT, signed.to_bytes())
        else:
            signed.sign(made["root"])
            replace_file(metadata / "1.root.json", signed.to_bytes())
        sync_folder(folder)
        return cls(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the workshop against other commands until the block ends."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PublishError(f"Another command is using {self.folder}; nothing was done.") from error
            yield
        finally:
            os.close(descriptor)

    def roles(self) -> dict[str, str]:
        """All staged authorities: the full name of each by its role, in the order of the delegations."""
        return {name: authority_name(role) for name, role in (self.staged_delegations().roles or {}).items()}

    def authority_of(self, role: str) -> str:
        """Return the full name of the authority with this role; empty for the repository's own orders."""
        if not role:
            return ""
        roles = self.roles()
        if role not in roles:
            known = ", ".join(roles) or "none"
            raise PublishError(f"{role} is not an authority in {self.folder} ({known}). Add it with delegate.")
        return roles[role]

    def staged_delegations(self) -> Delegations:
        """The authorities as they are staged."""
        return read_delegations(self.delegations)

    def stage(self, documents: dict[str, bytes], role: str = "") -> None:
        """Stage canonical documents by id; an order of the same id is replaced."""
        self.authority_of(role)
        folder = self.orders_of(role)
        folder.mkdir(parents=True, exist_ok=True)
        replace_files((folder / f"{identifier}.json", (content,)) for identifier, content in documents.items())

    def staged(self, role: str = "") -> dict[str, bytes]:
        """Return the canonical documents of all staged orders of a role, by id."""
        return {path.stem: path.read_bytes() for path in sorted(self.orders_of(role).glob("*.json"))}

    def document(self, identifier: str, role: str = "") -> OrderDocument:
        """Return one staged order, parsed."""
        return parse_document(self._load(identifier, role), str(self._path(identifier, role)))

    def remove(self, identifier: str, role: str = "") -> None:
        """Remove a staged order; the next signing leaves it out of the list."""
        remove(self._path(identifier, role))
        sync_folder(self.orders_of(role))

    def root(self) -> Metadata[Root]:
        """Return the newest root that has all its signatures."""
        versions = self.root_versions()
        if not versions:
            raise PublishError(
                f"The first root of {self.folder} lacks signatures: blockd authority sign {self.folder} --role "
                "root --key FILE"
            )
        return self.load(f"{versions[-1]}.root.json", Root)

    def root_versions(self) -> list[int]:
        """Return the versions of all roots, from the first on."""
        return self.versions("root")

    def versions(self, role: str) -> list[int]:
        """Return the versions of a role's metadata that have all their signatures, ascending."""
        names = (path.name.partition(".")[0] for path in self.metadata.glob(f"*.{role}.json"))
        return sorted(int(name) for name in names if _VERSION.fullmatch(name))

    def accepted(self, role: str) -> Metadata[Targets] | None:
        """Return the newest metadata of `targets` or an authority with all its signatures; None if there is none."""
        versions = self.versions(role)
        return self.load(f"{versions[-1]}.{role}.json", Targets) if versions else None

    def current(self) -> tuple[Metadata[Timestamp], Metadata[Snapshot], Metadata[Targets]] | None:
        """Return what the newest timestamp leads to, which is to be published; None if there is nothing."""
        if not (self.metadata / "timestamp.json").is_file():
            return None
        timestamp = self.load("timestamp.json", Timestamp)
        snapshot = self.load(f"{timestamp.signed.snapshot_meta.version}.snapshot.json", Snapshot)
        targets = self.load(f"{snapshot.signed.meta['targets.json'].version}.targets.json", Targets)
        return timestamp, snapshot, targets

    def note_published(self, folder: Path, versions: Mapping[str, int]) -> None:
        """Note that these versions of `targets` and of the authorities' roles were published in `folder`."""
        written = json.dumps({"folder": str(folder), "versions": dict(versions)}, sort_keys=True).encode()
        if not self._published.is_file() or self._published.read_bytes() != written:
            replace_file(self._published, written)

    def published(self, role: str) -> Metadata[Targets] | None:
        """Return the metadata of `targets` or an authority that was published last; None if none was."""
        try:
            version = json.loads(self._published.read_bytes())["versions"].get(role, 0)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return self.load(f"{version}.{role}.json", Targets) if version in self.versions(role) else None

    def load(self, name: str, kind: type[T]) -> Metadata[T]:
        """Read one metadata file, which must be of the role `kind`."""
        return read_metadata(self.metadata / name, kind)

    def orders_of(self, role: str) -> Path:
        """Return the folder of a role's staged orders."""
        return self.orders / checked_role(role) if role else self.orders

    def _path(self, identifier: str, role: str) -> Path:
        path = self.orders_of(role) / f"{identifier}.json"
        if "/" in identifier or not path.is_file():
            known = ", ".join(sorted(self.staged(role))) or "none"
            raise PublishError(f"No order {identifier} is staged in {self.folder}; staged: {known}.")
        return path

    def _load(self, identifier: str, role: str) -> dict[str, object]:
        path = self._path(identifier, role)
        try:
            raw = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise PublishError(f"{path} cannot be used: {cause_of(error)}. Stage the order again.") from error
        if not isinstance(raw, dict):
            raise PublishError(f"{path} is not a JSON object. Stage the order again.")
        return raw


def read_metadata(path: Path, kind: type[T]) -> Metadata[T]:
    """Read a metadata file, which must be of the role `kind`; raises PublishError."""
    try:
        found: Metadata[T] = Metadata.from_bytes(path.read_bytes())
    except (OSError, RepositoryError) as error:
        raise PublishError(f"{path} cannot be used: {cause_of(error)}. Restore it from a backup.") from error
    if not isinstance(found.signed, kind):
        raise PublishError(f"{path} is metadata of another role. Restore it from a backup.")
    return found


def verifies(delegator: Root | Targets, role: str, metadata: Metadata[T]) -> bool:
    """Return whether enough of the keys that `delegator` gives a role have signed its metadata."""
    return bool(delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures))


def in_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC and in whole seconds, as TUF's metadata requires."""
    return moment.astimezone(UTC).replace(microsecond=0)
