"""Checks of a published repository as a node would make them, and warnings for its publisher."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import DelegatedRole, Metadata, Role, Root, Targets

from blockd.errors import FeedRefused, PublishError
from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.list_texts import LISTS, NameLists
from blockd.feeds.signed.repository import SignedRepository
from blockd.orders import Order, State, state_at
from blockd.publish.delegations import roles_of
from blockd.times import time_text

SOON = {  # how long before its end a role's metadata is reported
    "root": timedelta(days=180),  # a new root needs several people
    "timestamp": timedelta(days=1),  # of 3: renewing has stopped, and nodes begin to warn
}
SOON_OTHERS = timedelta(days=21)  # of 90; they are renewed when 30 are left


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings: because of `faults` a node refuses something; `warnings` should be reviewed."""

    targets_version: int
    timestamp_version: int
    orders: int
    authorities: int
    published: float | None  # seconds since the epoch
    expires: int  # seconds since the epoch
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def verify_repository(url: str, root: bytes, now: datetime) -> Verification:
    """Fetch and check the repository at `url` (`file:`, `http:`, `https:`), trusted through `root`.

    Raises PublishError if a node would refuse all of it.
    """
    with tempfile.TemporaryDirectory(prefix="blockd-verify-") as scratch:
        try:
            repository = SignedRepository(
                url, root, Path(scratch), now=now.timestamp, texts=NameLists(Path(scratch) / LISTS)
            )
            version = repository.fetch()
            evidence = repository.evidence()
        except FeedRefused as error:
            raise PublishError(f"A node refuses it ({error.reason}): {error}") from error
    faults = [
        f"{told.role}: a node refuses it ({told.reason}): {told.refusal}"
        for told in version.authorities
        if told.refusal
    ] + [f"{told.called}: a node refuses it ({told.reason}): {told.refusal}" for told in version.refused]
    warnings = [*_metadata_warnings(evidence, now), *_order_warnings(version, now)]
    return Verification(
        targets_version=version.targets_version,
        timestamp_version=version.timestamp_version,
        orders=len(version.documents),
        authorities=len(version.authorities),
        published=version.published,
        expires=version.expires,
        faults=tuple(faults),
        warnings=tuple(warnings),
    )


def _metadata_warnings(evidence: Mapping[str, bytes], now: datetime) -> Iterator[str]:
    """Check the metadata that a node has accepted, by the files' names."""
    newest = max((name for name in evidence if name.endswith(".root.json")), key=lambda name: int(name.split(".")[0]))
    root = Metadata[Root].from_bytes(evidence[newest]).signed
    targets = Metadata[Targets].from_bytes(evidence["targets.json"]).signed
    yield from _expiry("root", root.expires, now)
    for role in ("timestamp", "snapshot", "targets"):
        yield from _expiry(role, Metadata.from_bytes(evidence[f"{role}.json"]).signed.expires, now)
    for role, told in root.roles.items():
        yield from _spare(role, told)
    for role, delegated in roles_of(targets).items():
        yield from _spare(role, delegated)
        if f"{role}.json" in evidence:
            yield from _expiry(role, Metadata.from_bytes(evidence[f"{role}.json"]).signed.expires, now)


def _expiry(role: str, expires: datetime, now: datetime) -> Iterator[str]:
    left = expires - now
    if left < SOON.get(role, SOON_OTHERS):
        hours = int(left.total_seconds() // 3600)
        told = f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
        yield f"{role} expires at {time_text(expires.timestamp())}, in {told}"


def _spare(role: str, told: Role | DelegatedRole) -> Iterator[str]:
    if len(told.keyids) == told.threshold and (told.threshold > 1 or role == "root"):
        yield (
            f"{role} needs {told.threshold} signatures and has {len(told.keyids)} keys: losing one ends it; "
            "add a spare key"
        )


def _order_warnings(version: SignedVersion, now: datetime) -> Iterator[str]:
    for order in (document.order for document in version.documents):
        state = state_at(order, now.timestamp())
        name = order.name
        if state in (State.EXPIRED, State.LIFTED):
            yield f"{name} ended at {time_text(_end(order))}; it can be removed"
        elif order.review_by is not None and order.review_by <= now.timestamp():
            yield f"{name} was to be reviewed by {time_text(order.review_by)}"


def _end(order: Order) -> int:
    return min(moment for moment in (order.expires, order.lifted_on) if moment is not None)
