"""An amended ruleset, and one compiled from the same lists: the same names, claims, counts, reports."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.compile.amend import amend
from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.errors import RulesetError
from blockd.feeds.candidate import Candidate, Content
from blockd.formats.rejects import SAMPLES, RejectReport
from blockd.names import DomainName, key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.native import ENGINE
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.building.spare import Spare, make_spare
from blockd.ruleset.format import FILL
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_report import GuardReport
from tests.compile.builder import NOW, Builder, domains, signed

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")
pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")

OPEN = Gate(max_shrink=100, min_names=0, max_rejects=100, own_keys=frozenset(("min_names",)))
GUARD = Guard.of(
    parse_suffixes("n1.example\nn2.example\n*.deep.er.example\nx.example\n"),
    [key_from_text("www.n3.example")],
    [key_from_text("n4.example")],
    "d",
)
GUARDED = replace(OPEN, guard=GUARD)
NAMES = [f"n{number}.example" for number in range(12)] + [f"{number}.deep.er.example" for number in range(4)]
JUNK = ["no name", "# note", "10.0.0.1", ""]


@pytest.fixture(scope="module", autouse=True)
def in_c() -> Iterator[None]:
    """Use the native engine, as there is no amending in Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        yield


def made(candidates: list[Candidate], path: Path, gate: Gate = OPEN) -> Built:
    built = build(candidates, path, gate=gate, in_force=None, created=NOW, randomness=lambda count: bytes(range(count)))
    assert built.header is not None
    return built


def amended(
    candidates: list[Candidate],
    in_force: Path,
    path: Path,
    reports: dict[str, RejectReport],
    gate: Gate = OPEN,
    held: dict[str, GuardReport] | None = None,
    spare: Spare | None = None,
) -> Built | None:
    return amend(
        candidates,
        in_force,
        path,
        reports=reports,
        held={name: GuardReport() for name in reports} if held is None else held,
        gate=gate,
        created=NOW,
        randomness=lambda count: bytes(range(count)),
        spare=spare,
    )


def content(path: Path) -> tuple[object, ...]:
    ruleset = Ruleset.open(path)
    entries = list(ruleset.entries())
    found = dict(entries)
    assert len(found) == len(entries) == ruleset.header.entries == ruleset.header.names
    assert all(ruleset.claims(key) == claims for key, claims in found.items())
    absent = [key_from_text(name) for name in NAMES if key_from_text(name) not in found]
    assert not any(ruleset.claims(key) for key in absent)
    assert ruleset.header.max_labels >= max(len(DomainName(key).labels) for key in found)
    catalogue = ruleset.catalogue
    ruleset.close()
    return found, catalogue


def entries_and_buckets(path: Path) -> tuple[int, int]:
    ruleset = Ruleset.open(path)
    ruleset.close()
    return ruleset.header.entries, ruleset.header.buckets


def incoming(candidates: list[Candidate], news: dict[str, Content]) -> list[Candidate]:
    return [replace(candidate, incoming=news.get(candidate.feed.name)) for candidate in candidates]


def accepted(candidates: list[Candidate]) -> list[Candidate]:
    return [replace(candidate, incoming=None) for candidate in candidates]


LISTS = st.builds(
    lambda names, size, junk: [*names[:size], *junk],
    st.permutations(NAMES),
    st.integers(1, len(NAMES)),
    st.lists(st.sampled_from(JUNK), max_size=3),
)


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    old = draw(LISTS)
    new = list(old)
    for at, line in draw(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, *NAMES, *JUNK])), max_size=6)):
        if line is not None:
            new.insert(at % (len(new) + 1), line)
        elif len(new) > 1:
            del new[at % len(new)]
    if not set(new) & set(NAMES):
        new.append(NAMES[0])
    return old, new


