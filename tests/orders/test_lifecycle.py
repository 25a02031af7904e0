from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.orders import Action, Mandate, Order, State, next_change, state_at

START, END, LIFT = 1000, 2000, 1500


def order(start: int = START, expires: int | None = None, lifted_on: int | None = None) -> Order:
    return Order("o", "a", "p", Action.SINKHOLE, Mandate.LAW, start, expires=expires, lifted_on=lifted_on)


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (0, State.PENDING),
        (START - 1, State.PENDING),
        (START - 0.001, State.PENDING),
        (START, State.IN_FORCE),
        (LIFT - 0.001, State.IN_FORCE),
        (LIFT, State.LIFTED),
        (END, State.LIFTED),
    ],
)
def test_an_order_takes_force_and_is_lifted_on_the_second(now: float, state: State) -> None:
    assert state_at(order(expires=END, lifted_on=LIFT), now) is state


def test_an_order_expires_on_the_second() -> None:
    assert state_at(order(expires=END), END - 0.001) is State.IN_FORCE
    assert state_at(order(expires=END), END) is State.EXPIRED
    assert state_at(order(), 1e12) is State.IN_FORCE


def test_a_lifting_outranks_every_other_date() -> None:
    assert state_at(order(expires=LIFT, lifted_on=END), LIFT) is State.EXPIRED
    assert state_at(order(expires=LIFT, lifted_on=END), END) is State.LIFTED
    assert state_at(order(start=5000, lifted_on=LIFT), LIFT) is State.LIFTED


def test_an_order_that_ends_before_it_begins_is_never_in_force() -> None:
    assert {state_at(order(start=END, expires=START), now) for now in range(0, 3000, 100)} == {
        State.PENDING,
        State.EXPIRED,
    }


def test_next_change_is_the_next_date_that_is_still_to_come() -> None:
    subject = order(expires=END, lifted_on=LIFT)
    assert next_change(subject, 0) == START
    assert next_change(subject, START) == LIFT
    assert next_change(subject, START + 0.5) == LIFT
    assert next_change(subject, LIFT) == END
    assert next_change(subject, END) is None


DATES = st.integers(0, 20)


@given(DATES, st.none() | DATES, st.none() | DATES, st.integers(-1, 21))
def test_the_state_never_changes_before_the_next_change(
    start: int, expires: int | None, lifted_on: int | None, now: int
) -> None:
    subject = order(start, expires, lifted_on)
    change = next_change(subject, now)
    until = 30 if change is None else change
    assert until > now
    assert {state_at(subject, moment) for moment in range(now, until)} == {state_at(subject, now)}


def test_states_have_words() -> None:
    assert [state.text for state in State] == ["pending", "in force", "expired", "lifted"]
