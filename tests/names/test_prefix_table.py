"""The number of the longest network that holds an address."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import Network
from blockd.names.network import address_key, network_from_key
from blockd.names.prefix_table import NO_NUMBER, PrefixTable

EDGES = (0, 1, 0x7F000000, 0x7F000001, 0x7F0000FF, 0x7F000100, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def network(number: int, length: int, size: int) -> Network:
    return network_from_key(address_key(number.to_bytes(size), length))


addresses = st.one_of(
    st.tuples(st.sampled_from(EDGES), st.just(4)),
    st.tuples(st.sampled_from(EDGES).map(lambda edge: edge << 96 | edge), st.just(16)),
    st.tuples(st.integers(0, 15), st.sampled_from((4, 16))),
)
networks = addresses.flatmap(
    lambda pair: st.integers(0, pair[1] * 8).map(lambda length: network(pair[0], length, pair[1]))
)


def longest(numbered: dict[Network, int], packed: bytes) -> int:
    holding = [one for one in numbered if packed in one]
    return numbered[max(holding, key=lambda one: one.prefix_length)] if holding else NO_NUMBER


@given(st.dictionaries(networks, st.integers(1, 255), max_size=12), st.lists(addresses, min_size=1, max_size=8))
def test_the_longest_network_decides(numbered: dict[Network, int], asked: list[tuple[int, int]]) -> None:
    table = PrefixTable(numbered.items())
    for number, size in asked:
        packed = number.to_bytes(size)
        assert table.find(packed) == longest(numbered, packed)


@given(st.lists(networks, max_size=8), networks)
def test_a_network_is_within_others_if_all_its_addresses_are(known: list[Network], asked: Network) -> None:
    table = PrefixTable((one, 1) for one in known)
    first = int.from_bytes(asked.packed)
    last = first + (1 << len(asked.packed) * 8 - asked.prefix_length) - 1
    edges = {first, last}
    for one in known:
        if one.version == asked.version:
            start = int.from_bytes(one.packed)
            end = start + (1 << len(one.packed) * 8 - one.prefix_length)
            edges |= {edge for edge in (start - 1, start, end - 1, end) if first <= edge <= last}
    assert table.is_within(asked) == all(table.find(edge.to_bytes(len(asked.packed))) for edge in edges)


def test_two_halves_hold_the_whole() -> None:
    table = PrefixTable([(Network.from_text("10.0.0.0/9"), 1), (Network.from_text("10.128.0.0/9"), 1)])
    assert table.is_within(Network.from_text("10.0.0.0/8"))
    assert not table.is_within(Network.from_text("10.0.0.0/7"))


def test_what_the_engine_reads_is_what_is_searched() -> None:
    chance = random.Random(1)  # noqa: S311 - a test repeats itself
    numbered = {network(chance.randrange(1 << 32), chance.randint(0, 32), 4): chance.randint(1, 255) for _ in range(99)}
    table = PrefixTable(numbered.items())
    starts, numbers = table.changes(4)
    every = [int.from_bytes(starts[at : at + 4]) for at in range(0, len(starts), 4)]
    assert every == sorted(set(every))
    assert all(one != other for one, other in itertools.pairwise(numbers))
    assert [table.find(start.to_bytes(4)) for start in every] == list(numbers)
    assert table.changes(6) == (b"", b"")


def test_many_networks_have_a_bounded_table() -> None:
    deep = [Network.from_text(f"2001:db8::/{length}") for length in range(32, 129)]
    starts, numbers = PrefixTable((one, 1 + place % 2) for place, one in enumerate(deep)).changes(6)
    assert len(starts) == 16 * len(numbers)
    assert len(numbers) <= 2 * len(deep) + 1


@pytest.mark.parametrize("number", [0, 256, -1])
def test_a_number_fits_an_octet(number: int) -> None:
    with pytest.raises(ValueError, match="fits one octet"):
        PrefixTable([(Network.from_text("127.0.0.0/8"), number)])
