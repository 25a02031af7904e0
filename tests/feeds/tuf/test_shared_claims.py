from __future__ import annotations

import json
from pathlib import Path

from blockd.audit.signatures import prove
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.ruleset.salts import MAX_SALTS_OF_ONE
from tests.feeds.tuf.repository import AUTHORITIES, NOW, Repository
from tests.feeds.tuf.test_authorities import ids

ALL_THREE = [("", "court-1"), ("", "own-1"), ("ministry", "court-1"), ("ministry", "ministry-1"), ("court", "court-1")]


def confidential(repository: Repository, role: str, identifier: str, salt: int) -> None:
    document = {
        "schema": "1.0",
        "id": identifier,
        "authority": AUTHORITIES[role],
        "platform": "Example Messenger",
        "in_force_from": "2026-01-01",
        "confidential": True,
        "hashed": {"salt": f"{salt:032x}", "names": [f"{salt:032x}"]},
    }
    repository.target(role, f"orders/{role}/{identifier}.json", json.dumps(document).encode())


def told(version: SignedVersion) -> list[str]:
    return [authority.reason for authority in version.authorities]


def test_an_id_is_each_authoritys_own(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    repository.order("ministry", "court-1", ["harmless.example"])
    repository.order("", "court-1", ["other.example"])
    repository.publish("ministry", "targets")
    version = node.fetch()
    assert ids(version) == ALL_THREE
    assert told(version) == ["", ""]
    evidence = node.evidence()
    proved = prove(repository.first_root, evidence, NOW.timestamp()).documents
    assert {(order.role, order.id) for order in (document.order for document in proved.values())} == set(ALL_THREE)
    write_bundle(version, tmp_path / "accepted")
    assert ids(repository.node(tmp_path).fetch()) == ALL_THREE


def test_an_authority_that_gives_up_its_id_ends_no_other_order(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    repository.order("ministry", "court-1", ["harmless.example"])
    repository.publish("ministry")
    node.fetch()
    repository.role("court").targets.clear()
    repository.publish("court")
    assert ids(node.fetch()) == [("", "own-1"), ("ministry", "court-1"), ("ministry", "ministry-1")]


def test_many_salts_of_one_authority_do_not_end_the_confidential_orders_of_another(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    confidential(repository, "court", "quiet-1", salt=1)
    repository.publish("court")
    assert ("court", "quiet-1") in ids(node.fetch())
    for salt in range(2, MAX_SALTS_OF_ONE + 4):
        confidential(repository, "ministry", f"greedy-{salt:02}", salt)
    repository.publish("ministry")
    version = node.fetch()
    assert ("court", "quiet-1") in ids(version)
    assert [identifier for _, identifier in ids(version) if "greedy" in identifier] == [
        f"greedy-{salt:02}" for salt in range(2, MAX_SALTS_OF_ONE + 2)
    ]
    assert told(version) == ["too large", ""]
