"""Proving a signed list from the files kept of it, years later and without its repository.

The files are those of a TUF repository, by the names under which a node keeps them as evidence: `N.root.json` for each
root of the history, `timestamp.json`, `snapshot.json`, `targets.json`, `ROLE.json` for each authority, and the orders'
documents as `orders/ID.json` and `orders/ROLE/ID.json`. If a newer version of an order was refused, the one that stayed
in force is listed by earlier metadata of its role, `earlier/VERSION.ROLE.json`.

The steps are those of the client workflow (TUF specification 1.0, section 5), with the time of the record in place of
now; each signature is verified anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from securesystemslib.exceptions import Error as SigningError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from blockd.errors import AuditError, BadOrder
from blockd.orders import OrderDocument, parse_document
from blockd.orders.repository import AUTHORITY_FIELD, EARLIER, MAY_LIFT_FIELD, ROOT_FILE, parse_may_lift
from blockd.times import time_text

R = TypeVar("R")

MAX_ROOTS = 1_024  # roots in a history: more than the node's own client follows
MAX_DELEGATIONS = 1_024  # authorities of one repository

_EARLIER = re.compile(rf"{EARLIER}([1-9][0-9]{{0,15}})\.([a-z0-9-]{{1,32}})\.json", re.ASCII)
_ORDER = re.compile(r"orders/(?:([a-z0-9-]{1,32})/)?([a-z0-9._-]{1,80})\.json", re.ASCII)
# Errors that hostile metadata can cause in TUF's reader and in ours.
_FOREIGN = (RepositoryError, DeserializationError, SigningError, ValueError, TypeError, KeyError, AttributeError,
            RecursionError, OverflowError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoleSignature:
    """The verified signatures of one file: the ids of the keys, of which `threshold` are needed."""

    file: str
    role: str
    version: int
    threshold: int
    keys: tuple[str, ...]
    expires: int  # seconds since the epoch

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "file": self.file,
            "role": self.role,
            "version": self.version,
            "threshold": self.threshold,
            "keys": list(self.keys),
            "expires": time_text(self.expires),
        }


@dataclass(slots=True)
class Proof:
    """What the files prove: documents by target path, and the signatures of each file."""

    documents: dict[str, OrderDocument] = field(default_factory=dict)
    signatures: dict[str, RoleSignature] = field(default_factory=dict)  # by file
    notes: list[str] = field(default_factory=list)  # irregularities that the node tolerated when it took the files
    listed: dict[str, str] = field(default_factory=dict)  # by document, the earlier metadata that list it
    may_lift: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by role, the roles whose orders it may lift

    def behind(self, path: str) -> list[RoleSignature]:
        """Return the signatures that a document rests on, from the root of trust down to its own role."""
        match = _ORDER.fullmatch(path)
        listed = self.listed.get(path)
        behind = self.behind_role((match[1] if match else None) or "")
        return [one for one in behind if one.file == listed or not one.file.startswith(EARLIER)]

    def behind_role(self, role: str) -> list[RoleSignature]:
        """Return the signatures that the orders of a role rest on, empty for the repository's own.

        Earlier metadata of the role, which only some of its orders rest on, come last.
        """
        names = ["timestamp.json", "snapshot.json", "targets.json", *([f"{role}.json"] if role else [])]
        roots = [name for name in self.signatures if ROOT_FILE.fullmatch(name)]
        earlier = [
            name
            for name in self.signatures
            if (match := _EARLIER.fullmatch(name)) and match[2] == (role or Targets.type)
        ]
        return [self.signatures[name] for name in (*roots, *names, *earlier) if name in self.signatures]


def prove(root: bytes, evidence: Mapping[str, bytes], at: float) -> Proof:
    """Verify `evidence` as of `at`, seconds since the epoch, trusting `root`, the octets of a root.json.

    Raises AuditError, which names the file at fault, if anything is not proved.
    """
    return _Proving(evidence, at).proved(root)


class _Proving:
    def __init__(self, evidence: Mapping[str, bytes], at: float) -> None:
        self._evidence = evidence
        self._at = datetime.fromtimestamp(at, UTC)
        self._proof = Proof()

    def proved(self, trusted: bytes) -> Proof:
        root = self._root(trusted)
        timestamp = self._signed(Timestamp, "timestamp.json", root)
        snapshot = self._signed(Snapshot, "snapshot.json", root, timestamp.snapshot_meta)
        targets = self._signed(Targets, "targets.json", root, _meta(snapshot, "targets.json"))
        listed = self._documents(targets, None, "", self._earlier(root, Targets.type, targets.version))
        delegations = targets.delegations
        roles = delegations.roles if delegations and delegations.roles else {}
        if len(roles) > MAX_DELEGATIONS:
            raise AuditError(f"targets.json delegates to more than {MAX_DELEGATIONS} authorities.")
        for name, role in roles.items():
            if f"{name}.json" in self._evidence:
                self._note_may_lift(name, role)
                authority = self._authority(targets, name, snapshot)
                listed += self._documents(authority, role, name, self._earlier(targets, name, authority.version))
        unlisted = {name for name in self._evidence if name.startswith("orders/")} - set(listed)
        if unlisted:
            raise AuditError(f"{min(unlisted)} is not among the signed documents.")
        return self._proof

    def _root(self, trusted: bytes) -> Root:
        """Verify the kept roots from the trusted one to the last, and return the last."""
        current = self._read(Root, "the root of trust", trusted)
        result = self._checked("the root of trust", lambda: current.signed.get_root_verification_result(
            None, current.signed_bytes, current.signatures))  # fmt: skip
        self._sign("the root of trust", current, result.first.threshold if result else 0, result)
        numbers = sorted(int(match[1]) for name in self._evidence if (match := ROOT_FILE.fullmatch(name)))
        if len(numbers) > MAX_ROOTS:
            raise AuditError(f"there are more than {MAX_ROOTS} roots.")
        if numbers and numbers[-1] < current.signed.version:
            raise AuditError(
                f"the root of trust has version {current.signed.version}, and what was enforced was signed under "
                f"version {numbers[-1]}: name the root that was trusted then (--root FILE)."
            )
        first = self._evidence.get(f"{current.signed.version}.root.json")
        if first is not None and first != trusted:
            same = self._read(Root, f"{current.signed.version}.root.json", first)
            if same.signed_bytes != current.signed_bytes:
                raise AuditError(f"{current.signed.version}.root.json differs from the trusted root of this version.")
        for number in (number for number in numbers if number > current.signed.version):
            name = f"{number}.root.json"
            following = self._read(Root, name, self._evidence[name])
            if following.signed.version != current.signed.version + 1:
                raise AuditError(f"{name} does not follow root {current.signed.version}.")
            before = current.signed
            outcome = self._checked(
                name,
                lambda following=following, before=before: (  # type: ignore[misc]
                    following.signed.get_root_verification_result(before, following.signed_bytes, following.signatures)
                ),
            )
            self._sign(name, following, max(outcome.first.threshold, outcome.second.threshold), outcome)
            current = following
        self._alive("the last root", current.signed.expires)
        return current.signed

    def _signed(self, kind: type[T], name: str, root: Root, meta: MetaFile | None = None) -> T:
        octets = self._file(name)
        if meta is not None:
            self._checked(name, lambda: meta.verify_length_and_hashes(octets))
        metadata = self._read(kind, name, octets)
        result = self._checked(
            name, lambda: root.get_verification_result(kind.type, metadata.signed_bytes, metadata.signatures)
        )
        self._sign(name, metadata, result.threshold, result)
        if meta is not None and metadata.signed.version != meta.version:
            raise AuditError(f"{name} has version {metadata.signed.version}, and {meta.version} was announced.")
        self._alive(name, metadata.signed.expires)
        return metadata.signed

    def _authority(self, targets: Targets, role: str, snapshot: Snapshot) -> Targets:
        """Verify an authority's metadata, which a node also keeps if it is expired, or if newer metadata is bad."""
        name = f"{role}.json"
        octets = self._file(name)
        metadata = self._read(Targets, name, octets)
        result = self._checked(
            name, lambda: targets.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        )
        self._sign(name, metadata, result.threshold, result)
        meta = _meta(snapshot, name)
        if metadata.signed.version > meta.version:
            raise AuditError(f"{name} has version {metadata.signed.version}, and {meta.version} was announced.")
        if metadata.signed.version == meta.version:
            self._checked(name, lambda: meta.verify_length_and_hashes(octets))
        else:
            self._proof.notes.append(
                f"{name}: version {metadata.signed.version} was kept, as version {meta.version} was refused"
            )
        if metadata.signed.is_expired(self._at):
            self._proof.notes.append(f"{name} had expired on {time_text(metadata.signed.expires.timestamp())}")
        return metadata.signed

    def _note_may_lift(self, name: str, role: DelegatedRole) -> None:
        try:
            self._proof.may_lift[name] = parse_may_lift(name, role.unrecognized_fields.get(MAY_LIFT_FIELD))
        except ValueError as error:
            self._proof.notes.append(f"{name} has a wrong {MAY_LIFT_FIELD}: {error}")

    def _earlier(self, delegator: Root | Targets, role: str, newest: int) -> dict[str, Targets]:
        """Verify the earlier metadata of a role that are there; return them by their files, the newest first."""
        names = [(int(match[1]), name) for name in self._evidence if (match := _EARLIER.fullmatch(name))
                 and match[2] == role]  # fmt: skip
        found = {}
        for version, name in sorted(names, reverse=True):
            metadata = self._read(Targets, name, self._file(name))
            result = self._checked(name, lambda metadata=metadata: delegator.get_verification_result(  # type: ignore[misc]
                role, metadata.signed_bytes, metadata.signatures))  # fmt: skip
            self._sign(name, metadata, result.threshold, result)
            if metadata.signed.version != version or version >= newest:
                raise AuditError(f"{name} has version {metadata.signed.version}, and {newest} is that of {role}.json.")
            found[name] = metadata.signed
        return found

    def _documents(
        self, targets: Targets, role: DelegatedRole | None, name: str, earlier: Mapping[str, Targets]
    ) -> list[str]:
        """Read the documents that a role lists; return their paths."""
        found = []
        for path, target in targets.targets.items():
            match = _ORDER.fullmatch(path)
            if match is None or (match[1] or "") != name:
                continue  # lists, and targets outside of the role's part, which a node does not take
            if role is not None and not role.is_delegated_path(path):
                continue
            octets = self._evidence.get(path)
            if octets is None:
                self._proof.notes.append(f"{path} is signed, and was not taken")
                continue
            for file, older in () if _is_of(target, octets) else earlier.items():
                if path in older.targets and _is_of(older.targets[path], octets):
                    target = older.targets[path]
                    self._proof.listed[path] = file
                    self._proof.notes.append(f"{path}: an earlier version stayed in force, as the newest was refused")
                    break
            self._proof.documents[path] = self._document(path, target, octets, role)
            found.append(path)
        return found

    def _document(self, path: str, target: TargetFile, octets: bytes, role: DelegatedRole | None) -> OrderDocument:
        self._checked(path, lambda: target.verify_length_and_hashes(octets))
        try:
            document = parse_document(json.loads(octets), path)
        except (BadOrder, ValueError, RecursionError) as error:
            raise AuditError(f"{path} is signed, but cannot be read: {error}.") from error
        authority = role.unrecognized_fields.get(AUTHORITY_FIELD) if role is not None else None
        if authority is not None and document.order.authority != authority:
            raise AuditError(
                f"{path} is an order of {document.order.authority!r}, but its role is that of {authority!r}."
            )
        return replace(document, order=replace(document.order, role=role.name)) if role is not None else document

    def _file(self, name: str) -> bytes:
        octets = self._evidence.get(name)
        if octets is None:
            raise AuditError(f"{name} is not among the files kept.")
        return octets

    def _read(self, kind: type[T], name: str, octets: bytes) -> Metadata[T]:
        try:
            metadata: Metadata[T] = Metadata.from_bytes(octets)
        except _FOREIGN as error:
            raise AuditError(f"{name} cannot be read as metadata: {error}.") from error
        if not isinstance(metadata.signed, kind):
            raise AuditError(f"{name} is metadata of another type.")
        return metadata

    def _sign(self, name: str, metadata: Metadata[T], threshold: int, result: object) -> None:
        """Note the signatures of a file; raises AuditError if they are too few."""
        if not result:
            raise AuditError(f"{name} is signed by fewer keys than are needed.")
        keys = tuple(sorted(result.signed))  # type: ignore[attr-defined]
        signed = metadata.signed
        self._proof.signatures[name if name != "the root of trust" else f"{signed.version}.root.json"] = RoleSignature(
            name, signed.type if name.removesuffix(".json") == signed.type or signed.type == "root" else
            name.removesuffix(".json"), signed.version, threshold, keys, int(signed.expires.timestamp()),
        )  # fmt: skip

    def _alive(self, name: str, expires: datetime) -> None:
        if self._at >= expires:
            raise AuditError(f"{name} had expired on {time_text(expires.timestamp())}, before it was taken.")

    @staticmethod
    def _checked(name: str, check: Callable[[], R]) -> R:
        try:
            return check()
        except _FOREIGN as error:
            raise AuditError(f"{name} differs from the signed file: {error}.") from error


def _is_of(target: TargetFile, octets: bytes) -> bool:
    """Return whether `octets` are the document that a target names."""
    try:
        target.verify_length_and_hashes(octets)
    except _FOREIGN:
        return False
    return True


def _meta(snapshot: Snapshot, name: str) -> MetaFile:
    meta = snapshot.meta.get(name)
    if meta is None:
        raise AuditError(f"{name} is not in snapshot.json.")
    return meta
