"""Which addresses lie in the networks that are served, and in those of front ends."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import Network
from blockd.resolver.clients import Clients, packed_networks


def networks(*texts: str) -> list[Network]:
    return [Network.from_text(text) for text in texts]


@pytest.mark.parametrize(
    ("host", "served", "front_end"),
    [
        ("192.0.2.0", True, False),
        ("192.0.2.255", True, False),
        ("192.0.3.0", False, False),
        ("192.0.1.255", False, False),
        ("10.1.2.3", True, True),
        ("10.2.0.0", True, False),
        ("2001:db8::1", True, True),
        ("2001:db8::2", True, False),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", True, False),
        ("2001:db9::", False, False),
        ("fe80::1%eth0", True, False),
        ("::ffff:192.0.2.1", False, False),
    ],
)
def test_address_is_found_in_its_network(host: str, served: bool, front_end: bool) -> None:
    clients = Clients(
        networks("192.0.2.0/25", "192.0.2.128/25", "10.0.0.0/8", "10.3.0.0/16", "2001:db8::/32", "fe80::/10"),
        networks("10.1.0.0/16", "2001:db8::1"),
    )
    assert (clients.serves(host), clients.is_front_end(host)) == (served, front_end)


def test_without_networks_nobody_is_served() -> None:
    assert not Clients([]).serves("127.0.0.1")
    assert not Clients([]).serves("::1")
    assert packed_networks([]) == (b"", b"")


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=8),
    st.integers(0, 255),
    st.booleans(),
)
def test_whatever_networks_overlap_the_answer_is_that_of_comparing_each(
    listed: list[tuple[int, int]], last: int, is_ipv6: bool
) -> None:
    base, more = ("2001:db8::", 96) if is_ipv6 else ("192.0.2.", 0)
    found = [
        ipaddress.ip_network((f"{base}{place:x}" if is_ipv6 else f"{base}{place}", length + more), strict=False)
        for place, length in listed
    ]
    host = f"{base}{last:x}" if is_ipv6 else f"{base}{last}"
    clients = Clients(Network.from_text(str(network)) for network in found)
    assert clients.serves(host) == any(ipaddress.ip_address(host) in network for network in found)
