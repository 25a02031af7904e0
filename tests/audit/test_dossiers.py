"""Dossiers of orders, from the audit log: history, signatures verified again, and the document that was signed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from blockd.audit.database import Database
from blockd.audit.dossiers import FeedProof, dossier_of, prove_feed, signatures_behind, signed_place
from blockd.audit.log import DATABASE
from blockd.audit.signatures import Proof, RoleSignature
from blockd.errors import AuditError
from blockd.orders import OrderKey, parse_document
from blockd.orders.dossier import Dossier, Signatures, SignedFile, dossier_from_json, fingerprint, signatures_from_json
from tests.audit.conftest import NOON
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order

LIMIT = 1 << 20
OWN, MEDIA = OrderKey(FEED, "", "order-1"), OrderKey(FEED, "media", "media-1")


def proof_of(node: Node, number: int = -1) -> dict[str, str]:
    """Return what a version's record says of the evidence for the signed feed."""
    database = Database.read(node.state / DATABASE)
    record = list(database.find(kinds=("enforced",)))[number]
    (proof,) = (part["proof"] for part in record.body["feeds"] if part["name"] == FEED)
    database.close()
    return dict(proof)


def of(node: Node, key: OrderKey, document: dict[str, object], limit: int = LIMIT) -> tuple[Dossier, bytes]:
    database = Database.read(node.state / DATABASE)
    try:
        proved = prove_feed(database, proof_of(node), [node.root.read_bytes()])
        parsed = parse_document(document, "order").order
        dossier, octets = dossier_of(database, replace(parsed, role=key.role), key, signed_place(proved, key), limit)
        return dossier.resting_on(signatures_behind(proved, key.role)), octets
    finally:
        database.close()


def test_history_is_what_the_node_recorded_and_signatures_are_verified_again(
    story: Node, repository: Repository
) -> None:
    dossier, document = of(story, MEDIA, order("media-1", ["video.example"], expires="2026-11-24T12:30:00Z"))
    assert [(turn.at, turn.state) for turn in dossier.history] == [
        ("2026-11-24T12:00:10.000Z", "in force"), ("2026-11-24T12:30:00.125Z", "expired"),
    ]  # fmt: skip
    assert [one.file for one in dossier.signatures] == [
        "1.root.json", "2.root.json", "timestamp.json", "snapshot.json", "targets.json", "media.json",
    ]  # fmt: skip
    last = dossier.signatures[-1]
    assert (last.version, last.threshold) == (2, 2)
    assert set(last.keys) == {repository.media[index].public_key.keyid for index in (0, 1)}
    assert dossier.verified == "2026-11-24T12:10:10.000Z"
    assert (dossier.sha256, dossier.size) == (hashlib.sha256(document).hexdigest(), len(document))
    assert b"video.example" in document
    own, _ = of(story, OWN, order("order-1", ["listed.example"]))
    assert [turn.state for turn in own.history] == ["in force", "lifted"]
    assert own.signatures[-1].file == "targets.json"


def test_a_dossier_survives_its_file(story: Node) -> None:
    dossier, _ = of(story, OWN, order("order-1", ["listed.example"]))
    signatures = Signatures(dossier.verified, dossier.signatures)
    assert signatures_from_json(json.loads(json.dumps(signatures.to_json()))) == signatures
    assert dossier_from_json(json.loads(json.dumps(dossier.to_json()))).resting_on(signatures) == dossier
    wrongs: list[object] = [None, [], {}, {**dossier.to_json(), "history": [{"at": 1, "state": "x"}]}, {"history": 7}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="dossier"):
            dossier_from_json(wrong)
        with pytest.raises(ValueError, match="signatures"):
            signatures_from_json(wrong)


def test_earlier_metadata_are_behind_the_orders_that_only_they_list() -> None:
    files = tuple(SignedFile(name, 1, 1, ("a",)) for name in ("1.root.json", "media.json", "earlier/3.media.json"))
    listed = Dossier("x", listed_by="media.json").resting_on(Signatures("then", files))
    assert ([one.file for one in listed.signatures], listed.verified) == (["1.root.json", "media.json"], "then")
    assert Dossier("x", listed_by="earlier/3.media.json").resting_on(Signatures("then", files)).signatures == files
    assert Dossier("x").resting_on(Signatures("then", files)) == Dossier("x")