@given(versions(), versions(), LISTS, st.booleans(), st.sampled_from([OPEN, GUARDED]))
@example(  # full for a moment: two names come to one list before two others go from the other
    ([NAMES[0], NAMES[5]], [NAMES[0], *NAMES[5:8]]), (NAMES[8:12], NAMES[8:10]), NAMES[12:14], True, OPEN
)
def test_amending_and_compiling_give_the_same(
    one: tuple[list[str], list[str]], two: tuple[list[str], list[str]], other: list[str], both: bool, gate: Gate
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder))
        before = [
            Candidate(domains("one"), None, builder.content(*one[0])),
            Candidate(domains("two", scope="exact"), None, builder.content(*two[0])),
            Candidate(domains("other", action="allow", priority=3), None, builder.content(*other)),
        ]
        in_force, path, whole = builder.folder / "old", builder.folder / "new", builder.folder / "whole"
        first = made(before, in_force, gate)
        reports = first.rejects
        news = {"one": builder.content(*one[1])} | ({"two": builder.content(*two[1])} if both else {})
        candidates = incoming(before, news)
        built = amended(candidates, in_force, path, reports, gate, first.held)
        if built is None:
            assert not path.exists()
            repeated = any(
                sum(line in NAMES for line in lines) > len({*lines} & {*NAMES}) for lines in (one[0], two[0])
            )
            many = any(count > SAMPLES for report in reports.values() for count in report.counts.values())
            entries, buckets = entries_and_buckets(in_force)
            full = buckets * FILL
            for old, new in [one, two][: len(news)]:
                entries += len({*new} & {*NAMES} - {*old})  # all of them may come before any goes
            made(candidates, whole, gate)
            many = many or any(count >= SAMPLES for report in first.held.values() for count in report.counts.values())
            assert repeated or many or max(entries, entries_and_buckets(whole)[0]) > full
            return
        expected = made(candidates, whole, gate)
        assert content(path) == content(whole)
        assert (built.rejects, built.held) == (expected.rejects, expected.held)
        assert (built.taken, built.made_from) == (set(news), expected.made_from)
        ruleset = Ruleset.open(path)
        assert ruleset.header == built.header
        ruleset.close()


