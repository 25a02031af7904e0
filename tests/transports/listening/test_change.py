"""Another config changes the sockets: what stays is the same socket, and nothing that comes meanwhile is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator, Sequence

import pytest

from blockd.errors import ConfigError
from blockd.settings import Settings
from blockd.transports.binding import Sockets, bind
from blockd.transports.listening.change import changed
from tests.daemon.harness import free_port

SENT = 200  # datagrams: with two sockets that share them, that one gets none is 1 in 10^60


def settings(workers: int, *dns: str, admin: str, http: Sequence[str] = ()) -> Settings:
    return Settings.model_validate(
        {
            "workers": workers,
            "upstreams": ["127.0.0.1:1"],
            "feeds": [],
            "listen": {"dns": list(dns), "block_page": {"http": list(http), "https": []}, "admin": admin},
        }
    )


class Places:
    """Free addresses, and the sockets that a test has bound."""

    def __init__(self) -> None:
        self.admin = f"127.0.0.1:{free_port()}"
        self.dns = f"127.0.0.1:{free_port()}"
        self.other = f"127.0.0.1:{free_port()}"
        self.all: list[Sockets] = []

    def bind(self, workers: int, *dns: str, **more: Sequence[str]) -> Sockets:
        self.all.append(bind(self.settings(workers, *dns, **more), "a test"))
        return self.all[-1]

    def change(self, before: Sockets, workers: int, *dns: str, **more: Sequence[str]) -> Sockets:
        """Take another config, all at once."""
        change = changed(before, self.settings(workers, *dns, **more), "a test")
        self.all.append(change.sockets)
        change.steer()
        return change.sockets

    def settings(self, workers: int, *dns: str, **more: Sequence[str]) -> Settings:
        return settings(workers, *(dns or (self.dns,)), admin=self.admin, **more)


@pytest.fixture
def places() -> Iterator[Places]:
    made = Places()
    yield made
    for sockets in made.all:
        sockets.close()


def send(address: str, count: int = SENT) -> None:
    """Send datagrams, each from a port of its own."""
    host, port = address.rsplit(":", 1)
    for number in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(number.to_bytes(2), (host, int(port)))


def received(sock: socket.socket) -> int:
    """Return how many datagrams wait at a socket, and take them."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while sock.recv(16):
            count += 1
    return count


def connected(address: str, count: int = SENT) -> list[socket.socket]:
    host, port = address.rsplit(":", 1)
    return [socket.create_connection((host, int(port)), timeout=5) for _ in range(count)]