def test_of_many_roots_the_first_and_the_newest_are_shown() -> None:
    proof = Proof(signatures={
        name: RoleSignature(name, role, version, 1, ("a",), 0)
        for name, role, version in (
            *((f"{number}.root.json", "root", number) for number in range(1, 90)),
            ("timestamp.json", "timestamp", 1), ("media.json", "media", 1), ("other.json", "other", 1),
        )
    })  # fmt: skip
    files = [one.file for one in signatures_behind(FeedProof(proof, "then", {}), "media").files]
    assert files == [
        "1.root.json", *(f"{number}.root.json" for number in range(41, 90)), "timestamp.json", "media.json",
    ]  # fmt: skip


def test_an_order_that_was_changed_has_another_fingerprint() -> None:
    first = parse_document(order("order-1", ["listed.example"]), "order").order
    assert fingerprint(first) == fingerprint(replace(first, shown="ministry/order-1"))
    for changed in ({"summary": "x"}, {"lifted_on": 7}, {"role": "media"}, {"unknown": {"a": 1}}):
        assert fingerprint(replace(first, **changed)) != fingerprint(first)


def test_a_large_document_is_told_of_and_neither_kept_nor_read(story: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, read = Database.evidence, set[str]()

    def evidence(database: Database, digest: str) -> bytes | None:
        read.add(digest)
        return reading(database, digest)

    monkeypatch.setattr(Database, "evidence", evidence)
    dossier, document = of(story, OWN, order("order-1", ["listed.example"]), limit=20)
    assert (dossier.is_kept, document) == (False, b"")
    assert dossier.size > 20
    assert dossier.sha256
    assert dossier.sha256 not in read


def test_the_document_of_a_confidential_order_is_never_part_of_it(node: Node, repository: Repository) -> None:
    hashed = {"salt": "00" * 16, "names": ["ff" * 16]}
    secret = order("order-1", confidential=True, hashed=hashed)
    secret.pop("names", None)
    node.enforce(repository.publish({"order-1": secret}))
    node.stop()
    dossier, document = of(node, OWN, secret)
    assert (document, dossier.sha256, dossier.size, dossier.is_kept) == (b"", "", 0, False)
    assert [turn.state for turn in dossier.history] == ["in force"]
    assert dossier.signatures


def test_without_a_proof_there_is_the_history_alone(story: Node) -> None:
    database = Database.read(story.state / DATABASE)
    parsed = parse_document(order("order-1", ["listed.example"]), "order").order
    dossier, document = dossier_of(database, parsed, OWN, None, LIMIT)
    database.close()
    assert [turn.state for turn in dossier.history] == ["in force", "lifted"]
    assert (dossier.signatures, dossier.verified, document) == ((), "", b"")


def test_another_root_proves_nothing(story: Node) -> None:
    database = Database.read(story.state / DATABASE)
    for roots in ([], [Repository(NOON).root]):
        with pytest.raises(AuditError):
            prove_feed(database, proof_of(story), roots)
    proved = prove_feed(database, proof_of(story), [Repository(NOON).root, story.root.read_bytes()])
    database.close()
    assert isinstance(proved, FeedProof)


def test_of_many_turns_the_newest_are_told(story: Node) -> None:
    database = Database.read(story.state / DATABASE)
    assert [one.body["state"] for one in database.turns_of(OWN, 1)] == ["lifted"]
    database.close()


def test_changes_of_an_order_that_leave_its_state_are_no_turns(node: Node, repository: Repository) -> None:
    for number in range(5):
        node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"], summary=f"Version {number}")}))
        node.time += 1
    node.stop()
    database = Database.read(node.state / DATABASE)
    assert [one.body["state"] for one in database.turns_of(OWN, 2)] == ["in force"]
    assert database.turns_of(OrderKey(FEED, "media", "order-1"), 10) == []
    database.close()
