from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.signed.bundle import SignedVersion, read_bundle, write_bundle
from tests.feeds.tuf.repository import Repository, keys
from tests.feeds.tuf.test_attacks import GOOD, names

Damage = Callable[[Path], None]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


def evil(path: Path) -> None:
    """Write what would be valid if it were signed."""
    path.write_bytes(path.read_bytes().replace(b".example", b".exampel").replace(b'"version":1', b'"version":9'))


def huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(16 * 1024 * 1024)


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    (path / "something").mkdir(parents=True)


def broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = (empty, cut, noise, evil, huge, gone, folder, broken_link)


@pytest.fixture
def repository() -> Repository:
    repository = Repository()
    old = repository.signers["root"]
    repository.rotate("root")
    repository.root.version += 1
    repository.write("root", [*old, *repository.signers["root"]])
    return repository


def kept(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]


def test_node_keeps_metadata_of_every_role_the_roots_and_the_orders(repository: Repository, tmp_path: Path) -> None:
    repository.node(tmp_path).fetch()
    assert {str(path) for path in kept(tmp_path / "trusted")} == {
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "ministry.json",
        "court.json",
        "root_history/1.root.json",
        "root_history/2.root.json",
    }
    assert len(kept(tmp_path / "orders")) == 3


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damaged_file_heals_and_nothing_unsigned_is_given(
    repository: Repository, tmp_path: Path, damage: Damage
) -> None:
    good = repository.node(tmp_path / "good").fetch()
    files, nothing = repository.files, dict[str, bytes]()
    for name in kept(tmp_path / "good"):
        state = tmp_path / "state"
        shutil.copytree(tmp_path / "good", state)
        damage(state / name)
        repository.files = nothing
        assert "stays in force" in refusal(repository, state)
        repository.files = files
        node = repository.node(state)
        assert node.fetch() == good
        assert len(node.evidence()) == 5 + 2 + 3
        assert repository.node(state).fetch() == good
        shutil.rmtree(state)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("place", ["trusted/court.json", "orders"])
def test_damaged_files_of_a_refused_authority_give_nothing_unsigned(
    repository: Repository, tmp_path: Path, damage: Damage, place: str
) -> None:
    repository.node(tmp_path).fetch()
    order = repository.order_file("court", "court-1").rpartition("/")[2].partition(".")[0]
    repository.order("court", "court-2", ["evil.example"])
    repository.signers["court"] = keys(2)
    repository.publish("court")
    path = tmp_path / place
    damage(path / f"{order}.json" if path.is_dir() else path)
    version = repository.node(tmp_path).fetch()
    assert version.authorities[1].reason == "signature"
    assert names(version) - GOOD == set()
    assert names(version) >= GOOD - {"court.example"}
    if place == "orders":  # the repository still has what was signed
        assert names(version) == GOOD


def test_everything_lost_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    good = node.fetch()
    shutil.rmtree(tmp_path)
    assert node.fetch() == good
    repository.order("court", "court-2", ["news.example"])
    repository.publish("court")
    shutil.rmtree(tmp_path, ignore_errors=True)
    assert names(node.fetch()) == GOOD | {"news.example"}
    assert len(node.evidence()) == 5 + 2 + 4


@pytest.mark.parametrize("place", ["trusted", "trusted/root_history", "orders", "staging"])
def test_file_in_the_place_of_a_folder_is_a_refusal_that_says_what_to_do(
    repository: Repository, tmp_path: Path, place: str
) -> None:
    repository.node(tmp_path).fetch()
    shutil.rmtree(tmp_path / place, ignore_errors=True)
    (tmp_path / place).write_bytes(b"a file")
    assert "the folder may be removed" in refusal(repository, tmp_path)


def test_strangers_folder_among_the_metadata_does_no_harm(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "trusted" / "stranger.json").mkdir(parents=True)
    assert names(repository.node(tmp_path).fetch()) == GOOD


def test_evidence_lost_meanwhile_is_told_and_fetched_again(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    good = node.fetch()
    shutil.rmtree(tmp_path / "orders")
    with pytest.raises(FeedRefused, match="fetched again") as caught:
        node.evidence()
    assert caught.value.reason == "fault"
    assert node.fetch() == good
    assert len(node.evidence()) == 5 + 2 + 3


def test_bundle_with_another_name_of_a_role_is_not_read(repository: Repository, tmp_path: Path) -> None:
    version: SignedVersion = repository.node(tmp_path).fetch()
    path = tmp_path / "bundle"
    write_bundle(version, path)
    path.write_bytes(path.read_bytes().replace(b"ministry.example", b"ministry.exampel").replace(b"court", b"cuort"))
    with pytest.raises(FeedRefused) as caught:
        read_bundle(path)
    assert caught.value.reason == "format"


def refusal(repository: Repository, state: Path) -> str:
    with pytest.raises(FeedRefused) as caught:
        repository.node(state).fetch()
    return str(caught.value)


def test_metadata_kept_are_the_octets_that_were_published(repository: Repository, tmp_path: Path) -> None:
    repository.node(tmp_path).fetch()
    for role in ("targets", "ministry", "court"):
        content = (tmp_path / "trusted" / f"{role}.json").read_bytes()
        assert content == repository.files[f"metadata/1.{role}.json"]
        assert json.loads(content)["signed"]["version"] == 1
