"""The lines of many entries, found in one pass, are those that are found one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.formats.finding.line import Line, find_line
from blockd.formats.finding.lines import FEW, _found_at_once, find_lines, find_rules
from blockd.formats.text_formats import format_named
from blockd.names import Network, client_key, key_from_text

MAX_SIZE = 1 << 20
NAMES = ["co.id", "github.io", "a.example", "xn--bcher-kva.example", "shop.co.id", "b_c.example"]
AROUND = [
    "{}", "*.{}", "{}.", "0.0.0.0 {}", "||{}^", "https://{}/x", "{}:80", "# {}", "x{}", "{}.org", "www.{}", " {} # why",
    "{}\r", "bücher.example", "B{}", "..{}..", "{} {}", "|{}^", "@@||{}^", "\ufeff{}", "-{}-", "*.*.{}",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["domains", "hosts", "adblock"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.tuples(st.sampled_from(AROUND), st.sampled_from(NAMES)), max_size=12), upper=st.booleans())
def test_they_are_those_that_are_found_one_by_one(
    tmp_path: Path, kind: str, lines: list[tuple[str, str]], upper: bool
) -> None:
    text = "".join(f"{around.replace('{}', name)}\n" for around, name in lines)
    (tmp_path / "list").write_text(text.upper() if upper and text.isascii() else text, "utf-8", newline="")
    keys = [key_from_text(name) for name in NAMES]
    form = format_named(kind)
    expected = {key: line for key in keys if (line := find_line(form, tmp_path / "list", key, MAX_SIZE))}
    assert _found_at_once(form, tmp_path / "list", keys, MAX_SIZE) == expected
    assert find_lines(form, tmp_path / "list", keys, MAX_SIZE) == expected
    many = [*keys, *(key_from_text(f"n{number}.example") for number in range(FEW))]
    assert find_lines(form, tmp_path / "list", many, MAX_SIZE) == expected


def test_a_list_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert find_lines(format_named("domains"), tmp_path / "none", [key_from_text("co.id")], MAX_SIZE) == {}
    assert find_rules(tmp_path / "none", [key_from_text("co.id")], MAX_SIZE, None) == {}


ZONE = """$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
@ NS localhost.
a.example CNAME .
zip CNAME .
*.zip CNAME . ; all of it
b.example A 192.0.2.1
 A 192.0.2.2
1.0.0.0.128.rpz-ip CNAME .
8.0.0.0.10.rpz-client-ip (
  CNAME . )
"""


def test_rules_of_a_zone_are_found(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(ZONE, "ascii")
    wide, client = Network.from_text("128.0.0.0/1"), Network.from_text("10.0.0.0/8")
    keys = {
        "zip": key_from_text("zip"),
        "b": key_from_text("b.example"),
        "wide": wide.key,
        "client": client_key(client.packed, 8),
        "none": client.key,
    }
    found = find_rules(tmp_path / "zone", keys.values(), MAX_SIZE, None)
    assert {name: found.get(key) for name, key in keys.items()} == {
        "zip": Line(5, "zip CNAME ."),
        "b": Line(7, "b.example A 192.0.2.1"),
        "wide": Line(9, "1.0.0.0.128.rpz-ip CNAME ."),
        "client": Line(10, "8.0.0.0.10.rpz-client-ip ("),
        "none": None,
    }
