from __future__ import annotations

import gzip
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadError

from blockd.audit.signatures import prove
from blockd.errors import FeedRefused
from blockd.feeds.reasons import REASONS
from blockd.feeds.signed.allowance import Allowance
from blockd.feeds.signed.bundle import SignedVersion, read_bundle, write_bundle
from blockd.feeds.signed.limits import MAX_EARLIER, MAX_TOLD
from blockd.feeds.signed.list_texts import NameLists
from blockd.feeds.signed.repository import SignedRepository
from tests.feeds.tuf.attacks_on_order import BAD, ORDER, path_of
from tests.feeds.tuf.repository import AUTHORITIES, NOW, Repository, keys

ROLES = ("", "court")
FIRST = {"own.example", "ministry.example", "court.example"}


def names(version: SignedVersion) -> set[str]:
    return {entry.text for document in version.documents for entry in document.entries}


def told(version: SignedVersion) -> list[tuple[str, str, str, bool]]:
    return [(one.role, one.order, one.reason, one.stays) for one in version.refused]


def node_of(repository: Repository, folder: Path) -> SignedRepository:
    return repository.node(folder, NameLists(folder / "lists"))


def publish(repository: Repository, role: str) -> None:
    repository.publish(role or "targets")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("fault", ORDER)
def test_order_is_refused_alone_and_all_others_are_taken(tmp_path: Path, fault: str, role: str) -> None:
    repository = Repository()
    mount, reason = ORDER[fault]
    mount(repository, role)
    repository.order(role, "good", ["news.example"])
    publish(repository, role)
    repository.order("ministry", "ministry-2", ["other-news.example"])
    repository.publish("ministry")
    assert reason in REASONS
    node = node_of(repository, tmp_path)
    for looking in (node, node_of(repository, tmp_path)):  # as it runs, and after a restart
        version = looking.fetch()
        assert names(version) == FIRST | {"news.example", "other-news.example"}
        assert told(version) == [(role, BAD, reason, False)]
        [refused] = version.refused
        assert f"he order {BAD} " in refused.refusal
        assert refused.refusal.endswith("It is not in force.")
        assert str(tmp_path) not in refused.refusal
        assert not any(authority.refusal for authority in version.authorities)
    proved = prove(repository.first_root, node.evidence(), NOW.timestamp())
    assert path_of(role) not in proved.documents
    repository.endless.clear()
    repository.order(role, BAD, ["healed.example"])
    publish(repository, role)
    healed = node.fetch()
    assert healed.refused == ()
    assert "healed.example" in names(healed)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("fault", ORDER)
def test_earlier_version_of_a_refused_order_stays_and_nothing_else_waits_for_it(
    tmp_path: Path, fault: str, role: str
) -> None:
    repository = Repository()
    repository.order(role, BAD, ["earlier.example"])
    repository.order(role, "good", ["lifted.example"])
    publish(repository, role)
    node = node_of(repository, tmp_path)
    assert names(node.fetch()) == FIRST | {"earlier.example", "lifted.example"}
    mount, reason = ORDER[fault]
    mount(repository, role)
    repository.order(role, "good", ["lifted.example"], lifted_on="2026-11-01", lifted_reason="Appeal.")
    publish(repository, role)
    for looking in (node, node_of(repository, tmp_path)):
        version = looking.fetch()
        assert names(version) == FIRST | {"earlier.example", "lifted.example"}
        assert told(version) == [(role, BAD, reason, True)]
        assert version.refused[0].refusal.endswith("An earlier version of the order stays in force.")
        [good] = [document.order for document in version.documents if document.order.id == "good"]
        assert good.lifted_on is not None
        write_bundle(version, tmp_path / "bundle")
        assert read_bundle(tmp_path / "bundle") == version
    proved = prove(repository.first_root, node.evidence(), NOW.timestamp())
    assert [entry.text for entry in proved.documents[path_of(role)].entries] == ["earlier.example"]
    assert any("earlier version" in note for note in proved.notes)
    for _ in range(3):  # news of others change nothing of it
        repository.order(role, "good", ["lifted.example"], summary=f"{len(repository.files)}")
        publish(repository, role)
        assert "earlier.example" in names(node.fetch())
    repository.role(role).targets.pop(path_of(role))  # its signer gives it up
    publish(repository, role)
    ended = node.fetch()
    assert "earlier.example" not in names(ended)
    assert ended.refused == ()
    assert not any((tmp_path / "earlier").glob("*"))


