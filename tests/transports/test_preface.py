"""The beginning of a stream, in pieces: what is a header, whose it may be, and what follows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadProxyHeader
from blockd.resolver.edge.proxy_header import MAX_HEADER
from blockd.transports.preface import Preface
from tests.resolver.edge.headers import SIGNATURE, UNIQUE_ID, header, local

FOLLOWING = b"\0\x1d a question in a stream"


def taken(octets: bytes, sizes: list[int], *, is_expected: bool) -> tuple[str | None, bytes, int]:
    """Return the header's host, what follows, and how many octets were waited for, of a stream that comes in pieces."""
    preface = Preface(is_expected=is_expected)
    start = 0
    for size in [*sizes, len(octets)]:
        piece, start = octets[start : start + size], start + size
        if piece and (rest := preface.take(memoryview(piece))) is not None:
            return preface.host, bytes(rest) + octets[start:], start
    return preface.host, b"", start


@pytest.mark.parametrize(
    ("wrapped", "host"),
    [(header("192.0.2.200"), "192.0.2.200"), (header("2001:db8::1", tlvs=UNIQUE_ID), "2001:db8::1"), (local(b"x"), "")],
)
@given(sizes=st.lists(st.integers(1, 60), max_size=80))
def test_header_in_any_pieces_is_taken_off(wrapped: bytes, host: str, sizes: list[int]) -> None:
    assert taken(wrapped + FOLLOWING, sizes, is_expected=True)[:2] == (host, FOLLOWING)


@given(st.binary(min_size=1, max_size=60), st.lists(st.integers(1, 20), max_size=80), st.booleans())
def test_what_is_no_header_is_left_as_it_came(octets: bytes, sizes: list[int], is_expected: bool) -> None:
    octets = octets if octets[0] != SIGNATURE[0] else octets[:11] + FOLLOWING
    assert taken(octets, sizes, is_expected=is_expected)[:2] == (None, octets)


@given(st.integers(0, 11), st.lists(st.integers(1, 20), max_size=80), st.booleans())
def test_what_only_begins_like_a_header_is_left_as_it_came(same: int, sizes: list[int], is_expected: bool) -> None:
    octets = SIGNATURE[:same] + FOLLOWING
    assert taken(octets, sizes, is_expected=is_expected)[:2] == (None, octets)


@pytest.mark.parametrize("wrapped", [header("192.0.2.200"), local(), SIGNATURE])
@given(sizes=st.lists(st.integers(1, 20), max_size=80))
def test_signature_of_anybody_else_is_refused(wrapped: bytes, sizes: list[int]) -> None:
    with pytest.raises(BadProxyHeader, match=r"not in proxy_protocol\.from"):
        taken(wrapped + FOLLOWING, sizes, is_expected=False)


@given(st.binary(max_size=2 * MAX_HEADER), st.lists(st.integers(1, 300), max_size=20))
def test_no_more_is_waited_for_than_a_header_may_have(octets: bytes, sizes: list[int]) -> None:
    try:
        host, rest, waited = taken(SIGNATURE + octets, sizes, is_expected=True)
    except BadProxyHeader:
        return
    assert host is not None or len(SIGNATURE + octets) < MAX_HEADER
    assert rest == (SIGNATURE + octets)[len(SIGNATURE + octets) - len(rest) :]
    assert waited >= 16 or host is None
