"""Places at the admin port: who floods it takes them from nobody else, and no answer is cut short."""

from __future__ import annotations

from typing import cast

import pytest

from blockd.transports.connections import Bounds, Level
from blockd.web.admin_serving import ADMIN_BOUNDS
from blockd.web.bounds.admin_places import READING, RESERVED, SENDING, AdminPlaces, Newcomer
from blockd.web.serving import BoundedConnection

ROOT, OWN, SOMEBODY, OTHER, THIRD = 0, 990, 65534, 1000, 1001
OWN_END = (b"\x7f\0\0\1", 9053)


class Connection:
    """A connection that notes that it was closed."""

    def __init__(self) -> None:
        self.is_closed = False
        self.unsent = 0
        self.has_unread = False

    def abort(self) -> None:
        self.is_closed = True


class Door:
    """Places, a clock that stands still, and what was displaced."""

    def __init__(self, bounds: Bounds = ADMIN_BOUNDS) -> None:
        self.now = 100.0
        self.displaced: list[Level] = []
        self.places = AdminPlaces(bounds, frozenset((ROOT, OWN)), self.displaced.append, lambda: self.now)

    def come(self, who: int | bytes, count: int = 1, *, waits: bool = False) -> list[Connection]:
        """Have one connect so many times, if there is a place; return the connections that got one."""
        came = []
        for _ in range(count):
            caller = caller_of(who)
            if self.places.make_room(caller):
                came.append(Connection())
                connection = cast(BoundedConnection, came[-1])
                self.places.take(caller, connection)
                self.places.enter("", connection)
                self.places.set_waiting(connection, waits)
        return came


def caller_of(who: int | bytes) -> Newcomer:
    if isinstance(who, bytes):
        return Newcomer((who, 1), OWN_END, 0.0, is_looked_up=True)
    return Newcomer((b"\x7f\0\0\1", 1), OWN_END, 0.0, who, is_looked_up=True)


@pytest.mark.parametrize("who", [SOMEBODY, b"\x0a\0\0\1", b"\x7f\0\0\1"])
def test_one_that_floods_has_its_share_and_others_have_theirs(who: int | bytes) -> None:
    door = Door()
    assert len(door.come(who, 60, waits=True)) == ADMIN_BOUNDS.address
    assert [len(door.come(other, waits=True)) for other in (OTHER, ROOT, OWN, b"\xc0\0\2\1")] == [1, 1, 1, 1]
    assert door.displaced == []


def test_whose_owner_is_not_known_are_one_client_from_whatever_address_of_loopback() -> None:
    door = Door()
    came = sum(len(door.come(bytes((127, 0, 0, last)), waits=True)) for last in range(1, 60))
    assert came == ADMIN_BOUNDS.address


def test_all_others_together_leave_places_for_root_and_blockds_own_user() -> None:
    door = Door()
    flood = [one for who in (SOMEBODY, OTHER, THIRD) for one in door.come(who, 60, waits=True)]
    assert len(flood) == ADMIN_BOUNDS.all - RESERVED
    assert len(door.come(ROOT, 5, waits=True)) == len(door.come(OWN, 5, waits=True)) == 5
    assert not any(one.is_closed for one in flood)


def test_root_is_never_closed_for_others() -> None:
    door = Door(Bounds(4, 4, 5))
    kept = door.come(ROOT, 4)
    door.come(SOMEBODY, 1, waits=True)
    door.now += READING
    assert door.come(OTHER) == []
    assert not any(one.is_closed for one in kept)


def test_connection_that_is_read_or_answered_is_not_closed_and_an_idle_one_is() -> None:
    door = Door(Bounds(5, 5, 50))
    waiting = door.come(SOMEBODY, 1, waits=True)
    new, sending, sent, idle = door.come(SOMEBODY, 4)
    assert door.come(SOMEBODY) == [], "all have just begun"
    door.now += READING
    door.places.touch(cast(BoundedConnection, new))
    sending.unsent = 1
    sent.has_unread = True
    assert len(door.come(SOMEBODY)) == 1
    assert idle.is_closed
    assert door.displaced == ["address"]
    assert door.come(SOMEBODY) == []
    door.now += SENDING
    door.places.touch(cast(BoundedConnection, new))
    assert len(door.come(SOMEBODY, 2)) == 2
    assert (waiting[0].is_closed, new.is_closed, sending.is_closed, sent.is_closed) == (False, False, True, False)


def test_one_that_waits_has_waited_since_its_first_question() -> None:
    door = Door(Bounds(1, 5, 50))
    (one,) = door.come(SOMEBODY, waits=True)
    door.now += 1000.0
    assert door.come(SOMEBODY) == []
    door.places.set_waiting(cast(BoundedConnection, one), False)
    assert door.come(SOMEBODY) == [], "it reads its answer"
    door.places.leave(cast(BoundedConnection, one))
    assert len(door.come(SOMEBODY)) == 1
    door.places.touch(cast(BoundedConnection, one))
    door.places.set_waiting(cast(BoundedConnection, one), True)
    assert len(door.places) == 1
