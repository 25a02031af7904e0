from __future__ import annotations

import os
import struct

import pytest

from blockd.errors import RulesetError
from blockd.orders import State
from blockd.ruleset import OrderStates, StatesMemory, next_flip
from tests.ruleset.lists import NOW, order

ORDERS = [
    order("pending", start=NOW + 10),
    order("in-force"),
    order("expired", expires=NOW),
    order("lifted", lifted_on=NOW - 5),
    order("ending", expires=NOW + 20),
]


def test_states_are_written_as_they_are_at_the_moment() -> None:
    memory = StatesMemory.make(ORDERS, [9, 8, 7, 6, 5], NOW)
    states = OrderStates(memory, 5)
    assert list(states.states) == [State.PENDING, State.IN_FORCE, State.EXPIRED, State.LIFTED, State.IN_FORCE]
    assert states.hit_slots == (9, 8, 7, 6, 5)
    assert states.epoch == 1
    states.close()


@pytest.mark.parametrize("count", range(6))
def test_any_number_of_orders_has_its_slots(count: int) -> None:
    slots = [2**32 - 1 - number for number in range(count)]
    memory = StatesMemory.make(ORDERS[:count], slots, NOW)
    states = OrderStates(memory, count)
    assert len(states.states) == count
    assert states.hit_slots == tuple(slots)
    states.close()


def test_a_flip_is_seen_by_every_reader_and_grows_the_epoch() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    writer, reader = OrderStates(memory, 5, writable=True), OrderStates(memory, 5)
    assert writer.update(ORDERS, NOW + 9) == []
    assert reader.epoch == 1
    assert writer.update(ORDERS, NOW + 10) == [(ORDERS[0], State.IN_FORCE)]
    assert reader.states[0] == State.IN_FORCE
    assert reader.epoch == 2
    assert writer.update(ORDERS, NOW + 10) == []
    assert reader.epoch == 2
    assert writer.update(ORDERS, NOW) == [(ORDERS[0], State.PENDING)]  # a clock set back
    assert reader.states[0] == State.PENDING


def test_what_was_not_renewed_is_marked_and_the_mark_is_taken_back() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW, stale={1})
    writer, reader = OrderStates(memory, 5, writable=True), OrderStates(memory, 5)
    assert list(reader.stale) == [0, 1, 0, 0, 0]
    assert writer.update(ORDERS, NOW, stale={1}) == []
    assert reader.epoch == 1
    assert writer.update(ORDERS, NOW, stale={2}) == []
    assert list(reader.stale) == [0, 0, 1, 0, 0]
    assert reader.epoch == 2
    assert reader.states[1] == State.IN_FORCE


def test_a_reader_cannot_write() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    states = OrderStates(memory, 5)
    with pytest.raises(TypeError):
        states.states[0] = 1


def test_the_epoch_begins_again_after_the_last_number() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    struct.pack_into("<I", memory.map_for_writing(), 8, 2**32 - 1)
    writer = OrderStates(memory, 5, writable=True)
    writer.update(ORDERS, NOW + 10)
    assert writer.epoch == 0


def test_states_of_another_ruleset_are_refused() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    for count in (0, 4, 6):
        with pytest.raises(RulesetError, match=f"are not those of {count} orders"):
            OrderStates(memory, count)


def test_other_memory_is_refused() -> None:
    good = StatesMemory.make(ORDERS, [0] * 5, NOW).map_for_writing()[:]
    for bad in (b"X" + good[1:], good + b"\0", *(good[:size] for size in range(len(good)))):
        descriptor = os.memfd_create("other")
        os.write(descriptor, bad)
        with pytest.raises(RulesetError):
            OrderStates(StatesMemory(descriptor), 5)


def test_nobody_can_cut_what_others_read() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    for size in (0, 8, 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(memory.descriptor, size)


def test_sealed_states_are_written_only_where_they_were_mapped_before() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, NOW)
    sent = StatesMemory(os.dup(memory.descriptor))
    sent.seal()
    received = StatesMemory(os.dup(memory.descriptor))
    assert received.is_same(memory)
    assert not received.is_same(StatesMemory.make(ORDERS, [0] * 5, NOW))
    with pytest.raises(RulesetError, match="cannot be mapped"):
        OrderStates(received, 5, writable=True)
    with pytest.raises(PermissionError):
        os.pwrite(received.descriptor, b"x", 0)
    reader = OrderStates(received, 5)
    for writing in (memory, sent):
        OrderStates(writing, 5, writable=True).update(ORDERS, NOW + 10)
        assert reader.states[0] == State.IN_FORCE
        OrderStates(writing, 5, writable=True).update(ORDERS, NOW)
    memory.forget_writing()
    with pytest.raises(RulesetError, match="cannot be mapped"):
        OrderStates(memory, 5, writable=True)


def test_next_flip_is_the_first_of_all_orders() -> None:
    assert next_flip(ORDERS, NOW) == NOW + 10
    assert next_flip(ORDERS, NOW + 10) == NOW + 20
    assert next_flip(ORDERS, NOW + 20) is None
    assert next_flip([], NOW) is None


def test_the_states_are_those_of_every_second_up_to_the_next_flip() -> None:
    memory = StatesMemory.make(ORDERS, [0] * 5, 0)
    writer = OrderStates(memory, 5, writable=True)
    now = 0
    flips = []
    while (at := next_flip(ORDERS, now)) is not None:
        assert writer.update(ORDERS, at - 1) == []
        assert writer.update(ORDERS, at)
        flips.append(at)
        now = at
    assert flips == [NOW - 5, NOW, NOW + 10, NOW + 20]
