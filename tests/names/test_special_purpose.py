"""What networks are set aside for, compared with a plain search and with what Python's own module knows."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import Network, address_key
from blockd.names.special_purpose import ORDINARY_TOPS, REASONS, RESERVED, SPECIAL_PURPOSE, special_purpose

TABLE = [(ipaddress.ip_network(text), reason) for text, reason in SPECIAL_PURPOSE]
NEAR = [int(net[0]) for net, _ in TABLE] + [int(net[-1]) for net, _ in TABLE]


def near(bits: int) -> st.SearchStrategy[int]:
    """Return addresses of a size, half of them at an end of a network of the table."""
    ends = [number for number in NEAR if number < 1 << bits]
    steps = st.builds(lambda number, step: (number + step) % (1 << bits), st.sampled_from(ends), st.integers(-2, 2))
    return steps | st.integers(0, (1 << bits) - 1)


addresses = near(32).map(lambda number: number.to_bytes(4)) | near(128).map(lambda number: number.to_bytes(16))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    packed = draw(addresses)
    key = address_key(packed, draw(st.integers(0, len(packed) * 8)))
    return Network(key[2:], key[1])


@given(networks())
def test_a_network_has_the_reasons_of_those_that_it_shares_addresses_with(network: Network) -> None:
    plain = ipaddress.ip_network(network.text)
    reasons = {reason for net, reason in TABLE if net.version == plain.version and net.overlaps(plain)}
    found = special_purpose(network.packed, network.prefix_length)
    if reasons:
        assert found in reasons
    elif plain.version == 4 or plain.subnet_of(ipaddress.IPv6Network("2000::/3")):
        assert found == ""
    else:
        assert found == RESERVED


@given(addresses)
def test_every_ordinary_address_is_global_to_python_as_well(packed: bytes) -> None:
    address = ipaddress.ip_address(packed)
    if not special_purpose(packed, len(packed) * 8):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.binary(min_size=4, max_size=4))
def test_the_quick_test_of_a_first_octet_agrees(packed: bytes) -> None:
    if packed[0] in ORDINARY_TOPS:
        assert special_purpose(packed, 32) == ""
    assert 1 in ORDINARY_TOPS
    assert not ORDINARY_TOPS & {0, 10, 100, 127, 169, 172, 192, 198, 203, *range(224, 256)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("192.168.7.1", "private use"),
        ("100.127.255.255", "shared address space"),
        ("192.0.0.170", "IETF protocol assignments"),
        ("255.255.255.255", "reserved"),
        ("239.1.2.3", "multicast"),
        ("::", "unspecified"),
        ("::ffff:1.2.3.4", "IPv4-mapped"),
        ("::1.2.3.4", "reserved"),
        ("64:ff9b::1.2.3.4", "NAT64"),
        ("2001::1", "IETF protocol assignments"),
        ("2001:200::", ""),
        ("2002:102:304::1", "6to4"),
        ("3fff:fff::", "documentation"),
        ("4000::", "reserved"),
        ("ff02::1", "multicast"),
        ("2606:4700::/32", ""),
        ("2000::/3", "IETF protocol assignments"),
        ("::/0", "unspecified"),
        ("0.0.0.0/0", "this network"),
        ("9.255.255.255", ""),
        ("11.0.0.0", ""),
    ],
)
def test_the_registries_words(text: str, reason: str) -> None:
    network = Network.from_text(text)
    assert special_purpose(network.packed, network.prefix_length) == reason


def test_the_table_has_no_network_in_another() -> None:
    for place, (one, _) in enumerate(TABLE):
        for other, _ in TABLE[place + 1 :]:
            assert one.version != other.version or not one.overlaps(other)
    assert len(set(REASONS)) == len(REASONS)
