"""IPv4 addresses within IPv6 ones: the examples of RFC 6052 section 2.4, and what is none."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import WELL_KNOWN_TRANSLATIONS, Network, translations
from blockd.names.translation import PREFIX_LENGTHS, ipv4_network_within, ipv4_within, is_translation

EXAMPLES = (
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
    ("::ffff:0:0/96", "::ffff:192.0.2.33"),
)


@pytest.mark.parametrize(("prefix", "address"), EXAMPLES)
def test_the_address_of_rfc_6052s_examples_is_found(prefix: str, address: str) -> None:
    prefixes = translations([Network.from_text(prefix)])
    packed = ipaddress.ip_address(address).packed
    assert ipv4_within(packed, prefixes) == ipaddress.ip_address("192.0.2.33").packed
    assert ipv4_within(packed[:8] + b"\1" + packed[9:], prefixes) in (ipv4_within(packed, prefixes), None)
    assert ipv4_within(packed[:15] + b"\7", prefixes) is not None, "what follows says nothing"


def test_of_two_prefixes_the_longer_is_that_of_the_address() -> None:
    prefixes = translations([Network.from_text("2001:db8::/32"), Network.from_text("2001:db8::/96")])
    assert ipv4_within(ipaddress.ip_address("2001:db8::192.0.2.33").packed, prefixes) == bytes((192, 0, 2, 33))
    assert ipv4_within(ipaddress.ip_address("2001:db8:c000:221::1").packed, prefixes) == bytes((192, 0, 2, 33))


@pytest.mark.parametrize(
    "text", ["192.0.2.33", "2001:db8::1", "64:ff9b:1::192.0.2.33", "::192.0.2.33", "64:ff9b::1:0:0"]
)
def test_other_addresses_hold_none(text: str) -> None:
    assert ipv4_within(ipaddress.ip_address(text).packed, WELL_KNOWN_TRANSLATIONS) is None


@pytest.mark.parametrize(("prefix", "address"), EXAMPLES)
@given(bits=st.integers(0, 128))
def test_a_network_stands_for_the_ipv4_network_of_its_bits(prefix: str, address: str, bits: int) -> None:
    """As many octets of the IPv4 address are known as the prefix covers, whatever stands behind."""
    network = Network.from_text(prefix)
    found = ipv4_network_within(ipaddress.ip_address(address).packed, bits, translations([network]))
    if bits < network.prefix_length:
        assert found is None
        return
    assert found is not None
    behind = range(network.prefix_length, 128)
    known = [place for place in behind if network.prefix_length > 64 or not 64 <= place < 72][:32]
    assert found.prefix_length == sum(place < bits for place in known)
    assert bytes((192, 0, 2, 33)) in found


def test_which_prefixes_may_hold_ipv4() -> None:
    assert [length for length in range(129) if is_translation(Network(bytes(16), length))] == list(PREFIX_LENGTHS)
    assert not is_translation(Network.from_text("10.0.0.0/8").within(8))
    assert not is_translation(Network.from_text("2001:db8:0:0:100::/96"))
