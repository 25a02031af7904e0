from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from blockd.resolver.clients import keys_of
from blockd.transports.connections import Bounds, ConnectionTable, Level

HOST = "192.0.2.1"
NEIGHBOUR = "192.0.2.2"
OTHER = "198.51.100.1"


@dataclass(eq=False)
class Connection:
    """A connection that notes that it was closed."""

    name: str = ""
    is_closed: bool = False

    def abort(self) -> None:
        """Note it."""
        self.is_closed = True


@dataclass
class Table:
    """A table, and the levels of the connections that it closed."""

    bounds: Bounds
    front_ends: tuple[str, ...] = ()
    displaced: list[Level] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table: ConnectionTable[Connection] = ConnectionTable(
            self.bounds, self.displaced.append, lambda host: host in self.front_ends
        )

    def enter(self, host: str, count: int = 1) -> list[Connection]:
        """Add connections of one host."""
        made = [Connection(f"{host} {number}") for number in range(count)]
        for connection in made:
            self.table.enter(host, connection)
        return made


@pytest.mark.parametrize(
    ("host", "address", "prefix"),
    [
        ("192.0.2.1", "c0000201", "c00002"),
        ("::ffff:192.0.2.1", "c0000201", "c00002"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002", "20010db80001"),
        ("fe80::1%eth0", "fe80000000000000", "fe8000000000"),
    ],
)
def test_keys_of_an_address(host: str, address: str, prefix: str) -> None:
    assert keys_of(host) == (bytes.fromhex(address), bytes.fromhex(prefix))


def test_the_longest_idle_one_of_the_address_makes_room() -> None:
    table = Table(Bounds(address=3, prefix=10, all=20))
    (neighbour,) = table.enter(NEIGHBOUR)
    first, second, third = table.enter(HOST, 3)
    table.table.touch(first)
    (newcomer,) = table.enter(HOST)
    assert [connection.is_closed for connection in (neighbour, first, second, third, newcomer)] == [0, 0, 1, 0, 0]
    assert table.displaced == ["address"]
    assert len(table.table) == 4


def test_then_the_longest_idle_one_of_the_prefix() -> None:
    table = Table(Bounds(address=3, prefix=4, all=20))
    (other,) = table.enter(OTHER)
    mine = table.enter(HOST, 3)
    theirs = table.enter(NEIGHBOUR, 2)
    assert [connection.is_closed for connection in (other, *mine, *theirs)] == [False, True, False, False, False, False]
    assert table.displaced == ["prefix"]


def test_then_the_longest_idle_one_of_all() -> None:
    table = Table(Bounds(address=3, prefix=4, all=5))
    (other,) = table.enter(OTHER)
    table.enter(HOST, 3)
    table.enter("203.0.113.1", 2)
    assert other.is_closed
    assert table.displaced == ["all"]


def test_an_ipv6_host_is_its_64_whatever_addresses_it_takes() -> None:
    table = Table(Bounds(address=2, prefix=3, all=20))
    for number in range(1, 5):
        table.enter(f"2001:db8:1:1::{number}")
    table.enter("2001:db8:1:2::1")
    table.enter("2001:db8:1:3::1")
    table.enter("2001:db8:2:1::1")
    assert table.displaced == ["address", "address", "prefix"]


def test_a_newcomer_gets_in_beside_any_number_of_hosts_with_all_that_they_may_have() -> None:
    table = Table(Bounds(address=50, prefix=200, all=500))
    for number in range(1, 11):
        table.enter(f"198.51.{number}.1", 500)
    (newcomer,) = table.enter(HOST)
    assert newcomer in table.table
    assert not newcomer.is_closed
    assert len(table.table) == 500


def test_one_that_waits_for_an_answer_is_not_closed_by_a_flood_of_idle_ones() -> None:
    table = Table(Bounds(address=50, prefix=200, all=500))
    (honest,) = table.enter(HOST)
    table.table.set_waiting(honest, True)
    for number in range(1, 101):
        table.enter(f"198.51.{number}.1", 50)
    assert not honest.is_closed
    table.table.set_waiting(honest, False)
    table.enter("203.0.113.1", 10)
    assert not honest.is_closed, "its answer was sent later than anything else happened"
    for number in range(1, 101):
        table.enter(f"198.51.{number}.1", 50)
    assert honest.is_closed


def test_those_that_wait_keep_half_of_the_places_at_most() -> None:
    """Otherwise whoever asks slow names holds all places, and one newcomer closes the one before."""
    table = Table(Bounds(address=100, prefix=100, all=10))
    waiting = table.enter(HOST, 10)
    for connection in waiting:
        table.table.set_waiting(connection, True)
    newcomers = table.enter(OTHER, 5)
    assert [connection.is_closed for connection in waiting] == [True] * 5 + [False] * 5
    assert not any(connection.is_closed for connection in newcomers)
    table.enter(OTHER)
    assert newcomers[0].is_closed


def wait(table: Table, connections: list[Connection]) -> list[Connection]:
    """Have connections wait for answers."""
    for connection in connections:
        table.table.set_waiting(connection, True)
    return connections


def test_of_a_prefix_the_address_that_waits_for_most_makes_room() -> None:
    table = Table(Bounds(address=5, prefix=10, all=100))
    (neighbour,) = wait(table, table.enter(NEIGHBOUR))
    crowd = [wait(table, table.enter(f"192.0.2.{number}", 3)) for number in (11, 12, 13)]
    for number in range(30):
        wait(table, table.enter(f"192.0.2.{11 + number % 3}"))
    assert not neighbour.is_closed
    assert table.displaced == ["prefix"] * 30
    assert all(connection.is_closed for made in crowd for connection in made), "of each the first ones"


def test_of_all_the_prefix_that_waits_for_most_makes_room_and_in_it_the_address() -> None:
    table = Table(Bounds(address=50, prefix=50, all=10))
    (other,) = wait(table, table.enter(OTHER))
    (neighbour,) = wait(table, table.enter(NEIGHBOUR))
    wait(table, table.enter("203.0.113.1", 4))
    mine = wait(table, table.enter(HOST, 4))
    (newcomer,) = table.enter("198.51.101.1")
    assert [connection.is_closed for connection in (other, neighbour, *mine, newcomer)] == [0, 0, 1, 0, 0, 0, 0]


def test_an_idle_one_of_those_that_wait_for_little_stays_while_others_wait_for_more_than_half() -> None:
    table = Table(Bounds(address=50, prefix=50, all=10))
    (idle,) = table.enter(OTHER)
    mine = wait(table, table.enter(HOST, 9))
    table.enter(NEIGHBOUR)
    assert [connection.is_closed for connection in (idle, *mine)] == [False, True] + [False] * 8


def test_front_ends_wait_on_half_of_the_places_whatever_clients_do() -> None:
    table = Table(Bounds(address=50, prefix=50, all=10), front_ends=(HOST,))
    behind = wait(table, table.enter(HOST, 5))
    wait(table, [*table.enter("198.51.1.1", 2), *table.enter("198.51.2.1", 3)])
    for number in range(20):
        wait(table, table.enter(f"198.51.{3 + number}.1"))
    assert table.displaced == ["all"] * 20
    assert not any(connection.is_closed for connection in behind)


def test_front_ends_that_wait_on_more_than_half_of_the_places_make_room() -> None:
    table = Table(Bounds(address=50, prefix=50, all=10), front_ends=(HOST, NEIGHBOUR))
    (client,) = wait(table, table.enter(OTHER))
    few = wait(table, table.enter(NEIGHBOUR, 2))
    many = wait(table, table.enter(HOST, 7))
    newcomers = [*table.enter("203.0.113.1"), *table.enter(HOST)]
    wait(table, newcomers)
    assert [connection.is_closed for connection in (client, *few, *many)] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_more_questions_do_not_let_one_that_waits_stay_for_ever() -> None:
    table = Table(Bounds(address=100, prefix=100, all=4))
    waiting = table.enter(HOST, 4)
    for connection in waiting:
        table.table.set_waiting(connection, True)
    table.table.touch(waiting[0])
    table.table.set_waiting(waiting[0], True)
    table.enter(OTHER)
    assert waiting[0].is_closed


def test_a_place_alone_goes_to_the_newcomer() -> None:
    table = Table(Bounds(address=1, prefix=1, all=1))
    for host in (HOST, HOST, NEIGHBOUR, OTHER):
        (connection,) = table.enter(host)
        table.table.set_waiting(connection, True)
    assert table.displaced == ["address", "prefix", "all"]
    assert list(table.table) == [connection]


def test_a_front_end_is_counted_in_all_alone() -> None:
    table = Table(Bounds(address=2, prefix=3, all=20), front_ends=(HOST,))
    table.enter(HOST, 20)
    assert table.displaced == []
    table.enter(NEIGHBOUR, 2)
    assert table.displaced == ["all", "all"]


def test_what_has_left_is_passed_over() -> None:
    table = Table(Bounds(address=2, prefix=3, all=20))
    (connection,) = table.enter(HOST)
    table.table.leave(connection)
    table.table.leave(connection)
    table.table.touch(connection)
    table.table.set_waiting(connection, True)
    assert connection not in table.table


def test_nothing_is_kept_of_whom_has_left() -> None:
    table = Table(Bounds(address=2, prefix=3, all=20))
    made = [table.enter(f"2001:db8:{number:x}::1", 3) for number in range(100)]
    for connection in itertools.chain.from_iterable(made):
        table.table.leave(connection)
    assert not table.table._groups
    assert not table.table._places
    assert table.table._all.size == 0
    assert len(table.table._all.waiting) == 0


class Model:
    """The same as lists of all connections, which are searched where the table has its orders."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.hosts: dict[Connection, str] = {}
        self.idle: list[Connection] = []  # the longest idle first
        self.waiting: list[Connection] = []
        self.displaced: list[Level] = []
        self.changed: dict[bytes, int] = {}  # when how many of an address or a prefix wait was changed last
        self.changes = 0

    def most(self, waiting: list[Connection], octets: int) -> list[Connection]:
        """Return those of the address or prefix of which the most wait, and have done so for the longest time."""
        counts = Counter(self.key(connection, octets) for connection in waiting)
        key = max(counts, key=lambda one: (counts[one], -self.changed[one]))
        return [connection for connection in waiting if self.key(connection, octets) == key]

    def key(self, connection: Connection, octets: int) -> bytes:
        """Return the first octets of its address."""
        return keys_of(self.hosts[connection])[0][:octets]

    def change(self, connection: Connection) -> None:
        """Note that others wait than before."""
        self.changes += 1
        for octets in (3, 4):
            self.changed[self.key(connection, octets)] = self.changes

    def enter(self, host: str, connection: Connection) -> None:
        """Add a connection, without one that is dispensable if it is one too many."""
        groups: tuple[tuple[Level, int], ...] = (("address", 4), ("prefix", 3), ("all", 0))
        for level, octets in groups:
            key = keys_of(host)[0][:octets]
            idle, waiting = (
                [member for member in order if keys_of(self.hosts[member])[0][:octets] == key]
                for order in (self.idle, self.waiting)
            )
            bound: int = getattr(self.bounds, level)
            if len(idle) + len(waiting) == bound:
                if idle and len(waiting) <= bound / 2:
                    self.leave(idle[0])
                else:
                    self.leave(self.most(self.most(waiting, 3), 4)[0])
                self.displaced.append(level)
                break
        self.hosts[connection] = host
        self.idle.append(connection)

    def touch(self, connection: Connection) -> None:
        """Move it to the end if it is idle."""
        if connection in self.idle:
            self.idle.remove(connection)
            self.idle.append(connection)

    def set_waiting(self, connection: Connection, waiting: bool) -> None:
        """Move it to the end of the other list if it is not there yet."""
        before, after = (self.idle, self.waiting) if waiting else (self.waiting, self.idle)
        if connection in before:
            before.remove(connection)
            after.append(connection)
            self.change(connection)

    def leave(self, connection: Connection) -> None:
        """Remove it."""
        if connection in self.waiting:
            self.waiting.remove(connection)
            self.change(connection)
        else:
            self.idle.remove(connection)
        del self.hosts[connection]


@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_closes_the_same_as_lists_that_are_searched(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test repeats itself
    bounds = Bounds(address=4, prefix=7, all=15)
    table, model = Table(bounds), Model(bounds)
    hosts = [f"192.0.{net}.{host}" for net in (2, 3, 4, 5) for host in (1, 2, 3)]
    for _ in range(5000):
        act = chance.choice(("enter", "enter", "touch", "wait", "answer", "leave"))
        if act == "enter" or not model.hosts:
            host = chance.choice(hosts)
            model.enter(host, *table.enter(host))
        else:
            connection = chance.choice(list(model.hosts))
            for subject in (table.table, model):
                if act in ("touch", "leave"):
                    getattr(subject, act)(connection)
                else:
                    subject.set_waiting(connection, act == "wait")
        assert set(table.table) == set(model.hosts)
        assert not any(connection.is_closed for connection in model.hosts)
    assert table.displaced == model.displaced
    assert set(table.displaced) == {"address", "prefix", "all"}
