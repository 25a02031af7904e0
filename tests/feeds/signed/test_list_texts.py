"""The node's side of national lists: from files that are signed to a text that is what was signed."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.signed import list_texts as name_lists
from blockd.feeds.signed.list_texts import NameLists
from tests.feeds.signed.list_steps import Steps, changes_of, text_of
from tests.places import ROOT

ONE = {b"a.example", b"b.example", b"c.example"}
TWO = {b"a.example", b"bb.example", b"c.example", b"d.example"}
THREE = {b"0.example", b"c.example", b"d.example"}

NAMES = st.sets(st.from_regex(rb"[ab]{1,3}(\.[ab]{1,2}){1,2}", fullmatch=True), min_size=1, max_size=30)


@pytest.fixture
def files(tmp_path: Path) -> Steps:
    return Steps(tmp_path / "files", ONE, TWO, THREE)


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    return tmp_path / "lists"


def there(lists: Path) -> list[str]:
    """Return all that lies in the folder."""
    return sorted(path.name for path in lists.iterdir())


def upto(files: Steps, count: int) -> Steps:
    some = Steps(files.folder)
    some.steps = files.steps[:count]
    return some


def test_the_text_is_made_of_the_base_and_all_changes(files: Steps, lists: Path) -> None:
    path = NameLists(lists).bring(files.names, files.download)
    assert path == lists / f"{files.names.last.sha256}.txt"
    assert path.read_bytes() == text_of(THREE)
    assert there(lists) == [path.name]


def test_a_text_that_is_there_is_gone_on_from_and_stays_until_nobody_needs_it(files: Steps, lists: Path) -> None:
    subject = NameLists(lists)
    first = subject.bring(upto(files, 1).names, files.download)
    files.fetched.clear()
    second = NameLists(lists).bring(upto(files, 2).names, files.download)
    assert files.fetched == [files.steps[1].target]
    assert (first.read_bytes(), second.read_bytes()) == (text_of(ONE), text_of(TWO))
    subject.prune({files.steps[1].sha256})
    assert there(lists) == [second.name]


def test_a_node_that_missed_steps_fetches_those_alone(files: Steps, lists: Path) -> None:
    NameLists(lists).bring(upto(files, 1).names, files.download)
    files.fetched.clear()
    assert NameLists(lists).bring(files.names, files.download).read_bytes() == text_of(THREE)
    assert files.fetched == [step.target for step in files.steps[1:]]


def test_what_is_there_already_is_not_fetched_again(files: Steps, lists: Path) -> None:
    NameLists(lists).bring(files.names, files.download)
    files.fetched.clear()
    for subject in (NameLists(lists), NameLists(lists)):
        subject.bring(files.names, files.download)
    assert files.fetched == []


def test_a_new_base_costs_nothing_where_a_later_text_is_there(files: Steps, lists: Path, tmp_path: Path) -> None:
    NameLists(lists).bring(upto(files, 2).names, files.download)
    based = Steps(tmp_path / "based", TWO, THREE)
    assert NameLists(lists).bring(based.names, based.download).read_bytes() == text_of(THREE)
    assert based.fetched == [based.steps[1].target]


@settings(max_examples=50)  # files are written to the disk itself
@given(st.lists(NAMES, min_size=1, max_size=6), st.data())
def test_any_versions_from_any_of_them_come_out_as_sets_do(versions: list[set[bytes]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = Steps(Path(folder) / "files", *versions)
        lists = Path(folder) / "lists"
        for count in sorted(data.draw(st.sets(st.integers(1, len(versions)), min_size=1))):
            path = NameLists(lists).bring(upto(files, count).names, files.download)
            assert path.read_bytes() == text_of(versions[count - 1])


def test_many_names_whose_changes_are_far_apart(lists: Path, tmp_path: Path) -> None:
    old = {b"host-%06d.example" % number for number in range(60_000)}
    new = {name for name in old if int(name[5:11]) % 997} | {b"new-%d.example" % number for number in range(50)}
    new |= {b"host-%06d.more.example" % number for number in range(0, 60_000, 777)}
    files = Steps(tmp_path / "files", old, new)
    assert NameLists(lists).bring(files.names, files.download).read_bytes() == text_of(new)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "grown", "folder"])
def test_a_damaged_text_is_noticed_and_made_anew(files: Steps, lists: Path, damage: str) -> None:
    subject = NameLists(lists)
    path = subject.bring(upto(files, 2).names, files.download)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        (path / "within").mkdir(parents=True)
    else:
        flipped = bytes((content[0] ^ 1,)) + content[1:]
        path.write_bytes({"empty": b"", "cut": content[:-5], "flipped": flipped, "grown": content + b"x\n"}[damage])
    assert subject.bring(upto(files, 2).names, files.download).read_bytes() == text_of(TWO)
    assert there(lists) == [path.name]


def test_damage_that_leaves_no_trace_but_a_wrong_outcome_is_noticed_too(
    files: Steps, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_lists, "_stamp", lambda path: (1, path.stat().st_size, 1))
    subject = NameLists(lists)
    path = subject.bring(upto(files, 1).names, files.download)
    path.write_bytes(path.read_bytes().replace(b"c.example", b"x.example"))
    assert subject.bring(files.names, files.download).read_bytes() == text_of(THREE)
    assert files.fetched.count(files.steps[0].target) == 2


def test_what_a_killed_process_left_is_removed_and_taken_for_nothing(files: Steps, lists: Path) -> None:
    lists.mkdir()
    (lists / f".{files.names.last.sha256}.txt.abcdef").write_bytes(text_of(THREE)[:-3])
    assert NameLists(lists).bring(files.names, files.download).read_bytes() == text_of(THREE)
    assert there(lists) == [f"{files.names.last.sha256}.txt"]


def refused(files: Steps, lists: Path) -> str:
    """Return why it is refused, after checking that the folder has not changed."""
    before = there(lists) if lists.exists() else []
    with pytest.raises(FeedRefused) as caught:
        NameLists(lists).bring(files.names, files.download)
    assert "nothing of it is taken" in str(caught.value)
    first = f"{files.steps[0].sha256}.txt"  # was right by itself, and need not be fetched again
    assert there(lists) in (before, sorted({*before, first}))
    return caught.value.reason


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (b"+a.example\n+d.example\n", "differences"),  # is there
        (b"-aa.example\n+d.example\n", "differences"),  # is not there
        (b"+d.example\n-b.example\n", "format"),
        (b"+d.example\n+d.example\n", "format"),
        (b"d.example\n", "format"),
        (b"+d.example", "cut"),
        (b"", "signature"),
        (b"+e.example\n", "signature"),
        (b"+dd.example\n-c.example\n", "format"),
        (b"-c.example\n+e.example\n", "signature"),
        (b"\0" * 20 + b"\n", "format"),
        (b"+" + b"a" * 50, "cut"),
        (b"+" + b"a" * 300, "too large"),
        (b"+" + b"a." * 5_000_000, "too large"),
        (b"<html>\n", "format"),
    ],
)
def test_changes_that_do_not_fit_are_refused(
    lists: Path, tmp_path: Path, changes: bytes, reason: str, kept: bool
) -> None:
    files = Steps(tmp_path / "files", ONE)
    if kept:
        NameLists(lists).bring(files.names, files.download)
    files.add(gzip.compress(changes, mtime=0), ONE | {b"d.example"})
    assert refused(files, lists) == reason


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        (text_of(ONE)[:-1], "cut"),
        (text_of(TWO), "too large"),
        (text_of(ONE).replace(b"a", b"b"), "format"),
        (text_of(ONE).replace(b"b.", b"A."), "format"),
        (text_of(ONE).replace(b"b.e", b"bbb"), "signature"),
        (text_of({b"a.example"}), "signature"),
        (b"", "signature"),
        (b"a.example\n\n", "format"),
        (b"\0" * 20, "cut"),
        (bytes(50_000_000), "too large"),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_base_that_is_another_is_refused(lists: Path, tmp_path: Path, base: bytes, reason: str, last: bool) -> None:
    files = Steps(tmp_path / "files", ONE) if last else Steps(tmp_path / "files", ONE, TWO)
    files.put(files.steps[0].target, gzip.compress(base, mtime=0))
    assert refused(files, lists) == reason


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_file_that_was_damaged_anywhere_never_leads_to_another_text(files: Steps, lists: Path, number: int) -> None:
    target = files.steps[number].target
    packed = files.download(target).read_bytes()
    for at in range(len(packed)):
        flipped = packed[:at] + bytes((packed[at] ^ 0x55,)) + packed[at + 1 :]
        for damaged in (flipped, packed[:at]):
            files.put(target, damaged)
            reason = outcome(files, lists)
            assert reason in ("", "format", "cut", "signature", "too large", "differences")


def outcome(files: Steps, lists: Path) -> str:
    """Return why the list is refused; empty if its text is right, which is then removed."""
    try:
        path = NameLists(lists).bring(files.names, files.download)
    except FeedRefused as error:
        for name in there(lists):
            assert name == f"{files.steps[0].sha256}.txt"
            (lists / name).unlink()
        return error.reason
    assert path.read_bytes() == text_of(THREE)  # as gzip's header has octets that say nothing about the content
    path.unlink()
    return ""


def test_steps_that_undo_each_other_without_end_are_refused(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_lists, "_MORE_CHANGES", 10)
    files = Steps(tmp_path / "files", ONE, *[TWO, THREE] * 20)
    assert refused(files, lists) == "too large"


def test_a_name_that_comes_twice_in_two_steps_is_refused(lists: Path, tmp_path: Path) -> None:
    files = Steps(tmp_path / "files", ONE, ONE | {b"d.example"})
    files.add(gzip.compress(b"+d.example\n"), ONE | {b"d.example"})
    assert refused(files, lists) == "differences"


@pytest.mark.parametrize("field", ["size", "count", "sha256"])
@pytest.mark.parametrize("number", [0, 2])
def test_each_of_what_is_signed_about_a_text_is_compared(files: Steps, lists: Path, field: str, number: int) -> None:
    files.steps = files.steps[: number + 1]
    step = files.steps[number]
    wrong = {"size": step.size + 1, "count": step.count + 1, "sha256": hashlib.sha256(b"").hexdigest()}
    files.steps[number] = replace(step, **{field: wrong[field]})  # type: ignore[arg-type]
    assert refused(files, lists) == "signature"


def test_huge_sizes_that_are_signed_are_refused_before_anything_is_fetched(files: Steps, lists: Path) -> None:
    files.steps = [replace(files.steps[0], size=1 << 60, count=1 << 50)]
    assert refused(files, lists) == "too large"
    assert files.fetched == []


def test_a_file_that_is_not_there_is_refused(files: Steps, lists: Path) -> None:
    files.download(files.steps[1].target).unlink()
    with pytest.raises(FeedRefused) as caught:
        NameLists(lists).bring(files.names, files.download)
    assert caught.value.reason == "missing"
    files.fetched.clear()
    files.put(files.steps[1].target, gzip.compress(changes_of(ONE, TWO)))
    assert NameLists(lists).bring(files.names, files.download).read_bytes() == text_of(THREE)
    assert files.steps[0].target not in files.fetched  # it was right, and need not be fetched again


def test_changes_that_undo_each_other_leave_the_text_as_it_was(lists: Path, tmp_path: Path) -> None:
    files = Steps(tmp_path / "files", ONE, TWO, ONE, THREE, ONE)
    assert changes_of(ONE, TWO)
    assert NameLists(lists).bring(files.names, files.download).read_bytes() == text_of(ONE)


def test_a_folder_that_keeps_nothing_whole_is_no_endless_loop(
    files: Steps, lists: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NameLists, "_is_sound", lambda *_, **__: False)
    with pytest.raises(FeedRefused, match="as soon as they are written") as caught:
        NameLists(lists).bring(files.names, files.download)
    assert caught.value.reason == "fault"


KILLED = """
import os, sys
from pathlib import Path
from blockd.formats import writer as text_writer
from blockd.feeds.signed.list_texts import NameLists
from tests.feeds.signed.list_steps import Steps
versions = [{b"host-%05d.example" % n for n in range(day, 20_000 + day)} for day in range(3)]
files = Steps(Path(sys.argv[1]) / "files", *versions)
write, left = text_writer.TextWriter._write, [int(sys.argv[2])]
def dying(self):
    left[0] -= 1
    if not left[0]:
        os._exit(9)
    write(self)
