"""The table of recent blocks: what it keeps, what it never has, and that nothing written to it is trusted."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from blockd.metrics import Counters, Transport
from blockd.metrics.counters import _RECENT
from blockd.metrics.recent import CELL, MAX_READ, RECENT_CELLS, NotedBlock, RecentReader, read_cell
from blockd.names import Network, address_key, client_key, hashed_key, key_from_text

KEY = key_from_text("casino.example")


def noted(counters: Counters) -> list[NotedBlock]:
    cells = [(table, place) for table in counters.recent() for place in range(RECENT_CELLS)]
    return [block for table, place in cells if (block := read_cell(table, place)) is not None]


def test_hits_of_one_entry_are_counted_in_one_cell() -> None:
    counters = Counters(1)
    for second in (10, 10, 11, 14):
        counters.row(0).blocked(second, 3, 2, 0, Transport.UDP, KEY)
    assert noted(counters) == [NotedBlock(2, 4, 14, 3, 2, 0, Transport.UDP, KEY)]
    assert counters.blocked() == 4


def test_rows_of_all_processes_are_read_the_page_among_them() -> None:
    counters = Counters(2)
    counters.row(1).blocked(10, 1, 0, 0, Transport.DOH, KEY)
    counters.row(2).blocked(10, 1, 0, 0, Transport.HTTP, KEY)
    assert sorted(block.transport for block in noted(counters)) == [Transport.DOH, Transport.HTTP]


def test_a_cell_is_taken_over_at_most_once_a_second() -> None:
    counters = Counters(1)
    names = [key_from_text(f"name-{number}.example") for number in range(10_000)]
    for name in names:
        counters.row(0).blocked(10, 1, 0, 0, Transport.UDP, name)
    first = noted(counters)
    assert len(first) == RECENT_CELLS
    assert {block.sequence for block in first} == {2}, "each was written once, however many names were hit"
    for name in reversed(names):
        counters.row(0).blocked(11, 1, 0, 0, Transport.UDP, name)
    assert {block.last for block in noted(counters)} == {11}
    assert counters.blocked() == 20_000


def test_another_version_or_order_is_another_block() -> None:
    counters = Counters(1)
    for version, order in ((1, 0), (2, 0), (2, 1)):
        counters.row(0).blocked(10 + version + order, version, order, 0, Transport.UDP, KEY)
    assert (2, 1) in {(block.version, block.order) for block in noted(counters)}
    assert all(block.hits == 1 for block in noted(counters))


def test_networks_of_clients_and_hashes_are_never_noted() -> None:
    octets = bytes((198, 51, 100, 7))
    digest = bytes(range(16))
    for key in (client_key(octets, 32), client_key(bytes(16), 64), hashed_key(digest), None):
        counters = Counters(1)
        counters.row(0).blocked(10, 1, 0, 0, Transport.UDP, key)
        assert [block.key for block in noted(counters)] == [None]
        memory = counters.row(0).numbers[_RECENT:].tobytes()
        assert octets not in memory
        assert digest not in memory


def test_a_network_that_answers_lead_to_is_noted_and_so_is_the_root() -> None:
    network = Network.from_text("192.0.2.0/24")
    for key in (
        address_key(bytes((192, 0, 2, 0)), 24),
        b"",
        b"".join([b"\x3f" + b"x" * 63] * 3 + [b"\x3d" + b"y" * 61]),
    ):
        counters = Counters(1)
        counters.row(0).blocked(10, 1, 0, 0, Transport.UDP, key)
        assert [block.key for block in noted(counters)] == [key]
    assert network.key == address_key(bytes((192, 0, 2, 0)), 24)


def test_a_cell_that_is_being_written_is_passed_over() -> None:
    counters = Counters(1)
    row = counters.row(0)
    row.blocked(10, 1, 0, 0, Transport.UDP, KEY)
    cells = row.numbers[_RECENT:]
    at = next(place for place in range(RECENT_CELLS) if read_cell(cells, place)) * CELL
    cells[at] += 1
    assert noted(counters) == []


def test_what_is_new_is_read_once_it_is_taken_and_never_more_than_is_bounded() -> None:
    counters, reader = Counters(10), RecentReader()
    for row in range(10):
        for number in range(2000):
            counters.row(row).blocked(10, 1, 0, 0, Transport.UDP, key_from_text(f"name-{number}.example"))
    seen = set()
    for _ in range(2):
        found = list(reader.changed(counters.recent()))
        assert len(found) <= MAX_READ
        for table, place, block, hits in found:
            assert hits == block.hits
            seen.add((table, place))
            reader.take(table, place, block)
    assert len(seen) == 10 * RECENT_CELLS, "the second time those that had to wait"
    assert list(reader.changed(counters.recent())) == []
    _, _, block, _ = found[0]
    counters.row(3).blocked(11, 1, 0, 0, Transport.UDP, block.key)
    assert [(table, hits) for table, _, _, hits in reader.changed(counters.recent())] == [(3, 1)]
    assert [(table, hits) for table, _, _, hits in reader.changed(counters.recent())] == [(3, 1)], "it was not taken"


@given(st.integers(0, 2**32))
def test_whatever_a_process_has_written_is_read_without_an_error(seed: int) -> None:
    counters = Counters(1)
    chance = random.Random(seed)  # noqa: S311 - a test repeats itself
    row = counters.row(0).numbers
    row[_RECENT : _RECENT + 4 * CELL] = memoryview(chance.randbytes(4 * CELL * 8)).cast("Q")
    for block in noted(counters):
        assert block.key is None or len(block.key) <= 255
