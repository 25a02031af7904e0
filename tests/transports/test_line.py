"""Who waits to be served stands behind one of each other network at most."""

from __future__ import annotations

import pytest

from blockd.transports.line import WaitingLine


def line_of(most: int, *hosts: str) -> tuple[WaitingLine[str], list[str]]:
    """Return a line in which hosts wait in turn, and those that had to leave it."""
    line: WaitingLine[str] = WaitingLine(most)
    left = [other for host in hosts if (other := line.put(host, host)) is not None]
    return line, left


def served(line: WaitingLine[str]) -> list[str]:
    return [line.pop() for _ in range(len(line))]


def test_networks_come_in_turn_and_in_each_its_addresses() -> None:
    line, _ = line_of(100, *["10.1.0.1"] * 4, "10.1.0.2", "10.2.0.1", "2001:db8::1", "2001:db8::2")
    assert served(line) == [
        "10.1.0.1", "10.2.0.1", "2001:db8::1",
        "10.1.0.2", "2001:db8::2",
        "10.1.0.1", "10.1.0.1", "10.1.0.1",
    ]  # fmt: skip


def test_a_newcomer_waits_for_one_of_each_network_however_many_those_have() -> None:
    crowd = [f"10.{number % 5}.0.{number % 200 + 1}" for number in range(200)]
    line, _ = line_of(1000, *crowd, "192.0.2.1")
    assert served(line).index("192.0.2.1") <= 5


def test_of_too_many_the_first_of_who_has_most_leaves() -> None:
    line, left = line_of(4, "10.1.0.9", *["10.1.0.1"] * 3, "10.2.0.1", "192.0.2.1", "192.0.2.2")
    assert left == ["10.1.0.1", "10.1.0.1", "10.1.0.9"]
    assert sorted(served(line)) == ["10.1.0.1", "10.2.0.1", "192.0.2.1", "192.0.2.2"]


def test_one_that_does_not_suit_keeps_its_turn_and_holds_up_nobody() -> None:
    line, _ = line_of(10, "10.1.0.1", "10.1.0.1", "10.1.0.2", "10.2.0.1")
    assert line.pop_if(lambda one: one != "10.1.0.1") == "10.1.0.2"
    assert line.pop_if(lambda one: one == "192.0.2.1") is None
    assert line.pop_if(bool) == "10.2.0.1"
    assert served(line) == ["10.1.0.1", "10.1.0.1"]


def test_nothing_is_left_of_those_that_were_served() -> None:
    line, _ = line_of(10, *(f"10.{number}.0.1" for number in range(50)))
    served(line)
    assert (len(line), line._networks, line._sizes) == (0, {}, {})
    with pytest.raises(KeyError):
        line.pop()
