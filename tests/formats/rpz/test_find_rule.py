from __future__ import annotations

from pathlib import Path

import pytest

from blockd.formats.rpz import find_rule as finding
from blockd.formats.rpz.find_rule import find_rule
from blockd.formats.subject import subject_of
from blockd.orders import Entry, Scope

ZONE = r"""$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
one.example CNAME .
*.one.example CNAME .
nonsense here
two.example 60 IN A (
  192.0.2.1 )
a\.b.example CNAME .
24.0.2.0.192.rpz-ip CNAME .
32.1.2.0.192.rpz-client-ip CNAME .
7.rpz-ip CNAME .
$ORIGIN sub.example
three CNAME .
"""


@pytest.mark.parametrize(
    ("name", "scope", "number"),
    [
        ("one.example", Scope.EXACT, 3),
        ("one.example", Scope.SUBDOMAINS, 4),
        ("one.example", Scope.BOTH, 3),
        ("two.example", Scope.EXACT, 6),
        (r"a\046b.example", Scope.EXACT, 8),
        ("192.0.2.0/24", Scope.BOTH, 9),
        ("32.1.2.0.192.rpz-client-ip", Scope.BOTH, 10),
        ("three.sub.example", Scope.EXACT, 13),
        ("absent.example", Scope.EXACT, None),
        ("192.0.2.0/25", Scope.BOTH, None),
    ],
)
def test_the_line_of_a_rule_is_found_as_the_zone_is_read(
    tmp_path: Path, name: str, scope: Scope, number: int | None
) -> None:
    path = tmp_path / "zone"
    path.write_text(ZONE)
    found = find_rule(path, Entry(subject_of(name).key, scope), b"")
    assert (found.number if found else None) == number
    if found:
        assert found.text == ZONE.splitlines()[found.number - 1]


def test_a_zone_that_is_gone_cut_or_too_large_has_no_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, entry = tmp_path / "zone", Entry(subject_of("one.example").key, Scope.EXACT)
    assert find_rule(path, entry, b"") is None
    path.write_text("two.example A (")
    assert find_rule(path, entry, b"") is None
    path.write_text(ZONE)
    monkeypatch.setattr(finding, "MAX_READ", 10)
    assert find_rule(path, entry, b"") is None
