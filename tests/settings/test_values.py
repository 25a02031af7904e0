from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.settings.addresses import (
    SYSTEM_UPSTREAM,
    SocketAddress,
    Upstream,
    socket_address_from_text,
    upstream_from_text,
)
from blockd.settings.values import (
    duration_from_text,
    growth_from_text,
    name_from_value,
    share_from_text,
    shown,
    size_from_text,
    time_from_value,
    workers_from_text,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("800ms", 0.8), ("10s", 10), ("5m", 300), ("1h", 3600), ("7d", 604800), ("0s", 0)]
)
def test_duration_is_seconds(text: str, seconds: float) -> None:
    assert duration_from_text(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["10", 10, "1.5s", "-1s", "s", "", None, "1 s", "1y", "9" * 10 + "s", "\u0661s"])
def test_text_without_a_unit_or_number_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="expected a time such as 10s, got "):
        duration_from_text(value)


@pytest.mark.parametrize(("text", "octets"), [("64K", 1 << 16), ("64M", 1 << 26), ("1G", 1 << 30), ("2T", 1 << 41)])
def test_size_is_octets(text: str, octets: int) -> None:
    assert size_from_text(text) == octets


@pytest.mark.parametrize("value", ["64", 64, "64m", "64MB", "1.5G", None])
def test_text_without_a_unit_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 64M, got "):
        size_from_text(value)


@pytest.mark.parametrize(("text", "share"), [("0%", 0), ("20%", 0.2), ("0.5%", 0.005), ("100%", 1)])
def test_share_is_a_fraction(text: str, share: float) -> None:
    assert share_from_text(text) == pytest.approx(share)


def test_growth_may_be_more_than_all() -> None:
    assert growth_from_text("250%") == pytest.approx(2.5)
    with pytest.raises(ValueError, match="expected 0% to 10000%, such as 20%, got "):
        growth_from_text("10001%")


@pytest.mark.parametrize("value", ["101%", "20", 20, 0.2, "-1%", None])
def test_more_than_all_is_no_share(value: object) -> None:
    with pytest.raises(ValueError, match="expected 0% to 100%, such as 20%, got "):
        share_from_text(value)


@pytest.mark.parametrize("value", [0, 257, True, "four", "2", 1.5, None])
def test_workers_are_auto_or_a_few(value: object) -> None:
    with pytest.raises(ValueError, match="expected auto or 1 to 256, got "):
        workers_from_text(value)


def test_auto_is_at_least_one_worker() -> None:
    assert 1 <= workers_from_text("auto") <= 256


def test_date_without_time_is_midnight_utc() -> None:
    assert time_from_value("2017-07-14") == time_from_value("2017-07-14T00:00:00Z") == 1_499_990_400


@pytest.mark.parametrize("value", ["soon", "2017-13-01", 2017, None])
def test_other_text_is_no_date(value: object) -> None:
    with pytest.raises(ValueError, match="expected an RFC 3339 date such as "):
        time_from_value(value)


def test_target_name_is_normalised() -> None:
    assert name_from_value("Blocked.Example.NET.") == "blocked.example.net"


@pytest.mark.parametrize("value", ["a..b", "192.0.2.1", 7])
def test_other_text_is_no_target_name(value: object) -> None:
    with pytest.raises(ValueError, match="expected a domain name such as "):
        name_from_value(value)


def test_what_is_no_text_is_not_said_to_be_empty() -> None:
    with pytest.raises(ValueError, match=r"got 7$"):
        name_from_value(7)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8053", SocketAddress("127.0.0.1", 8053)),
        ("[::1]:8053", SocketAddress("::1", 8053)),
        ("[2001:DB8:0::1]:53", SocketAddress("2001:db8::1", 53)),
    ],
)
def test_socket_address_has_one_form(text: str, address: SocketAddress) -> None:
    assert socket_address_from_text(text) == address
    assert socket_address_from_text(address.text) == address


@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "::1:53",
        "[::1]",
        "[127.0.0.1]:53",
        "localhost:53",
        ":53",
        "",
        53,
        "[fe80::1%eth0]:53",
        "127.0.0.1:53 ",
        "010.0.0.1:53",
        "[::1]:",
        None,
    ],
)
def test_other_text_is_no_socket_address(value: object) -> None:
    with pytest.raises(ValueError, match="expected ADDRESS:PORT, such as "):
        socket_address_from_text(value)


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("system", SYSTEM_UPSTREAM),
        ("192.0.2.1", Upstream("192.0.2.1", 53)),
        ("192.0.2.1:5353", Upstream("192.0.2.1", 5353)),
        ("2001:db8::1", Upstream("2001:db8::1", 53)),
        ("[2001:db8::1]", Upstream("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Upstream("2001:db8::1", 5353)),
        ("tls://192.0.2.1#DNS.example.net", Upstream("192.0.2.1", 853, "dns.example.net")),
        ("tls://[2001:db8::1]:8853#dns.example.net", Upstream("2001:db8::1", 8853, "dns.example.net")),
    ],
)
def test_upstream_is_parsed_once(text: str, upstream: Upstream) -> None:
    assert upstream_from_text(text) == upstream
    assert upstream_from_text(upstream.text) == upstream


@pytest.mark.parametrize("value", ["dns.example.net", "tls://", "tls://x#y", "192.0.2.1:", "https://", 1, None])
def test_other_text_is_no_upstream(value: object) -> None:
    with pytest.raises(ValueError, match="expected an upstream such as "):
        upstream_from_text(value)


@pytest.mark.parametrize("value", ["tls://192.0.2.1", "tls://192.0.2.1#", "tls://192.0.2.1#a b"])
def test_upstream_over_tls_needs_the_name_in_its_certificate(value: str) -> None:
    with pytest.raises(ValueError, match="expected tls://ADDRESS#NAME, where "):
        upstream_from_text(value)


def test_wildcard_clashes_with_every_host_of_its_family() -> None:
    everywhere = SocketAddress("0.0.0.0", 53)  # noqa: S104
    assert everywhere.clashes_with(SocketAddress("127.0.0.1", 53))
    assert not everywhere.clashes_with(SocketAddress("127.0.0.1", 54))
    assert not everywhere.clashes_with(SocketAddress("::1", 53))


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_wrong_values_raise_nothing_but_value_errors(value: object) -> None:
    for parse in (duration_from_text, size_from_text, share_from_text, socket_address_from_text, upstream_from_text):
        with contextlib.suppress(ValueError):
            parse(value)


def test_wrong_value_is_shown_on_one_short_line() -> None:
    assert shown("a\x1b[2J\n") == r"'a\x1b[2J\n'"
    assert len(shown("x" * 10_000)) == 60
