"""Signing: the staged orders become targets of a TUF repository, under new versions of its metadata."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, TargetFile, Targets, Timestamp

from blockd.errors import BadOrder, PublishError
from blockd.orders.document import time_text
from blockd.publish.documents import canonical, to_bytes
from blockd.publish.keys import load_signer
from blockd.publish.workshop import ORDERS, Workshop, in_utc
from blockd.ruleset.replace import replace_file

LIST_LIFE = timedelta(days=90)  # targets and snapshot: signed when orders change
TIMESTAMP_LIFE = timedelta(days=7)  # how long a daemon can be held at an old list without noticing
RENEW_BEFORE = timedelta(days=30)  # an unchanged list is signed anew when less than this is left of it


@dataclass(frozen=True, slots=True)
class Signing:
    """What one signing did: the versions now signed, and the ids that are new, changed or gone since the last one."""

    timestamp_version: int
    targets_version: int
    orders: int
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    expires: datetime  # when the timestamp does: sign again before


def sign(workshop: Workshop, now: datetime, expires: datetime | None = None) -> Signing:
    """Sign the staged orders; `expires` replaces the default life of every role but root.

    Where no order has changed and the list is not about to expire, only the timestamp is renewed. The timestamp is
    written last: until then what was signed before is whole. Raises PublishError.
    """
    now = in_utc(now)
    if expires is not None and expires <= now:
        raise PublishError(f"The expiry {time_text(expires.timestamp())} has passed already; nothing was signed.")
    root = workshop.root().signed
    if root.is_expired(now):
        raise PublishError(
            f"The root of {workshop.folder} has expired; no daemon would take a list that it vouches for."
        )
    signers = {role: _signer(workshop, root, role) for role in ("targets", "snapshot", "timestamp")}
    current = workshop.current()
    last = current[2].signed.targets if current else {}
    targets, changed = _targets(workshop, last, now)
    removed = tuple(sorted(_identifier(path) for path in last.keys() - targets.keys()))

    if current and not changed and not removed and not _renew(current[2].signed, now, expires):
        timestamp, snapshot, listed = current
        timestamp.signed.version += 1
    else:
        versions = [part.signed.version for part in current] if current else [0, 0, 0]
        timestamp, snapshot = Metadata(Timestamp(versions[0] + 1)), Metadata(Snapshot(versions[1] + 1))
        listed = Metadata(Targets(versions[2] + 1, targets=targets))
        until = expires or now + LIST_LIFE
        content = _write(workshop, listed, signers["targets"], f"{versions[2] + 1}.targets.json", until)
        snapshot.signed.meta["targets.json"] = MetaFile.from_data(versions[2] + 1, content, ["sha256"])
        content = _write(workshop, snapshot, signers["snapshot"], f"{versions[1] + 1}.snapshot.json", until)
        timestamp.signed.snapshot_meta = MetaFile.from_data(versions[1] + 1, content, ["sha256"])
    _write(workshop, timestamp, signers["timestamp"], "timestamp.json", expires or now + TIMESTAMP_LIFE)
    return Signing(
        timestamp_version=timestamp.signed.version,
        targets_version=listed.signed.version,
        orders=len(targets),
        changed=changed,
        removed=removed,
        expires=timestamp.signed.expires,
    )


def _signer(workshop: Workshop, root: Root, role: str) -> CryptoSigner:
    signer = load_signer(workshop.keys, role)
    if signer.public_key.keyid not in root.roles[role].keyids:
        raise PublishError(f"{workshop.keys / role}.pem is not the key that the root names; nothing was signed.")
    return signer


def _renew(listed: Targets, now: datetime, expires: datetime | None) -> bool:
    return listed.expires < now + RENEW_BEFORE or (expires is not None and listed.expires != in_utc(expires))


def _targets(
    workshop: Workshop, last: dict[str, TargetFile], now: datetime
) -> tuple[dict[str, TargetFile], tuple[str, ...]]:
    staged = workshop.staged()
    if not staged:
        raise PublishError(
            f"No order is staged in {workshop.folder}; an empty list is not signed. Lift orders instead."
        )
    targets: dict[str, TargetFile] = {}
    changed = []
    for identifier, content in staged.items():
        path = f"{ORDERS}/{identifier}.json"
        if path in last and _signed_content(workshop, last[path]) == content:
            targets[path] = last[path]
            continue
        stamped = _stamped(workshop, identifier, content, now)
        targets[path] = TargetFile.from_data(path, stamped, ["sha256"])
        replace_file(workshop.targets / f"{hashlib.sha256(stamped).hexdigest()}.{identifier}.json", stamped)
        changed.append(identifier)
    return targets, tuple(changed)


def _stamped(workshop: Workshop, identifier: str, content: bytes, now: datetime) -> bytes:
    source = str(workshop.orders / f"{identifier}.json")
    try:
        found, checked = canonical(json.loads(content), source)  # the file lay open since it was staged
    except (ValueError, BadOrder) as error:
        raise PublishError(f"{source} was changed and cannot be signed: {error}") from error
    if found != identifier:
        raise PublishError(f"{source} holds the order {found}; nothing was signed. Stage the order again.")
    return to_bytes({**json.loads(checked), "published": time_text(now.timestamp())})


def _signed_content(workshop: Workshop, target: TargetFile) -> bytes | None:
    """The document that `target` was made from, without the stamp; None where the file is gone or damaged."""
    try:
        content = (workshop.targets / f"{target.hashes['sha256']}.{_identifier(target.path)}.json").read_bytes()
        target.verify_length_and_hashes(content)
    except (OSError, RepositoryError):
        return None
    document = json.loads(content)
    document.pop("published", None)
    return to_bytes(document)


def _identifier(path: str) -> str:
    return path.removeprefix(f"{ORDERS}/").removesuffix(".json")


def _write(workshop: Workshop, metadata: Metadata[T], signer: CryptoSigner, name: str, expires: datetime) -> bytes:
    metadata.signed.expires = in_utc(expires)
    metadata.sign(signer)
    content = metadata.to_bytes()
    replace_file(workshop.metadata / name, content)
    return content
