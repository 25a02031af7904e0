"""Whose a connection of this machine is, asked of the kernel about real sockets."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from blockd.resolver.machine import netlink
from blockd.web.bounds import local_users
from blockd.web.bounds.local_users import AT_ONCE, Ends, SocketOwners, endpoint
from tests.break_in import NEEDS_ROOT, NOBODY, attempted, become_nobody
from tests.daemon.filtered import confine
from tests.daemon.harness import HAS_IPV6

ME = os.geteuid()


@contextlib.contextmanager
def connected(host: str = "127.0.0.1", device: bytes = b"") -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection, the client's first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server, socket.socket(family) as client:
        if device:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        client.connect(server.getsockname())
        taken, _ = server.accept()
        with taken:
            yield client, taken


def ends_of(taken: socket.socket) -> Ends:
    return endpoint(taken.getpeername()), endpoint(taken.getsockname())


def owner(taken: socket.socket) -> int | None:
    """Return whose the client's end is of a connection that was taken."""
    return SocketOwners().of_clients([ends_of(taken)]).get(ends_of(taken))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not HAS_IPV6, reason="no ::1"))]
)
def test_client_of_this_machine_is_found_with_its_user(host: str) -> None:
    with connected(host) as (_, taken):
        assert owner(taken) == ME


@NEEDS_ROOT
def test_client_of_another_user_is_that_users() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def connect() -> bool:
            kept.append(socket.create_connection(server.getsockname()))
            return kept[0].recv(1) == b"x"

        def ask() -> None:
            taken, _ = server.accept()
            with taken:
                found.append(owner(taken))
                taken.send(b"x")

        found: list[int | None] = []

        asking = threading.Thread(target=ask)
        asking.start()
        assert attempted(connect, become_nobody)
        asking.join()
        assert found == [NOBODY.pw_uid]


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_ipv4_within_ipv6_is_the_same_address() -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.socket(socket.AF_INET6) as client,
    ):
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        taken, _ = server.accept()
        with taken:
            assert ends_of(taken)[0][0] == socket.inet_aton("127.0.0.1")
            assert owner(taken) == ME


def test_half_closed_connection_is_still_its_users_and_a_closed_one_nobodys_though_the_kernel_says_root() -> None:
    with connected() as (client, taken):
        client.shutdown(socket.SHUT_WR)
        assert owner(taken) == ME
        client.close()
        assert owner(taken) is None


def test_who_only_listens_at_the_clients_end_is_not_taken_for_it() -> None:
    """The client, on another address that a wildcard covers, is gone; the kernel then finds who listens there."""
    with connected() as (_, taken), socket.create_server(("", 0)) as listens:
        gone = (("127.0.0.1", listens.getsockname()[1]), taken.getsockname())
        ends = endpoint(gone[0]), endpoint(gone[1])
        assert SocketOwners().of_clients([ends]) == {}


@pytest.mark.skipif(ME != 0, reason="only root may bind to a device on every kernel")
def test_client_bound_to_the_loopback_interface_is_found() -> None:
    with connected(device=b"lo") as (_, taken):
        assert owner(taken) == ME


def test_as_many_as_there_are_places_are_asked_of_together() -> None:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(connected())[1] for _ in range(AT_ONCE * 3 + 1)]
        elsewhere = [(endpoint(("192.0.2.1", port)), endpoint(("127.0.0.1", 9053))) for port in range(1, AT_ONCE * 4)]
        mixed = [one for pair in zip(elsewhere, map(ends_of, taken), strict=False) for one in pair]
        found = SocketOwners().of_clients(mixed)
        assert found == {ends_of(one): ME for one in taken}


def test_asking_ends_after_a_while_and_takes_a_part_of_the_time() -> None:
    ticks = iter([10.0, 10.0, 10.5, 10.5, 10.6, 13.0])
    with connected() as (_, taken):
        owners = SocketOwners(lambda: next(ticks))
        other = (endpoint(("192.0.2.1", 1)), endpoint(("127.0.0.1", 1)))
        many = [ends_of(taken), *[other] * (AT_ONCE - 1), *[other] * 500]
        assert owners.of_clients(many) == {ends_of(taken): ME}, "the first, and no more than it took"
        assert owners.rest == pytest.approx(1.9)
        assert owners.rest == 0


def test_where_the_kernel_may_not_be_asked_nobody_is_found_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused() -> bool:
        owners = SocketOwners()
        with caplog.at_level(logging.WARNING):
            found = [owners.of_clients([(endpoint(("127.0.0.1", 1)), endpoint(("127.0.0.1", 2)))]) for _ in range(2)]
        (told,) = [record.getMessage() for record in caplog.records]
        return found == [{}, {}] and "AF_NETLINK to RestrictAddressFamilies=" in told

    assert attempted(refused, confine)


def test_answers_of_others_than_the_kernel_are_passed_over() -> None:
    ends = endpoint(("127.0.0.1", 1)), endpoint(("127.0.0.1", 2))
    body = struct.pack("=BB", socket.AF_INET, 1) + bytes(62) + struct.pack("=II", 1000, 77)
    true = netlink.HEADER.pack(netlink.HEADER.size + len(body), 20, 0, 0, 0) + body

    class Kernel:
        """Answers once."""

        def __init__(self, answer: bytes, sender: int) -> None:
            self.answer = answer, (sender, 0)

        def send(self, octets: bytes) -> int:
            return len(octets)

        def recvfrom(self, _most: int) -> tuple[bytes, tuple[int, int]]:
            return self.answer

    def told(answer: bytes, sender: int) -> dict[Ends, int]:
        return dict(local_users._ask(Kernel(answer, sender), [ends]))  # type: ignore[arg-type]

    assert told(true, 0) == {ends: 1000}
    assert told(true, 4711) == {}
    assert told(true[:-1], 0) == {}
    assert told(netlink.HEADER.pack(len(true), 20, 0, 1, 0) + body, 0) == {}
    assert told(netlink.HEADER.pack(len(true), 2, 0, 0, 0) + body, 0) == {}
