from __future__ import annotations

import struct
from pathlib import Path

import pytest

from blockd.errors import RulesetError
from blockd.orders import State
from blockd.ruleset import OrderStates, next_flip, write_states
from tests.ruleset.lists import NOW, order

ORDERS = [
    order("pending", start=NOW + 10),
    order("in-force"),
    order("expired", expires=NOW),
    order("lifted", lifted_on=NOW - 5),
    order("ending", expires=NOW + 20),
]


def test_states_are_written_as_they_are_at_the_moment(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [9, 8, 7, 6, 5], NOW)
    states = OrderStates(tmp_path / "s", 5)
    assert list(states.states) == [State.PENDING, State.IN_FORCE, State.EXPIRED, State.LIFTED, State.IN_FORCE]
    assert states.hit_slots == (9, 8, 7, 6, 5)
    assert states.epoch == 1
    states.close()


@pytest.mark.parametrize("count", range(6))
def test_any_number_of_orders_has_its_slots(tmp_path: Path, count: int) -> None:
    slots = [2**32 - 1 - number for number in range(count)]
    write_states(tmp_path / "s", ORDERS[:count], slots, NOW)
    states = OrderStates(tmp_path / "s", count)
    assert len(states.states) == count
    assert states.hit_slots == tuple(slots)
    states.close()


def test_a_flip_is_seen_by_every_reader_and_grows_the_epoch(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, NOW)
    writer, reader = OrderStates(tmp_path / "s", 5, writable=True), OrderStates(tmp_path / "s", 5)
    assert writer.update(ORDERS, NOW + 9) == []
    assert reader.epoch == 1
    assert writer.update(ORDERS, NOW + 10) == [(ORDERS[0], State.IN_FORCE)]
    assert reader.states[0] == State.IN_FORCE
    assert reader.epoch == 2
    assert writer.update(ORDERS, NOW + 10) == []
    assert reader.epoch == 2
    assert writer.update(ORDERS, NOW) == [(ORDERS[0], State.PENDING)]  # a clock set back
    assert reader.states[0] == State.PENDING


def test_what_was_not_renewed_is_marked_and_the_mark_is_taken_back(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, NOW, stale={1})
    writer, reader = OrderStates(tmp_path / "s", 5, writable=True), OrderStates(tmp_path / "s", 5)
    assert list(reader.stale) == [0, 1, 0, 0, 0]
    assert writer.update(ORDERS, NOW, stale={1}) == []
    assert reader.epoch == 1
    assert writer.update(ORDERS, NOW, stale={2}) == []
    assert list(reader.stale) == [0, 0, 1, 0, 0]
    assert reader.epoch == 2
    assert reader.states[1] == State.IN_FORCE


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, NOW)
    states = OrderStates(tmp_path / "s", 5)
    with pytest.raises(TypeError):
        states.states[0] = 1


def test_the_epoch_begins_again_after_the_last_number(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, NOW)
    octets = bytearray((tmp_path / "s").read_bytes())
    struct.pack_into("<I", octets, 8, 2**32 - 1)
    (tmp_path / "s").write_bytes(octets)
    writer = OrderStates(tmp_path / "s", 5, writable=True)
    writer.update(ORDERS, NOW + 10)
    assert writer.epoch == 0


def test_states_of_another_ruleset_are_refused(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, NOW)
    for count in (0, 4, 6):
        with pytest.raises(RulesetError, match=f"does not hold the states of {count} orders"):
            OrderStates(tmp_path / "s", count)


def test_damaged_states_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write_states(path, ORDERS, [0] * 5, NOW)
    good = path.read_bytes()
    for bad in (b"X" + good[1:], good + b"\0", *(good[:size] for size in range(len(good)))):
        path.write_bytes(bad)
        with pytest.raises(RulesetError):
            OrderStates(path, 5)
    path.unlink()
    with pytest.raises(RulesetError, match="cannot be opened"):
        OrderStates(path, 5, writable=True)


def test_next_flip_is_the_first_of_all_orders() -> None:
    assert next_flip(ORDERS, NOW) == NOW + 10
    assert next_flip(ORDERS, NOW + 10) == NOW + 20
    assert next_flip(ORDERS, NOW + 20) is None
    assert next_flip([], NOW) is None


def test_the_states_are_those_of_every_second_up_to_the_next_flip(tmp_path: Path) -> None:
    write_states(tmp_path / "s", ORDERS, [0] * 5, 0)
    writer = OrderStates(tmp_path / "s", 5, writable=True)
    now = 0
    flips = []
    while (at := next_flip(ORDERS, now)) is not None:
        assert writer.update(ORDERS, at - 1) == []
        assert writer.update(ORDERS, at)
        flips.append(at)
        now = at
    assert flips == [NOW - 5, NOW, NOW + 10, NOW + 20]
