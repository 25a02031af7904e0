"""From a list of names to the files of an order, and through them to what nodes have."""

from __future__ import annotations

import gzip
import hashlib
import random
import tempfile
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import PublishError
from blockd.feeds.signed.list_texts import NameLists
from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import DomainName
from blockd.orders import NameList
from blockd.orders.coverage import parse_coverage
from blockd.publish.lists import record as list_record
from blockd.publish.lists import text as list_text
from blockd.publish.lists.files import ListFiles, ListReport
from tests.effort import LONG
from tests.feeds.signed.list_steps import text_of
from tests.places import SHARED

DATA = SHARED / "data"
UNION = DATA / "union-2905413.txt.gz"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside this checkout")
needs_time = pytest.mark.skipif(not LONG, reason="takes long; BLOCKD_LONG=1 runs it")

LABELS = st.text("ab0-", min_size=1, max_size=5)
NAMES = st.sets(LABELS.map(lambda label: f"x{label}x.example".encode()), min_size=1, max_size=25)


class Story:
    """A workshop whose list is renewed, and the node's side of it."""

    def __init__(self, folder: Path, role: str = "min") -> None:
        self.workshop = folder / "workshop"
        self.names = folder / "names"
        self.node = folder / "node"
        self.files = ListFiles(self.workshop)
        self.role = role
        self.targets = self.workshop / "targets" / "lists" / role
        self.fetched = 0  # octets

    def renew(self, names: Collection[bytes] | bytes) -> NameList:
        """Renew the list; give it as a document has it, and as a node reads it there."""
        text = names if isinstance(names, bytes) else b"".join(name + b"\n" for name in names)
        self.names.write_bytes(text)
        return self.read(self.files.renew(self.role, "nat", self.names))

    @staticmethod
    def read(value: object) -> NameList:
        problems: list[str] = []
        found = parse_coverage({"list": value}, problems).names
        assert not problems
        assert found is not None
        return found

    def download(self, target: str) -> Path:
        """Return a target's file, which has its digest before its name."""
        path = self.files.files(self.role)[target]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name.partition(".")[0]
        self.fetched += path.stat().st_size
        return path

    def bring(self, names: NameList) -> bytes:
        return NameLists(self.node).bring(names, self.download).read_bytes()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


@pytest.mark.parametrize("role", ["min", ""])
def test_a_list_is_a_base_and_a_file_of_changes_for_each_renewal(tmp_path: Path, role: str) -> None:
    story = Story(tmp_path, role)
    first = story.renew(b"b.example\na.example\n")
    assert (story.files.report.added, story.files.report.removed, story.files.report.count) == (2, 0, 2)
    second = story.renew(b"b.example\nc.example\nd.example\n")
    report = story.files.report
    assert (report.added, report.removed, report.count, report.rejected) == (2, 1, 3, 0)
    assert second.steps[:-1] == first.steps
    changes = story.download(second.last.target)
    assert report.octets == changes.stat().st_size
    assert gzip.decompress(changes.read_bytes()) == b"-a.example\n+c.example\n+d.example\n"
    assert story.bring(first) == b"a.example\nb.example\n"
    assert story.bring(second) == b"b.example\nc.example\nd.example\n"
    folder = f"lists/{role}/" if role else "lists/"
    assert [step.target for step in second.steps] == [f"{folder}nat-0001.base.gz", f"{folder}nat-0002.changes.gz"]


def test_the_same_names_in_any_shape_give_the_same_value(story: Story) -> None:
    first = story.renew("a.example\nbücher.example\n".encode())
    before = sorted(story.targets.iterdir())
    text = gzip.compress("# note\n*.Bücher.example.\r\n0.0.0.0 A.example\na.example # twice\n\n".encode())
    assert story.renew(text) == first
    report = story.files.report
    assert (report.added, report.removed, report.count, report.octets) == (0, 0, 2, 0)
    assert sorted(story.targets.iterdir()) == before
    assert story.bring(first) == b"a.example\nxn--bcher-kva.example\n"


