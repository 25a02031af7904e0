from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.signed.bundle import read_bundle
from blockd.feeds.signed.source import SignedSource
from blockd.settings import SignedFeed
from tests.feeds.tuf.repository import LATE, Repository
from tests.feeds.tuf.serving import serving


def feed(folder: Path, repository: Repository, *urls: str) -> SignedFeed:
    root = folder / "root.json"
    root.write_bytes(repository.first_root)
    keys = {"name": "orders", "type": "signed", "url": urls[0], "mirrors": list(urls[1:]), "root": str(root)}
    return SignedFeed.model_validate(keys)


@pytest.fixture
def repository() -> Repository:
    return Repository(end=LATE)


def test_signed_feed_gives_its_bundle_with_the_evidence_and_the_moment_of_publishing(
    tmp_path: Path, repository: Repository
) -> None:
    with serving(repository) as server:
        source = SignedSource(feed(tmp_path, repository, server.url), tmp_path / "state")
        assert (source.expires, source.authorities, source.mirrors) == (None, (), [])
        fetched = asyncio.run(source.poll())
        assert fetched is not None
        version = read_bundle(fetched.path)
        assert (fetched.digest, fetched.published) == (version.digest, version.published)
        assert fetched.published is not None
        assert fetched.evidence["timestamp.json"] == repository.files["metadata/timestamp.json"]
        assert source.expires == version.expires
        assert [authority.role for authority in source.authorities] == ["ministry", "court"]
        assert source.mirrors == []
        assert asyncio.run(source.poll()) is None


def test_refusal_of_an_authority_is_told_where_nothing_else_is_new(tmp_path: Path, repository: Repository) -> None:
    with serving(repository) as server:
        source = SignedSource(feed(tmp_path, repository, server.url), tmp_path / "state")
        assert asyncio.run(source.poll()) is not None
        repository.target("court", "elsewhere", b"{}")
        repository.publish("court")
        assert asyncio.run(source.poll()) is None
        assert [authority.reason for authority in source.authorities] == ["", "outside"]


def test_signed_feed_is_taken_from_its_mirror_where_its_own_place_is_away(
    tmp_path: Path, repository: Repository
) -> None:
    with serving(repository) as server:
        settings = feed(tmp_path, repository, f"{server.url}/moved", server.url)
        source = SignedSource(settings, tmp_path / "state")
        assert asyncio.run(source.poll()) is not None
        assert [(mirror["url"], mirror["leads"], mirror["reason"]) for mirror in source.mirrors] == [
            (server.url, True, ""),
            (f"{server.url}/moved", False, "missing"),
        ]


def test_root_of_trust_that_is_not_there_is_a_refusal(tmp_path: Path, repository: Repository) -> None:
    settings = feed(tmp_path, repository, "http://127.0.0.1:1")
    settings.root.unlink()
    with pytest.raises(FeedRefused) as caught:
        asyncio.run(SignedSource(settings, tmp_path / "state").poll())
    assert caught.value.reason == "missing"
