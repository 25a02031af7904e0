from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Set
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.signed.bundle import SignedVersion, read_bundle, write_bundle
from blockd.orders import NameList
from blockd.orders.repository import AUTHORITY_FIELD, MAY_LIFT_FIELD
from tests.feeds.tuf.repository import AUTHORITIES, NOW, Repository


def ids(version: SignedVersion) -> list[tuple[str, str]]:
    return [(document.order.role, document.order.id) for document in version.documents]


def test_orders_of_the_repository_and_of_authorities_stand_beside_each_other(tmp_path: Path) -> None:
    version = Repository().node(tmp_path).fetch()
    assert ids(version) == [("", "own-1"), ("ministry", "ministry-1"), ("court", "court-1")]
    assert [(one.role, one.version, one.refusal) for one in version.authorities] == [
        ("ministry", 1, ""),
        ("court", 1, ""),
    ]
    assert version.published == NOW.timestamp() + 0.25
    write_bundle(version, tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle") == version


@pytest.mark.parametrize("told", [None, 5, "yesterday", "2026-13-24T12:00:00.250Z", "2026-11-24T12:00:00Z"])
def test_moment_of_publishing_that_cannot_be_read_counts_as_none(tmp_path: Path, told: object) -> None:
    repository = Repository()
    repository.timestamp.unrecognized_fields["x-blockd-published"] = told
    repository.timestamp.version += 1
    repository.write("timestamp")
    assert repository.node(tmp_path).fetch().published is None


def test_repository_of_authorities_only_is_enough(tmp_path: Path) -> None:
    assert len(Repository(own=False).node(tmp_path).fetch().documents) == 2


def test_authority_without_an_order_is_fine_and_a_repository_without_any_is_refused(tmp_path: Path) -> None:
    repository = Repository(own=False)
    repository.role("court").targets.clear()
    repository.publish("court")
    assert ids(repository.node(tmp_path).fetch()) == [("ministry", "ministry-1")]
    repository.role("ministry").targets.clear()
    repository.publish("ministry")
    with pytest.raises(FeedRefused) as caught:
        repository.node(tmp_path).fetch()
    assert caught.value.reason == "empty"


def test_document_cannot_say_itself_which_role_has_signed_it(tmp_path: Path) -> None:
    repository = Repository()
    repository.order("court", "court-1", ["court.example"], _role="ministry")
    repository.publish("court")
    assert ids(repository.node(tmp_path).fetch())[-1] == ("court", "court-1")


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("Court", {AUTHORITY_FIELD: "Sample Court"}),
        ("../court", {AUTHORITY_FIELD: "Sample Court"}),
        ("c" * 33, {AUTHORITY_FIELD: "Sample Court"}),
        ("third", {}),
        ("third", {AUTHORITY_FIELD: ["Sample Court"]}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: []}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: "ministry"}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: ["third"]}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: ["ministry", "ministry"]}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: ["ministry", 7]}),
        ("third", {AUTHORITY_FIELD: "Sample Court", MAY_LIFT_FIELD: [f"a-{number}" for number in range(65)]}),
    ],
)
def test_delegation_to_what_is_no_authority_gives_nothing(tmp_path: Path, role: str, fields: dict[str, object]) -> None:
    repository = Repository()
    repository.delegate(role, "", fields=fields)
    repository.signed[role].version = 1
    repository.publish("targets")
    version = repository.node(tmp_path).fetch()
    assert len(version.documents) == 3
    assert [one.reason for one in version.authorities] == ["", "", "format"]


