"""A ruleset amended with a zone's differences, and one compiled from the same zone: the same in all."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.compile.built import Built
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.transfer import empty_names as empty_name_changes
from blockd.feeds.transfer.base_file import base_in
from blockd.feeds.transfer.content import Differences, ZoneContent, write_journal
from blockd.native import ENGINE
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.format import ENTRY_SIZE, HOLE
from blockd.ruleset.versions.diff import Comparison
from blockd.settings import TransferFeed
from tests.compile.builder import Builder, domains
from tests.compile.test_amend import OPEN, amended, made
from tests.effort import tries
from tests.feeds.transfer.messages import ZONE, soa, text

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")

FEED = TransferFeed.model_validate(
    {"name": "live", "type": "rpz-transfer", "primary": "192.0.2.53", "zone": "rpz.example"}
)
NS = f"{ZONE} 60 IN NS ns.example."
STAY = [f"stays.example.{ZONE} 60 IN CNAME .", f"stays-too.example.{ZONE} 60 IN CNAME rpz-drop."]


@pytest.fixture(scope="module", autouse=True)
def in_c() -> Iterator[None]:
    """Use the native engine, as there is no amending in Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        yield


class Zone:
    """A zone in a folder, in versions that share a base."""

    def __init__(self, folder: Path, records: Sequence[str]) -> None:
        self.folder = folder
        self.records = [NS, *STAY, *records]
        with base_in(folder, 1 << 20) as base:
            base.write(text(soa(1), *self.records, soa(1)))
        self.base = base.content(soa(1), 1)
        self.first = self._written(self.base, Differences())

    def version(self, serial: int, records: Sequence[str]) -> Content:
        """Return a version's content, given its differences from the first one."""
        now = [NS, *STAY, *records]
        differences = Differences()
        differences.take(True, text(*sorted(set(self.records) - set(now))))
        differences.take(False, text(*[record for record in dict.fromkeys(now) if record not in self.records]))
        return self._written(replace(self.base, soa=soa(serial), serial=serial), differences)

    def _written(self, content: ZoneContent, differences: Differences) -> Content:
        path = self.folder / f"journal-{content.serial}"
        write_journal(path, content, differences)
        return Content(path, hashlib.sha256(path.read_bytes()).hexdigest())


def compared(path: Path) -> tuple[object, ...]:
    ruleset = Ruleset.open(path)
    found = dict(ruleset.entries())
    catalogue, header = ruleset.catalogue, ruleset.header
    assert all(ruleset.claims(key) == claims for key, claims in found.items())
    empty = empty_names(ruleset)
    assert (header.entries, header.empty_names) == (len(found), len(empty))
    ruleset.close()
    return found, empty, catalogue


def empty_names(ruleset: Ruleset) -> dict[bytes, list[tuple[int, ...]]]:
    """Return the names that no order lists and that close wildcards, each with its claims."""
    found, at = {}, 0
    while at < ruleset.header.records.size:
        key, place = ruleset._record(at)
        at += ENTRY_SIZE + len(key)
        if place != HOLE and not ruleset.claims(key):
            found[key] = [tuple(claim) for claim in ruleset._claims(key)]
    return found


def both_ways(
    folder: Path, before: Sequence[str], after: Sequence[str], more: Sequence[Candidate] = (), gate: Gate = OPEN
) -> tuple[Built | None, Built]:
    """Amend and compile; if it was amended both must be the same."""
    zone = Zone(folder, before)
    old = Candidate(FEED, None, zone.first)
    first = made([old, *more], folder / "first")
    new = [replace(old, incoming=zone.version(2, after)), *more]
    compiled = made(new, folder / "compiled")
    found = amended(new, folder / "first", folder / "amended", first.rejects, gate)
    if found is not None:
        assert compared(folder / "amended") == compared(folder / "compiled")
        mine, theirs = found.rejects["live"], compiled.rejects["live"]
        assert (mine.lines, mine.accepted, mine.counts) == (theirs.lines, theirs.accepted, theirs.counts)
        assert found.taken == {"live"}
        with contextlib.ExitStack() as stack:
            one, two = (Ruleset.open(folder / name) for name in ("first", "amended"))
            stack.callback(one.close)
            stack.callback(two.close)
            assert Comparison(one, two).count() == found.changes
    return found, compiled


NAMES = ("a", "b", "c", "d.c", "e.d.c", "f.e.d.c", "h.g.c", "i.h.g.c", "j.a")
OWNERS = [f"{star}{name}.example.{ZONE}" for name in NAMES for star in ("", "*.")]


@st.composite
def zones(draw: st.DrawFn) -> list[str]:
    """Keep at most one CNAME for each owner, as a zone has."""
    chosen = draw(st.dictionaries(st.sampled_from(OWNERS), st.sampled_from([".", "rpz-drop."]), max_size=12))
    return [f"{owner} 60 IN CNAME {target}" for owner, target in sorted(chosen.items())]


