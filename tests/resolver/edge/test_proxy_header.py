"""Headers of the PROXY protocol: what is taken, what is not, and from which octet on that is clear."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadProxyHeader
from blockd.resolver.edge.proxy_header import MAX_HEADER, ProxyHeader, is_proxied, read_header
from tests.resolver.edge.headers import DGRAM, PROXY, SIGNATURE, STREAM, UNIQUE_ID, header, local, raw

FOUR = bytes(8) + bytes(4)  # two IPv4 addresses and two ports


@pytest.mark.parametrize("protocol", [STREAM, DGRAM])
@pytest.mark.parametrize("tlvs", [b"", UNIQUE_ID, UNIQUE_ID * 2, b"\4\0\0", b"\4\0\3\0\0\0" + UNIQUE_ID])
@pytest.mark.parametrize("host", ["192.0.2.200", "2001:db8:1::1", "0.0.0.0", "::"])  # noqa: S104 - no listener
def test_client_is_told_whatever_the_transport_and_the_tlvs(host: str, tlvs: bytes, protocol: int) -> None:
    octets = header(host, protocol, tlvs=tlvs)
    assert read_header(octets + b"a question") == ProxyHeader(len(octets), host)


def test_ipv4_client_of_a_socket_for_both_is_one_of_ipv4() -> None:
    octets = header("::ffff:192.0.2.200")
    assert read_header(octets) == ProxyHeader(len(octets), "192.0.2.200")


@pytest.mark.parametrize("body", [b"", b"x", bytes(MAX_HEADER - 16), FOUR + b"\1\xff\xff"])
@pytest.mark.parametrize("kind", [0x00, 0x11, 0x21, 0x31, 0xFF])
def test_what_a_local_header_has_is_passed_over(body: bytes, kind: int) -> None:
    octets = local(body, kind)
    assert read_header(octets + b"a question") == ProxyHeader(len(octets), "")


def test_longest_header_is_taken_and_a_longer_one_is_not() -> None:
    tlv = MAX_HEADER - len(header("192.0.2.1")) - 3
    longest = header("192.0.2.1", tlvs=b"\4" + tlv.to_bytes(2) + bytes(tlv))
    assert read_header(longest) == ProxyHeader(MAX_HEADER, "192.0.2.1")
    longer = header("192.0.2.1", tlvs=b"\4" + (tlv + 1).to_bytes(2) + bytes(tlv + 1))
    with pytest.raises(BadProxyHeader, match=f"it has {MAX_HEADER + 1} octets"):
        read_header(longer[:16])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\0", "signature"),
        (SIGNATURE[:5] + b"x", "signature"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "signature"),
        (raw(0x11, 0x11, FOUR), "version is 1"),
        (raw(0x31, 0x11, FOUR), "version is 3"),
        (raw(0x22, 0x11, FOUR), "command is 2"),
        (raw(0x2F, 0x11, FOUR), "command is 15"),
        (raw(PROXY, 0x00, b""), "family is 0x00"),
        (raw(PROXY, 0x10, FOUR), "family is 0x10"),
        (raw(PROXY, 0x13, FOUR), "family is 0x13"),
        (raw(PROXY, 0x01, FOUR), "family is 0x01"),
        (raw(PROXY, 0x31, bytes(216)), "family is 0x31"),
        (raw(PROXY, 0x41, FOUR), "family is 0x41"),
        (raw(PROXY, 0x11, b""), "too few for its addresses"),
        (raw(PROXY, 0x11, FOUR[:-1]), "too few for its addresses"),
        (raw(PROXY, 0x21, FOUR), "too few for its addresses"),
        (header("192.0.2.1", tlvs=b"\4"), "TLVs do not fit"),
        (header("192.0.2.1", tlvs=b"\4\0"), "TLVs do not fit"),
        (header("192.0.2.1", tlvs=b"\4\0\1"), "TLVs do not fit"),
        (header("192.0.2.1", tlvs=b"\4\xff\xff\0"), "TLVs do not fit"),
        (header("192.0.2.1", tlvs=UNIQUE_ID + b"\0"), "TLVs do not fit"),
    ],
)
def test_what_is_no_header_is_refused_with_its_reason(octets: bytes, why: str) -> None:
    with pytest.raises(BadProxyHeader, match=why):
        read_header(octets + b"a question that is long enough")


@pytest.mark.parametrize("octets", [header("192.0.2.1"), header("2001:db8::1", tlvs=UNIQUE_ID), local(b"more")])
def test_header_that_comes_octet_by_octet_is_waited_for(octets: bytes) -> None:
    assert [read_header(octets[:size]) for size in range(len(octets))] == [None] * len(octets)
    assert read_header(octets) is not None


@given(
    st.binary(max_size=600) | st.binary(max_size=600).map(lambda rest: SIGNATURE + b"\x21" + rest), st.integers(0, 600)
)
def test_any_octets_are_taken_or_refused_and_more_of_them_change_nothing(octets: bytes, cut: int) -> None:
    def said(part: bytes) -> ProxyHeader | str | None:
        try:
            return read_header(part)
        except BadProxyHeader:
            return "refused"

    first, whole = said(octets[:cut]), said(octets)
    assert first in (None, whole), "what was said once stays true"
    if isinstance(whole, ProxyHeader):
        assert is_proxied(octets)
        assert 16 <= whole.size <= min(len(octets), MAX_HEADER)
        assert not whole.host or ipaddress.ip_address(whole.host)
    elif whole is None:
        assert len(octets) < MAX_HEADER, "no more is waited for than a header may have"
