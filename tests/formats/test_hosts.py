from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.formats.hosts import read_hosts
from blockd.formats.rejects import RejectReport
from blockd.names import DomainName


def read(*blocks: bytes) -> tuple[list[str], RejectReport]:
    rejects = RejectReport()
    return [DomainName(key).text for key in read_hosts(blocks, rejects)], rejects


def test_names_with_a_hyphen_at_an_end_of_a_label_are_read() -> None:
    names, rejects = read(b"0.0.0.0 -sso.bad.example ads-.bad.example\n")
    assert names == ["-sso.bad.example", "ads-.bad.example"]
    assert rejects.rejected == 0


def test_every_name_of_a_line_is_read() -> None:
    names, rejects = read(b"0.0.0.0 a.example  B.example. # c.example\n", b"::1\tb\xc3\xbccher.example\r\n")
    assert names == ["a.example", "b.example", "xn--bcher-kva.example"]
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (2, 3, 0)


COMMENTS = b"""0.0.0.0 c1.example#ad
0.0.0.0 c2.example # ad
0.0.0.0 c3.example\t# www.other.example
0.0.0.0 c4.example c5.example#c6.example
0.0.0.0 c7.example #[x]
"""


def test_what_stands_behind_names_is_a_comment() -> None:
    names, rejects = read(COMMENTS)
    assert names == ["c1.example", "c2.example", "c3.example", "c4.example", "c5.example", "c7.example"]
    assert rejects.rejected == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"0 a.example", ["a.example"]),
        (b"::1%lo0 a.example", ["a.example"]),
        (b"0.0.0.0 a.example ; note", ["a.example"]),
        (b"0.0.0.0 a.example b.example;note", ["a.example", "b.example"]),
        (b"0.0.0.0 a.example ! c.example", ["a.example"]),
        (b"0.0.0.0 a.example // c.example", ["a.example"]),
        (b"0.0.0.0 a.example,c.example", ["a.example"]),
        (b"0.0.0.0 .a.example *.b.example", ["a.example", "b.example"]),
        (b"\xef\xbb\xbf0.0.0.0 \xf0\x9f\x92\xa9.la", ["xn--ls8h.la"]),
    ],
)
def test_lines_are_read_as_those_who_wrote_them_mean_them(line: bytes, expected: list[str]) -> None:
    names, rejects = read(line + b"\n")
    assert names == expected
    assert rejects.rejected == 0


@pytest.mark.parametrize(
    "line",
    [
        b"127.0.0.1 localhost localhost.localdomain",
        b"127.0.0.1 local",
        b"::1 LOCALHOST ip6-localhost ip6-loopback",
        b"fe80::1%lo0 localhost",
        b"ff02::1 ip6-allnodes",
        b"255.255.255.255 broadcasthost",
        b"255.255.255.255 anything.example",
        b"0.0.0.0 0.0.0.0",
        b"# 0.0.0.0 a.example",
        b"",
    ],
)
def test_names_of_the_machine_itself_are_skipped_without_a_reject(line: bytes) -> None:
    names, rejects = read(line + b"\n")
    assert names == []
    assert (rejects.lines, rejects.rejected) == (1, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.example", "no address"),
        (b"300.0.0.1 a.example", "no address"),
        (b"0.0.0.0", "no name"),
        (b"0.0.0.0 # a.example", "no name"),
        (b"0.0.0.0 com", "no dot"),
        (b"0.0.0.0 10.0.0.1", "address"),
        (b"0.0.0.0 a_b.-c!.example", "bad character"),
        (b"0.0.0.0 \xff.example", "not UTF-8"),
        (b"0.0.0.0 " + b"a.example " * 200, "too long"),
    ],
)
def test_a_line_without_address_or_name_is_rejected_alone(line: bytes, reason: str) -> None:
    names, rejects = read(b"0.0.0.0 one.example\n" + line + b"\n0.0.0.0 two.example\n")
    assert names == ["one.example", "two.example"]
    assert rejects.counts == {reason: 1}
    assert rejects.samples[reason][0].line == 2


def test_a_bad_name_does_not_cost_the_good_ones_beside_it() -> None:
    names, rejects = read(b"0.0.0.0 a.example nodot b.example\n")
    assert names == ["a.example", "b.example"]
    assert rejects.counts == {"no dot": 1}


@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_break_the_reader(lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in lines)
    _, rejects = read(*([block] if block else []))
    assert rejects.lines == block.count(b"\n")