def test_lines_that_are_no_names_are_counted(story: Story) -> None:
    story.renew(b"a.example\nno name\ncom\n10.0.0.1\n")
    assert story.files.report.rejected == 3
    assert set(story.files.report.rejects.counts) == {"bad character", "no dot", "address"}


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"no name\n", b"<html>\n", bytes(900)])
def test_what_is_no_list_changes_nothing(story: Story, text: bytes) -> None:
    before = story.renew(b"a.example\n")
    state = {path: path.read_bytes() for path in story.workshop.rglob("*") if path.is_file()}
    with pytest.raises(PublishError, match=r"stays|was not changed"):
        story.renew(text)
    assert {path: path.read_bytes() for path in story.workshop.rglob("*") if path.is_file()} == state
    assert story.renew(b"a.example\n") == before


def test_who_does_not_accept_what_is_new_leaves_all_as_it_was(story: Story) -> None:
    before = story.renew(b"a.example\nb.example\n")
    state = {path: path.read_bytes() for path in story.workshop.rglob("*") if path.is_file()}

    def accept(report: ListReport) -> None:
        assert (report.added, report.removed, report.count) == (0, 1, 1)
        raise PublishError("It has shrunk.")

    story.names.write_bytes(b"a.example\n")
    with pytest.raises(PublishError, match="shrunk"):
        story.files.renew("min", "nat", story.names, accept)
    assert {path: path.read_bytes() for path in story.workshop.rglob("*") if path.is_file()} == state
    assert story.renew(b"a.example\nb.example\n") == before


@pytest.mark.parametrize(
    ("role", "identifier"), [("..", "nat"), ("min", "a..b"), ("min", "../x"), ("M", "a"), ("", "")]
)
def test_names_that_would_lead_elsewhere_are_refused(story: Story, role: str, identifier: str) -> None:
    story.names.write_bytes(b"a.example\n")
    with pytest.raises(PublishError, match="cannot be"):
        story.files.renew(role, identifier, story.names)


@pytest.mark.parametrize("harm", ["text lost", "text damaged", "text of a killed renewal", "work left"])
def test_the_text_before_is_made_anew_of_the_files_where_it_is_lost(story: Story, harm: str) -> None:
    first = story.renew(b"a.example\nb.example\n")
    text = story.workshop / "lists" / "min" / "nat.txt"
    if harm == "text lost":
        text.unlink()
    elif harm == "text damaged":
        text.write_bytes(b"a.example\n")
    elif harm == "text of a killed renewal":
        before = text.read_bytes()
        story.renew(b"a.example\nc.example\n")
        text.write_bytes(before)
    else:
        (text.parent / ".nat.work").mkdir()
        (text.parent / ".nat.work" / "changes.gz").write_bytes(b"x")
    second = story.renew(b"a.example\nd.example\n")
    assert second.steps[0] == first.steps[0]
    assert story.bring(second) == b"a.example\nd.example\n"
    assert not list(text.parent.glob(".*"))


