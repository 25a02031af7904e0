from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.names import Network, address_key, network_from_key


@given(st.ip_addresses(), st.data())
def test_text_and_key_of_a_network_agree(address: ipaddress.IPv4Address, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, address.max_prefixlen))
    expected = ipaddress.ip_network(f"{address}/{length}", strict=False)
    network = Network.from_text(str(expected))
    assert network.version == expected.version
    assert network.key == address_key(address.packed, length)
    assert network_from_key(network.key) == network
    assert ipaddress.ip_network(network.text) == expected
    assert str(network) == network.text


@given(st.ip_addresses(), st.ip_addresses(), st.data())
def test_an_address_is_in_a_network_as_the_standard_library_says(
    address: ipaddress.IPv4Address, other: ipaddress.IPv4Address, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, other.max_prefixlen))
    expected = ipaddress.ip_network(f"{other}/{length}", strict=False)
    assert (address.packed in Network.from_text(str(expected))) is (address in expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/",
        "192.0.2.0/255.255.255.0",
        "10.0.0.0/0.255.255.255",
        " 192.0.2.0/24",
        "192.0.2.0/24/24",
        "192.0.2.0/\uff12\uff14",
        "2001:db8::1/32",
        "2001:db8::/129",
        "fe80::1%eth0",
        "example.org",
        "1",
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(BadName, match="bad network"):
        Network.from_text(text)


@given(st.binary(max_size=20))
def test_a_hostile_key_is_a_network_or_refused(key: bytes) -> None:
    try:
        network = network_from_key(key)
    except BadName:
        return
    assert network.version in (4, 6)
    assert network.text


@pytest.mark.parametrize("key", [b"", b"\xf4", b"\xf4\x21\0\0\0\0", b"\xf6\x81" + bytes(16), b"\xf5\x08\x7f\0\0\0"])
def test_a_key_that_is_no_networks_is_refused(key: bytes) -> None:
    with pytest.raises(BadName):
        network_from_key(key)


def test_a_networks_key_is_no_names_key() -> None:
    assert Network.from_text("0.0.0.0/0").key[0] > 63
    assert Network.from_text("::/0").key[0] > 63
