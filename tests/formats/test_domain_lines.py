"""A list parsed by blocks in C, and the same list line by line in Python: the same names, the same report."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate
from blockd.formats.blocks import read_blocks
from blockd.formats.domains import DomainLines, add_domains, read_domains, read_names
from blockd.formats.rejects import RejectReport
from blockd.names import DomainName
from blockd.native import ENGINE
from blockd.orders import Scope
from blockd.ruleset.building.builder import Builder
from blockd.ruleset.building.claims import ClaimSets, Joins
from tests.compile.builder import MAX_SIZE, domains, reasons
from tests.compile.builder import Builder as Builds
from tests.formats.test_domains import _LINES

pytest.importorskip("blockd.ruleset.building._builder", reason="blockd was installed without its C part")

from blockd.ruleset.building import _builder
from tests.places import SHARED

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside this checkout")
HASH_KEY = bytes(range(16))
ROOM = 1 << 28  # octets of records


def joins() -> Joins:
    return Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0}))


def by_blocks(blocks: Iterator[bytes]) -> tuple[bytearray, bytearray, int, RejectReport]:
    rejects = RejectReport()
    builder = _builder.Builder(HASH_KEY, ROOM)
    builder.start(joins())
    for done in add_domains(blocks, rejects, builder):
        assert done == rejects.accepted
    table, records = builder.finish(lambda *_: None)
    return table, records, builder.max_labels, rejects


def by_lines(blocks: Iterator[bytes]) -> tuple[bytearray, bytearray, int, RejectReport]:
    rejects = RejectReport()
    builder = Builder(HASH_KEY, ROOM)
    builder.start(joins())
    builder.add_keys(read_domains(blocks, rejects))
    table, records = builder.finish(lambda *_: None)
    return table, records, builder.max_labels, rejects


def same(*pieces: bytes) -> RejectReport:
    """Read pieces of a list in both ways, and return the report of both."""
    whole = [*pieces, b"\n"]
    one, two = by_blocks(read_blocks(whole)), by_lines(read_blocks(whole))
    assert one == two
    return one[3]


@given(st.lists(_LINES, max_size=3))
@example([[b"a.example", b"."], [b"-", b"", b"-a.b"]])
@example([[b"a.1"], [b"1.2.3.4", b"b.c.1.example"]])
@example([[b"//\r\0"], [b"//\r", b"//\r\r", b"//\r x", b"// \r\0", b"//"]])
def test_lists_of_names_and_near_names(pieces: list[list[bytes]]) -> None:
    same(*(b"\n".join(lines) for lines in pieces))


@given(st.lists(st.binary(max_size=400).map(lambda octets: octets.replace(b"\xaa", b"\n").replace(b"\xbb", b"\r\n"))))
def test_arbitrary_octets(pieces: list[bytes]) -> None:
    same(*pieces)


@given(st.lists(st.sampled_from([b"a", b"B", b".", b"-", b"*", b"\n", b"\r\n", b"\r", b"1", b" #", b"a.b\n"])))
def test_whatever_can_be_made_of_dots_and_hyphens(parts: list[bytes]) -> None:
    same(b"".join(parts))


def test_line_numbers_run_on_over_blocks_and_odd_lines() -> None:
    report = same(b"a.example\r\n\r\nb.example\r\nbad name\r\n", b"# note\nc.example\nbad", b" name\nnodot\n")
    assert [sample.line for sample in report.samples["bad character"]] == [4, 7]
    assert [sample.line for sample in report.samples["no dot"]] == [8]
    assert (report.lines, report.accepted) == (9, 3)


def test_lines_that_never_end_are_too_long_in_both() -> None:
    report = same(b"a.example\n" + b"x" * 5000, b"y" * 5000 + b"\r\nb.example\n", b"c." * 2000)
    assert report.counts == {"too long": 2}


_LONG_LINES = st.builds(
    lambda parts: b"".join(octet * count for octet, count in parts),
    st.lists(
        st.tuples(
            st.sampled_from([b" ", b"x", b"\r", b"#", b"\t", b"\xef\xbb\xbf", b"a.example", b"http://a.example/"]),
            st.one_of(st.integers(0, 3), st.integers(1015, 1030)),
        ),
        max_size=5,
    ),
)


@given(st.lists(_LONG_LINES, min_size=1, max_size=3), st.data())
def test_what_a_line_holds_does_not_depend_on_where_a_block_ends(lines: list[bytes], data: st.DataObject) -> None:
    content = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    pieces = [content[start:end] for start, end in pairwise([0, *cuts, len(content)])]
    whole = by_blocks(read_blocks([content]))
    assert by_blocks(read_blocks(pieces)) == whole
    assert by_lines(read_blocks(pieces)) == whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"# nothing\n", "empty"),
        (gzip.compress(b"a.example\n" * 1000, mtime=0)[:-3], "cut"),
        (b"a.example\n" * 7000, "too large"),
        (b"a.example\n" * 5000 + bytes(5000) + b"\n", "binary"),
    ],
)
@pytest.mark.parametrize("engine", ["native", "python"])
def test_what_is_no_whole_list_is_refused_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str, engine: str
) -> None:
    monkeypatch.setenv(ENGINE, engine)
    builds = Builds(tmp_path)
    built = builds.build(Candidate(domains(), builds.octets(content), None))
    assert reasons(built) == {"national": reason}
    assert built.header is None


def test_builds_by_both_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds = Builds(tmp_path)
    content = builds.octets(
        b"".join(b"x%d.example\n" % number for number in range(50))
        + b"a.example\r\n*.B.example\n# note\nbad name\n10.0.0.1\na.example.\n\xc3\xbc.example\n"
    )
    other = builds.content("b.example", "c.example")
    made = []
    for engine in ("native", "python"):
        monkeypatch.setenv(ENGINE, engine)
        built = builds.build(
            Candidate(domains("one"), content, None), Candidate(domains("two", scope="exact"), other, None)
        )
        assert built.taken == {"one", "two"}
        made.append((builds.path.read_bytes(), built.header, built.rejects))
    assert made[0] == made[1]


def test_lines_without_a_builder_for_them_are_iterated(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"a.example\n")
    assert len(list(DomainLines(path, RejectReport(), MAX_SIZE))) == 1
    path.write_bytes(b"nodot\n")
    assert list(DomainLines(path, RejectReport(), MAX_SIZE)) == []
    path.write_bytes(gzip.compress(b"a.example\n", mtime=0)[:-3])
    with pytest.raises(FeedRefused, match="the list of somebody ends in the middle of its archive"):
        list(DomainLines(path, RejectReport(), MAX_SIZE, source="the list of somebody"))


@needs_data
@pytest.mark.parametrize("name", ["false-positives-120215.txt.gz", "ipaddress_isp.txt.gz", "popular-100000.txt.gz"])
def test_real_lists(name: str) -> None:
    same(gzip.decompress((DATA / name).read_bytes()))


@given(st.lists(_LINES, max_size=3))
@example([[b"a.example", b"."], [b"-", b"", b"-a.b"]])
@example([[b"A.com", b"com", b"b.COM", b"*.c.com.", b"x" * 60 + b"." + b"y" * 64 + b".com"], [b"10.0.0.1", b"d.1"]])
def test_names_as_text_are_those_of_the_keys(pieces: list[list[bytes]]) -> None:
    whole = [*(b"\n".join(lines) for lines in pieces), b"\n"]
    one, two = RejectReport(), RejectReport()
    names = [name for names in read_names(read_blocks(whole), one) for name in names]
    assert names == [DomainName(key).text.encode() for key in read_domains(read_blocks(whole), two)]
    assert one == two
