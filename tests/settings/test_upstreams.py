"""Upstreams in the config file: every text form, what is refused, and that each text is read back as it was written."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.settings.addresses import DOH_PATH, MAX_PINS, SYSTEM_UPSTREAM, Upstream, upstream_from_text

PIN = hashlib.sha256(b"a key").digest()
OTHER_PIN = hashlib.sha256(b"another key").digest()
PIN_TEXT = base64.b64encode(PIN).decode()
OTHER_TEXT = base64.b64encode(OTHER_PIN).decode()
NAME = "dns.example.net"


@pytest.mark.parametrize(
    ("text", "upstream", "transport"),
    [
        ("192.0.2.1", Upstream("192.0.2.1", 53), "udp"),
        ("fe80::1%eth0", Upstream("fe80::1%eth0", 53), "udp"),
        ("[fe80::1%eth0]:5353", Upstream("fe80::1%eth0", 5353), "udp"),
        ("tcp://192.0.2.1", Upstream("192.0.2.1", 53, over_tcp=True), "tcp"),
        ("tcp://[2001:db8::1]:5353", Upstream("2001:db8::1", 5353, over_tcp=True), "tcp"),
        ("tcp://[fe80::1%eth0.7]", Upstream("fe80::1%eth0.7", 53, over_tcp=True), "tcp"),
        (f"tls://192.0.2.1#{NAME}", Upstream("192.0.2.1", 853, NAME), "tls"),
        ("tls://192.0.2.1:8853#192.0.2.1", Upstream("192.0.2.1", 8853, "192.0.2.1"), "tls"),
        ("tls://2001:db8::1#2001:DB8::1", Upstream("2001:db8::1", 853, "2001:db8::1"), "tls"),
        (f"tls://fe80::1%eth0#{NAME}", Upstream("fe80::1%eth0", 853, NAME), "tls"),
        (f"tls://192.0.2.1#{NAME};pin-sha256={PIN_TEXT}", Upstream("192.0.2.1", 853, NAME, pins=(PIN,)), "tls"),
        (f"tls://192.0.2.1#;pin-sha256={PIN_TEXT}", Upstream("192.0.2.1", 853, "", pins=(PIN,)), "tls"),
        (
            f"tls://192.0.2.1#;pin-sha256={PIN_TEXT};pin-sha256={OTHER_TEXT};pin-sha256={PIN_TEXT}",
            Upstream("192.0.2.1", 853, "", pins=(PIN, OTHER_PIN)),
            "tls",
        ),
        (f"https://192.0.2.1#{NAME}", Upstream("192.0.2.1", 443, NAME, DOH_PATH), "https"),
        (f"https://192.0.2.1/#{NAME}", Upstream("192.0.2.1", 443, NAME, "/"), "https"),
        (f"https://[2001:db8::1]:8443/a/b%20c#{NAME}", Upstream("2001:db8::1", 8443, NAME, "/a/b%20c"), "https"),
        (
            f"https://192.0.2.1/q#;pin-sha256={PIN_TEXT}",
            Upstream("192.0.2.1", 443, "", "/q", (PIN,)),
            "https",
        ),
    ],
)
def test_a_text_is_parsed_and_written_back(text: str, upstream: Upstream, transport: str) -> None:
    assert upstream_from_text(text) == upstream
    assert upstream_from_text(upstream.text) == upstream
    assert upstream.transport == transport


def test_sentences_name_an_upstream_without_its_pins() -> None:
    assert upstream_from_text(f"tls://192.0.2.1#{NAME};pin-sha256={PIN_TEXT}").label == f"tls://192.0.2.1:853#{NAME}"
    assert upstream_from_text(f"https://192.0.2.1#;pin-sha256={PIN_TEXT}").label == "https://192.0.2.1:443/dns-query"
    assert upstream_from_text("tcp://192.0.2.1").label == "tcp://192.0.2.1:53"
    assert SYSTEM_UPSTREAM.label == SYSTEM_UPSTREAM.text == "system"


@given(
    host=st.sampled_from(["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "127.0.0.1"]),
    port=st.integers(1, 65535),
    kind=st.sampled_from(["udp", "tcp", "tls", "https"]),
    name=st.sampled_from([NAME, "192.0.2.1", "2001:db8::1", ""]),
    pins=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PINS, unique=True),
)
def test_every_upstream_is_read_back_as_it_was(host: str, port: int, kind: str, name: str, pins: list[bytes]) -> None:
    if kind in ("udp", "tcp"):
        upstream = Upstream(host, port, over_tcp=kind == "tcp")
    else:
        kept = tuple(pins) if pins or name else (PIN,)
        upstream = Upstream(host, port, name, DOH_PATH if kind == "https" else "", kept)
    assert upstream.transport == kind
    assert upstream_from_text(upstream.text) == upstream


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("udp://192.0.2.1", "expected an upstream such as system"),
        ("http://192.0.2.1", "expected an upstream such as system"),
        ("tcp://192.0.2.1#name", "expected an upstream such as system"),
        ("tcp://192.0.2.1/dns-query", "expected an upstream such as system"),
        (f"tls://192.0.2.1/dns-query#{NAME}", "expected an upstream such as system"),
        ("tls://dns.example.net#dns.example.net", "expected an upstream such as system"),
        ("https://192.0.2.1", "expected https://ADDRESS#NAME, where NAME is the one in"),
        ("https://192.0.2.1/dns-query", "expected https://ADDRESS#NAME, where NAME is the one in"),
        (f"https://192.0.2.1/dns-query{{?dns}}#{NAME}", "expected https://ADDRESS/PATH#NAME, the path without"),
        (f"https://192.0.2.1/q?a=b#{NAME}", "expected https://ADDRESS/PATH#NAME, the path without"),
        (f"https://192.0.2.1/{'a' * 255}#{NAME}", "expected https://ADDRESS/PATH#NAME, the path without"),
        ("tls://192.0.2.1#a b", "expected tls://ADDRESS#NAME, where NAME is the one in"),
        ("tls://192.0.2.1#fe80::1%eth0", "expected tls://ADDRESS#NAME, where NAME is the one in"),
        (f"tls://192.0.2.1#{NAME};pin-sha256=AAAA", "expected pin-sha256=BASE64, the SHA-256 of"),
        (f"tls://192.0.2.1#{NAME};pin-sha256={PIN_TEXT[:-1]}", "expected pin-sha256=BASE64, the SHA-256 of"),
        (f"tls://192.0.2.1#{NAME};pin={PIN_TEXT}", "expected pin-sha256=BASE64, the SHA-256 of"),
        (f"tls://192.0.2.1#{NAME};", "expected pin-sha256=BASE64, the SHA-256 of"),
        ("fe80::1", "is a link-local address, which means nothing without an interface .*fe80::1%eth0"),
        ("tls://fe80::1#name.example", "is a link-local address, which means nothing without an interface"),
        ("2001:db8::1%eth0", "expected an upstream such as system"),  # RFC 4007 section 6: global ones have none
        ("192.0.2.1%eth0", "expected an upstream such as system"),
        ("fe80::1%", "expected an upstream such as system"),
        ("fe80::1%an-interface-of-17", "expected an upstream such as system"),
        ("fe80::1%a/b", "expected an upstream such as system"),
        ("fe80::1%a b", "expected an upstream such as system"),
        ("ff02::1%eth0", "expected an upstream such as system"),
        ("x" * 100_000, "expected an upstream such as system"),
        (f"tls://192.0.2.1#{';' * 2000}", "expected an upstream such as system"),
    ],
)
def test_what_is_refused_says_what_was_expected(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        upstream_from_text(text)


def test_too_many_pins_are_refused() -> None:
    pins = [hashlib.sha256(bytes((number,))).digest() for number in range(MAX_PINS + 1)]
    text = "".join(f";pin-sha256={base64.b64encode(pin).decode()}" for pin in pins)
    with pytest.raises(ValueError, match="expected at most 8 pins of an upstream, got 9"):
        upstream_from_text(f"tls://192.0.2.1#{text}")
