"""Repositories that list their files with other digests than SHA-256, as some tools do."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.audit.signatures import prove
from blockd.audit.verifying import verify_log
from blockd.feeds.signed.list_texts import NameLists
from tests.audit.node import FEED, Node
from tests.feeds.tuf.repository import NOW, Repository
from tests.feeds.tuf.test_attacks import GOOD, names
from tests.feeds.tuf.test_refused_orders import list_order


@pytest.fixture(params=["sha512", "sha384", "sha256 sha512"])
def repository(request: pytest.FixtureRequest) -> Repository:
    repository = Repository(own=False, authorities=False)
    repository.algorithms = request.param.split()
    repository.order("", "own-1", ["own.example"])
    for role, authority in (("ministry", "Ministry of Samples"), ("court", "Sample Court")):
        repository.delegate(role, authority)
        repository.order(role, f"{role}-1", [f"{role}.example"])
    repository.publish()
    return repository


def test_orders_are_taken_and_kept_over_a_restart(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    before = node.fetch()
    assert (names(before), before.refused) == (GOOD, ())
    repository.order("court", "court-1", ["changed.example"])
    repository.publish("court")
    repository.asked.clear()
    changed = node.fetch()
    assert names(changed) == GOOD - {"court.example"} | {"changed.example"}
    assert changed.digest != before.digest
    assert [path for path in repository.asked if path.startswith("targets/")] == [
        repository.order_file("court", "court-1")
    ]
    repository.asked.clear()
    assert repository.node(tmp_path).fetch() == changed
    assert not [path for path in repository.asked if path.startswith("targets/")]


def test_substituted_order_is_refused(repository: Repository, tmp_path: Path) -> None:
    path = repository.order_file("court", "court-1")
    repository.files[path] = repository.files[path].replace(b"court.example", b"other.example")
    version = repository.node(tmp_path).fetch()
    assert names(version) == GOOD - {"court.example"}
    assert [one.reason for one in version.refused] == ["signature"]


def test_evidence_proves_the_orders_in_the_audit_log_too(repository: Repository, tmp_path: Path) -> None:
    source = repository.node(tmp_path / "feed")
    node = Node(tmp_path, repository.first_root, NOW.timestamp())
    source.fetch()
    evidence = source.evidence()
    assert len(prove(repository.first_root, evidence, NOW.timestamp()).documents) == 3
    node.enforce(evidence)
    repository.order("court", "court-2", ["news.example"])
    repository.publish("court")
    source.fetch()
    node.time += 60
    node.enforce(source.evidence())
    told = verify_log(node.stop(), {FEED: [repository.first_root]})
    assert (told.problem, told.notes, told.proved) == ("", [], 2)


def test_list_in_a_file_is_taken(repository: Repository, tmp_path: Path) -> None:
    list_order(repository, "court", "court-2", b"a.example\nb.example\n")
    version = repository.node(tmp_path, NameLists(tmp_path / "lists")).fetch()
    assert version.refused == ()
    assert [document.order.id for document in version.documents] == ["own-1", "ministry-1", "court-1", "court-2"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_order_with_a_weak_digest_only_is_refused_alone(tmp_path: Path, algorithm: str) -> None:
    repository = Repository()
    repository.algorithms = [algorithm]
    repository.order("court", "weak", ["weak.example"])
    repository.algorithms = ["sha256"]
    repository.publish("court")
    version = repository.node(tmp_path).fetch()
    assert names(version) == GOOD
    assert [(one.order, one.reason) for one in version.refused] == [("weak", "format")]
