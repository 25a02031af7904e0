from __future__ import annotations

import string
from collections.abc import Callable
from typing import TypeVar

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.names import MAX_LABEL, MAX_NAME, DomainName, key_from_text, key_from_wire

Given = TypeVar("Given", bytes, str)

REASONS = {
    "empty",
    "too long",
    "address",
    "empty label",
    "label too long",
    "numeric top label",
    "bad character",
    "bad IDNA",
}
WIRE_REASONS = {"too long", "bytes behind the root label", "label too long", "no root label"}
LETTERS = string.ascii_lowercase + string.digits + "_"


@st.composite
def host_names(draw: st.DrawFn) -> str:
    label = st.text(LETTERS + "-", min_size=1, max_size=22)
    labels = draw(st.lists(label, min_size=1, max_size=10))
    labels[-1] = "z" + labels[-1]  # so that no name is an address
    return ".".join(labels)


@st.composite
def wire_names(draw: st.DrawFn) -> bytes:
    labels = draw(st.lists(st.binary(min_size=1, max_size=MAX_LABEL), max_size=8))
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    while len(wire) > MAX_NAME:
        wire = wire[1 + wire[0] :]
    return wire


def parsed(parse: Callable[[Given], bytes], given_value: Given) -> bytes | str:
    """Return the key, or the reason why there is none."""
    try:
        return parse(given_value)
    except BadName as error:
        return error.reason


def reason_of_text(text: str) -> str:
    with pytest.raises(BadName) as refused:
        key_from_text(text)
    return refused.value.reason


def reason_of_wire(wire: bytes) -> str:
    with pytest.raises(BadName) as refused:
        key_from_wire(wire)
    return refused.value.reason


def test_key_has_the_labels_from_the_root_down() -> None:
    assert key_from_text("web.telegram.org") == b"\x03org\x08telegram\x03web"
    assert key_from_wire(b"\x03web\x08telegram\x03org\0") == b"\x03org\x08telegram\x03web"
    assert key_from_wire(b"\0") == b""


@given(host_names())
def test_text_key_and_wire_agree(text: str) -> None:
    name = DomainName.from_text(text)
    assert name.text == text == str(name)
    assert DomainName.from_wire(name.wire) == name
    assert name.wire == dns.name.from_text(text).to_wire()
    assert DomainName.from_text(text.upper() + ".") == name


@given(wire_names())
def test_any_wire_name_comes_back_in_lower_case(wire: bytes) -> None:
    name = DomainName.from_wire(wire)
    assert name.wire == bytes(wire).lower()
    labels = name.labels
    assert labels == tuple(label.lower() for label in dns.name.from_wire(wire, 0)[0].labels[:-1])
    assert b"".join(bytes((len(label),)) + label for label in reversed(labels)) == name.key
    assert name.text.isascii()
    assert isinstance(name.unicode, str)


@given(st.binary(max_size=300))
def test_hostile_wire_is_a_name_or_a_known_reason(wire: bytes) -> None:
    found = parsed(key_from_wire, wire)
    if isinstance(found, str):
        assert found in WIRE_REASONS
    else:
        assert DomainName(found).wire == wire.lower()


