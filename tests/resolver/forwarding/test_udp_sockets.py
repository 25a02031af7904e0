from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.resolver.forwarding.limits import MAX_RETIRED
from blockd.resolver.forwarding.source_ports import SourcePorts, reserved_ports
from blockd.resolver.forwarding.tries import Try
from blockd.resolver.forwarding.udp_sockets import UdpSocket, UdpSockets, sockets_each
from tests.upstream import closed_port

CHANCE = random.Random(5).randrange  # noqa: S311 - a test repeats itself


@pytest.fixture
def opened() -> list[UdpSocket]:
    return []


@pytest.fixture
def sockets(opened: list[UdpSocket]) -> Iterator[UdpSockets]:
    made = UdpSockets(closed_port(), SourcePorts((), CHANCE), CHANCE, opened.append, opened.remove, 8)
    yield made
    made.close()
    assert opened == []


def port(one: UdpSocket) -> int:
    return int(one.sock.getsockname()[1])


def busy(one: UdpSocket) -> UdpSocket:
    """Have a question in the air on a socket."""
    one.tries[1] = Try.__new__(Try)
    return one


def test_one_is_opened_when_it_is_drawn(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    assert len(sockets) == 0
    drawn = {id(sockets.draw()) for _ in range(200)}
    assert len(drawn) == len(sockets) == len(opened) == 8
    assert len({port(one) for one in opened}) == 8


def test_each_is_replaced_in_turn_though_nothing_is_asked(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    for _ in range(200):
        sockets.draw()
    before = set(opened)
    for count in range(8):
        sockets.renew()
        assert len(before & set(opened)) == 7 - count
    assert len(sockets) == 8


def test_one_that_is_replaced_is_read_until_nothing_is_in_the_air(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    one = busy(sockets.draw())
    while not one.is_retired:
        sockets.renew()
    assert one in opened
    assert all(sockets.draw() is not one for _ in range(50))
    one.tries.clear()
    sockets.release(one)
    assert one not in opened


def test_where_the_way_is_another_idle_ones_are_closed(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    """They are bound to an address or interface of before; on the others an answer may still come."""
    for _ in range(200):
        sockets.draw()
    one = busy(sockets.draw())
    sockets.shut_idle()
    assert opened == [one]
    drawn = {id(sockets.draw()) for _ in range(200)}
    assert id(one) in drawn
    assert len(drawn) == len(opened) == 8


def test_those_that_are_replaced_are_bounded(sockets: UdpSockets) -> None:
    busy(sockets.draw())
    for _ in range(200):
        for _ in range(20):
            busy(sockets.draw())
        sockets.renew()
    assert len(sockets) == 8 + MAX_RETIRED


def test_fewer_and_more_may_be_used(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    for _ in range(200):
        sockets.draw()
    sockets.resize(3)
    assert len(opened) == 3
    sockets.resize(5)
    for _ in range(100):
        sockets.draw()
    assert len(opened) == 5


def test_one_that_is_given_up_is_closed_at_once(sockets: UdpSockets, opened: list[UdpSocket]) -> None:
    one = busy(sockets.draw())
    sockets.give_up(one)
    assert opened == []


@pytest.mark.parametrize(
    ("sockets", "upstreams", "size"),
    [(1 << 16, 16, 256), (256, 1, 256), (512, 4, 128), (32, 16, 4), (14, 1, 14), (0, 0, 4)],
)
def test_upstreams_share_the_sockets_that_there_may_be(sockets: int, upstreams: int, size: int) -> None:
    assert sockets_each(upstreams, sockets) == size


def test_the_kernels_list_and_the_operators_are_left_out(tmp_path: Path) -> None:
    reserved = tmp_path / "reserved"
    reserved.write_text("1024-30000,65000-65535\n")
    ports = SourcePorts((range(30_001, 64_990), range(64_995, 64_996)), CHANCE, reserved)
    assert len(ports) == 9
    bound = set()
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            ports.bind(sock)
            bound.add(sock.getsockname()[1])
    assert bound <= {*range(64_990, 65_000)} - {64_995}


def test_without_a_port_nothing_is_bound(tmp_path: Path) -> None:
    ports = SourcePorts((range(1, 65_536),), CHANCE, tmp_path / "none")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(OSError, match="no port is left"):
        ports.bind(sock)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\n", []),
        ("8080\n", [range(8080, 8081)]),
        ("1,5-7,65535\n", [range(1, 2), range(5, 8), range(65_535, 65_536)]),
        ("what is this", []),
    ],
)
def test_the_kernels_list_is_read(tmp_path: Path, text: str, found: list[range]) -> None:
    path = tmp_path / "reserved"
    path.write_text(text)
    assert reserved_ports(path) == found
