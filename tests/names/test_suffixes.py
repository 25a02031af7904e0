from __future__ import annotations

import pytest

from blockd.names import DomainName, key_from_text
from blockd.names.suffixes import ancestors, parent, parse_suffixes

TEXT = """// ===BEGIN ICANN DOMAINS===
// id : https://example.net/
id
co.id   // what stands behind a blank is no rule's

*.ck
!www.ck
CO.uk
公司.cn
// ===BEGIN PRIVATE DOMAINS===
github.io
*.compute.example
a.*.example
*
!
..
"""


def names(keys: frozenset[bytes]) -> set[str]:
    return {DomainName(key).text for key in keys}


def test_rules_of_both_sections_are_read() -> None:
    found = parse_suffixes(TEXT)
    assert names(found.names) == {"id", "co.id", "co.uk", "xn--55qx5d.cn", "github.io"}
    assert names(found.wild) == {"ck", "compute.example"}
    assert names(found.exceptions) == {"www.ck"}


@pytest.mark.parametrize("text", ["", "\n\r\n", "// only\n", "a" * 64, "a." * 200 + "a", "\0" * 100, "*.*.a", "\ud800"])
def test_whatever_is_no_rule_is_passed_over(text: str) -> None:
    found = parse_suffixes(text)
    assert not found.wild
    assert all(len(key) < 255 for key in found.names)


def test_labels_are_those_that_a_name_is_read_with() -> None:
    assert key_from_text("公司.cn") in parse_suffixes(TEXT).names


def test_ancestors_and_parents() -> None:
    key = key_from_text("www.a.example")
    assert [DomainName(above).text for above in ancestors(key)] == ["example", "a.example"]
    assert parent(key) == key_from_text("a.example")
    assert parent(b"\x07example") == b""
    assert list(ancestors(b"\x07example")) == []
