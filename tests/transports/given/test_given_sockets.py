"""Sockets that a process is given at its start: only what can be served is taken, and where the config asks for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from blockd.settings import Settings
from blockd.transports.binding import Sockets, bind, troubles
from blockd.transports.given import sockets as given_sockets
from blockd.transports.given.names import named, put
from blockd.transports.given.sockets import FIRST, GivenSockets

PID = 4711


def bound(kind: int = socket.SOCK_DGRAM, host: str = "127.0.0.1", port: int = 0, **options: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    if options.get("shared", True):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(options.get("only6", True)))
    sock.bind((host, port))
    return sock


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    """Sockets that a test has made; all are closed."""
    made: list[socket.socket] = []
    yield made
    for one in made:
        one.close()


def passed(monkeypatch: pytest.MonkeyPatch, descriptors: list[int], names: str = "") -> GivenSockets:
    """Return what a process finds that is passed copies of descriptors, as from the third on."""
    copies = [os.dup(one) for one in descriptors]
    real = given_sockets._adopted
    monkeypatch.setattr(given_sockets, "_adopted", lambda place, name: real(copies[place - FIRST], name))
    environment = {"LISTEN_FDS": str(len(copies)), "LISTEN_PID": str(PID), "LISTEN_FDNAMES": names, "HOME": "/"}
    found = GivenSockets.of(environment, PID)
    assert environment == {"HOME": "/"}
    return found


@pytest.mark.parametrize(
    ("count", "whose"), [("", str(PID)), ("1", "1"), ("x", str(PID)), ("9" * 30, str(PID)), ("-1", str(PID))]
)
def test_none_is_given_to_another_or_by_no_number(count: str, whose: str) -> None:
    assert GivenSockets.of({"LISTEN_FDS": count, "LISTEN_PID": whose}, PID).names == ()


def same(one: socket.socket, other: socket.socket) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def test_each_stands_where_its_name_says_or_else_its_address(
    monkeypatch: pytest.MonkeyPatch, opened: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    opened.append(bound())
    port = opened[0].getsockname()[1]
    opened += [bound(port=port), bound(), bound(socket.SOCK_STREAM)]
    settings = settings_at(port, opened[3].getsockname()[1])
    found = passed(monkeypatch, [one.fileno() for one in opened], "dns_udp.1:unit.socket:unit.socket:admin")
    placed = found.sockets(settings)
    (first,), (second,) = placed.udp
    assert same(first, opened[1])
    assert same(second, opened[0])
    assert same(placed.admin[0], opened[3])
    assert f"does not ask for them: 127.0.0.1:{opened[2].getsockname()[1]} over UDP" in caplog.text
    assert found.names == ("dns_udp.1", "unit.socket", "admin")
    opened += [first, second, *placed.admin]


@pytest.mark.parametrize(
    "name", ["dns_udp", "dns_udp.", "dns_udp.-1", "dns_udp.9999", "dns_udp.0.0", "admin.0", "udp", ""]
)
def test_no_other_name_has_a_place(name: str, opened: list[socket.socket]) -> None:
    opened.append(bound())
    sockets = Sockets()
    assert not put(sockets, name, opened[0])
    assert sockets == Sockets()


def test_what_cannot_be_served_is_refused_with_what_it_is(
    monkeypatch: pytest.MonkeyPatch, opened: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    listening = bound(socket.SOCK_STREAM)
    listening.listen()
    connection = bound(socket.SOCK_STREAM)
    connection.connect(listening.getsockname())
    pair = socket.socketpair()
    both = bound(host="::", only6=False) if socket.has_dualstack_ipv6() else bound(host="::")
    alone = bound(shared=False)
    opened += [listening, connection, *pair, both, alone]
    null = os.open(os.devnull, os.O_RDONLY)
    found = passed(monkeypatch, [null, pair[0].fileno(), connection.fileno(), both.fileno(), alone.fileno()])
    os.close(null)
    assert found.names == ()
    for what in (
        "is not a socket",
        "not a socket of IP",
        "a connection, not a socket that listens",
        "IPv4 and IPv6 at once",
        "no second process can have its address",
    ):
        assert what in caplog.text


def settings_at(port: int, admin: int, workers: int = 1) -> Settings:
    listen = {
        "dns": [f"127.0.0.1:{port}"],
        "block_page": {"http": [], "https": []},
        "admin": f"127.0.0.1:{admin}",
    }
    return Settings.model_validate({"listen": listen, "workers": workers})


def given_of(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> GivenSockets:
    """Return copies of all that is bound, as a next process is given them."""
    pairs = [(name, one) for name, group in named(sockets) for one in group]
    return passed(monkeypatch, [one.fileno() for _, one in pairs], ":".join(name for name, _ in pairs))


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    holding = [bound(socket.SOCK_STREAM) for _ in range(count)]
    numbers = [int(one.getsockname()[1]) for one in holding]
    for one in holding:
        one.close()
    return numbers


def test_a_config_is_bound_by_what_was_given_and_the_rest_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = free_ports(3)
    before = bind(settings_at(numbers[0], numbers[1], workers=2), "a test")
    given = given_of(before, monkeypatch)
    assert troubles(settings_at(numbers[0], numbers[1], workers=3), given) == []
    after = bind(settings_at(numbers[0], numbers[2], workers=3), "a test", given)
    try:
        for name in ("udp", "tcp"):
            olds, news = getattr(before, name), getattr(after, name)
            assert len(news) == 3
            for (old,), (new,) in zip(olds, news[:2], strict=True):
                assert os.path.sameopenfile(old.fileno(), new.fileno())
        assert after.admin[0].getsockname()[1] == numbers[2]
        assert f"since the config does not ask for them: 127.0.0.1:{numbers[1]} over TCP" in caplog.text
    finally:
        before.close()
        after.close()


def test_without_what_was_given_a_taken_port_is_still_another_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = free_ports(2)
    settings = settings_at(*numbers)
    before = bind(settings, "a test")
    try:
        assert troubles(settings)
        given = given_of(before, monkeypatch)
        assert troubles(settings, given) == []
        given.close()
        assert troubles(settings)
    finally:
        before.close()
