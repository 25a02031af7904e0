"""A signed repository as TUF describes it, made without blockd's own publisher: roots, one authority, its orders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)

AUTHORITY = "Ministry of Samples"
TOP = ("root", "timestamp", "snapshot", "targets")


class Repository:
    """Signs at `now`; `root` is the first root. One authority, `media`, needs two of its three keys.

    `others` has the orders of further authorities, by role, which one key each signs, and `may_lift` by role whose
    orders an authority may lift.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.signers = {role: CryptoSigner.generate_ed25519() for role in TOP}
        self.media = [CryptoSigner.generate_ed25519() for _ in range(3)]
        self.others: dict[str, dict[str, dict[str, object]]] = {}
        self.may_lift: dict[str, list[str]] = {}
        self.version = 0
        self.roots: dict[str, bytes] = {}
        self._root = Root(expires=now + timedelta(days=365))
        for role, signer in self.signers.items():
            self._root.add_key(signer.public_key, role)
        self.root = self._sign_root()

    def rotate(self) -> None:
        """Change the timestamp's key, and the root's own."""
        old = self.signers["root"]
        for role in ("root", "timestamp"):
            self._root.revoke_key(self.signers[role].public_key.keyid, role)
            self.signers[role] = CryptoSigner.generate_ed25519()
            self._root.add_key(self.signers[role].public_key, role)
        self._root.version += 1
        self._sign_root(old)

    def publish(
        self, own: Mapping[str, Mapping[str, Any]], media: Mapping[str, Mapping[str, Any]] | None = None,
        *, by: Sequence[int] = (0, 1), life: timedelta = timedelta(days=7), snapshot_media: int = 0,
    ) -> dict[str, bytes]:  # fmt: skip
        """Sign orders by id, those of the repository and those of the authority; return the evidence of the version."""
        self.version += 1
        expires = self.now + life
        evidence = dict(self.roots)
        snapshot = Snapshot(self.version, expires=expires)
        targets = Targets(self.version, expires=expires)
        self._add(targets, own, "orders/", evidence)
        role = Targets(self.version, expires=expires)
        self._add(role, media or {}, "orders/media/", evidence)
        delegated = DelegatedRole(
            "media", [signer.public_key.keyid for signer in self.media], 2, terminating=True,
            paths=["orders/media/*", "lists/media/*"], unrecognized_fields=self._fields("media"),
        )  # fmt: skip
        keys: dict[str, Key] = {signer.public_key.keyid: signer.public_key for signer in self.media}
        targets.delegations = Delegations(keys, {"media": delegated})
        for name, orders in self.others.items():
            other = Targets(self.version, expires=expires)
            self._add(other, orders, f"orders/{name}/", evidence)
            assert targets.delegations.roles is not None
            targets.delegations.roles[name] = DelegatedRole(
                name, [self.media[2].public_key.keyid], 1, terminating=True,
                paths=[f"orders/{name}/*", f"lists/{name}/*"], unrecognized_fields=self._fields(name),
            )  # fmt: skip
            evidence[f"{name}.json"] = _signed(other, self.media[2])
        evidence["media.json"] = _signed(role, *(self.media[index] for index in by))
        evidence["targets.json"] = _signed(targets, self.signers["targets"])
        for name in ("targets.json", "media.json", *(f"{name}.json" for name in self.others)):
            snapshot.meta[name] = MetaFile.from_data(self.version, evidence[name], ["sha256"])
        if snapshot_media:
            snapshot.meta["media.json"] = MetaFile(snapshot_media)
        evidence["snapshot.json"] = _signed(snapshot, self.signers["snapshot"])
        timestamp = Timestamp(self.version, expires=expires)
        timestamp.snapshot_meta = MetaFile.from_data(self.version, evidence["snapshot.json"], ["sha256"])
        evidence["timestamp.json"] = _signed(timestamp, self.signers["timestamp"])
        return evidence

    def _fields(self, role: str) -> dict[str, object]:
        lifted = {"x-blockd-may-lift": self.may_lift[role]} if self.may_lift.get(role) else {}
        return {"x-blockd-authority": AUTHORITY, **lifted}

    def _sign_root(self, *others: CryptoSigner) -> bytes:
        octets = _signed(self._root, self.signers["root"], *others)
        self.roots[f"{self._root.version}.root.json"] = octets
        return octets

    @staticmethod
    def _add(targets: Targets, orders: Mapping[str, Mapping[str, Any]], place: str, evidence: dict[str, bytes]) -> None:
        for identifier, document in orders.items():
            path = f"{place}{identifier}.json"
            evidence[path] = json.dumps(document).encode()
            targets.targets[path] = TargetFile.from_data(path, evidence[path], ["sha256"])


def order(identifier: str, names: Sequence[object] = (), **more: object) -> dict[str, object]:
    """Return an order's document."""
    document: dict[str, object] = {
        "schema": "1.0", "id": identifier, "authority": AUTHORITY, "platform": "Messenger", "legal_basis": "Rule 1",
        "in_force_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip
    if names:
        document["names"] = list(names)
    return document


def _signed(payload: T, *signers: CryptoSigner) -> bytes:
    metadata = Metadata(payload)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def moment(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