@given(zones(), zones())
@settings(max_examples=tries(100, 3_000))
def test_amending_gives_what_compiling_gives(before: list[str], after: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        many = (f"n{number}.test" for number in range(600))  # so that the table has room
        listed = Builder(Path(folder)).content("g.c.example", "e.d.c.example", *many)
        found, _ = both_ways(Path(folder), before, after, [Candidate(domains("national"), None, listed)])
        assert found is not None


def test_names_that_other_feeds_list_too_keep_their_claims(tmp_path: Path) -> None:
    listed = Builder(tmp_path).content("a.example", "b.example")
    other = Candidate(domains("national"), None, listed)
    both = [f"{star}a.example.{ZONE} 60 IN CNAME ." for star in ("", "*.")]
    new = [f"{star}b.example.{ZONE} 60 IN CNAME ." for star in ("", "*.")]
    found, _ = both_ways(tmp_path, both, new, [other])
    assert found is not None


@pytest.mark.parametrize(
    "record",
    [
        f"x.example.{ZONE} 60 IN A 192.0.2.1",  # local data depends on what else is at the name
        f"x.example.{ZONE} 60 IN CNAME another.example.",  # an order that does not exist yet
        f"32.1.2.0.192.rpz-ip.{ZONE} 60 IN CNAME .",
        f"32.1.2.0.192.rpz-nsip.{ZONE} 60 IN CNAME .",
        f"stays.example.{ZONE} 60 IN CNAME rpz-drop.",  # a second one there
    ],
)
def test_what_is_out_of_the_ordinary_is_compiled(tmp_path: Path, record: str) -> None:
    found, _ = both_ways(tmp_path, [], [record])
    assert found is None


def test_a_zone_with_a_second_rule_of_a_name_is_compiled(tmp_path: Path) -> None:
    second = f"stays.example.{ZONE} 60 IN CNAME rpz-drop."
    found, compiled = both_ways(tmp_path, [second], [])
    assert found is None
    assert compiled.rejects["live"].warnings == []
    (tmp_path / "more").mkdir()
    found, _ = both_ways(tmp_path / "more", [second], [second, f"x.example.{ZONE} 60 IN CNAME ."])
    assert found is None


def test_what_is_changed_above_the_target_of_an_alias_in_the_zone_is_compiled(tmp_path: Path) -> None:
    garden = [f"*.garden.{ZONE} 60 IN A 192.0.2.1", f"x.example.{ZONE} 60 IN CNAME a.garden.{ZONE}"]
    found, _ = both_ways(tmp_path, garden, [*garden, f"y.example.{ZONE} 60 IN CNAME ."])
    assert found is not None
    (tmp_path / "more").mkdir()
    found, _ = both_ways(tmp_path / "more", garden, [*garden, f"a.garden.{ZONE} 60 IN CNAME ."])
    assert found is None


def test_an_alias_into_the_zone_may_lead_to_what_is_no_host_name_alone(tmp_path: Path) -> None:
    more = f"y.example.{ZONE} 60 IN CNAME ."
    for turn, target in enumerate(["10", "4.3.2.1", "-", "*.10", "*"]):
        folder = tmp_path / str(turn)
        folder.mkdir()
        garden = [f"{target}.{ZONE} 60 IN A 192.0.2.1", f"x.example.{ZONE} 60 IN CNAME {target}.{ZONE}"]
        found, compiled = both_ways(folder, garden, [*garden, more])
        assert (found is None) == (target == "*"), target  # which leads to all of the zone
        assert not compiled.refused


def test_many_wildcards_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = [f"*.b.example.{ZONE} 60 IN CNAME .", f"x.y.b.example.{ZONE} 60 IN CNAME ."]
    for name, value in (("MAX_TOPS", 0), ("MAX_UNDER", 0)):
        folder = tmp_path / name
        folder.mkdir()
        assert both_ways(folder, new[1:], new)[0] is not None
        (folder / "more").mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(empty_name_changes, name, value)
            assert both_ways(folder / "more", new[1:], new)[0] is None


def test_a_zone_that_comes_whole_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    old = Candidate(FEED, None, Zone(tmp_path / "one", []).first)
    first = made([old], tmp_path / "first")
    new = replace(old, incoming=Zone(tmp_path / "two", [f"x.example.{ZONE} 60 IN CNAME ."]).first)
    assert amended([new], tmp_path / "first", tmp_path / "amended", first.rejects) is None


def test_a_record_that_went_without_having_been_there_is_left_to_the_compiler(tmp_path: Path) -> None:
    zone = Zone(tmp_path, [])
    old = Candidate(FEED, None, zone.first)
    first = made([old], tmp_path / "first")
    zone.records.append(f"never.example.{ZONE} 60 IN CNAME .")
    new = replace(old, incoming=zone.version(2, []))
    assert amended([new], tmp_path / "first", tmp_path / "amended", first.rejects) is None


def test_what_the_gate_refuses_is_left_to_the_compiler(tmp_path: Path) -> None:
    names = [f"n{number}.example.{ZONE} 60 IN CNAME ." for number in range(1_000)]
    found, _ = both_ways(tmp_path, names, names[:799], gate=Gate())
    assert found is None
