from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.reasons import REASONS
from blockd.feeds.signed.bundle import SignedVersion
from tests.feeds.tuf.attacks import WHOLE
from tests.feeds.tuf.attacks_on_one import ONE
from tests.feeds.tuf.repository import DAY, NOW, Repository, keys


def names(version: SignedVersion) -> set[str]:
    return {entry.text for document in version.documents for entry in document.entries}


GOOD = {"own.example", "ministry.example", "court.example"}


@pytest.fixture
def repository() -> Repository:
    """Return a repository at its third version of everything, so that there is something to go back to."""
    repository = Repository()
    repository.publish("targets", "ministry", "court")
    repository.publish("targets", "ministry", "court")
    return repository


@pytest.mark.parametrize("attack", WHOLE)
def test_attack_is_refused_for_its_own_reason_and_leaves_no_trace(
    repository: Repository, tmp_path: Path, attack: str
) -> None:
    node = repository.node(tmp_path)
    before = node.fetch()
    assert names(before) == GOOD
    honest = repository.fork()
    mount, reason = WHOLE[attack]
    mount(repository)
    for looking in (node, repository.node(tmp_path)):  # as it runs, and after a restart
        with pytest.raises(FeedRefused) as caught:
            looking.fetch()
        assert caught.value.reason == reason
        assert reason in REASONS
        assert "what it gave before stays in force" in str(caught.value)
    repository.files, repository.endless, repository.now = honest.files, honest.endless, NOW
    assert node.fetch() == before
    honest.order("court", "court-9", ["news.example"])
    honest.publish("court")
    assert names(node.fetch()) == GOOD | {"news.example"}
    assert names(repository.node(tmp_path).fetch()) == GOOD | {"news.example"}


@pytest.mark.parametrize("attack", ONE)
def test_fault_of_one_authority_costs_only_its_own_news(repository: Repository, tmp_path: Path, attack: str) -> None:
    node = repository.node(tmp_path)
    before = node.fetch()
    honest = repository.fork()
    mount, reason = ONE[attack]
    mount(repository)
    attacked = repository.fork()
    attacked.order("ministry", "ministry-2", ["other-news.example"])
    attacked.publish("ministry")
    for files, others in ((repository.files, set()), (attacked.files, {"other-news.example"})):
        repository.files = files
        repository.endless |= attacked.endless
        for looking in (node, repository.node(tmp_path)):
            version = looking.fetch()
            assert names(version) == GOOD | others
            ministry, court = version.authorities
            assert (ministry.role, ministry.reason, ministry.refusal) == ("ministry", "", "")
            assert (court.role, court.reason, court.version) == ("court", reason, before.authorities[1].version)
            assert "authority court" in court.refusal
            assert "what it gave before stays in force" in court.refusal
    honest.order("court", "court-9", ["news.example"])
    for _ in range(4):
        honest.publish("targets", "court", "ministry")
    repository.files, repository.endless = honest.files, set()
    version = node.fetch()
    assert names(version) == GOOD | {"news.example"}
    assert not any(authority.refusal for authority in version.authorities)


@pytest.mark.parametrize("attack", ONE)
def test_authority_that_is_bad_from_the_start_gives_nothing(
    repository: Repository, tmp_path: Path, attack: str
) -> None:
    mount, reason = ONE[attack]
    mount(repository)
    version = repository.node(tmp_path).fetch()
    assert names(version) == {"own.example", "ministry.example"}
    assert (version.authorities[1].version, version.authorities[1].expires) == (0, 0)
    assert version.authorities[1].reason == reason


def test_repository_whose_every_part_is_refused_is_refused(tmp_path: Path) -> None:
    repository = Repository(own=False)
    node = repository.node(tmp_path)
    node.fetch()
    for role in ("ministry", "court"):
        repository.target(role, "orders/elsewhere.json", b"{}")
    repository.publish("ministry", "court")
    with pytest.raises(FeedRefused) as caught:
        node.fetch()
    assert caught.value.reason == "outside"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "court"])
def test_fast_forward_is_recovered_from_by_new_keys(repository: Repository, tmp_path: Path, role: str) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    fast = 2**31 - 2
    good = repository.signed[role].version
    repository.signed[role].version = fast
    repository.publish(*{"timestamp": ("timestamp",)}.get(role, (role,)))
    node.fetch()
    repository.signed[role].version = good
    repository.timestamp.version = repository.timestamp.version if role != "timestamp" else good
    rotated = {"timestamp": ["timestamp"], "snapshot": ["snapshot", "timestamp"]}.get(role, ["snapshot", "timestamp"])
    for top in rotated:
        repository.rotate(top)
    repository.publish("root")
    if role in ("targets", "court"):
        repository.publish(role)
    repository.order("ministry", "ministry-2", ["news.example"])
    repository.publish("ministry")
    assert "news.example" in names(node.fetch())


def test_expired_root_is_refused_until_a_newer_one_is_there(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    end, repository.root.expires = repository.root.expires, NOW - DAY
    repository.publish("root")
    with pytest.raises(FeedRefused) as caught:
        node.fetch()
    assert caught.value.reason == "expired"
    repository.root.expires = end
    repository.publish("root")
    assert names(node.fetch()) == GOOD


def test_authority_gives_nothing_until_its_new_keys_have_signed(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    stolen = repository.signers["court"]
    for signer in stolen:
        repository.targets.revoke_key(signer.public_key.keyid, "court")
    repository.signers["court"] = keys(2)
    for signer in repository.signers["court"]:
        repository.targets.add_key(signer.public_key, "court")
    repository.publish("targets")
    for looking in (node, repository.node(tmp_path)):
        version = looking.fetch()
        assert names(version) == GOOD - {"court.example"}
        assert version.authorities[1].reason == "signature"
    repository.publish("court")
    assert names(node.fetch()) == GOOD


def test_authority_no_longer_delegated_gives_nothing_any_more(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    assert repository.targets.delegations is not None
    assert repository.targets.delegations.roles is not None
    del repository.targets.delegations.roles["court"]
    repository.publish("targets")
    for looking in (node, repository.node(tmp_path)):
        version = looking.fetch()
        assert names(version) == GOOD - {"court.example"}
        assert [authority.role for authority in version.authorities] == ["ministry"]
    assert not (tmp_path / "trusted" / "court.json").exists()


def test_rotated_roots_are_followed_one_by_one(repository: Repository, tmp_path: Path) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    for _ in range(3):
        old = repository.signers["root"]
        repository.rotate("root")
        repository.root.version += 1
        repository.write("root", [*old, *repository.signers["root"]])
    repository.rotate("timestamp")
    repository.publish("root")
    repository.publish("timestamp")
    assert names(node.fetch()) == GOOD
    assert set(node.evidence()) >= {f"{version}.root.json" for version in range(1, 6)}