def test_earlier_version_does_not_outlive_the_keys_that_signed_it(tmp_path: Path) -> None:
    repository = Repository()
    repository.order("court", BAD, ["earlier.example"])
    repository.publish("court")
    node = repository.node(tmp_path)
    node.fetch()
    ORDER["wrong_date"][0](repository, "court")
    for signer in repository.signers["court"]:
        repository.targets.revoke_key(signer.public_key.keyid, "court")
    repository.signers["court"] = keys(2)
    for signer in repository.signers["court"]:
        repository.targets.add_key(signer.public_key, "court")
    repository.publish("targets", "court")
    version = node.fetch()
    assert told(version) == [("court", BAD, "format", False)]
    assert "earlier.example" not in names(version)


def test_role_whose_orders_need_too_many_earlier_lists_is_refused_alone(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    for number in range(MAX_EARLIER + 1):
        repository.order("court", f"o-{number}", [f"o-{number}.example"])
    repository.publish("court")
    node.fetch()
    for number in range(MAX_EARLIER + 1):
        for other in range(number, MAX_EARLIER + 1):
            repository.order("court", f"o-{other}", [f"o-{other}.example"], summary=str(number))
        repository.publish("court")
        node.fetch()
        repository.target("court", f"orders/court/o-{number}.json", b"broken")
        repository.publish("court")
        version = node.fetch()
    assert version.authorities[1].reason == "too large"
    assert {f"o-{number}.example" for number in range(MAX_EARLIER + 1)} <= names(version)
    assert len(list((tmp_path / "earlier").iterdir())) == MAX_EARLIER


def test_many_refused_orders_are_told_as_a_number(tmp_path: Path) -> None:
    repository = Repository()
    for number in range(MAX_TOLD + 30):
        repository.target("court", f"orders/court/o-{number:03}.json", b"broken")
    repository.publish("court")
    version = repository.node(tmp_path).fetch()
    assert sum(one.orders for one in version.refused) == MAX_TOLD + 30
    assert len(version.refused) == MAX_TOLD + 1
    assert version.refused[-1].called == "court/30 more orders"
    assert names(version) == FIRST


def test_server_that_fails_again_and_again_is_not_asked_for_every_order(tmp_path: Path) -> None:
    repository = Repository()
    for number in range(50):
        repository.order("court", f"o-{number:02}", ["many.example"])
    repository.publish("court")
    node = repository.node(tmp_path)
    serve = repository.serve

    def failing(path: str):  # type: ignore[no-untyped-def]
        if "orders/court/" in path:
            repository.asked.append(path)
            raise DownloadError("The server does not answer")
        return serve(path)

    repository.serve = failing  # type: ignore[method-assign]
    version = node.fetch()
    assert sum(one.orders for one in version.refused) == 51
    assert len([path for path in repository.asked if "orders/court/" in path]) == 3
    repository.serve = serve  # type: ignore[method-assign]
    assert node.fetch().refused == ()


def test_repository_without_any_order_that_can_be_used_is_refused(tmp_path: Path) -> None:
    repository = Repository(own=False, authorities=False)
    repository.target("", "orders/own-1.json", b"broken")
    repository.publish("targets")
    with pytest.raises(FeedRefused) as caught:
        repository.node(tmp_path).fetch()
    assert caught.value.reason == "format"
    assert "what it gave before stays in force" in str(caught.value)


def test_document_may_have_many_names_and_little_else(tmp_path: Path) -> None:
    repository = Repository(authorities=False)
    many = [f"name-{number:05}.example" for number in range(20_000)]
    repository.order("", "many", many)
    repository.order("", "padded", many, later="x" * 70_000)
    repository.publish("targets")
    version = repository.node(tmp_path).fetch()
    assert [document.order.id for document in version.documents] == ["many", "own-1"]
    assert told(version) == [("", "padded", "format", False)]
    assert "65536 are the limit" in version.refused[0].refusal


def test_role_with_more_octets_of_orders_than_its_share_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.role_targets.MAX_SHARE", 1_000)
    repository = Repository()
    for number in range(12):
        repository.order("court", f"o-{number}", ["many.example"])
    repository.order("ministry", "ministry-2", ["news.example"])
    repository.publish("court", "ministry")
    version = repository.node(tmp_path).fetch()
    assert [one.reason for one in version.authorities] == ["", "too large"]
    assert names(version) == FIRST - {"court.example"} | {"news.example"}


def test_evidence_names_earlier_metadata_only_where_an_order_needs_them(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    node.fetch()
    repository.target("court", "orders/court/court-1.json", b"broken")
    repository.publish("court")
    node.fetch()
    evidence = node.evidence()
    assert [name for name in evidence if name.startswith("earlier/")] == ["earlier/1.court.json"]
    assert json.loads(evidence["court.json"])["signed"]["version"] == 2


def test_role_that_signs_without_end_is_bounded_in_time_and_leaves_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.allowance.MOST", 160_000)
    monkeypatch.setattr("blockd.feeds.signed.allowance.RESERVE", 80_000)
    monkeypatch.setattr("blockd.feeds.signed.allowance.DAILY", 86_400 * 100)
    monkeypatch.setattr(Allowance.allows, "__kwdefaults__", {"reserve": 80_000})
    repository = Repository()
    node = repository.node(tmp_path)
    for number in range(40):
        repository.order("court", "greedy", ["greedy.example"], summary=str(number), later="x" * 10_000)
        repository.order("ministry", "ministry-2", [f"news-{number}.example"])
        repository.publish("court", "ministry")
        version = node.fetch()
        assert f"news-{number}.example" in names(version)
        assert "greedy.example" in names(version)  # an earlier version of it
    assert told(version) == [("court", "greedy", "too large", True)]
    del repository.role("court").targets["orders/court/greedy.json"]  # its signer takes it back, which needs no room
    repository.publish("court")
    assert "greedy.example" not in names(node.fetch())
    repository.order("court", "greedy", ["greedy.example"], later="x" * 10_000)
    repository.publish("court")
    repository.now += timedelta(seconds=1_000)
    assert "greedy.example" in names(node.fetch())


def list_order(repository: Repository, role: str, identifier: str, content: bytes) -> str:
    """Publish an order with a list in a file; return the file's path."""
    name = f"lists/{role}/{identifier}.base.gz"
    file = repository.target(role, name, gzip.compress(content, mtime=0))
    step = {"target": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    document: dict[str, object] = {"schema": "1.0", "id": identifier, "authority": AUTHORITIES[role]}
    document |= {"platform": "Everything", "in_force_from": "2026-01-01"}
    document |= {"list": {"steps": [{**step, "count": content.count(b"\n")}]}}
    repository.target(role, f"orders/{role}/{identifier}.json", json.dumps(document).encode())
    repository.publish(role)
    return file


@pytest.mark.parametrize("odd", [b"com", b"192.0.2.1", b"x" * 64 + b".example"])
def test_order_whose_list_has_a_line_that_is_no_name_is_refused_alone_with_the_line(tmp_path: Path, odd: bytes) -> None:
    repository = Repository()
    repository.order("court", "court-2", ["news.example"])
    list_order(repository, "court", "national", b"".join(sorted((b"a.example\n", odd + b"\n", b"zz.example\n"))))
    node = node_of(repository, tmp_path)
    for looking in (node, node_of(repository, tmp_path)):
        version = looking.fetch()
        assert told(version) == [("court", "national", "format", False)]
        assert 'line 2, "' in version.refused[0].refusal or 'line 1, "' in version.refused[0].refusal
        assert names(version) == FIRST | {"news.example"}
    list_order(repository, "court", "national", b"a.example\nzz.example\n")
    healed = node.fetch()
    assert healed.refused == ()
    assert [document.order.id for document in healed.documents if document.names is not None] == ["national"]


def test_lists_beyond_a_roles_share_of_the_room_are_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.feeds.signed.documents.MAX_LIST_SHARE", 30)
    repository = Repository()
    node = node_of(repository, tmp_path)
    list_order(repository, "court", "first", b"a.example\nb.example\n")
    node.fetch()
    list_order(repository, "court", "a-second", b"c.example\nd.example\n")
    list_order(repository, "ministry", "third", b"e.example\nf.example\n")
    version = node.fetch()
    assert told(version) == [("court", "a-second", "too large", False)]
    assert {document.order.id for document in version.documents if document.names} == {"first", "third"}


def test_order_in_force_does_not_drop_out_for_a_fault_of_the_disk_and_of_a_server(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    version = node.fetch()
    write_bundle(version, tmp_path / "accepted")
    file = repository.order_file("court", "court-1")
    good = repository.files.pop(file)
    for path in (tmp_path / "orders").iterdir():
        path.unlink()
    repository.publish("ministry")
    for looking in (node, repository.node(tmp_path)):
        with pytest.raises(FeedRefused) as caught:
            looking.fetch()
        assert caught.value.reason == "fault"
    repository.files[file] = good
    assert names(node.fetch()) == FIRST


def test_large_order_that_is_signed_again_and_again_leaves_the_disk_flat(tmp_path: Path) -> None:
    repository = Repository()
    node = repository.node(tmp_path)
    sizes, kept = [], []
    for number in range(12):
        repository.order("court", BAD, ["bad.example"], later=f"{number}" + "x" * 1_000_000)
        repository.order("ministry", "ministry-2", [f"news-{number}.example"])
        repository.publish("court", "ministry")
        version = node.fetch()
        assert f"news-{number}.example" in names(version)
        write_bundle(version, tmp_path / "accepted")
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
        kept.append(sum(map(len, node.evidence().values())))
    assert max(sizes) < 1_100_000
    assert max(kept) < 20_000