text_writer.TextWriter._write, text_writer._PIECE = dying, 100_000
NameLists(Path(sys.argv[1]) / "lists").bring(files.names, files.download)
"""


@pytest.mark.parametrize("moment", [1, 3, 6, 9, 12])
def test_a_kill_at_any_moment_leaves_nothing_that_is_taken_for_whole(tmp_path: Path, moment: int) -> None:
    arguments = [sys.executable, "-c", KILLED, str(tmp_path)]
    root = ROOT
    killed = subprocess.run([*arguments, str(moment)], check=False, cwd=root, timeout=60)  # noqa: S603
    assert killed.returncode == 9
    for path in (tmp_path / "lists").glob("*.txt"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    subprocess.run([*arguments, "1000"], check=True, cwd=root, timeout=60)  # noqa: S603
    text = text_of({b"host-%05d.example" % number for number in range(2, 20_002)})
    NameLists(tmp_path / "lists").prune({hashlib.sha256(text).hexdigest()})
    (path,) = (tmp_path / "lists").iterdir()
    assert path.read_bytes() == text


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (b"com", "no dot"),
        (b"192.0.2.1", "address"),
        (b"b.example.17", "numeric top label"),
        (b"b." + b"x" * 64 + b".example", "label too long"),
        (b"b..example", "empty label"),
    ],
)
@pytest.mark.parametrize("way", ["base", "changes", "changes to a kept text", "an earlier process"])
def test_line_that_is_no_name_is_told_with_its_number_and_can_be_taken_back(
    lists: Path, tmp_path: Path, odd: bytes, reason: str, way: str
) -> None:
    good = {b"a.example", b"c.example", b"d.example"}
    files = Steps(tmp_path / "files", good | {odd}) if way == "base" else Steps(tmp_path / "files", good, good | {odd})
    subject = NameLists(lists)
    if way == "changes to a kept text":
        subject.bring(upto(files, 1).names, files.download)
    if way == "an earlier process":
        lists.mkdir()
        (lists / f"{files.names.last.sha256}.txt").write_bytes(text_of(good | {odd}))
    line = sorted(good | {odd}).index(odd) + 1
    for looking in (subject, NameLists(lists)):
        with pytest.raises(FeedRefused) as caught:
            looking.bring(files.names, files.download)
        assert caught.value.reason == "format"
        assert f'line {line:,}, "' in str(caught.value)
        assert reason in str(caught.value)
        assert str(lists) not in str(caught.value)
    files.add(gzip.compress(b"-" + odd + b"\n", mtime=0), good)
    assert subject.bring(files.names, files.download).read_bytes() == text_of(good)