def test_many_changes_day_after_day_give_what_compiling_gives(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    feed = domains(max_size="10M")
    names = [f"host-{number}.example" for number in range(5000)]
    candidates = [Candidate(feed, None, builder.content(*names))]
    reports = made(candidates, tmp_path / "0").rejects
    for day in range(1, 6):
        names = names[:100] + [f"day-{day}-{number}.example" for number in range(40)] + names[100 + day * 7 :: 1]
        del names[200 :: 50 + day]
        candidates = incoming(candidates, {"national": builder.content(*names)})
        built = amended(candidates, tmp_path / str(day - 1), tmp_path / str(day), reports)
        assert built is not None
        spare = make_spare(tmp_path / str(day - 1), tmp_path, lambda: True)
        assert amended(candidates, tmp_path / str(day - 1), tmp_path / "of spare", reports, spare=spare) is not None
        assert (tmp_path / "of spare").read_bytes() == (tmp_path / str(day)).read_bytes()
        assert not spare.path.exists()
        reports = built.rejects
        made(candidates, tmp_path / "whole")
        assert content(tmp_path / str(day)) == content(tmp_path / "whole")
        candidates = [Candidate(feed, None, candidates[0].incoming)]


def test_spare_copy_of_another_ruleset_and_one_that_is_gone_are_not_used(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    candidates, old, reports = some_change(builder)
    made([Candidate(domains(), None, builder.content("other.example"))], tmp_path / "another")
    spare = make_spare(tmp_path / "another", tmp_path, lambda: True)
    assert amended(candidates, old, tmp_path / "new", reports, spare=spare) is not None
    assert spare.path.exists()
    gone = make_spare(old, tmp_path, lambda: True)
    gone.path.unlink()
    assert amended(candidates, old, tmp_path / "newer", reports, spare=gone) is not None
    made(candidates, tmp_path / "whole")
    for path in ("new", "newer"):
        assert content(tmp_path / path) == content(tmp_path / "whole")


def test_amending_that_fails_leaves_nothing_of_the_spare_copy(tmp_path: Path) -> None:
    candidates, old, reports = some_change(Builder(tmp_path))
    spare = make_spare(old, tmp_path, lambda: True)
    before = set(tmp_path.iterdir())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blockd.ruleset.building.writing.renewed", _failing)
        assert amended(candidates, old, tmp_path / "new", reports, spare=spare) is None
    assert set(tmp_path.iterdir()) == before - {spare.path}


def _failing(*_: object) -> bytes:
    raise RulesetError("the disk has a fault")


def some_change(builder: Builder) -> tuple[list[Candidate], Path, dict[str, RejectReport]]:
    before = [Candidate(domains(), None, builder.content("a.example", "b.example"))]
    reports = made(before, builder.folder / "old").rejects
    news = {"national": builder.content("a.example", "b.example", "c.example")}
    return incoming(before, news), builder.folder / "old", reports


Change = Callable[[Builder, list[Candidate]], list[Candidate]]


def with_news(octets: bytes) -> Change:
    return lambda builder, candidates: incoming(candidates, {"national": builder.octets(octets)})


@pytest.mark.parametrize(
    "change",
    [
        lambda _, candidates: accepted(candidates),
        lambda _, candidates: [replace(candidates[0], accepted=None)],
        lambda _, candidates: [replace(candidates[0], feed=domains(priority=7))],
        lambda builder, candidates: [*candidates, Candidate(domains("more"), None, builder.content("x.example"))],
        lambda builder, candidates: [*candidates, Candidate(signed(), builder.bundle(o=["x.example"]), None)],
        lambda _, candidates: [replace(candidates[0], incoming=Content(Path("none"), ""))],
        with_news(b""),
        with_news(gzip.compress(b"a.example\nb.example\n")[:-3]),
        with_news(b"<html>\na.example\n"),
        with_news(b"a.example\n" * 70_000),
        with_news(b"a.example\nb.example\n" + bytes(500) + b"\n"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_compiler(tmp_path: Path, change: Change) -> None:
    builder = Builder(tmp_path)
    candidates, in_force, reports = some_change(builder)
    assert amended(change(builder, candidates), in_force, tmp_path / "new", reports) is None
    assert not (tmp_path / "new").exists()


def test_a_last_line_without_a_line_feed_is_amended_with_a_note(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    candidates, in_force, reports = some_change(builder)
    text = candidates[0].incoming.path.read_bytes() if candidates[0].incoming else b""
    assert text.endswith(b"\n")
    again = amended(with_news(text[:-1])(builder, candidates), in_force, tmp_path / "open", reports)
    whole = amended(candidates, in_force, tmp_path / "whole", reports)
    assert again is not None
    assert whole is not None
    assert again.header is not None
    assert whole.header is not None
    assert again.header.names == whole.header.names == 3
    [note] = again.rejects["national"].warnings
    assert "has no line feed" in note


def test_news_that_the_gate_refuses_are_left_to_the_compiler(tmp_path: Path) -> None:
    candidates, in_force, reports = some_change(Builder(tmp_path))
    assert amended(candidates, in_force, tmp_path / "new", reports, Gate(min_names=4)) is None
    assert amended(candidates, in_force, tmp_path / "new", reports, Gate(min_names=3)) is not None


def test_held_entries_come_and_go_with_their_lines(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    lists = (["a.example", "n1.example"], ["a.example", "n2.example", "n3.example"], ["b.example"], ["n4.example"])
    before = [Candidate(domains(), None, builder.content(*lists[0], "end.example"))]
    built = made(before, tmp_path / "0", GUARDED)
    for day, names in enumerate(lists[1:], 1):
        candidates = incoming(before, {"national": builder.content(*names, "end.example")})
        again = amended(candidates, tmp_path / str(day - 1), tmp_path / str(day), built.rejects, GUARDED, built.held)
        assert again is not None
        built = again
        expected = made(candidates, tmp_path / "whole", GUARDED)
        assert content(tmp_path / str(day)) == content(tmp_path / "whole")
        assert built.held == expected.held
        before = [Candidate(candidates[0].feed, None, candidates[0].incoming)]
    assert built.held["national"].counts == {"popular": 1}


def test_another_guard_or_a_lost_report_is_left_to_the_compiler(tmp_path: Path) -> None:
    candidates, in_force, reports = some_change(Builder(tmp_path))
    assert amended(candidates, in_force, tmp_path / "new", reports, GUARDED) is None
    assert amended(candidates, in_force, tmp_path / "new", reports, held={}) is None


def test_without_the_old_report_or_the_c_part_there_is_no_amending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates, in_force, reports = some_change(Builder(tmp_path))
    assert amended(candidates, in_force, tmp_path / "new", {}) is None
    monkeypatch.setenv(ENGINE, "python")
    assert amended(candidates, in_force, tmp_path / "new", reports) is None


def test_a_damaged_ruleset_is_never_amended(tmp_path: Path) -> None:
    candidates, in_force, reports = some_change(Builder(tmp_path))
    octets = bytearray(in_force.read_bytes())
    octets[-1] ^= 1
    in_force.write_bytes(octets)
    assert amended(candidates, in_force, tmp_path / "new", reports) is None
    assert amended(candidates, tmp_path / "none", tmp_path / "new", reports) is None


def test_more_names_than_the_file_has_room_for_are_left_to_the_compiler(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    candidates, in_force, reports = some_change(builder)
    many = builder.content("a.example", *(f"new-{number}.example" for number in range(500)))
    assert amended(incoming(candidates, {"national": many}), in_force, tmp_path / "new", reports) is None
