"""The online roles: snapshot says which metadata belongs together, timestamp that it is current.

Their keys are on the publishing machine, so that it can renew the timestamp unattended. A thief of these keys can only
keep nodes at what was signed until it expires.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import SecretsHandler, Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, Targets, Timestamp

from blockd.errors import PublishError
from blockd.files import replace_file
from blockd.orders.repository import PUBLISHED_FIELD
from blockd.publish.delegation_check import lifted_by_accident, newest_fitting
from blockd.publish.delegations import roles_of
from blockd.publish.keys.key_files import load_key, read_public
from blockd.publish.next_metadata import LIST_LIFE, RENEW_BEFORE
from blockd.publish.workshop import TARGETS, Workshop, in_utc, verifies
from blockd.times import moment_from_text, moment_text

# A node can be kept at an old list for this long without noticing. Nodes warn of an end a day ahead
# (`blockd.daemon.report.alarms`), so that people have a day to act; as `publish` renews at half of the life, it must
# be longer than two days to avoid needless warnings.
TIMESTAMP_LIFE = timedelta(days=3)
MAX_LOCAL_KEYS = 100  # key files in one workshop


@dataclass(frozen=True, slots=True)
class Sealed:
    """The state of the timestamp; `held` are the authorities whose newest metadata is not in it, each with why."""

    timestamp_version: int
    expires: datetime
    held: dict[str, str]


def seal(
    workshop: Workshop,
    now: datetime,
    *,
    expires: datetime | None = None,
    renew: bool = True,
    secrets: SecretsHandler | None = None,
) -> Sealed | None:
    """Make a snapshot of all that has its signatures, and a timestamp of it.

    Without `renew` the timestamp is made anew only if there is something new, or less than half of its life is left.
    None if nothing is signed yet, or the keys are not here. Raises PublishError.
    """
    root = workshop.root().signed
    current = workshop.current()
    newest = workshop.accepted(TARGETS)
    early = (
        lifted_by_accident(workshop, newest.signed, current[1].signed, current[2].signed) if newest and current else {}
    )
    targets = current[2] if current and early else newest
    if targets is None or not verifies(root, TARGETS, targets):
        return None
    signers = {
        role: local_signers(workshop, role, root.roles[role].keyids, secrets) for role in ("snapshot", "timestamp")
    }
    if not all(signers.values()):
        return None
    meta, held = _meta(workshop, targets, current[1].signed if current else None)
    if newest is not None and early:
        waits = f"version {newest.signed.version} waits for {', '.join(early)}, whose orders nodes would lose with it"
        held |= {TARGETS: waits, **early}
    files = _files(workshop, meta)
    snapshot = current[1] if current else None
    if snapshot is None or not _is_fresh(root, "snapshot", snapshot, now, expires) or snapshot.signed.meta != files:
        version = snapshot.signed.version + 1 if snapshot else 1
        snapshot = Metadata(Snapshot(version, meta=files, expires=in_utc(expires or now + LIST_LIFE)))
        content = _signed(root, "snapshot", snapshot, signers["snapshot"])
        replace_file(workshop.metadata / f"{version}.snapshot.json", content)
        renew = True
    else:
        content = (workshop.metadata / f"{snapshot.signed.version}.snapshot.json").read_bytes()
    timestamp = current[0] if current else None
    if timestamp is None or renew or _is_half_over(timestamp.signed, now) or not verifies(root, "timestamp", timestamp):
        timestamp = Metadata(
            Timestamp(
                timestamp.signed.version + 1 if timestamp else 1,
                expires=in_utc(expires or now + TIMESTAMP_LIFE),
                snapshot_meta=MetaFile.from_data(snapshot.signed.version, content, ["sha256"]),
                unrecognized_fields={PUBLISHED_FIELD: moment_text(now.timestamp())},
            )
        )
        replace_file(workshop.metadata / "timestamp.json", _signed(root, "timestamp", timestamp, signers["timestamp"]))
    return Sealed(timestamp.signed.version, timestamp.signed.expires, held)


def local_signers(
    workshop: Workshop, role: str, keyids: Collection[str], secrets: SecretsHandler | None = None
) -> list[Signer]:
    """Load the keys in the workshop whose ids are in `keyids`; raises PublishError if one cannot be used."""
    paths = sorted(workshop.keys.glob("*.pem"))[:MAX_LOCAL_KEYS] if workshop.keys.is_dir() else []
    found = [load_key(path, secrets) for path in paths if read_public(path).keyid in keyids]
    if strange := [signer for signer in found if signer.public_key.keyid not in keyids]:
        raise PublishError(
            f"A private key in {workshop.keys} is not that of the .pub beside it but {strange[0].public_key.keyid}; "
            "nothing was signed."
        )
    if not found and (own := workshop.keys / f"{role}.pem") in paths:
        raise PublishError(f"{own} is not the key of {role}; nothing was signed.")
    return found


def _meta(
    workshop: Workshop, targets: Metadata[Targets], last: Snapshot | None
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the versions of all metadata, and the authorities that are held back.

    Metadata that was once in a snapshot stays in it: a node would treat its absence as an attack (TUF 5.5.5).
    """
    versions = {name: file.version for name, file in last.meta.items()} if last else {}
    versions[f"{TARGETS}.json"] = targets.signed.version
    held = {}
    for role in roles_of(targets.signed):
        fitting = newest_fitting(workshop, targets.signed, role)
        newest = max(workshop.versions(role), default=0)
        if not newest:
            held[role] = "nothing of it is signed yet"
        elif not fitting:
            held[role] = "nothing of it is signed by enough of the keys that it has now"
        elif fitting != newest:
            held[role] = f"version {newest} waits until its new keys are signed by targets"
        if fitting:
            versions[f"{role}.json"] = max(fitting, versions.get(f"{role}.json", 0))
    return versions, held


def _files(workshop: Workshop, versions: dict[str, int]) -> dict[str, MetaFile]:
    return {
        name: MetaFile.from_data(version, (workshop.metadata / f"{version}.{name}").read_bytes(), ["sha256"])
        for name, version in versions.items()
    }


def _is_fresh(root: Root, role: str, metadata: Metadata[T], now: datetime, expires: datetime | None) -> bool:
    until = metadata.signed.expires
    asked = expires is None or until == in_utc(expires)
    return asked and until >= now + RENEW_BEFORE and verifies(root, role, metadata)


def _is_half_over(timestamp: Timestamp, now: datetime) -> bool:
    """Return whether less than half of its life is left; the timestamp itself has its beginning."""
    try:
        made = moment_from_text(timestamp.unrecognized_fields[PUBLISHED_FIELD])
    except (KeyError, ValueError):
        return True
    expires = timestamp.expires.timestamp()
    return expires - now.timestamp() < (expires - made) / 2


def _signed(root: Root, role: str, metadata: Metadata[T], signers: list[Signer]) -> bytes:
    for signer in signers:
        try:
            metadata.sign(signer, append=True)
        except Exception as error:  # the libraries of tokens and clouds raise their own errors
            raise PublishError(
                f"The key {signer.public_key.keyid} of {role} could not sign: {error.__cause__ or error}; what was "
                "published before remains."
            ) from error
    result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result:
        raise PublishError(
            f"{role} needs {result.threshold} signatures and only {len(result.signed)} of its keys are here; nothing "
            "new can be published from this folder."
        )
    return metadata.to_bytes()
