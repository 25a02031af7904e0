"""Metadata on its way to its threshold: DIR/pending/ROLE.json with the signatures that it has so far.

Each person adds a signature, in the same folder or in a copy of it on another machine; the signatures of two copies can
be merged. The signed part never changes on the way: it stays, down to the octet, what the first person signed.
With its last signature the metadata is moved to DIR/metadata/.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, RootVerificationResult, Targets, VerificationResult

from blockd.errors import FileTooLarge, PublishError, cause_of
from blockd.files import read_file, remove, replace_file, sync_folder
from blockd.orders.repository import TOP_ROLES
from blockd.publish.delegations import checked_role
from blockd.publish.workshop import TARGETS, Workshop, read_metadata

Pending = Metadata[Root] | Metadata[Targets]
MAX_PENDING = 16 * 1024 * 1024  # bytes; twice what a node accepts as one targets file


@dataclass(frozen=True, slots=True)
class Standing:
    """The progress of metadata: who has signed, who else may, and how many more are needed."""

    role: str
    version: int
    threshold: int  # of a root that changes its own keys, the larger one
    signed: tuple[str, ...]  # key ids
    unsigned: tuple[str, ...]  # key ids
    lacking: int  # signatures

    @property
    def is_complete(self) -> bool:
        """Whether it can be published."""
        return not self.lacking


def pending_roles(workshop: Workshop) -> tuple[str, ...]:
    """Return the roles that have metadata without all its signatures."""
    return tuple(sorted(path.stem for path in workshop.pending.glob("*.json")))


def read_pending(workshop: Workshop, role: str) -> Pending | None:
    """Return what is pending of a role, None if nothing is; raises PublishError if the file is damaged."""
    path = workshop.pending / f"{role if role in ('root', TARGETS) else checked_role(role)}.json"
    if not path.is_file():
        return None
    pending: Pending = read_metadata(path, Root) if role == "root" else read_metadata(path, Targets)
    newest = max(workshop.versions(role), default=0)
    if pending.signed.version <= newest:
        if pending.signed.version == newest:  # stopped between the two files of the last signature
            remove(path)
            return None
        raise PublishError(f"{path} is version {pending.signed.version}; {newest} is signed already. Remove the file.")
    verify(workshop, role, pending, str(path))
    return pending


def write_pending(workshop: Workshop, role: str, pending: Pending) -> None:
    """Keep metadata with the signatures that it has."""
    workshop.pending.mkdir(exist_ok=True)
    replace_file(workshop.pending / f"{role}.json", pending.to_bytes())


def drop_pending(workshop: Workshop, role: str) -> None:
    """Remove what was pending."""
    remove(workshop.pending / f"{role}.json", missing_ok=True)
    if workshop.pending.is_dir():
        sync_folder(workshop.pending)


def keys_of(workshop: Workshop, role: str, pending: Pending | None = None) -> dict[str, Key]:
    """Return the keys that may sign for a role, by id; for a changed root the old and the new ones."""
    if role == "root":
        roots = [workshop.root().signed] if workshop.root_versions() else []
        roots += [pending.signed] if pending is not None and isinstance(pending.signed, Root) else []
        return {keyid: root.keys[keyid] for root in roots for keyid in root.roles["root"].keyids}
    delegator = _delegator(workshop, role)
    return {keyid: delegator.get_key(keyid) for keyid in delegator.get_delegated_role(role).keyids}


def standing(workshop: Workshop, role: str, metadata: Pending) -> Standing:
    """Return the progress of metadata."""
    result = _result(workshop, role, metadata)
    if isinstance(result, RootVerificationResult):
        lacking = _lacking_root(result)
        threshold = max(result.first.threshold, result.second.threshold)
    else:
        lacking, threshold = max(result.missing, 0), result.threshold
    return Standing(
        role=role,
        version=metadata.signed.version,
        threshold=threshold,
        signed=tuple(result.signed),
        unsigned=tuple(keyid for keyid in result.unsigned if keyid not in result.signed),
        lacking=lacking,
    )


def is_signed(workshop: Workshop, role: str, metadata: Pending) -> bool:
    """Return whether metadata of an authority or of `targets` has the signatures that its current keys require."""
    return bool(_result(workshop, role, metadata))


def verify(workshop: Workshop, role: str, metadata: Pending, source: str) -> None:
    """Raise PublishError if a signature is of a key outside the role, or does not match the signed part."""
    allowed = keys_of(workshop, role, metadata)
    for keyid, signature in metadata.signatures.items():
        if keyid not in allowed:
            raise PublishError(
                f"{source} has a signature by {keyid}, which is not a key of {role}; it was not used. The keys may "
                "have changed since: prepare it anew with: "
                f"blockd authority sign {workshop.folder} --role {role} --again"
            )
        try:
            allowed[keyid].verify_signature(signature, metadata.signed_bytes)
        except UnverifiedSignatureError as error:
            raise PublishError(
                f"{source} was changed after it was signed: the signature by {keyid} does not match; it was not used."
            ) from error


def add_signature(workshop: Workshop, role: str, metadata: Pending, signer: Signer) -> Standing:
    """Sign pending metadata with one key, and move it to the signed metadata if that completes its signatures.

    Raises PublishError if the key is not in the role.
    """
    keyid = signer.public_key.keyid
    if keyid not in keys_of(workshop, role, metadata):
        raise PublishError(f"The key {keyid} is not a key of {role}; nothing was signed.")
    try:
        signature = metadata.sign(signer, append=True)
        signer.public_key.verify_signature(signature, metadata.signed_bytes)
    except Exception as error:  # the libraries of tokens and clouds raise their own errors
        cause = error.__cause__ or error
        raise PublishError(f"The key {keyid} could not sign: {cause}; nothing was signed.") from error
    return keep(workshop, role, metadata)


def keep(workshop: Workshop, role: str, metadata: Pending) -> Standing:
    """Keep metadata with its new signatures: as signed if none is missing, else as pending."""
    told = standing(workshop, role, metadata)
    if told.is_complete:
        workshop.metadata.mkdir(exist_ok=True)  # git, which may have transferred a copy, keeps no empty folders
        replace_file(workshop.metadata / f"{metadata.signed.version}.{role}.json", metadata.to_bytes())
        drop_pending(workshop, role)
    else:
        write_pending(workshop, role, metadata)
    return told


def merge(workshop: Workshop, file: Path, role: str = "") -> Standing:
    """Add the signatures of another copy of what is pending here; raises PublishError if it is not a copy of it."""
    role = role or file.stem.rpartition(".")[2]
    here = read_pending(workshop, role) if role in ("root", TARGETS, *workshop.roles()) else None
    if here is None:
        raise PublishError(
            f"Nothing of {role!r} is pending in {workshop.folder}, so {file} adds nothing; name the role with --role."
        )
    there = _copy(file)
    if there.signed_bytes != here.signed_bytes:
        raise PublishError(f"{file} is not a copy of what is pending of {role} here: its content differs.")
    verify(workshop, role, there, str(file))
    here.signatures.update(there.signatures)
    return keep(workshop, role, here)


def _copy(file: Path) -> Pending:
    try:
        content = read_file(file, MAX_PENDING)
        json.loads(content)
        found: Pending = Metadata.from_bytes(content)
    except FileTooLarge as error:
        raise PublishError(f"{file} has more than {MAX_PENDING} bytes; it was not used.") from error
    except (OSError, ValueError, RecursionError, RepositoryError) as error:
        raise PublishError(f"{file} cannot be used: {cause_of(error)}.") from error
    return found


def _delegator(workshop: Workshop, role: str) -> Root | Targets:
    if role in TOP_ROLES:
        return workshop.root().signed
    workshop.authority_of(role)
    return Targets(delegations=workshop.staged_delegations())


def _result(workshop: Workshop, role: str, metadata: Pending) -> VerificationResult | RootVerificationResult:
    if isinstance(metadata.signed, Root):
        versions = [version for version in workshop.root_versions() if version < metadata.signed.version]
        previous = workshop.load(f"{versions[-1]}.root.json", Root).signed if versions else None
        try:
            return metadata.signed.get_root_verification_result(previous, metadata.signed_bytes, metadata.signatures)
        except ValueError as error:
            raise PublishError(
                f"The root that is pending in {workshop.folder} cannot follow: {cause_of(error)}"
            ) from error
    return _delegator(workshop, role).get_verification_result(role, metadata.signed_bytes, metadata.signatures)


def _lacking_root(result: RootVerificationResult) -> int:
    """Return how many more people are needed at least: one with an old and a new key counts for both."""
    first, second = max(result.first.missing, 0), max(result.second.missing, 0)
    both = len(result.first.unsigned.keys() & result.second.unsigned.keys())
    return first + second - min(first, second, both)