def test_a_file_that_a_killed_renewal_left_does_not_stand_beside_the_one_of_its_name(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.renew(b"a.example\n")
    with monkeypatch.context() as patch:
        patch.setattr(list_record.ListRecord, "write", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            story.renew(b"b.example\n")
    assert len(list(story.targets.iterdir())) == 2
    value = story.renew(b"c.example\n")
    assert sorted(story.files.files("min")) == [step.target for step in value.steps]
    assert len(list(story.targets.iterdir())) == 2
    assert story.bring(value) == b"c.example\n"


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_lists_whose_ids_end_alike_do_not_meet(story: Story) -> None:
    values = {}
    for identifier in ("nat", "x.nat", "nat-0001"):
        story.names.write_bytes(f"{identifier}.example\n".encode())
        values[identifier] = story.read(story.files.renew("min", identifier, story.names))
    for identifier, value in values.items():
        assert story.bring(value) == f"{identifier}.example\n".encode()


def test_where_the_files_are_lost_as_well_the_list_begins_anew(story: Story) -> None:
    story.renew(b"a.example\nb.example\n")
    (story.workshop / "lists" / "min" / "nat.txt").unlink()
    for path in story.targets.iterdir():
        path.unlink()
    anew = story.renew(b"a.example\nc.example\n")
    assert [step.target for step in anew.steps] == ["lists/min/nat-0002.base.gz"]
    assert story.bring(anew) == b"a.example\nc.example\n"


def small_limits(patch: pytest.MonkeyPatch) -> None:
    """Let everything that happens to large lists happen to small ones."""
    patch.setattr(list_text, "_RUN", 60)
    patch.setattr(list_text, "_MERGED", 20)
    patch.setattr(list_text, "_COMPARED", 20)
    patch.setattr(list_record, "MAX_CHANGES", 4)
    patch.setattr(list_record, "KEPT_CHANGES", 2)


@settings(max_examples=20)
@given(st.lists(NAMES, min_size=1, max_size=9), st.data())
def test_any_renewals_are_what_nodes_have_whatever_they_have_missed(
    versions: list[set[bytes]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        small_limits(patch)
        patch.setattr(list_record, "SMALL", data.draw(st.sampled_from([0, 10_000])))
        story = Story(Path(folder))
        before: set[bytes] = set()
        for names in versions:
            value = story.renew(data.draw(st.permutations(sorted(names))))
            report = story.files.report
            assert (report.added, report.removed, report.count) == (
                len(names - before),
                len(before - names),
                len(names),
            )
            assert len(value.steps) <= 5
            if data.draw(st.booleans()):
                assert story.bring(value) == text_of(names)
            before = names
        assert story.bring(value) == text_of(names)


def test_a_node_that_has_any_text_of_the_chain_never_fetches_a_base(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_limits(monkeypatch)
    chance = random.Random(3)  # noqa: S311 - the same at each run
    names = {b"host-%d.example" % number for number in range(500)}
    story.bring(story.renew(names))
    for day in range(20):
        names = set(chance.sample(sorted(names), 490)) | {b"new-%d-%d.example" % (day, number) for number in range(9)}
        value = story.renew(names)
        if day % 2:  # every second day it misses
            story.fetched = 0
            assert story.bring(value) == text_of(names)
            assert story.fetched < 1_000


def read_plainly(source: Path) -> set[bytes]:
    rejects = RejectReport()
    return {DomainName(key).text.encode() for key in read_list(Domains(), source, rejects, 1 << 30)}


def real_story(story: Story, source: Path, changes: int) -> None:
    """Renew with a real list and a day's changes to it; the node has what plain reading gives."""
    story.names.write_bytes(source.read_bytes())
    first = story.read(story.files.renew("min", "nat", story.names))
    names = read_plainly(source)
    assert story.files.report.count == len(names)
    assert story.bring(first) == text_of(names)
    chance = random.Random(5)  # noqa: S311 - the same at each run
    names -= set(chance.sample(sorted(names), changes // 2))
    names |= {b"new-%d.example" % number for number in range(changes - changes // 2)}
    second = story.renew(names)
    assert (story.files.report.added, story.files.report.removed) == (changes - changes // 2, changes // 2)
    story.fetched = 0
    assert story.bring(second) == text_of(names)
    rejects = RejectReport()
    compiled = sum(1 for _ in read_list(Domains(), story.node / f"{second.last.sha256}.txt", rejects, 1 << 30))
    assert (compiled, rejects.rejected, rejects.lines) == (second.last.count, 0, second.last.count)
    assert story.fetched == story.files.report.octets < 1_000_000


@needs_data
def test_a_part_of_a_real_list(story: Story, tmp_path: Path) -> None:
    with gzip.open(UNION) as lines:
        part = lines.read(1 << 20)
    source = tmp_path / "part"
    source.write_bytes(part[: part.rindex(b"\n") + 1])
    real_story(story, source, 200)


@needs_data
@needs_time
def test_a_real_list_whole(story: Story) -> None:
    real_story(story, UNION, 5_300)
