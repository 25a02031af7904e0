"""The line of a list that names an entry."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from blockd.formats.domains import Domains
from blockd.formats.finding import line as find
from blockd.formats.finding.line import Line, find_in_names, find_line
from blockd.formats.text_formats import format_named
from blockd.names import key_from_text

MAX_SIZE = 1 << 20


def found(tmp_path: Path, content: str | bytes, name: str, kind: str = "domains") -> Line | None:
    path = tmp_path / "list"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return find_line(format_named(kind), path, key_from_text(name), MAX_SIZE)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a.example\nb.example\n", 2),
        ("b.example\nb.example\n", 1),  # the first of several
        ("# b.example\nxb.example\nb.example.org\nwww.b.example\nb.example # as asked for\n", 5),
        ("a.example\r\n*.b.example\r\n", 2),
        ("\ufeffB.Example.\n", 1),
        ("\n\n  b.EXAMPLE\n", 3),
        ("a.example b.example\n", None),  # not a name, so not its line
        ("a.example\n", None),
    ],
)
def test_line_is_the_first_that_names_the_entry(tmp_path: Path, content: str, line: int | None) -> None:
    told = found(tmp_path, content, "b.example")
    assert (told.number if told else None) == line


def test_line_is_told_as_the_list_has_it(tmp_path: Path) -> None:
    told = found(tmp_path, "a.example\n *.b.Example # \x1b[31m\n", "b.example")
    assert told == Line(2, "*.b.Example # \\x1b[31m")


def test_name_that_the_list_writes_in_unicode_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "a.example\nbücher.example\n", "xn--bcher-kva.example") == Line(2, "bücher.example")
    assert found(tmp_path, "xn--bcher-kva.example\n", "bücher.example") == Line(1, "xn--bcher-kva.example")


def test_line_of_a_hosts_file_is_found(tmp_path: Path) -> None:
    content = "127.0.0.1 localhost\nb.example\n0.0.0.0 a.example b.example\n"
    assert found(tmp_path, content, "b.example", "hosts") == Line(3, "0.0.0.0 a.example b.example")


def test_rule_of_an_ad_blockers_list_is_found(tmp_path: Path) -> None:
    content = "! b.example\n@@||b.example^\nexample.com##.b.example\n||b.example^$important\n"
    assert found(tmp_path, content, "b.example", "adblock") == Line(4, "||b.example^$important")


def test_line_of_an_archive_is_found(tmp_path: Path) -> None:
    content = gzip.compress(b"".join(b"host-%d.example\n" % number for number in range(50_000)))
    assert found(tmp_path, content, "host-49999.example") == Line(50_000, "host-49999.example")


def test_line_far_into_a_list_of_several_blocks_is_found(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"".join(b"host-%07d.example\n" % number for number in range(200_000)))
    assert find_line(Domains(), path, key_from_text("host-0199999.example"), 64 << 20) == Line(
        200_000, "host-0199999.example"
    )


def test_list_of_longer_names_is_given_up_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MAX_READ", 10)
    assert found(tmp_path, "xb.example\n" * 9 + "b.example\n", "b.example") == Line(10, "b.example")
    assert found(tmp_path, "xb.example\n" * 10 + "b.example\n", "b.example") is None


@pytest.mark.parametrize("content", [b"", b"<html>b.example\n", b"\0" * 100 + b"b.example\n"])
def test_what_is_no_list_names_nothing(tmp_path: Path, content: bytes) -> None:
    assert found(tmp_path, content, "b.example") is None


def test_list_that_is_gone_names_nothing(tmp_path: Path) -> None:
    assert find_line(Domains(), tmp_path / "absent", key_from_text("b.example"), MAX_SIZE) is None


def ordered(tmp_path: Path, content: bytes, name: str) -> Line | None:
    path = tmp_path / "text"
    path.write_bytes(content)
    return find_in_names(path, key_from_text(name))


def test_line_of_a_signed_orders_list_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_COUNTED", 1000)
    content = b"".join(b"host-%05d.example\n" % number for number in range(20_000))
    for number in (0, 1, 777, 19_999):
        assert ordered(tmp_path, content, f"host-{number:05}.example") == Line(number + 1, f"host-{number:05}.example")
    assert ordered(tmp_path, content, "host-00000.example.org") is None
    assert ordered(tmp_path, content, "ost-00000.example") is None
    assert ordered(tmp_path, content, "z.example") is None


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"a.example", b"b.example\nb.exam", b"\n" * 99, b"z\ny\nx\n" * 9]
)
def test_what_is_no_signed_orders_list_names_nothing(tmp_path: Path, content: bytes) -> None:
    assert ordered(tmp_path, content, "b.example") is None
    assert find_in_names(tmp_path / "absent", key_from_text("b.example")) is None
