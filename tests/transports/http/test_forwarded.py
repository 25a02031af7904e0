from __future__ import annotations

import pytest

from blockd.transports.http.forwarded import client_of

X_FORWARDED_FOR = {
    "192.0.2.1": "192.0.2.1",
    "198.51.100.7, 192.0.2.1": "192.0.2.1",
    "198.51.100.7,192.0.2.1 ": "192.0.2.1",
    "192.0.2.1:4711": "192.0.2.1",
    "2001:DB8::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:4711": "2001:db8::1",
    "::ffff:192.0.2.1": "192.0.2.1",
    "192.0.2.1,": None,
    "unknown": None,
    "192.0.2": None,
    "192.0.2.1:x": None,
    "[2001:db8::1]x": None,
    "2001:db8::1%eth0": None,
    "": None,
    "192.0.2.1, \u0661": None,
}
FORWARDED = {
    "for=192.0.2.1": "192.0.2.1",
    'For="192.0.2.1:4711"; proto=https;by=203.0.113.43': "192.0.2.1",
    "for=198.51.100.7, proto=https; for=192.0.2.1": "192.0.2.1",
    'for="[2001:db8:cafe::17]:4711"': "2001:db8:cafe::17",
    "for=unknown": None,
    "for=_hidden": None,
    "for=192.0.2.1;for=192.0.2.2": None,
    "for=192.0.2.1, proto=https": None,
    "proto=https": None,
    "192.0.2.1": None,
}


@pytest.mark.parametrize(("value", "client"), X_FORWARDED_FOR.items())
def test_the_last_address_of_x_forwarded_for_is_the_client(value: str, client: str | None) -> None:
    assert client_of(b"x-forwarded-for", value.encode()) == client


@pytest.mark.parametrize(("value", "client"), FORWARDED.items())
def test_the_last_address_of_forwarded_is_the_client(value: str, client: str | None) -> None:
    assert client_of(b"forwarded", value.encode()) == client


def test_what_a_client_has_put_before_changes_nothing() -> None:
    assert client_of(b"x-forwarded-for", b"x" * (1 << 20) + b'"\xff, 192.0.2.1') == "192.0.2.1"