def accepted(sock: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.accept()[0].close()
            count += 1
    return count


def test_what_stays_is_the_same_socket(places: Places) -> None:
    before = places.bind(2)
    after = places.change(before, 2, places.dns, places.other)
    assert [group[0] for group in after.udp] == [group[0] for group in before.udp]
    assert [group[0] for group in after.tcp] == [group[0] for group in before.tcp]
    assert after.admin == before.admin
    assert after.bound.dns_udp == (places.dns, places.other)
    assert len(after.udp[1]) == 2
    assert not after.leaving


def test_a_new_workers_sockets_get_nothing_before_it_runs(places: Places) -> None:
    before = places.bind(1)
    change = changed(before, places.settings(2), "a test")
    places.all.append(change.sockets)
    send(places.dns)
    assert received(change.sockets.udp[1][0]) == 0
    assert received(change.sockets.udp[0][0]) == SENT
    change.steer()
    send(places.dns)
    assert 0 < received(change.sockets.udp[1][0]) < SENT


def test_sockets_that_go_get_nothing_more_and_keep_what_they_have(places: Places) -> None:
    before = places.bind(2)
    send(places.dns)
    clients = connected(places.dns)
    after = places.change(before, 1)
    send(places.dns)
    clients += connected(places.dns)
    going, staying = before.udp[1][0], after.udp[0][0]
    had = received(going)
    assert 0 < had < SENT
    assert received(staying) == 2 * SENT - had
    were = accepted(before.tcp[1][0])
    assert 0 < were < SENT
    assert accepted(after.tcp[0][0]) == 2 * SENT - were
    assert before.of_worker(1)
    after.close_leaving([sock.fileno() for group in before.of_worker(1) for sock in group])
    assert not after.leaving
    assert going.fileno() == -1
    for client in clients:
        client.close()
    send(places.dns)
    assert received(staying) == SENT


@pytest.mark.parametrize("closes", [False, True], ids=["while they are read", "after they were closed"])
def test_more_workers_after_fewer(places: Places, closes: bool) -> None:
    first = places.bind(3)
    fewer = places.change(first, 1)
    if closes:
        fewer.close_leaving([sock.fileno() for index in (1, 2) for group in first.of_worker(index) for sock in group])
    again = places.change(fewer, 2)
    assert bool(again.leaving) is not closes
    send(places.dns)
    counts = [received(group[0]) for group in again.udp]
    assert sum(counts) == SENT
    assert min(counts) > 0
    clients = connected(places.dns)
    taken = [accepted(group[0]) for group in again.tcp]
    assert sum(taken) == SENT
    assert min(taken) > 0
    for client in clients:
        client.close()


def test_the_last_takes_the_place_of_one_that_is_closed(places: Places) -> None:
    """As in the kernel: what is taken back next is the next in its order."""
    first = places.bind(4)
    fewer = places.change(first, 1)
    fewer.close_leaving([sock.fileno() for group in first.of_worker(1) for sock in group])
    again = places.change(fewer, 2)
    assert again.udp[1] == first.udp[3]
    send(places.dns)
    assert sum(received(group[0]) for group in again.udp) == SENT


def test_an_address_that_goes_and_comes_back(places: Places) -> None:
    first = places.bind(2, places.dns, places.other)
    without = places.change(first, 2)
    assert without.bound.dns_udp == (places.dns,)
    assert len(without.leaving[("dns_udp", places.other)]) == 2
    again = places.change(without, 2, places.dns, places.other)
    assert not again.leaving
    send(places.other)
    counts = [received(group[1]) for group in again.udp]
    assert sum(counts) == SENT
    assert min(counts) > 0


def test_datagrams_go_to_a_wildcard_once_the_address_alone_goes(places: Places) -> None:
    port = places.dns.rsplit(":", 1)[1]
    first = places.bind(1)
    wild = places.change(first, 1, f"0.0.0.0:{port}")
    send(places.dns)
    assert received(first.udp[0][0]) == 0
    assert received(wild.udp[0][0]) == SENT
    with pytest.raises(ConfigError, match="Try again in some seconds"):
        changed(wild, places.settings(1), "a test")
    wild.close_leaving([sock.fileno() for group in first.of_worker(0) for sock in group])
    back = places.change(wild, 1)
    send(places.dns)
    assert received(back.udp[0][0]) == SENT


def test_every_address_that_cannot_be_bound_is_told_and_nothing_has_changed(places: Places) -> None:
    before = places.bind(1)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [f"127.0.0.1:{sock.getsockname()[1]}" for sock in (one, two)]
        with pytest.raises(ConfigError) as caught:
            changed(before, places.settings(3, places.dns, *taken), "a test")
        assert all(address in str(caught.value) for address in taken)
    send(places.dns)
    assert received(before.udp[0][0]) == SENT
    assert before.bound.dns_udp == (places.dns,)


def test_an_address_does_not_change_what_it_serves_at_once(places: Places) -> None:
    before = places.bind(1, http=[places.other])
    with pytest.raises(ConfigError, match="Remove it there, reload, then name it here"):
        changed(before, places.settings(1, places.dns, places.other), "a test")


def test_what_was_prepared_is_taken_back(places: Places) -> None:
    before = places.bind(1)
    change = changed(before, places.settings(2, places.dns, places.other), "a test")
    new = [*change.sockets.udp[1], *change.sockets.tcp[0][1:]]
    change.take_back()
    assert all(sock.fileno() == -1 for sock in new)
    send(places.dns)
    assert received(before.udp[0][0]) == SENT


def test_an_address_that_the_machine_does_not_have_yet_is_listened_on(places: Places) -> None:
    port = free_port()
    sockets = places.bind(1, places.dns, f"192.0.2.77:{port}")
    assert sockets.bound.dns_udp == (places.dns, f"192.0.2.77:{port}")
    assert [address.text for address in sockets.absent] == [f"192.0.2.77:{port}"]


def test_a_process_reads_those_of_its_sockets_empty_that_go(places: Places) -> None:
    before = places.bind(1)
    change = changed(before, places.settings(1, places.other), "a test")
    places.all.append(change.sockets)
    assert change.going(before.of_worker(0)) == [before.udp[0][0].fileno(), before.tcp[0][0].fileno()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_adds_a_worker_to_addresses_that_root_has_bound(places: Places) -> None:
    before = places.bind(1)
    before.give_to(65534, 65534)
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            change = changed(before, places.settings(2), "a test")
            change.steer()
            os._exit(0)
        except BaseException:
            os._exit(errno.EPERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_port_that_a_question_to_upstreams_may_have_is_told_so(places: Places) -> None:
    before = places.bind(1)
    host, port = places.other.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind((host, int(port)))
        asking.connect((host, 9))
        with pytest.raises(ConfigError) as refused:
            changed(before, places.settings(1, places.dns, places.other), "a test")
    [problem] = refused.value.problems
    assert problem.startswith(f"listen.dns[1]: {places.other} cannot be listened on: another socket has this port")
    assert "upstream.avoid_ports" in problem
    places.change(before, 1, places.dns, places.other)
