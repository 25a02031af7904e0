from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.names import key_from_text
from blockd.web.decide.hosts import Host, host_of, host_of_url


def name(text: str) -> Host:
    return Host(key=key_from_text(text))


def address(text: str) -> Host:
    return Host(address=ipaddress.ip_address(text).packed)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("blocked.example", name("blocked.example")),
        (" BLOCKED.Example.:8080 ", name("blocked.example")),
        ("blocked.example:", name("blocked.example")),
        ("münchen.example", name("xn--mnchen-3ya.example")),
        ("xn--mnchen-3ya.example:443", name("xn--mnchen-3ya.example")),
        ("blocked。example", name("blocked.example")),
        ("192.0.2.1", address("192.0.2.1")),
        ("192.0.2.1:80", address("192.0.2.1")),
        ("192.0.2.1.", address("192.0.2.1")),
        ("127.1", address("127.0.0.1")),
        ("0x7f.0.0.1", address("127.0.0.1")),
        ("0x7f000001:80", address("127.0.0.1")),
        ("2130706433", address("127.0.0.1")),
        ("0177.0.0.1", address("127.0.0.1")),
        ("[2001:db8::1]", address("2001:db8::1")),
        ("[2001:DB8::1]:443", address("2001:db8::1")),
        ("2001:db8::1", address("2001:db8::1")),
        ("[::ffff:192.0.2.1]:80", address("::ffff:192.0.2.1")),
    ],
)
def test_hosts_are_read_as_names_and_addresses_with_or_without_a_port(text: str, host: Host) -> None:
    assert host_of(text.encode()) == host


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ":80", ".", "a..example", "a.example:99999", "a.example:8o", "a.example:80:80", "user@a.example",
        "a.example/path", "a.example?x", "a.example#x", "a\\.example", "%61.example", "a example", "a\x00.example",
        "a.example\t", "*.example", "[2001:db8::1", "[2001:db8::1]x", "[2001:db8::1]80", "[192.0.2.1]",
        "[fe80::1%eth0]", "1.2.3.4.5", "256.1.1.1", "1.2.3.0x", "a.1", "a.0x1", "\uff11\uff12\uff17.0.0.1",
        "x" * 261, "a" * 64 + ".example",
    ],
)  # fmt: skip
def test_what_is_no_host_or_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        host_of(text.strip("\t").encode() if text != "a.example\t" else b"a.exa\tmple")


def test_octets_that_are_not_utf_8_are_no_host() -> None:
    with pytest.raises(BadName):
        host_of(b"caf\xe9.example")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://blocked.example/path?query", name("blocked.example")),
        ("HTTPS://Blocked.Example:8443", name("blocked.example")),
        ("http://blocked.example?query", name("blocked.example")),
        ("http://blocked.example#top", name("blocked.example")),
        ("http://user:pass@blocked.example/", name("blocked.example")),
        ("http://good.example@blocked.example/", name("blocked.example")),
        ("http://a@b@blocked.example/", name("blocked.example")),
        ("http://[2001:db8::1]:80/x", address("2001:db8::1")),
        ("ftp://192.0.2.1/x", address("192.0.2.1")),
        ("wss://blocked.example/socket", name("blocked.example")),
        ("blocked.example:443", name("blocked.example")),
        ("http://blocked.example/" + "x" * 8000, name("blocked.example")),
    ],
)
def test_the_host_of_a_url_is_what_a_proxy_connects_to(url: str, host: Host) -> None:
    assert host_of_url(url.encode()) == host


@pytest.mark.parametrize(
    "url",
    [
        "", "/path", "//blocked.example/", "http:blocked.example", "http:/blocked.example/", "http:///blocked.example",
        "http://", "http://?",
        "http://blocked.example\\@good.example/", "http://good.example\\.blocked.example/", "http://a b.example/",
        "good.example@blocked.example:80", "http://" + "a" * 2000, "mailto:a@blocked.example",
        "http://::1/", "http://2001:db8::1/", "http://::",
    ],
)  # fmt: skip
def test_a_url_without_a_host_or_with_two_is_refused(url: str) -> None:
    with pytest.raises(BadName):
        host_of_url(url.encode())


@given(st.binary(max_size=300))
def test_no_octets_at_all_raise_anything_else(octets: bytes) -> None:
    for read in (host_of, host_of_url):
        try:
            host = read(octets)
        except BadName:
            continue
        assert bool(host.key) != bool(host.address)
        assert len(host.address) in (0, 4, 16)


@given(st.from_regex(r"[a-z]{1,8}://([a-z0-9.@:-]{0,20}|\[[0-9a-f:]{2,20}\])(/[ -~]{0,20})?", fullmatch=True))
def test_what_is_read_of_a_url_is_what_other_parsers_read(url: str) -> None:
    try:
        host = host_of_url(url.encode())
    except BadName:
        return
    read = urlsplit(url).hostname or ""
    assert host == host_of(f"[{read}]".encode() if ":" in read else read.encode())