@given(st.one_of(st.text(max_size=80), st.text(".-*_/:[]%aé\u200d\u0660\uff10。xn1", max_size=80)))
def test_hostile_text_is_a_name_or_a_known_reason(text: str) -> None:
    found = parsed(key_from_text, text)
    if isinstance(found, str):
        assert found in REASONS
    else:
        assert 0 < len(found) < MAX_NAME
        assert key_from_text(DomainName(found).text) == found
        assert key_from_wire(DomainName(found).wire) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (".", "empty"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a.b..", "empty label"),
        ("a b.example", "bad character"),
        ("*.example", "bad character"),
        ("exam\\046ple.org", "bad character"),
        ("example.org\n", "bad character"),
        ("a\0.example", "bad character"),
        ("http://example.org/", "bad character"),
        ("192.0.2.1", "address"),
        ("192.0.2.1.", "address"),
        ("\uff11\uff19\uff12.0.2.1", "address"),
        ("999.999.999.999", "address"),
        ("2001:db8::1", "address"),
        ("[2001:db8::1]", "address"),
        ("::", "address"),
        ("a" * 64 + ".example", "label too long"),
        ("a." * 127 + "b", "too long"),
        ("a" * 2000, "too long"),
        ("ü" * 2000, "too long"),
        ("ü" * 64 + ".example", "bad IDNA"),
        ("\u200d.example", "bad IDNA"),
        ("☃\ud800.example", "bad IDNA"),
        ("xn--ü.example", "bad IDNA"),
    ],
)
def test_text_that_is_no_host_name_is_refused_for_its_reason(text: str, reason: str) -> None:
    assert reason_of_text(text) == reason


def test_labels_of_63_octets_and_names_of_253_characters_are_the_longest() -> None:
    label = "a" * MAX_LABEL
    longest = ".".join((label, label, label, "b" * 61))
    assert len(longest) == 253
    assert DomainName.from_text(longest + ".").text == longest
    assert len(DomainName.from_text(longest).wire) == MAX_NAME
    assert reason_of_text(longest + "b") == "too long"
    assert reason_of_text(label + "a.example") == "label too long"


def test_wire_limits_hold_to_the_octet() -> None:
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(longest) == MAX_NAME
    assert len(key_from_wire(longest)) == MAX_NAME - 1
    assert reason_of_wire(longest[:-63] + b"\x3e" + b"b" * 62 + b"\0") == "too long"
    assert reason_of_wire(b"\x40" + b"a" * 64 + b"\0") == "label too long"
    assert reason_of_wire(b"\x01a\xc0\x00") == "label too long"
    assert reason_of_wire(b"\x01a\0\0") == "bytes behind the root label"
    assert reason_of_wire(b"\x05abc") == "no root label"
    assert reason_of_wire(b"\x01a") == "no root label"
    assert reason_of_wire(b"") == "no root label"


@pytest.mark.parametrize(
    ("text", "ascii_text", "unicode_text"),
    [
        ("bücher.example", "xn--bcher-kva.example", "bücher.example"),
        ("BÜCHER.Example.", "xn--bcher-kva.example", "bücher.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example", "bücher.example"),
        ("faß.example", "xn--fa-hia.example", "faß.example"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai", "пример.рф"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
        ("\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.org", "example.org", "example.org"),
    ],
)
def test_unicode_names_are_written_as_idna_2008_says(text: str, ascii_text: str, unicode_text: str) -> None:
    name = DomainName.from_text(text)
    assert name.text == ascii_text
    assert name.unicode == unicode_text


def test_a_name_that_idna_cannot_read_is_shown_as_it_is() -> None:
    assert DomainName.from_text("xn--zzzzzz-.example".replace("-.", "0.")).text == "xn--zzzzzz0.example"
    assert DomainName.from_text("_dmarc.example").unicode == "_dmarc.example"
    assert DomainName(b"").unicode == "."


def test_octets_that_no_host_name_has_are_escaped() -> None:
    assert DomainName.from_wire(b"\x03a.b\x04\x00\xff -\0").text == r"a\046b.\000\255\032-"


def test_ancestors_are_the_name_and_its_parents() -> None:
    name = DomainName.from_text("a.b.example")
    assert [found.text for found in name.ancestors()] == ["a.b.example", "b.example", "example"]
    assert list(DomainName(b"").ancestors()) == []


@given(host_names(), host_names())
def test_a_name_is_under_another_as_dnspython_says(one: str, other: str) -> None:
    first, second = DomainName.from_text(one), DomainName.from_text(other)
    expected = dns.name.from_text(one).is_subdomain(dns.name.from_text(other))
    assert (second in first.ancestors()) is expected
