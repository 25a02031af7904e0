from __future__ import annotations

from blockd.transports.pace import Pace, PaceBounds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_its_pace_and_gets_a_new_one_each_second() -> None:
    clock = Clock()
    pace = Pace(PaceBounds(address=3, prefix=10), clock)
    assert [pace.allows("192.0.2.1") for _ in range(5)] == [True] * 3 + [False] * 2
    assert pace.allows("192.0.2.2"), "its neighbour has one of its own"
    clock.now += 1.0
    assert pace.allows("192.0.2.1")


def test_the_addresses_of_one_network_are_one_client_in_ipv6() -> None:
    pace = Pace(PaceBounds(address=3, prefix=10), Clock())
    assert [pace.allows(f"2001:db8::{number:x}") for number in range(5)] == [True] * 3 + [False] * 2
    assert pace.allows("2001:db8:0:1::1")


def test_neighbours_together_leave_each_address_the_first_of_its_own() -> None:
    pace = Pace(PaceBounds(address=100, prefix=100, least=2), Clock())
    for _ in range(1000):
        pace.allows("192.0.2.1")
    assert [pace.allows("192.0.2.2") for _ in range(4)] == [True, True, False, False]
    assert pace.allows("198.51.100.1")


def test_one_address_over_its_pace_takes_nothing_from_its_prefix() -> None:
    pace = Pace(PaceBounds(address=5, prefix=10, least=0), Clock())
    for _ in range(1000):
        pace.allows("192.0.2.1")
    assert [pace.allows("192.0.2.2") for _ in range(5)] == [True] * 5


def test_a_front_end_is_not_counted() -> None:
    pace = Pace(PaceBounds(address=1, prefix=1), Clock(), lambda host: host == "192.0.2.9")
    assert all(pace.allows("192.0.2.9") for _ in range(100))
    assert len(pace) == 0


def test_nothing_is_known_of_a_client_a_second_later() -> None:
    clock = Clock()
    pace = Pace(PaceBounds(), clock)
    for number in range(200):
        pace.allows(f"192.0.2.{number}")
    clock.now += 1.0
    pace.allows("198.51.100.1")
    assert len(pace) == 2
