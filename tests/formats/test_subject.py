from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.formats.subject import name_from_text, subject_of
from blockd.names import MAX_LABEL, MAX_NAME, DomainName, key_from_wire


@st.composite
def wire_names(draw: st.DrawFn) -> bytes:
    labels = draw(st.lists(st.binary(min_size=1, max_size=MAX_LABEL), min_size=1, max_size=8))
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    while len(wire) > MAX_NAME:
        wire = wire[1 + wire[0] :]
    return wire


@pytest.mark.parametrize(
    ("typed", "text", "taken_from"),
    [
        ("Example.ORG.", "example.org", ""),
        ("  example.org ", "example.org", ""),
        ("bücher.example", "xn--bcher-kva.example", ""),
        ("-sso.bad.example", "-sso.bad.example", ""),
        ("ads-.x", "ads-.x", ""),
        ("_dmarc.example", "_dmarc.example", ""),
        ("foo!bar.example", r"foo\033bar.example", ""),
        (r"foo\033bar.example", r"foo\033bar.example", ""),
        (r"a\.b.example", r"a\046b.example", ""),
        (r"foo\036bar.example", r"foo\036bar.example", ""),
        ("*.example.org", r"\042.example.org", ""),
        ("host.123", "host.123", ""),
        ("com", "com", ""),
        (".", ".", ""),
        ("0/25.2.0.192.in-addr.arpa", r"0\04725.2.0.192.in-addr.arpa", ""),
        ("https://User:pw@WWW.Example.org:8443/a?b#c", "www.example.org", "the name in a URL"),
        ("http://bücher.example/x", "xn--bcher-kva.example", "the name in a URL"),
        ("http://foo!bar.example/", r"foo\033bar.example", "the name in a URL"),
        ("http://192.0.2.1:80/x", "192.0.2.1", "the address in a URL"),
        ("example.org:443", "example.org", "the name in a name with a port"),
        ("example.org/", "example.org", "the name in a name with a path"),
        ("example.org/a/b", "example.org", "the name in a name with a path"),
        ("user@example.org", "example.org", "what stands behind the @"),
        ("||ads.example^", "ads.example", "the name in an ad blocker's rule"),
        ("|ads.example^", "ads.example", "the name in an ad blocker's rule"),
        ("|https://ads.example^", "ads.example", "the name in an ad blocker's rule"),
        ("||ads.example^$important", "ads.example", "the name in an ad blocker's rule"),
        ("@@||ads.example^", "ads.example", "the name in an ad blocker's exception"),
        ("0.0.0.0 ads.example", "ads.example", "the name in a line of a hosts file"),
        ("192.0.2.1", "192.0.2.1", ""),
        ("192.0.2.1:53", "192.0.2.1", "an address with a port"),
        ("192.0.2.0/24", "192.0.2.0/24", ""),
        ("192.0.2.1/24", "192.0.2.0/24", "the network of 192.0.2.1"),
        ("192.0.2.1/", "192.0.2.1", "an address with a path"),
        ("2001:DB8::1", "2001:db8::1", ""),
        ("[2001:db8::1]", "2001:db8::1", "an address in brackets"),
        ("[2001:db8::1]:53", "2001:db8::1", "an address with a port"),
        ("2001:db8::/32", "2001:db8::/32", ""),
        ("24.0.2.0.192.rpz-ip", "192.0.2.0/24", "the owner of a policy zone's rule"),
        ("32.zz.db8.2001.rpz-ip", "2001:db8::/32", "the owner of a policy zone's rule"),
    ],
)
def test_what_people_type_is_read_and_said_what_it_was_taken_from(typed: str, text: str, taken_from: str) -> None:
    subject = subject_of(typed)
    assert (subject.text, subject.taken_from) == (text, taken_from)


def test_a_rule_for_clients_is_about_the_clients_of_a_network() -> None:
    subject = subject_of("32.1.2.0.192.rpz-client-ip")
    assert (subject.is_network, subject.is_client, subject.text) == (True, True, "192.0.2.1")
    assert not subject_of("192.0.2.1").is_client


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a..b", "empty label"),
        ("a b.example", "bad character"),
        ("a\nb.example", "bad character"),
        ("a\0b.example", "bad character"),
        ("a;b.example", "bad character"),
        ("a$b.example", "adblock rule"),
        ("||a.example^$third-party", "adblock rule"),
        ("/banner/", "bad character"),
        ("http:///x", "empty"),
        ("a\\", "bad character"),
        ("a\\256.example", "bad character"),
        ("a" * 64 + ".example", "label too long"),
        ("x" * 9000, "too long"),
        ("☃\u200d.example", "bad IDNA"),
        ("\udcff.example", "not UTF-8"),
        ("192.0.2.0/33", "bad network"),
        ("192.0.2.1/99999999999999999999", "bad network"),
        ("33.0.2.0.192.rpz-ip", "bad prefix"),
        ("192.0.2.1-192.0.2.9", "a range of addresses"),
        ("2001:db8:: - 2001:db8::ff", "a range of addresses"),
        ("24.1.2.0.192.rpz-ip", "host bits set"),
    ],
)
def test_what_is_about_nothing_is_refused_with_its_reason(typed: str, reason: str) -> None:
    with pytest.raises(BadName) as refused:
        subject_of(typed)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("typed", "reason"), [("192.0.2.1", "address"), ("10.0.0.0/8", "address"), ("*.a.example", "a wildcard")]
)
def test_an_address_or_a_wildcard_is_not_one_name(typed: str, reason: str) -> None:
    with pytest.raises(BadName) as refused:
        name_from_text(typed)
    assert refused.value.reason == reason


@given(wire_names())
def test_every_name_on_the_wire_can_be_typed_as_blockd_shows_it(wire: bytes) -> None:
    key = key_from_wire(wire)
    text = DomainName(key).text
    found = subject_of(text)
    assert found.key == key or found.is_network  # a name whose labels are an address is read as one
    assert found.taken_from == ""


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadName):
        subject = subject_of(text)
        assert subject_of(subject.text).key == subject.key or subject.is_client
