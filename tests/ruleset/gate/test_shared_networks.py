"""Which networks would block shared hosts, compared with a search through all of them."""

from __future__ import annotations

import ipaddress
import pickle

from hypothesis import given
from hypothesis import strategies as st

from blockd.names import Network, address_key, client_key
from blockd.ruleset.gate.shared_networks import SHARED_HOST, SharedNetworks


def of_size(size: int) -> st.SearchStrategy[Network]:
    """Return networks of a family, many of which have the same first octets."""
    first = st.sampled_from([bytes(size), bytes((32,)) * size, bytes((255,)) * size])
    packed = st.builds(lambda head, tail: head[: size - len(tail)] + tail, first, st.binary(max_size=2))
    keys = st.builds(address_key, packed | st.binary(min_size=size, max_size=size), st.integers(0, size * 8))
    return keys.map(lambda key: Network(key[2:], key[1]))


networks = of_size(4) | of_size(16)


@given(st.lists(networks, max_size=8), st.lists(networks, max_size=8))
def test_an_entry_in_or_over_or_like_a_shared_network_is_held_back(shared: list[Network], asked: list[Network]) -> None:
    guarded = SharedNetworks.of(shared)
    assert bool(guarded) == bool(shared)
    plain = [ipaddress.ip_network(network.text) for network in shared]
    for network in (*asked, *shared):
        mine = ipaddress.ip_network(network.text)
        overlaps = any(other.version == mine.version and other.overlaps(mine) for other in plain)
        assert guarded.reason(network.key) == (SHARED_HOST if overlaps else "")
        assert guarded.reason(client_key(network.packed, network.prefix_length)) == ""


def test_it_can_be_handed_to_another_process() -> None:
    shared = SharedNetworks.of([Network.from_text("192.0.2.0/24")])
    assert pickle.loads(pickle.dumps(shared)) == shared  # noqa: S301 - our own
