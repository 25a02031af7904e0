from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from blockd.audit.chain import Head
from blockd.audit.kept_statements import read_statements
from blockd.audit.statement import (
    KEPT,
    keep_statement,
    kept_statements,
    node_key,
    public_key_from,
    public_key_text,
    sign_statement,
    verify_statement,
)
from blockd.errors import AuditError

TOLD = {"node": "Sample", "version": 3, "audit": Head(7, b"\7" * 32).to_json()}
SIGNER = Ed25519PrivateKey.generate()


def test_statement_is_verified_with_the_nodes_public_key(tmp_path: Path) -> None:
    key = node_key(tmp_path)
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600
    public = public_key_from(public_key_text(key.public_key()).encode())
    assert verify_statement(sign_statement(TOLD, node_key(tmp_path)), public)["version"] == 3


def test_changed_statement_and_another_key_are_refused() -> None:
    octets = sign_statement(TOLD, SIGNER)
    with pytest.raises(AuditError, match="signature is not valid"):
        verify_statement(octets.replace(b'"version":3', b'"version":4'), SIGNER.public_key())
    with pytest.raises(AuditError, match="another key"):
        verify_statement(octets, Ed25519PrivateKey.generate().public_key())


@given(data=st.data())
def test_mutated_statement_is_refused_or_the_same(data: st.DataObject) -> None:
    octets = bytearray(sign_statement(TOLD, SIGNER))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        told = verify_statement(bytes(octets), SIGNER.public_key())
    except AuditError:
        return
    assert told == verify_statement(sign_statement(TOLD, SIGNER), SIGNER.public_key())


@pytest.mark.parametrize("octets", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n", b"\0" * 100])
def test_damaged_key_is_a_sentence_and_never_replaced(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "node.key").write_bytes(octets)
    (tmp_path / "node.key").chmod(0o600)
    with pytest.raises(AuditError):
        node_key(tmp_path)
    assert (tmp_path / "node.key").read_bytes() == octets


def test_key_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    node_key(tmp_path)
    (tmp_path / "node.key").chmod(0o644)
    with pytest.raises(AuditError, match="chmod 600"):
        node_key(tmp_path)


def test_so_many_statements_are_kept_and_no_more(tmp_path: Path) -> None:
    key = node_key(tmp_path)
    for number in range(KEPT + 5):
        keep_statement(tmp_path, f"20261124T{number:06}Z", sign_statement(TOLD, key))
    keep_statement(tmp_path, f"20261124T{KEPT + 4:06}Z", sign_statement(TOLD, key))
    kept = kept_statements(tmp_path)
    assert len(kept) == KEPT
    assert kept[-1].name == f"20261124T{KEPT + 4:06}Z.json" or kept[-1].name.endswith("-2.json")
    found, notes, wrong = read_statements(tmp_path)
    assert (len(found), notes, wrong) == (KEPT, [], [])
    kept[0].write_text(json.dumps({}))
    kept[1].write_bytes(sign_statement(TOLD, Ed25519PrivateKey.generate()))
    found, notes, wrong = read_statements(tmp_path)
    assert (len(found), len(notes), len(wrong)) == (KEPT - 2, 1, 1)
    assert f"the statement {kept[0].name} is damaged or was changed" in wrong[0]
    assert "signed with another key" in notes[0], "of an earlier key of the node"
