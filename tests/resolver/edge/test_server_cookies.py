"""Server cookies: those of RFC 9018, how old they may be, and whose secrets count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.resolver.clients import packed_host
from blockd.resolver.edge.cookie_sizes import FRESH, KNOWN, SECRET, UNKNOWN
from blockd.resolver.edge.server_cookies import ServerCookies

NOW = 1_800_000_000
OURS, THEIRS = bytes(range(SECRET)), bytes(range(100, 100 + SECRET))
CLIENT = b"8octets!"


def given_by(cookies: ServerCookies, client: bytes, host: str, now: int) -> bytes:
    """Return the whole cookie that a client is given."""
    packed = packed_host(host)
    head = cookies.head(now)
    signature = cookies.sign(0, client, head, packed, len(packed))
    return client + head.to_bytes(8, "little") + signature.to_bytes(8, "little")


def judged(cookies: ServerCookies, cookie: bytes, host: str, now: int) -> int:
    packed = packed_host(host)
    return cookies.judge(cookie, len(cookie), packed, len(packed), now)


# RFC 9018 appendix A: secrets, client's address and cookie, the server cookie that it shows, the moment, the answer's.
VECTORS = {
    "A.1": (
        ["e5e973e5a6b2a43f48e7dc849e37bfcf"],
        "198.51.100.100",
        "2464c4abcf10c957",
        "",
        1559731985,
        "010000005cf79f111f8130c3eee29480",
    ),
    "A.2": (
        ["e5e973e5a6b2a43f48e7dc849e37bfcf"],
        "198.51.100.100",
        "2464c4abcf10c957",
        "010000005cf79f111f8130c3eee29480",
        1559734385,
        "010000005cf7a871d4a564a1442aca77",
    ),
    "A.3": (  # reserved octets that are not zero are part of what is signed
        ["e5e973e5a6b2a43f48e7dc849e37bfcf"],
        "203.0.113.203",
        "fc93fc62807ddb86",
        "01abcdef5cf78f71a314227b6679ebf5",
        1559734700,
        "010000005cf7a9acf73a7810aca2381e",
    ),
    "A.4": (  # after a change of secrets
        ["445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715"],
        "2001:db8:220:1:59de:d0f4:8769:82b8",
        "22681ab97d52c298",
        "010000005cf7c57926556bd0934c72f8",
        1559741961,
        "010000005cf7c609a6bb79d16625507a",
    ),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors_of_the_standard(vector: str) -> None:
    secrets, host, client, shown, now, answered = VECTORS[vector]
    cookies = ServerCookies([bytes.fromhex(secret) for secret in secrets])
    assert given_by(cookies, bytes.fromhex(client), host, now).hex() == client + answered
    if shown:
        then = min(now, int(shown[8:16], 16) + 3600)  # A.3 takes one that is older than section 4.3 has it
        assert judged(cookies, bytes.fromhex(client + shown), host, then) == KNOWN
    assert judged(cookies, bytes.fromhex(client + answered), host, now) == FRESH


@pytest.mark.parametrize(
    ("age", "standing"),
    [(0, FRESH), (1800, FRESH), (1801, KNOWN), (3600, KNOWN), (3601, UNKNOWN), (-300, FRESH), (-301, UNKNOWN)],
)
@pytest.mark.parametrize("now", [NOW, 10, (1 << 32) - 10])
def test_cookie_is_known_for_an_hour_and_renewed_after_half_of_it(age: int, standing: int, now: int) -> None:
    cookies = ServerCookies([OURS])
    shown = given_by(cookies, CLIENT, "192.0.2.1", (now - age) % (1 << 32))
    assert judged(cookies, shown, "192.0.2.1", now) == standing


def test_cookies_of_further_secrets_are_known_and_replaced() -> None:
    both = ServerCookies([OURS, THEIRS])
    shown = given_by(ServerCookies([THEIRS]), CLIENT, "2001:db8::1", NOW)
    assert judged(both, shown, "2001:db8::1", NOW) == KNOWN
    assert judged(ServerCookies([OURS]), shown, "2001:db8::1", NOW) == UNKNOWN


@pytest.mark.parametrize("host", ["192.0.2.2", "2001:db8::1", "2001:db8::", "::192.0.2.1"])
def test_cookie_is_for_one_address(host: str) -> None:
    cookies = ServerCookies([OURS])
    shown = given_by(cookies, CLIENT, "192.0.2.1", NOW)
    assert judged(cookies, shown, host, NOW) == UNKNOWN


@given(st.integers(0, 23), st.integers(1, 255))
def test_a_cookie_with_a_changed_octet_is_not_known(place: int, change: int) -> None:
    cookies = ServerCookies([OURS])
    shown = bytearray(given_by(cookies, CLIENT, "192.0.2.1", NOW))
    shown[place] ^= change
    assert judged(cookies, bytes(shown), "192.0.2.1", NOW) == UNKNOWN


@given(st.binary(min_size=8, max_size=40))
def test_any_octets_are_judged(cookie: bytes) -> None:
    assert judged(ServerCookies([OURS, THEIRS]), cookie, "2001:db8::1", NOW) == UNKNOWN
