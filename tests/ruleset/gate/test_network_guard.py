"""Which networks a list may not block, and which it may but somebody should know."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import Network, client_key, translations
from blockd.names.special_purpose import SPECIAL_PURPOSE, is_special_purpose
from blockd.orders import Action, Scope
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.network_guard import NetworkGuard, OwnNetworks

OWN = OwnNetworks(
    sinkhole=(Network.from_text("198.50.7.1"), Network.from_text("2a00:1::1"), Network.from_text("127.0.0.1")),
    upstreams=tuple(map(Network.from_text, ("9.9.9.9", "10.0.0.53", "64:ff9b::9.9.9.10"))),
    translations=translations([Network.from_text("2a00:64::/64")]),
    clients=(Network.from_text("36.80.0.0/14"), Network.from_text("10.0.0.0/8"), Network.from_text("2400:9800::/32")),
)
GUARD = NetworkGuard.of(16, 32, OWN)


def reason(text: str, guard: NetworkGuard = GUARD) -> str:
    return guard.reason(Network.from_text(text).key)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/1", "network too wide"),
        ("128.0.0.0/1", "network too wide"),
        ("8.0.0.0/15", "network too wide"),
        ("8.0.0.0/16", ""),
        ("8.8.8.8", ""),
        ("::/1", "network too wide"),
        ("2600::/31", "network too wide"),
        ("2600::/32", ""),
        ("64:ff9b::/96", "network too wide"),
        ("64:ff9b::/64", "network too wide"),
        ("64:ff9b::808:0/111", "network too wide"),
        ("64:ff9b::808:0/112", ""),
        ("64:ff9b::198.50.7.1", "sinkhole's address"),
        ("64:ff9b::198.50.0.0/112", "sinkhole's address"),
        ("64:ff9b::198.50.7.2", ""),
        ("64:ff9b::10.0.0.0/104", "special-purpose network"),
        ("9.9.9.10", "upstream's address"),
        ("64:ff9b::9.9.9.10", "upstream's address"),
        ("2a00:64::/64", "network too wide"),
        ("2a00:64:0:0:8:800::/88", ""),
        ("2a00:64:0:0:8:800::/87", "network too wide"),
        ("2a00:64::c6:3207:100:0", "sinkhole's address"),
        ("10.0.0.0/8", "special-purpose network"),
        ("10.9.0.0/16", "special-purpose network"),
        ("127.0.0.1", "special-purpose network"),
        ("224.0.0.0/3", "special-purpose network"),
        ("8.0.0.0/7", "network too wide"),
        ("10.0.0.0/7", "network too wide"),
        ("fc00::/7", "special-purpose network"),
        ("::1", "special-purpose network"),
        ("::ffff:0:0/96", "special-purpose network"),
        ("198.50.7.1", "sinkhole's address"),
        ("198.50.0.0/16", "sinkhole's address"),
        ("198.50.7.2", ""),
        ("2a00:1::/32", "sinkhole's address"),
        ("9.9.0.0/16", "upstream's address"),
        ("9.9.9.9", "upstream's address"),
        ("36.80.0.0/14", "network too wide"),
        ("36.80.0.0/16", ""),
        ("2400:9800::/32", "client network"),
        ("2400:9800::/48", ""),
    ],
)
def test_a_network_is_held_back_for_what_it_would_take_away(network: str, why: str) -> None:
    assert reason(network) == why


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/1", "network too wide"),
        ("10.0.0.0/8", "network too wide"),
        ("192.168.0.0/16", ""),
        ("9.9.9.9", ""),
        ("fc00::/7", "network too wide"),
        ("2400:9800::/32", ""),
    ],
)
def test_a_rule_about_clients_has_only_the_limit_of_width(network: str, why: str) -> None:
    found = Network.from_text(network)
    assert GUARD.reason(client_key(found.packed, found.prefix_length)) == why


def test_limits_can_be_set_and_left_out() -> None:
    wider = NetworkGuard.of(8, 20, OWN)
    assert reason("8.0.0.0/8", wider) == ""
    assert reason("36.80.0.0/14", wider) == "client network"
    assert reason("36.0.0.0/8", wider) == "client network"
    assert reason("2400:9800::/31", wider) == "client network"
    free = NetworkGuard.of(0, 0, OwnNetworks())
    assert not free
    assert reason("0.0.0.0/1", free) == reason("64:ff9b::/95", free) == ""
    assert len({GUARD.digest, wider.digest, free.digest}) == 3


def test_rules_that_let_pass_have_no_limit_and_a_release_lets_through() -> None:
    guard = Guard(networks=GUARD)
    wide, special = Network.from_text("0.0.0.0/1").key, Network.from_text("10.0.0.0/8").key
    for action in (Action.ALLOW, Action.MONITOR, Action.PASSTHRU):
        assert guard.reason(wide, Scope.BOTH, action) == ""
    for action in set(Action) - {Action.ALLOW, Action.MONITOR, Action.PASSTHRU}:
        assert guard.reason(wide, Scope.BOTH, action) == "network too wide"
    assert guard.only_reports(guard.reason(special, Scope.BOTH, Action.NODATA))
    assert not guard.only_reports("network too wide")
    let_through = guard.releasing([wide])
    assert let_through.reason(wide, Scope.BOTH, Action.NXDOMAIN) == ""
    assert let_through.reason(Network.from_text("128.0.0.0/1").key, Scope.BOTH, Action.NXDOMAIN) == "network too wide"
    assert guard.digest != let_through.digest == guard.releasing([wide]).releasing([wide]).digest
    assert guard.releasing([]) is guard


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_special_purpose_networks_are_those_of_the_registries(address: int, length: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    ours = [one for text, _ in SPECIAL_PURPOSE if (one := ipaddress.ip_network(text)).version == 4]
    expected = any(network.subnet_of(one) for one in ours)  # type: ignore[arg-type]
    spans_neighbours = network.subnet_of(ipaddress.ip_network("224.0.0.0/3"))  # type: ignore[arg-type]
    assert is_special_purpose(network.network_address.packed, length) == (expected or spans_neighbours)
    assert is_special_purpose(network.network_address.packed, length) or not network.is_private
