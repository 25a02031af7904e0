from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.limits import MAX_METADATA
from blockd.orders import Scope
from blockd.publish import Workshop
from tests.feeds.authority import DAY, NOW, Authority, refused, state
from tests.publish.people import load_signer
from tests.publish.staging import lift


class CountingFetcher(BoundedFetcher):
    fetched: list[str] = []  # noqa: RUF012 - one list for all, cleared by each test

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.fetched.append(url.rpartition("/")[2])
        return super()._fetch(url)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    CountingFetcher.fetched.clear()
    return Authority(tmp_path)


def test_what_was_published_is_fetched(authority: Authority) -> None:
    version = authority.repository().fetch()
    assert (version.targets_version, version.timestamp_version) == (1, 1)
    assert version.expires == int((NOW + 3 * DAY).timestamp())
    (document,) = version.documents
    assert document.order.id == "order-1"
    assert document.order.published == int(NOW.timestamp())
    assert [(entry.text, entry.scope) for entry in document.entries] == [
        ("chat.example.net", Scope.BOTH),
        ("example.org", Scope.EXACT),
    ]


def test_new_order_lifting_and_removal_show_in_the_next_fetch(authority: Authority) -> None:
    repository = authority.repository()
    first = repository.fetch()
    authority.order("order-2", ["example.com"])
    lift(authority.workshop, "order-1", "2026-02-01", "The platform has answered.")
    authority.publish()
    second = repository.fetch()
    assert second.digest != first.digest
    assert [document.order.id for document in second.documents] == ["order-1", "order-2"]
    assert second.documents[0].order.lifted_reason == "The platform has answered."
    authority.workshop.remove("order-1")
    authority.publish()
    assert [document.order.id for document in repository.fetch().documents] == ["order-2"]
    assert len(list((authority.folder / "state" / "orders").iterdir())) <= 3


def test_warm_poll_fetches_no_order_and_says_that_nothing_changed(authority: Authority) -> None:
    repository = authority.repository(fetcher=CountingFetcher)
    first = repository.fetch()
    assert any("order-1" in name for name in CountingFetcher.fetched)
    CountingFetcher.fetched.clear()
    second = repository.fetch()
    assert second == first
    assert CountingFetcher.fetched == ["2.root.json", "timestamp.json"]


def test_restart_uses_the_orders_fetched_before(authority: Authority) -> None:
    first = authority.repository().fetch()
    CountingFetcher.fetched.clear()
    assert authority.repository(fetcher=CountingFetcher).fetch() == first
    assert CountingFetcher.fetched == ["2.root.json", "timestamp.json"]


def test_renewed_timestamp_has_the_same_digest_and_a_later_expiry(authority: Authority) -> None:
    repository = authority.repository()
    first = repository.fetch()
    authority.now += DAY
    authority.publish()
    second = repository.fetch()
    assert (second.digest, second.timestamp_version) == (first.digest, 2)
    assert second.expires == first.expires + DAY.total_seconds()


Damage = Callable[[Authority], None]


def signed_by_another(authority: Authority) -> None:
    other = Workshop.make(authority.folder / "other", NOW)
    metadata: Metadata[Root] = Metadata.from_bytes(authority.timestamp().read_bytes())
    metadata.signed.version += 1
    metadata.sign(load_signer(other.keys, "timestamp"))
    authority.timestamp().write_bytes(metadata.to_bytes())


def changed_after_signing(authority: Authority) -> None:
    content = json.loads(authority.timestamp().read_bytes())
    content["signed"]["version"] += 1
    authority.timestamp().write_text(json.dumps(content))


def expired(authority: Authority) -> None:
    authority.now += 8 * DAY


def cut_timestamp(authority: Authority) -> None:
    authority.timestamp().write_bytes(authority.timestamp().read_bytes()[:-40])


def empty_timestamp(authority: Authority) -> None:
    authority.timestamp().write_bytes(b"")


def login_page(authority: Authority) -> None:
    authority.timestamp().write_bytes(b"<!doctype html><title>Log in</title>")


def endless_timestamp(authority: Authority) -> None:
    authority.timestamp().write_bytes(authority.timestamp().read_bytes() + b" " * MAX_METADATA["timestamp"])


def garbage(authority: Authority) -> None:
    authority.timestamp().write_bytes(b'{"signed": {"_type": "timestamp"}}')


def without_timestamp(authority: Authority) -> None:
    authority.timestamp().unlink()


def deep(authority: Authority) -> None:
    authority.timestamp().write_bytes(b"[" * 16_000)