def test_delegation_says_whose_orders_an_authority_may_lift(tmp_path: Path) -> None:
    repository = Repository()
    before = repository.node(tmp_path).fetch()
    repository.delegation("court").unrecognized_fields[MAY_LIFT_FIELD] = ["ministry"]
    repository.publish("targets")
    version = repository.node(tmp_path).fetch()
    assert (before.may_lift, version.may_lift) == ({}, {"court": ("ministry",)})
    assert version.documents == before.documents
    assert version.digest != before.digest, "so that it is compiled anew"
    write_bundle(version, tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle") == version


def test_delegation_by_the_hashes_of_paths_is_refused(tmp_path: Path) -> None:
    repository = Repository(authorities=False)
    content = json.loads(repository.octets("targets"))["signed"]
    content["delegations"] = {
        "keys": {},
        "succinct_roles": {"keyids": ["a"], "threshold": 1, "bit_length": 2, "name_prefix": "bin"},
    }
    repository.signed["targets"] = type(repository.targets).from_dict(content)
    repository.publish("targets")
    with pytest.raises(FeedRefused) as caught:
        repository.node(tmp_path).fetch()
    assert caught.value.reason == "format"


def test_greedy_authority_does_not_displace_what_another_gave_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.authorities.MAX_ORDERS", 4)
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    for number in range(2, 9):
        repository.order("ministry", f"ministry-{number}", ["greedy.example"])
    repository.order("court", "court-2", ["news.example"])
    repository.publish("ministry", "court")
    version = node.fetch()
    assert ids(version) == [("", "own-1"), ("ministry", "ministry-1"), ("court", "court-1"), ("court", "court-2")]
    assert [one.reason for one in version.authorities] == ["too large", ""]


def test_greedy_authority_leaves_room_to_one_that_has_signed_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.authorities.MAX_ORDERS", 12)  # of which each of two has 3 for sure
    repository = Repository()
    node = repository.node(tmp_path)
    for number in range(2, 10):
        repository.order("ministry", f"ministry-{number}", ["greedy.example"])
    repository.publish("ministry")
    assert [one.reason for one in node.fetch().authorities] == ["too large", ""]
    repository.role("ministry").targets.popitem()
    for number in (2, 3):
        repository.order("court", f"court-{number}", ["news.example"])
    repository.publish("ministry", "court")
    version = node.fetch()
    assert [one.reason for one in version.authorities] == ["", ""]
    assert len(version.documents) == 12


def test_evidence_is_every_octet_that_proves_the_version(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    expected = {name: repository.files[f"metadata/1.{name}"] for name in ("root.json", "snapshot.json", "targets.json")}
    expected["1.root.json"] = expected.pop("root.json")
    expected["timestamp.json"] = repository.files["metadata/timestamp.json"]
    for role in AUTHORITIES:
        expected[f"{role}.json"] = repository.files[f"metadata/1.{role}.json"]
        expected[f"orders/{role}/{role}-1.json"] = repository.files[repository.order_file(role, f"{role}-1")]
    expected["orders/own-1.json"] = repository.files[repository.order_file("", "own-1")]
    assert node.evidence() == expected


def test_evidence_of_a_refused_authority_is_of_what_stays_in_force(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    good = repository.files["metadata/1.court.json"]
    repository.target("court", "elsewhere/x", b"{}")
    repository.publish("court")
    node.fetch()
    assert node.evidence()["court.json"] == good
    assert json.loads(node.evidence()["snapshot.json"])["signed"]["meta"]["court.json"]["version"] == 2


def test_authority_that_was_refused_for_good_costs_a_warm_look_nothing(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    repository.target("court", "elsewhere/x", b"{}")
    repository.publish("court")
    first = node.fetch()
    repository.asked.clear()
    assert node.fetch() == first
    assert repository.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_only_what_changed_is_fetched(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    repository.order("court", "court-2", ["news.example"])
    repository.publish("court")
    repository.asked.clear()
    node.fetch()
    assert repository.asked == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
        "metadata/2.court.json",
        repository.order_file("court", "court-2"),
    ]


def test_authority_that_expires_between_two_looks_is_told_and_stays(tmp_path: Path) -> None:
    repository = Repository()
    repository.role("court").expires = NOW.replace(hour=13)
    repository.publish("court")
    node = repository.node(tmp_path)
    node.fetch()
    repository.now = NOW.replace(hour=14)
    version = node.fetch()
    assert len(version.documents) == 3
    assert (version.authorities[1].reason, version.authorities[1].expires) == (
        "expired",
        int(NOW.replace(hour=13).timestamp()),
    )


class Texts:
    """Simulates the texts of lists: downloads each step's file and records its content."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.paths: list[Path] = []
        self.kept: Set[str] = frozenset()

    def bring(self, names: NameList, download: Callable[[str], Path]) -> Path:
        for step in names.steps:
            path = download(step.target)
            self.paths.append(path)
            self.files[step.target] = gzip.decompress(path.read_bytes())
        return path

    def prune(self, kept: Set[str]) -> None:
        self.kept = kept


def listing(repository: Repository, content: bytes = b"a.example\nb.example\n") -> str:
    """Publish an order of the court with a list in a file; return the file's path."""
    file = repository.target("court", "lists/court/national-0001.base.gz", gzip.compress(content, mtime=0))
    step = {"target": "lists/court/national-0001.base.gz", "sha256": "ab" * 32, "size": 20, "count": 2}
    document = {"schema": "1.0", "id": "national", "authority": "Sample Court", "platform": "Everything"}
    document |= {"in_force_from": "2026-01-01", "list": {"steps": [step]}}  # type: ignore[dict-item]
    repository.target("court", "orders/court/national.json", json.dumps(document).encode())
    repository.publish("court")
    return file


def test_names_in_files_are_brought_from_the_same_part_and_their_downloads_removed(tmp_path: Path) -> None:
    repository, texts = Repository(), Texts()
    listing(repository)
    version = repository.node(tmp_path, texts).fetch()
    assert version.documents[-1].names is not None
    assert version.authorities[1].refusal == ""
    assert texts.files == {"lists/court/national-0001.base.gz": b"a.example\nb.example\n"}
    assert texts.kept == {"ab" * 32}
    assert not any(path.exists() for path in texts.paths)


def test_texts_of_the_version_in_force_stay_until_another_is(tmp_path: Path) -> None:
    repository, texts = Repository(), Texts()
    node = repository.node(tmp_path, texts)
    listing(repository)
    write_bundle(node.fetch(), tmp_path / "accepted")
    del repository.role("court").targets["orders/court/national.json"]
    repository.publish("court")
    node.fetch()
    assert texts.kept == {"ab" * 32}
    write_bundle(node.fetch(), tmp_path / "accepted")
    repository.publish("court")
    node.fetch()
    assert texts.kept == frozenset()


@pytest.mark.parametrize("place", ["incoming", "candidate", "waiting"])
def test_texts_of_a_version_on_its_way_into_force_stay(tmp_path: Path, place: str) -> None:
    repository, texts = Repository(), Texts()
    node = repository.node(tmp_path, texts)
    listing(repository)
    write_bundle(node.fetch(), tmp_path / place)
    del repository.role("court").targets["orders/court/national.json"]
    repository.publish("court")
    node.fetch()
    assert texts.kept == {"ab" * 32}


def test_swapped_file_of_names_costs_its_order_only(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path, Texts())
    node.fetch()
    file = listing(repository)
    good, repository.files[file] = repository.files[file], gzip.compress(b"evil.example\n")[:30].ljust(30)
    version = node.fetch()
    assert ids(version)[-1] == ("court", "court-1")
    assert [(one.order, one.reason) for one in version.refused] in (
        [("national", "signature")],
        [("national", "too large")],
    )
    repository.files[file] = good
    assert ids(node.fetch())[-1] == ("court", "national")


def test_lists_of_one_authority_beyond_their_number_are_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.documents.MAX_LISTS", 0)
    repository = Repository()
    listing(repository)
    version = repository.node(tmp_path, Texts()).fetch()
    assert [(one.order, one.reason) for one in version.refused] == [("national", "too large")]
