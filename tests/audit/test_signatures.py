from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.audit.signatures import prove
from blockd.errors import AuditError
from tests.audit.conftest import NOON
from tests.audit.repository import Repository, order

AT = NOON.timestamp() + 10
OWN = {"order-1": order("order-1", ["listed.example"])}
MEDIA = {"media-1": order("media-1", ["video.example"])}


def test_documents_are_proved_with_the_keys_behind_them(repository: Repository) -> None:
    proof = prove(repository.root, repository.publish(OWN, MEDIA), AT)
    assert set(proof.documents) == {"orders/order-1.json", "orders/media/media-1.json"}
    behind = proof.behind("orders/media/media-1.json")
    assert [signature.role for signature in behind] == ["root", "timestamp", "snapshot", "targets", "media"]
    assert (behind[-1].threshold, len(behind[-1].keys)) == (2, 2)
    assert [one.role for one in proof.behind("orders/order-1.json")] == ["root", "timestamp", "snapshot", "targets"]
    assert proof.notes == []


def test_rotated_roots_are_gone_along(repository: Repository) -> None:
    repository.rotate()
    repository.rotate()
    proof = prove(repository.root, repository.publish(OWN), AT)
    assert {"1.root.json", "2.root.json", "3.root.json"} <= proof.signatures.keys()


def test_another_root_proves_nothing(repository: Repository) -> None:
    with pytest.raises(AuditError, match=r"differs from the trusted root"):
        prove(Repository(NOON).root, repository.publish(OWN), AT)


def test_root_that_is_newer_than_the_evidence_asks_for_the_older_one(repository: Repository) -> None:
    evidence = repository.publish(OWN)
    repository.rotate()
    with pytest.raises(AuditError, match=r"--root FILE"):
        prove(repository.roots["2.root.json"], evidence, AT)


def test_missing_root_in_between_is_told(repository: Repository) -> None:
    repository.rotate()
    repository.rotate()
    evidence = repository.publish(OWN)
    del evidence["2.root.json"]
    with pytest.raises(AuditError, match=r"3\.root\.json does not follow root 1"):
        prove(repository.root, evidence, AT)


def test_too_few_signatures_of_an_authority_are_told(repository: Repository) -> None:
    with pytest.raises(AuditError, match=r"media\.json is signed by fewer keys"):
        prove(repository.root, repository.publish(OWN, MEDIA, by=(0,)), AT)


def test_what_had_expired_when_it_was_taken_is_told(repository: Repository) -> None:
    evidence = repository.publish(OWN, life=timedelta(seconds=5))
    with pytest.raises(AuditError, match="had expired"):
        prove(repository.root, evidence, AT)


def test_document_that_nobody_signed_is_told(repository: Repository) -> None:
    evidence = repository.publish(OWN, MEDIA)
    evidence["orders/media/media-2.json"] = json.dumps(order("media-2", ["other.example"])).encode()
    with pytest.raises(AuditError, match="not among the signed documents"):
        prove(repository.root, evidence, AT)


def test_order_in_another_authoritys_name_is_told(repository: Repository) -> None:
    evidence = repository.publish(OWN, {"media-1": order("media-1", ["video.example"], authority="Somebody else")})
    with pytest.raises(AuditError, match="Somebody else"):
        prove(repository.root, evidence, AT)


def test_metadata_of_different_versions_is_told(repository: Repository) -> None:
    first, second = repository.publish(OWN, MEDIA), repository.publish(OWN)
    for name in ("targets.json", "snapshot.json"):
        with pytest.raises(AuditError, match=name):
            prove(repository.root, {**second, name: first[name]}, AT)


def test_authoritys_kept_older_version_is_noted(repository: Repository) -> None:
    proof = prove(repository.root, repository.publish(OWN, MEDIA, snapshot_media=2), AT)
    assert "orders/media/media-1.json" in proof.documents
    assert any("version 1 was kept, as version 2 was refused" in note for note in proof.notes)


@settings(max_examples=150)
@given(data=st.data())
def test_no_changed_octet_is_proved_and_nothing_but_an_audit_error_is_raised(data: st.DataObject) -> None:
    repository, evidence = _published()
    name = data.draw(st.sampled_from(sorted(evidence)))
    octets = bytearray(evidence[name])
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        proof = prove(repository.root, {**evidence, name: bytes(octets)}, AT)
    except AuditError:
        return
    good = prove(repository.root, evidence, AT)
    assert proof.documents == good.documents  # only what is not signed, as blanks or a needless signature, may differ


@settings(max_examples=60)
@given(octets=st.binary(max_size=300), name=st.sampled_from(["1.root.json", "timestamp.json", "media.json"]))
def test_garbage_is_an_audit_error(octets: bytes, name: str) -> None:
    repository, evidence = _published()
    with pytest.raises(AuditError):
        prove(repository.root, {**evidence, name: octets}, AT)


_MADE: list[tuple[Repository, dict[str, bytes]]] = []


def _published() -> tuple[Repository, dict[str, bytes]]:
    """One repository for all examples."""
    if not _MADE:
        repository = Repository(NOON)
        _MADE.append((repository, repository.publish(OWN, MEDIA)))
    return _MADE[0]
