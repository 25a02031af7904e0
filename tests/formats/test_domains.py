from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.formats.domains import line_key, read_domains
from blockd.formats.rejects import RejectReport
from blockd.names import DomainName


def read(*blocks: bytes) -> tuple[list[str], RejectReport]:
    rejects = RejectReport()
    return [DomainName(key).text for key in read_domains(blocks, rejects)], rejects


def test_plain_names_are_read_in_order_with_repetitions() -> None:
    names, rejects = read(b"b.example\na.example\nb.example\n", b"x.y.z.example\nwww.a.example\n")
    assert names == ["b.example", "a.example", "b.example", "x.y.z.example", "www.a.example"]
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (5, 5, 0)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"a.example\r", "a.example"),
        (b" \ta.example \t", "a.example"),
        (b"\xef\xbb\xbfa.example", "a.example"),
        (b"A.Example", "a.example"),
        (b"a.example.", "a.example"),
        (b"*.a.example", "a.example"),
        (b"a.example # note", "a.example"),
        (b"a.example\t#note", "a.example"),
        (b"a.example#note", "a.example"),
        (b"a.example ##note", "a.example"),
        (b"a.example;note", "a.example"),
        (b"a.example ; note", "a.example"),
        (b"a.example,note", "a.example"),
        (b"a.example, b.example", "a.example"),
        (b"a.example //note", "a.example"),
        (b"a.example//note", "a.example"),
        (b"a.example ! see www.b.example", "a.example"),
        (b"a.example!note", "a.example"),
        (b"*.a.example.;x", "a.example"),
        (b".a.example", "a.example"),
        (b"A.example:8080 // x", "a.example"),
        (b'"a.example","192.0.2.1",2024', "a.example"),
        (b'"a.example"', "a.example"),
        (b"http://a.example/x;y,z!w", "a.example"),
        (b"http://a.example/ ; note", "a.example"),
        (b"http://a.example,note", "a.example"),
        (b'"http://u:p,w@a.example/x,y","note"', "a.example"),
        (b"||a.example^#note", "a.example"),
        (b"||a.example^ ! note", "a.example"),
        (b"0 a.example", "a.example"),
        ("\U0001f4a9.la".encode(), "xn--ls8h.la"),
        ("i\u2764\ufe0f.ws".encode(), "xn--i-7iq.ws"),
        ("xn--i-7iq.b\u00fccher.example".encode(), "xn--i-7iq.xn--bcher-kva.example"),
        ("bücher.example".encode(), "xn--bcher-kva.example"),
        ("例え。テスト".encode(), "xn--r8jz45g.xn--zckzah"),
        (b"_dmarc.a-b.xn--p1ai", "_dmarc.a-b.xn--p1ai"),
        (b"-sso.bad.example", "-sso.bad.example"),
        (b"ads-.Bad.example", "ads-.bad.example"),
        (b"r1---sn-x.-foo.example-", "r1---sn-x.-foo.example-"),
        (b"foo\\033bar.example", r"foo\033bar.example"),
        (b"*.a\\046\\065.example", r"a\046a.example"),
        ("_dmarc.bücher.example".encode(), "_dmarc.xn--bcher-kva.example"),
        ("*.BÜCHER.example.\r".encode(), "xn--bcher-kva.example"),
        (b"http://a.example", "a.example"),
        (b"http://a.example/", "a.example"),
        (b"https://a.example/path?x=1#y", "a.example"),
        (b"HTTPS://user:word@A.Example.:8443/x?y", "a.example"),
        (b"https://popular.example@a.example/", "a.example"),
        (b"http://a.example?q", "a.example"),
        (b"http://a.example/caf\xe9/\x7f", "a.example"),
        ("http://*.bücher.example/straße".encode(), "xn--bcher-kva.example"),
        (b"https://a.example/#top # note", "a.example"),
        (b"a.example/", "a.example"),
        (b"a.example/path", "a.example"),
        (b"a.example:8080", "a.example"),
        (b"a.example:65535/path", "a.example"),
        (b"0.0.0.0 a.example", "a.example"),
        (b"127.0.0.1\tA.example.\t# note", "a.example"),
        (b"::1   *.a.example", "a.example"),
        (b"||a.example^", "a.example"),
        (b"||A.example", "a.example"),
        (b"||*.a.example^", "a.example"),
        (b"\xef\xbb\xbf||a.example^\r", "a.example"),
        (b"1.2.3.4.example", "1.2.3.4.example"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (b".".join([b"a" * 63] * 3 + [b"b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_every_usual_way_to_write_a_name_is_read(line: bytes, name: str) -> None:
    names, rejects = read(line + b"\n")
    assert names == [name]
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (1, 1, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"  \t\r",
        b"# a.example",
        b"; a.example",
        b"!a.example",
        b" # x",
        b"#" * 5000,
        b"//",
        b"// a.example",
        b"127.0.0.1 localhost",
        b"0.0.0.0 0.0.0.0",
        b"255.255.255.255 broadcasthost",
    ],
)
def test_blank_lines_and_comments_are_neither_names_nor_rejects(line: bytes) -> None:
    names, rejects = read(line + b"\n")
    assert names == []
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (1, 0, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"http://", "empty"),
        (b"https:///path", "empty"),
        (b"https://user@/path", "empty"),
        (b"http://a.example/ http://b.example/", "bad character"),
        (b"http://b%C3%BCcher.example/", "bad character"),
        (b"http://a.example\\@b.example/", "bad character"),
        (b"http://10.0.0.1/x", "address"),
        (b"http://[2001:db8::1]:8080/x", "address"),
        (b"http://intranet/x", "no dot"),
        (b"http://a.example/\0", "NUL"),
        (b"//a.example/", "bad character"),
        (b"/banner/", "bad character"),
        (b"someone@a.example", "bad character"),
        (b"a.example:99999", "bad character"),
        (b"a.example:", "bad character"),
        (b"a.example:80:81", "bad character"),
        (b"10.0.0.0/8", "address"),
        (b"10.0.0.1:53", "address"),
        (b"2001:db8::/32", "address"),
        (b"0.0.0.0 a.example b.example", "several names"),
        (b"0.0.0.0 http://a.example/", "bad character"),
        (b"0.0.0.0 com", "no dot"),
        (b"1 a.example", "bad character"),
        (b"\x0b \x0c", "bad character"),
        (b"||a.example^$third-party", "adblock rule"),
        (b"||a.example^$important", "adblock rule"),
        (b"||a.example/path", "adblock rule"),
        (b"||a.", "adblock rule"),
        (b"@@||a.example^", "adblock rule"),
        (b"|https://a.example^", "adblock rule"),
        (b"a.example##.banner", "adblock rule"),
        (b"a.example#@#.banner", "adblock rule"),
        (b"a.example#?#.banner", "adblock rule"),
        (b"a.example^", "adblock rule"),
        ("_bücher.example".encode(), "bad IDNA"),
        (b"<html>", "bad character"),
        (b"exa mple.a.example", "bad character"),
        (b"a.example##note", "adblock rule"),
        (b"a.example,b.example##.banner", "adblock rule"),
        (b"a.example,b.example$$script", "adblock rule"),
        (b"a.example$third-party,script", "adblock rule"),
        (b"a.example!b.example", "bad character"),
        (b",a.example", "empty"),
        (b'"",a.example', "empty"),
        (b"1,a.example", "numeric top label"),
        (b"..a.example", "empty label"),
        (b".com", "no dot"),
        ("\U0001f468\u200d\U0001f469.example".encode(), "bad IDNA"),
        (b"a\\.b.example", "bad character"),
        (b"a\\33.example", "bad character"),
        (b"a\\256.example", "bad character"),
        (b"a.example..", "empty label"),
        (b"*.", "empty"),
        (b"*.com", "no dot"),
        (b"wwwwwwwwwwwwwww", "no dot"),
        (b"com.", "no dot"),
        (b"10.215.173.2", "address"),
        (b"2001:db8::1", "address"),
        (b"225.223.48", "numeric top label"),
        (b"\0\0\0", "NUL"),
        ("xn--ü.a.example".encode(), "bad IDNA"),
        (b"a" * 70 + b".com", "label too long"),
        (b"a" * 64 + b".b.com", "label too long"),
        (b".".join([b"a" * 63] * 3 + [b"b" * 62]), "too long"),
        (b"a." * 600 + b"example", "too long"),
        (b"a.example" + b" " * 2000 + b"b", "too long"),
        (b" " * 1020 + b"a.example", "too long"),
        (b" " * 2000 + b"# note", "too long"),
        (b" " * 2000, "too long"),
        (b"http://a.example/" + b"x" * 1024, "too long"),
        (b"caf\xe9.example", "not UTF-8"),
    ],
)
def test_a_line_that_is_no_name_is_rejected_alone(line: bytes, reason: str) -> None:
    names, rejects = read(b"one.example\n" + line + b"\ntwo.example\n")
    assert names == ["one.example", "two.example"]
    assert rejects.counts == {reason: 1}
    assert rejects.samples[reason][0].line == 2
    assert (rejects.lines, rejects.accepted) == (3, 2)


COMMENTS = b"""c1.example#ad
c2.example # ad
c3.example;note
c4.example //note
c5.example,note
c6.example ; note
c7.example ! note
c8.example
"""


def test_what_stands_behind_a_name_is_a_comment() -> None:
    names, rejects = read(COMMENTS)
    assert names == [f"c{number}.example" for number in range(1, 9)]
    assert rejects.rejected == 0


def test_a_byte_order_mark_belongs_to_the_first_line_only() -> None:
    names, rejects = read(b"\xef\xbb\xbfa.example\n", b"\xef\xbb\xbfb.example\n")
    assert names[0] == "a.example"
    assert rejects.lines == 2


def test_line_numbers_run_on_over_blocks_and_carriage_returns() -> None:
    _, rejects = read(b"a.example\r\n\r\nb.example\r\n", b"c.example\nbad name\n", b"nodot\n")
    assert [sample.line for samples in rejects.samples.values() for sample in samples] == [5, 6]


def test_a_rejected_line_is_shown_as_it_is_written() -> None:
    _, rejects = read(b"A.example\nNoDot\n10.0.0.A1.2\nBad Name\n")
    assert [sample.text for samples in rejects.samples.values() for sample in samples] == [
        "NoDot",
        "10.0.0.A1.2",
        "Bad Name",
    ]


def test_more_top_level_domains_than_there_are_cost_nothing_but_time() -> None:
    names = [f"a.t{number}x" for number in range(6000)]
    assert read("".join(f"{name}\n" for name in names * 2).encode())[0] == names * 2


def test_runs_of_lines_without_a_name_are_counted_and_skipped() -> None:
    idle = [
        b"\n" * 9,
        b"\r\n \n\t\r\n",
        b"# note\n; x\n! y\n//\n// z\n",
        b" " * 1025 + b"\n",
        b"#" * 3000 + b"\n",
        b"\r\r\n",
    ]
    blocks = [b"".join([*idle, b"a.example\n", b"\n\n", b"a\n.\n,\n", *idle, b"b.example\n"])] * 2
    names, rejects = read(*blocks)
    assert names == ["a.example", "b.example"] * 2
    assert rejects.lines == sum(block.count(b"\n") for block in blocks)
    assert rejects.counts == {"too long": 4, "no dot": 2, "empty": 4}
    assert (
        rejects.samples["no dot"][1].line
        == blocks[0].count(b"\n") + blocks[0][: blocks[0].index(b"a\n.")].count(b"\n") + 1
    )


def carefully(lines: Iterable[bytes]) -> tuple[list[bytes], RejectReport]:
    rejects = RejectReport()
    keys = []
    for line in lines:
        rejects.lines += 1
        key = line_key(line, rejects.lines, rejects)
        if key is not None:
            rejects.accepted += 1
            keys.append(key)
    return keys, rejects


_LABELS = st.one_of(
    st.text("ab-", min_size=0, max_size=3),
    st.text("abyz019_-", min_size=1, max_size=5),
    st.integers(60, 66).map(lambda length: "a" * length),
    st.sampled_from(
        [
            "com",
            "1",
            "12",
            "255",
            "COM",
            "xn--p1ai",
            "xn--ü",
            "ü",
            "\U0001f4a9",
            "*",
            "#",
            ";",
            ",",
            "!",
            "//",
            '"',
            "a b",
            "\0",
            "\r",
            "\t",
            "://",
        ]
    ),
)
_NAMES = st.builds(
    lambda before, labels, behind: (before + ".".join(labels) + behind).encode(),
    st.sampled_from(["", "", "", " ", "\ufeff", "*.", "#", "."]),
    st.lists(_LABELS, max_size=6),
    st.sampled_from(["", "", "", " ", "\r", ".", "..", " # note", "-", "#x", ";x", ",x.y", " !x", "//x"]),
)
_HOSTS = st.lists(_LABELS, max_size=4).map(".".join)
_SHAPED = st.builds(
    lambda before, host, behind: (before + host + behind).encode(),
    st.sampled_from(
        ["http://", "HTTPS://u:p@", "//", "||", "||*.", "|", "@@||", "0.0.0.0 ", "127.0.0.1\t", "::1 ", "x@", "/", "["]
    ),
    _HOSTS,
    st.sampled_from(
        ["", "/", "/p", ":80", ":80/x", ":", ":99999", "^", "^$all", "##.x", "#x", " # x", " b.example", "."]
    ),
)
_LINES = st.lists(st.one_of(_NAMES, _NAMES, _SHAPED, st.binary(max_size=20)), max_size=12).map(
    lambda lines: [part for line in lines for part in line.replace(b"\r\n", b"\n").split(b"\n")]
)


@given(st.lists(_LINES.filter(bool), max_size=3))
@example([[b"a.example", b"."], [b"-", b"", b"-a.b"]])
@example([[b"a.1"], [b"1.2.3.4", b"b.c.1.example"]])
def test_the_fast_reading_and_the_careful_one_agree(blocks: list[list[bytes]]) -> None:
    rejects = RejectReport()
    keys = list(read_domains([b"".join(line + b"\n" for line in block) for block in blocks], rejects))
    expected, report = carefully(line for block in blocks for line in block)
    assert keys == expected
    assert (rejects.lines, rejects.accepted, rejects.counts) == (report.lines, report.accepted, report.counts)
    assert {reason: [sample.line for sample in samples] for reason, samples in rejects.samples.items()} == {
        reason: [sample.line for sample in samples] for reason, samples in report.samples.items()
    }
