from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.signed.bundle import SignedVersion, read_bundle, write_bundle
from blockd.orders import parse_document


@pytest.fixture
def version() -> SignedVersion:
    documents = tuple(
        parse_document(
            {
                "schema": "1.7",
                "id": identifier,
                "authority": "Sample Authority",
                "platform": "Example Messenger",
                "action": "sinkhole",
                "in_force_from": "2026-01-01",
                "lifted_on": "2026-02-01",
                "notices": [{"sent": "2025-12-01", "text": "A notice."}],
                "names": ["example.net", {"name": "bücher.example", "scope": "subdomains"}, "8.8.8.0/24"],
                "later_field": {"kept": ["as", "it", "came"]},
            },
            identifier,
        )
        for identifier in ("order-1", "order-2")
    )
    return SignedVersion(3, 14, 1_800_000_000, documents, "ab" * 32)


def test_bundle_gives_back_what_was_written(version: SignedVersion, tmp_path: Path) -> None:
    write_bundle(version, tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle") == version


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bundle_is_refused(version: SignedVersion, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "bundle"
    write_bundle(version, path)
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    path.write_bytes(changed)
    try:
        found: SignedVersion | None = read_bundle(path)
    except FeedRefused as error:
        found = version if error.reason in ("format", "cut") else None
    assert found == version


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_bundle_is_refused(version: SignedVersion, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "bundle"
    write_bundle(version, path)
    good = path.read_bytes()
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    with pytest.raises(FeedRefused) as caught:
        read_bundle(path)
    assert caught.value.reason == "cut"


def test_longer_and_missing_bundles_are_refused(version: SignedVersion, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with pytest.raises(FeedRefused) as caught:
        read_bundle(path)
    assert caught.value.reason == "missing"
    write_bundle(version, path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(FeedRefused) as caught:
        read_bundle(path)
    assert caught.value.reason == "format"