def no_regular_file(authority: Authority) -> None:
    authority.timestamp().unlink()
    authority.timestamp().mkdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (signed_by_another, "signature"),
        (changed_after_signing, "signature"),
        (expired, "expired"),
        (cut_timestamp, "cut"),
        (empty_timestamp, "empty"),
        (login_page, "html"),
        (endless_timestamp, "too large"),
        (garbage, "format"),
        (deep, "format"),
        (without_timestamp, "missing"),
        (no_regular_file, "unreachable"),
    ],
)
@pytest.mark.parametrize("fetched_before", [True, False])
def test_bad_timestamp_is_refused_and_the_good_one_accepted_afterwards(
    authority: Authority, damage: Damage, reason: str, fetched_before: bool
) -> None:
    repository = authority.repository()
    if fetched_before:
        repository.fetch()
    shutil.copytree(authority.out, authority.folder / "good")
    before = state(authority.folder / "state")
    damage(authority)
    assert refused(repository).reason == reason
    after = state(authority.folder / "state")
    assert {name: after[name] for name in after if "root" not in name} == {
        name: before[name] for name in before if "root" not in name
    }
    shutil.rmtree(authority.out)
    (authority.folder / "good").rename(authority.out)
    authority.now = NOW
    assert repository.fetch().targets_version == 1
    assert authority.repository().fetch().targets_version == 1


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-40], "mixed"),
        (lambda content: content.replace(b'"version"', b'"versiom"', 1), "mixed"),
        (lambda content: content + b" " * 1_000_000, "too large"),
    ],
)
def test_bad_new_version_leaves_no_trace(
    authority: Authority, role: str, change: Callable[[bytes], bytes], reason: str
) -> None:
    repository = authority.repository()
    repository.fetch()
    before = state(authority.folder / "state")
    shutil.copytree(authority.out, authority.folder / "good")
    authority.order("order-2", ["example.com"])
    authority.publish()
    path = authority.out / "metadata" / f"2.{role}.json"
    good = path.read_bytes()
    path.write_bytes(change(good))
    assert refused(repository).reason == reason
    assert state(authority.folder / "state") == before

    bad = authority.out.rename(authority.folder / "bad")
    shutil.copytree(authority.folder / "good", authority.out)
    assert repository.fetch().targets_version == 1

    shutil.rmtree(authority.out)
    bad.rename(authority.out)
    path.write_bytes(good)
    assert repository.fetch().targets_version == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content.replace(b"chat.example", b"evil.example"), "signature"),
        (lambda content: content[:-10], "signature"),
        (lambda content: content + b" ", "too large"),
        (None, "missing"),
    ],
)
def test_swapped_order_is_refused_and_the_good_one_accepted_afterwards(
    authority: Authority, change: Callable[[bytes], bytes] | None, reason: str
) -> None:
    path = authority.order_file()
    good = path.read_bytes()
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(good))
    repository = authority.repository()
    assert refused(repository).reason == reason
    path.write_bytes(good)
    assert repository.fetch().targets_version == 1


def test_older_list_is_refused_also_after_a_restart(authority: Authority) -> None:
    shutil.copytree(authority.out, authority.folder / "old")
    authority.order("order-2", ["example.com"])
    authority.publish()
    authority.repository().fetch()
    new = authority.out.rename(authority.folder / "new")
    (authority.folder / "old").rename(authority.out)
    assert refused(authority.repository()).reason == "rollback"
    shutil.rmtree(authority.out)
    new.rename(authority.out)
    assert authority.repository().fetch().targets_version == 2


def test_any_damaged_file_of_the_cache_heals(authority: Authority) -> None:
    good = authority.repository().fetch()
    folder = authority.folder / "state"
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    for name in files:
        for damage in (b"", b"garbage", b"{}", b"\xff" * 100):
            (folder / name).write_bytes(damage)
            assert authority.repository().fetch() == good
        (folder / name).unlink()
        assert authority.repository().fetch() == good


def test_cache_of_a_stopped_fetch_and_strangers_files_do_no_harm(authority: Authority) -> None:
    good = authority.repository().fetch()
    folder = authority.folder / "state"
    (folder / "staging" / "root_history").mkdir(parents=True)
    (folder / "staging" / "timestamp.json").write_bytes(b"cut")
    (folder / "trusted" / "root_history" / "2.root.json").write_bytes(b"garbage")
    (folder / "orders" / "stranger.json").write_bytes(b"{}")
    assert authority.repository().fetch() == good
    assert not (folder / "orders" / "stranger.json").exists()
    assert not (folder / "staging").exists()


def test_folder_that_cannot_be_used_is_a_refusal(authority: Authority) -> None:
    (authority.folder / "state").write_bytes(b"a file")
    assert refused(authority.repository()).reason == "fault"
