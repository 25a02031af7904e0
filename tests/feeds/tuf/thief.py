"""What a thief of one key can do to a node at most: every way to use the keys that were stolen, tried at once.

A thief has a mirror, the keys of ROWS, and strangers' keys for all else. The online keys sign for a thief who has a way
to publish, as they sign whatever the authorities upload.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import MetaFile

from blockd.errors import FeedRefused
from tests.feeds.tuf.repository import DAY, NOW, TOPS, Repository, keys
from tests.feeds.tuf.test_attacks import names

EVIL = "evil.example"
ONLINE = ("timestamp", "snapshot")
LIVES = {"timestamp": 3, "snapshot": 7, "targets": 30, "court": 30, "ministry": 30, "root": 365}  # days
FOR_EVER = 360  # days: longer than anything but a root is signed for


@dataclass(frozen=True, slots=True)
class Stolen:
    """The roles whose keys are stolen, of one of them perhaps too few; the days for which news can be held back."""

    roles: tuple[str, ...] = ()
    below: str = ""  # the role of which only one key of two is stolen
    frozen: int = LIVES["timestamp"]
    orders: bool = False
    liftings: bool = False
    others: bool = False


ROWS = {
    "the host of a mirror, or its TLS key": Stolen(),
    "`timestamp`": Stolen(("timestamp",), frozen=LIVES["snapshot"]),
    "`snapshot`": Stolen(("snapshot",)),
    "`timestamp` and `snapshot`": Stolen(ONLINE, frozen=LIVES["targets"]),
    "`targets`": Stolen(("targets",), orders=True, liftings=True, others=True),
    "`root`, below its threshold": Stolen(below="root"),
    "`root`, at its threshold": Stolen(("root",), frozen=FOR_EVER, orders=True, liftings=True, others=True),
    "an authority's key, below its threshold": Stolen(below="court"),
    "an authority's keys, at its threshold": Stolen(("court",), orders=True, liftings=True),
    "the TSIG key of a zone transfer": Stolen(),
    "the node's `node.key`": Stolen(),
}
COLUMNS = ("orders", "liftings", "other authorities", "freshness", "disk", "memory", "time")


def honest() -> Repository:
    """Return a repository whose root and whose court need two keys, with lives as they are usual."""
    repository = Repository()
    repository.signers["root"] += keys()
    repository.root.add_key(repository.signers["root"][1].public_key, "root")
    repository.root.roles["root"].threshold = 2
    for role, days in LIVES.items():
        repository.signed[role].expires = NOW + days * DAY
    repository.publish()
    return repository


def thief(repository: Repository, row: str, *, publishes: bool = False) -> Repository:
    """Return what a thief can publish; with `publishes` the online keys sign it too."""
    stolen = ROWS[row]
    other = repository.fork()
    theirs = (*stolen.roles, *(ONLINE if publishes else ()))
    for role in repository.signers:
        if role == stolen.below:
            other.signers[role] = [repository.signers[role][0], *keys()]
        elif role not in theirs:
            other.signers[role] = keys(len(repository.signers[role]))
    return other


def _rotate_all(other: Repository) -> None:
    """Replace the keys of all roles but the root's by the thief's, in a root that the stolen keys sign."""
    for role in TOPS[1:]:
        for keyid in list(other.root.roles[role].keyids):
            other.root.revoke_key(keyid, role)
        other.signers[role] = keys()
        other.root.add_key(other.signers[role][0].public_key, role)
        other.signed[role].expires = NOW + 2 * FOR_EVER * DAY


def ways(
    repository: Repository, row: str, change: Callable[[Repository, str], None], role: str
) -> Iterator[Repository]:
    """Yield what can be published, in each way that there is, to have `change` done to what `role` signs."""
    for publishes in (False, True):
        for taken in (role, ""):
            other = thief(repository, row, publishes=publishes)
            change(other, taken)
            other.publish(taken or "targets")
            yield other
        for with_root in (False, True):
            other = thief(repository, row, publishes=publishes)
            if with_root:
                _rotate_all(other)
            other.delegate(role, "Ministry of Samples" if role == "ministry" else "Sample Court")
            other.signed[role].version = repository.signed[role].version
            change(other, role)
            change(other, "")
            other.publish(*(() if with_root else ("targets", role)))
            yield other


def seen(repository: Repository, folder: Path, found: Repository) -> set[str]:
    """Return the names that a node which knows the honest repository enforces after a look at the thief's mirror."""
    node = repository.node(folder)
    enforced = names(node.fetch())
    files, repository.files = repository.files, found.files
    try:
        with contextlib.suppress(FeedRefused):
            enforced = names(node.fetch())
    finally:
        repository.files = files
    return enforced


def orders(other: Repository, role: str) -> None:
    """Impose an order."""
    other.order(role, "evil", [EVIL])


def lifts(other: Repository, role: str) -> None:
    """Take all orders away but one of no effect."""
    other.role(role).targets.clear()
    other.order(role, "empty", ["nothing.example"])


def frozen_days(repository: Repository, row: str, folder: Path) -> int:
    """Return for how many days a node can be kept from news without refusing what it is given."""
    return max(_frozen_by(repository, row, folder / way, way) for way in ("timestamp", "snapshot", "root"))


def _frozen_by(repository: Repository, row: str, folder: Path, way: str) -> int:
    """Return the days for a thief who signs the same orders anew each day: the timestamp, the snapshot too, or all."""
    node = repository.node(folder)
    node.fetch()
    other = thief(repository, row)
    if way == "root":
        _rotate_all(other)
        other.delegate("court", "Sample Court")
        other.role("court").expires = other.targets.expires
        other.order("court", "court-1", ["court.example"])
        other.publish()
    good, longest = repository.files, 0
    for days in (1, 2, 4, 6, 8, 29, 31, FOR_EVER):
        repository.now = NOW + days * DAY
        for role in ONLINE:
            other.signed[role].expires = repository.now + 2 * DAY
        other.publish("timestamp" if way == "timestamp" else "snapshot")
        for files in (other.files, good):
            repository.files = files
            with contextlib.suppress(FeedRefused):
                node.fetch()
                longest = days
    repository.now, repository.files = NOW, good
    return longest


def swollen(repository: Repository, row: str) -> Iterator[Repository]:
    """Yield what a thief can publish whose files have no end, where each signature vouches for any length of the next.

    The first has no end of any file, the second only of the orders, the third only of the authorities' metadata.
    """
    for part in ("", "targets/", "metadata/3."):
        other = thief(repository, row, publishes=True)
        before = set(other.files)
        for role in ("targets", "court", "ministry"):
            other.order("" if role == "targets" else role, "endless", [EVIL])
            for target in other.role(role).targets.values():
                target.length = 10**18
            other.signed[role].version += 1
            other.write(role)
        other.snapshot.meta = {
            f"{role}.json": MetaFile(other.signed[role].version, length=10**18)
            for role in ("targets", "court", "ministry")
        }
        other.snapshot.version += 1
        other.write("snapshot")
        other.timestamp.snapshot_meta = MetaFile(other.snapshot.version, length=10**18)
        other.timestamp.version += 1
        other.write("timestamp")
        other.endless = {path for path in set(other.files) - before if path.startswith(part)}
        yield other
