from __future__ import annotations

import mmap
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.formats.changes import MAX_CHANGED, list_changes
from blockd.formats.domains import Domains, read_domains
from blockd.formats.line import BOM, MAX_LINE
from blockd.formats.rejects import RejectReport

pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")

from blockd.formats._changes import changed_lines

LINES = st.sampled_from([b"a", b"b", b"c", b"", b"aaaaaaaa", b"aaaaaaab", b"aaaaaaaaa", b"longer than sixteen octets"])
TEXTS = st.lists(LINES, min_size=1, max_size=30).map(lambda lines: b"".join(line + b"\n" for line in lines))


def patched(old: bytes, new: bytes) -> bytes:
    """Return the new text, made from the old one and the changes."""
    changed = changed_lines(old, new, 10**6)
    assert changed is not None
    parts = []
    at = 0
    for old_start, old_end, new_start, new_end, old_line, new_line in changed:
        assert at <= old_start <= old_end
        assert old_line == old[:old_start].count(b"\n")
        assert new_line == new[:new_start].count(b"\n")
        for text, start, end in ((old, old_start, old_end), (new, new_start, new_end)):
            assert start == 0 or text[start - 1] == ord("\n")
            assert end == 0 or text[end - 1] == ord("\n")
        parts += [old[at:old_start], new[new_start:new_end]]
        at = old_end
    return b"".join([*parts, old[at:]])


@given(TEXTS, TEXTS)
def test_the_new_text_is_the_old_one_with_the_changes(old: bytes, new: bytes) -> None:
    assert patched(old, new) == new
    assert changed_lines(old, old, 0) == []


def test_long_texts_that_differ_here_and_there() -> None:
    chance = random.Random(7)  # noqa: S311 - the same at each run
    old = [b"host-%d.example\n" % number for number in range(50_000)]
    new = [line for line in old if chance.random() > 0.001]
    for number in range(500):
        new.insert(chance.randrange(len(new)), b"new-%d.example\n" % number)
    changed = changed_lines(b"".join(old), b"".join(new), 1000)
    assert changed is not None
    assert patched(b"".join(old), b"".join(new)) == b"".join(new)
    come = b"".join(b"".join(new)[start:end] for _, _, start, end, _, _ in changed)
    assert sorted(come.split(b"\n")[:-1]) == sorted(b"new-%d.example" % number for number in range(500))


def test_texts_that_have_nothing_in_common() -> None:
    old = b"".join(b"old-%d\n" % number for number in range(40_000))
    new = b"".join(b"new-%d\n" % number for number in range(70_000))
    assert patched(old, new) == new
    assert patched(new, old) == old
    assert patched(old, old + new) == old + new
    assert patched(new + old, old) == old
    assert changed_lines(old, new, 100_000) is None


@pytest.mark.parametrize("text", [b"", b"a", b"a\nb"])
def test_texts_that_end_within_a_line_are_refused(text: bytes) -> None:
    for pair in ((text, b"a\n"), (b"a\n", text)):
        with pytest.raises(ValueError, match="line feed"):
            changed_lines(*pair, 10)


def test_mapped_files_are_compared(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"a\nb\n" * 5000)
    with (tmp_path / "old").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as old:
        assert changed_lines(old, b"a\nb\n" * 5000 + b"c\n", 10) == [(20_000, 20_000, 20_000, 20_002, 10_000, 10_000)]


def read(text: bytes) -> tuple[list[bytes], RejectReport]:
    rejects = RejectReport()
    return list(read_domains([text], rejects)), rejects


NAMES = st.sampled_from(
    [
        b"a.example",
        b"A.example.",
        b"b.example",
        b"c.example\r",
        b"*.d.example",
        b"e.example",
        b"# note",
        b"",
        b"no name",
    ]
    + [b"10.0.0.%d" % number for number in range(9)]
)
LISTS = st.lists(NAMES, min_size=1, max_size=25).map(lambda lines: b"".join(line + b"\n" for line in lines))


@given(LISTS, LISTS)
def test_changes_are_those_that_reading_both_versions_shows(old: bytes, new: bytes) -> None:
    (old_keys, before), (new_keys, after) = read(old), read(new)
    changes = list_changes(Domains(), old, new, before, len(set(old_keys)))
    if changes is None:
        few_samples = any(count > 5 for count in before.counts.values())
        assert few_samples or len(set(old_keys)) < len(old_keys)
        return
    assert changes.rejects == after
    assert (set(old_keys) | set(changes.added)) - set(changes.removed) == set(new_keys)
    assert set(changes.removed) <= set(old_keys)
    assert not set(changes.removed) & set(changes.added)


def test_a_name_that_moved_or_is_written_otherwise_is_no_change() -> None:
    old, new = b"a.example\nb.example\nc.example\n", b"b.example\nC.Example.\na.example\n"
    changes = list_changes(Domains(), old, new, read(old)[1], 3)
    assert changes is not None
    assert (changes.added, changes.removed) == ([], [])


def test_whether_a_repeated_name_has_gone_cannot_be_told() -> None:
    old = b"a.example\nb.example\nA.example\n"
    assert list_changes(Domains(), old, b"b.example\nA.example\n", read(old)[1], 2) is None
    added = list_changes(Domains(), old, old + b"c.example\n", read(old)[1], 2)
    assert added is not None
    assert len(added.added) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (BOM + b"a.example\n", b"new.example\n" + BOM + b"a.example\n"),
        (b"a.example\n", BOM + b"a.example\n"),
        (b"a.example\n", b"a.example\n" + b" " * (MAX_LINE + 1) + b"\n"),
        (b"a.example\n", b"a.example\n" + b"b.example\n" * (MAX_CHANGED + 1)),
    ],
)
def test_what_only_the_whole_list_can_tell_is_not_told(old: bytes, new: bytes) -> None:
    assert list_changes(Domains(), old, new, read(old)[1], 1) is None


def test_a_byte_order_mark_that_stays_is_no_matter() -> None:
    old = BOM + b"a.example\n"
    changes = list_changes(Domains(), old, old + b"b.example\n", read(old)[1], 1)
    assert changes is not None
    assert changes.rejects == read(old + b"b.example\n")[1]
