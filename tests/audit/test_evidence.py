from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from blockd.audit.chain import canonical
from blockd.audit.database import Database
from blockd.audit.evidence import digests_of, files_of, parts_of
from blockd.audit.verifying import verify_log
from blockd.errors import AuditError
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order
from tests.feeds.tuf.repository import NOW
from tests.feeds.tuf.repository import Repository as TufRepository


def kept(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files as evidence keeps them: by their digests."""
    return {hashlib.sha256(octets).hexdigest(): octets for octets in files.values()}


def test_manifest_names_the_metadata_and_every_document_is_found(node: Node, repository: Repository) -> None:
    evidence = repository.publish({f"order-{n}": order(f"order-{n}", ["a.example"]) for n in range(5)})
    node.enforce(evidence)
    database = Database.read(node.stop())
    [record] = database.find(kinds=["enforced"])
    [part] = [part for part in parts_of(record) if part["name"] == FEED]
    manifest = part["proof"]["manifest"]
    named = json.loads(database.evidence(manifest) or b"")
    assert not [name for name in named if name.startswith("orders/")]
    assert files_of(manifest, database.evidence) == evidence
    database.close()


def test_manifest_that_names_documents_too_is_read_as_it_is(repository: Repository) -> None:
    evidence = repository.publish(
        {"order-1": order("order-1", ["a.example"]), "order-2": order("order-2", ["b.example"])}
    )
    del evidence["orders/order-2.json"]
    digests = {name: hashlib.sha256(octets).hexdigest() for name, octets in evidence.items()}
    manifest = canonical(digests)
    found = {**kept(evidence), **kept({"manifest": manifest})}
    assert digests_of(hashlib.sha256(manifest).hexdigest(), found.get) == digests


@pytest.mark.parametrize(
    "metadata",
    [b"", b"{", b"[]", b'{"signed": {"targets": []}}', b'{"signed": {"targets": {"orders/a.json": {"hashes": {}}}}}'],
)
def test_metadata_that_cannot_be_read_are_told(metadata: bytes) -> None:
    manifest = canonical({"targets.json": hashlib.sha256(metadata).hexdigest()})
    found = kept({"manifest": manifest, "targets.json": metadata})
    with pytest.raises(AuditError, match="the list of its evidence cannot be read"):
        digests_of(hashlib.sha256(manifest).hexdigest(), found.get)


def test_documents_outside_of_a_roles_part_are_not_its_own() -> None:
    target = {"hashes": {"sha256": "ab" * 32}}
    paths = ("orders/role/a.json", "orders/role/b/c.json", "orders/a.json", "orders/other/a.json", "lists/role/x.gz")
    metadata = json.dumps({"signed": {"targets": dict.fromkeys(paths, target)}}).encode()
    manifest = canonical({"role.json": hashlib.sha256(metadata).hexdigest()})
    found = kept({"manifest": manifest, "role.json": metadata})
    digests = digests_of(hashlib.sha256(manifest).hexdigest(), found.get)
    assert sorted(digests) == ["orders/role/a.json", "role.json"]


def test_log_with_orders_that_are_refused_alone_is_proved(tmp_path: Path) -> None:
    repository = TufRepository()
    repository.order("court", "bad", ["earlier.example"])
    repository.target("ministry", "orders/ministry/never.json", b"broken")
    repository.publish("court", "ministry")
    source = repository.node(tmp_path / "feed")
    node = Node(tmp_path, repository.first_root, NOW.timestamp())
    source.fetch()
    node.enforce(source.evidence())
    repository.target("court", "orders/court/bad.json", b"broken")
    repository.order("court", "court-1", ["court.example"], lifted_on="2026-11-01", lifted_reason="Appeal.")
    repository.publish("court")
    source.fetch()
    node.time += 60
    node.enforce(source.evidence())
    told = verify_log(node.stop(), {FEED: [repository.first_root]})
    assert (told.problem, told.proved) == ("", 2)
    notes = [note.partition(": ")[2] for note in told.notes]
    assert notes == [
        "orders/ministry/never.json is signed, and was not taken",
        "orders/ministry/never.json is signed, and was not taken",
        "orders/court/bad.json: an earlier version stayed in force, as the newest was refused",
    ]
