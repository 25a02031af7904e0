"""Networks with numbers, of which the longest that holds an address decides, as in a routing table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from blockd.names.network import Network

NO_NUMBER = 0  # of an address that no network holds

_BITS = {4: 32, 6: 128}


class PrefixTable:
    """The number of the longest network that holds an address: found by one binary search, whatever the networks are.

    The networks of one IP version are kept as the addresses at which the number changes, in order; between two of them
    all addresses have the number of the first one. There are at most twice as many of these as networks, and one more.
    """

    def __init__(self, numbered: Iterable[tuple[Network, int]]) -> None:
        """Take each network with its number, which is at least 1 and fits an octet; of equal networks the last counts.

        Raises ValueError for another number.
        """
        known: dict[int, dict[Network, int]] = {4: {}, 6: {}}
        for network, number in numbered:
            if not 1 <= number <= 0xFF:
                raise ValueError("a network's number fits one octet, and is not 0")
            known[network.version][network] = number
        self._changes = {version: _changes(known[version], bits) for version, bits in _BITS.items()}

    def find(self, packed: bytes) -> int:
        """Return the number of the longest network that holds an address of 4 or 16 octets; NO_NUMBER if none does."""
        starts, numbers = self._changes[4 if len(packed) == 4 else 6]
        place = bisect_right(starts, int.from_bytes(packed)) - 1
        return numbers[place] if place >= 0 else NO_NUMBER

    def is_within(self, network: Network) -> bool:
        """Return whether all addresses of a network have one number, which is not NO_NUMBER."""
        starts, numbers = self._changes[network.version]
        first = int.from_bytes(network.packed)
        end = first + (1 << _BITS[network.version] - network.prefix_length)
        place = bisect_right(starts, first) - 1
        return place >= 0 and numbers[place] != NO_NUMBER and (place + 1 == len(starts) or end <= starts[place + 1])

    def changes(self, version: int) -> tuple[bytes, bytes]:
        """Return the addresses of an IP version at which the number changes, in network order, and an octet for each.

        Addresses before the first one have NO_NUMBER.
        """
        starts, numbers = self._changes[version]
        return b"".join(start.to_bytes(_BITS[version] // 8) for start in starts), numbers


def _changes(numbered: dict[Network, int], bits: int) -> tuple[list[int], bytes]:
    """Return the addresses at which the number changes, as numbers in order, and an octet for each."""
    starts: list[int] = []
    numbers = bytearray()

    def change(at: int, number: int) -> None:
        if starts and starts[-1] == at:  # one network ends where the next begins
            starts.pop()
            numbers.pop()
        if at < 1 << bits and (numbers[-1] if numbers else NO_NUMBER) != number:
            starts.append(at)
            numbers.append(number)

    within: list[tuple[int, int]] = []  # the end and the number of each network that holds the next one
    for network in sorted(numbered):  # a network before those within it
        start = int.from_bytes(network.packed)
        while within and within[-1][0] <= start:
            end, _ = within.pop()
            change(end, within[-1][1] if within else NO_NUMBER)
        change(start, numbered[network])
        within.append((start + (1 << bits - network.prefix_length), numbered[network]))
    while within:
        end, _ = within.pop()
        change(end, within[-1][1] if within else NO_NUMBER)
    return starts, bytes(numbers)
