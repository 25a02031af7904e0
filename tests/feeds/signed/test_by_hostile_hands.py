from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.publish import Workshop, publish, sign
from tests.feeds.authority import NOW, Authority, forge, refused
from tests.publish.people import load_signer


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_signed_order_that_cannot_be_read_is_refused_alone_and_may_be_taken_back(authority: Authority) -> None:
    repository = authority.repository()
    repository.fetch()
    shutil.copytree(authority.out, authority.folder / "good")
    workshop = authority.workshop
    authority.order("order-2", ["example.com"])
    sign(workshop, authority.now)
    publish(workshop, authority.out)
    current = workshop.current()
    assert current
    name = authority.order_file("order-2")
    broken = name.read_bytes().replace(b"example.com", b"exa mple.co")
    forge(authority, "order-2", broken)
    version = repository.fetch()
    assert [(one.order, one.reason) for one in version.refused] == [("order-2", "format")]
    assert "exa mple.co" in version.refused[0].refusal
    assert [document.order.id for document in version.documents] == ["order-1"]
    shutil.rmtree(authority.out)
    (authority.folder / "good").rename(authority.out)
    assert refused(repository).reason == "rollback"


@pytest.mark.parametrize(
    ("identifier", "content", "reason"),
    [
        ("order-2", b"no json", "format"),
        ("order-2", b"[" * 100_000, "format"),
        ("order-2", b"\xff\xfe", "format"),
        ("Order 2", b"{}", "format"),
        ("../../order-2", b"{}", "format"),
    ],
)
def test_hostile_order_with_a_good_signature_is_refused(
    authority: Authority, identifier: str, content: bytes, reason: str
) -> None:
    forge(authority, identifier, content)
    version = authority.repository().fetch()
    assert [(one.order, one.reason) for one in version.refused] == [(identifier, reason)]
    assert [document.order.id for document in version.documents] == ["order-1"]


def test_order_under_another_id_is_refused(authority: Authority) -> None:
    forge(authority, "order-2", authority.order_file().read_bytes())
    [told] = authority.repository().fetch().refused
    assert (told.order, told.reason) == ("order-2", "format")
    assert "under the name of order-2" in told.refusal


def test_list_without_an_order_is_refused(authority: Authority) -> None:
    forge(authority, "", b"")
    assert refused(authority.repository()).reason == "empty"


def test_too_many_and_too_large_orders_are_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (
        ("role_targets.MAX_DOCUMENT", 10),
        ("role_targets.MAX_ORDERS", 0),
        ("authorities.MAX_TOTAL", 10),
        ("authorities.MAX_ORDERS", 0),
    ):
        monkeypatch.setattr(f"blockd.feeds.signed.{name}", limit)
        assert refused(authority.repository()).reason == "too large"
        monkeypatch.undo()


def test_root_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Workshop.make(tmp_path / "other", NOW)
    repository = authority.repository(root=(other.metadata / "1.root.json").read_bytes())
    assert refused(repository).reason == "signature"
    assert authority.repository().fetch().targets_version == 1


@pytest.mark.parametrize("root", [b"garbage", b"{}", b'{"signed": {"_type": "timestamp"}, "signatures": []}'])
def test_root_that_is_none_is_refused(authority: Authority, root: bytes) -> None:
    error = refused(authority.repository(root=root))
    assert error.reason == "signature"
    assert "not a usable root.json" in str(error)


def test_forged_new_root_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Workshop.make(tmp_path / "other", NOW)
    forged = other.root()
    forged.signed.version = 2
    forged.sign(load_signer(other.keys, "root"))
    path = authority.out / "metadata" / "2.root.json"
    path.write_bytes(forged.to_bytes())
    repository = authority.repository()
    assert refused(repository).reason == "signature"
    path.unlink()
    assert repository.fetch().targets_version == 1


def test_new_root_signed_by_the_old_one_is_followed(authority: Authority) -> None:
    authority.repository().fetch()
    root = authority.workshop.root()
    root.signed.version = 2
    root.sign(load_signer(authority.workshop.keys, "root"))
    (authority.out / "metadata" / "2.root.json").write_bytes(root.to_bytes())
    assert authority.repository().fetch().targets_version == 1
    assert (authority.folder / "state" / "trusted" / "root_history" / "2.root.json").read_bytes() == root.to_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"]), data=st.data())
def test_changed_octets_are_refused_or_change_nothing(authority: Authority, name: str, data: st.DataObject) -> None:
    path = authority.out / "metadata" / name
    good = path.read_bytes()
    expected = authority.repository().fetch()
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(changed))
    shutil.rmtree(authority.folder / "state")
    try:
        found = authority.repository().fetch()
    except FeedRefused:
        found = expected
    finally:
        path.write_bytes(good)
        shutil.rmtree(authority.folder / "state", ignore_errors=True)
    assert found == expected
