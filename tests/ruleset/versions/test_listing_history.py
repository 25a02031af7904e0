"""Since when a name is listed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from blockd.names import key_from_text
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.versions.listing_history import ListingHistory, Mention, listed_in
from tests.ruleset.lists import NOW, compiled, feed, listing, order


def kept(folder: Path, *names: list[str]) -> Versions:
    """Return a folder with one version for each list of names, numbered from 4 on."""
    for version, listed in enumerate(names, 4):
        compiled(folder / f"{version:06}.ruleset", feed("f", listing(order("o"), *listed))).close()
    return Versions(folder)


def test_first_and_last_version_are_told_also_for_who_is_covered_by_a_parent(tmp_path: Path) -> None:
    versions = kept(tmp_path, ["a.example"], ["a.example", "b.example"], ["b.example"], ["c.example"])
    mentions = [Mention(version, NOW) for version in range(4, 8)]
    for name, expected in {
        "www.a.example": ListingHistory(4, mentions[0], mentions[1], since_before=True),
        "b.example": ListingHistory(4, mentions[1], mentions[2]),
        "c.example": ListingHistory(4, mentions[3], mentions[3], until_now=True),
        "d.example": ListingHistory(4),
        "example": ListingHistory(4),
    }.items():
        assert listed_in(versions, key_from_text(name)) == expected


def test_version_in_force_which_need_not_be_the_newest_says_whether_it_is_listed_now(tmp_path: Path) -> None:
    versions = kept(tmp_path, ["a.example"], ["b.example"])
    a, b = Mention(4, NOW), Mention(5, NOW)
    for in_force, listed_now in ((4, "a.example"), (5, "b.example"), (3, "b.example")):
        for name, mention in (("a.example", a), ("b.example", b)):
            found = listed_in(versions, key_from_text(name), in_force)
            assert found == ListingHistory(2, mention, mention, mention == a, until_now=name == listed_now)


def test_damaged_version_is_passed_over(tmp_path: Path) -> None:
    versions = kept(tmp_path, ["a.example"], ["a.example"])
    (tmp_path / "000003.ruleset").write_bytes(b"BLOCKDRS")
    assert listed_in(versions, key_from_text("a.example")).kept == 2


def test_nothing_kept_is_nothing_told(tmp_path: Path) -> None:
    assert listed_in(Versions(tmp_path / "absent"), key_from_text("a.example")) == ListingHistory(0)


def test_orders_that_are_known_are_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = kept(tmp_path, ["a.example"], ["a.example"])
    with contextlib.closing(Ruleset.open(versions.ruleset(5))) as like:
        parsed: list[object] = []
        monkeypatch.setattr("blockd.ruleset.catalogue._order_record", parsed.append)
        found = listed_in(versions, key_from_text("a.example"), like=like)
    assert (found.kept, parsed) == (2, [])
    assert like.known_orders() == {}, "it is closed"
