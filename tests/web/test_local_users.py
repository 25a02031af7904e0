"""Whose a connection of this machine is, by tables as the kernel writes them."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from blockd.web.bounds import local_users
from blockd.web.bounds.local_users import SocketOwners, endpoint

PORT = 9053
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(client: str, port: int, user: int, *, to: int = PORT, state: str = "01", inode: int = 77) -> str:
    """Return a client's socket on 127.0.0.1 as a machine that is little-endian writes it."""
    ends = f"{client}:{port:04X} {client.replace('0200007F', '0100007F')}:{to:04X}"
    return f"   1: {ends} {state} 00000000:00000000 00:00000000 00000000  {user:4d}        0 {inode} 1 0 20 4 30\n"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "byteorder", "little")
    return tmp_path / "tcp"


def found(table: Path, *rows: str) -> dict[int, int]:
    """Return users by the port of the client."""
    table.write_text(HEAD + "".join(rows))
    return {port: user for ((_, port), _), user in SocketOwners([table]).of_clients([PORT]).items()}


def test_clients_of_a_port_are_found_with_their_users(table: Path) -> None:
    assert found(table, row("0100007F", 4000, 1000), row("0200007F", 4001, 0), row("0100007F", 4002, 5, to=80)) == {
        4000: 1000,
        4001: 0,
    }
    ends = next(iter(SocketOwners([table]).of_clients([PORT])))
    assert ends == (endpoint(("127.0.0.1", 4000)), endpoint(("127.0.0.1", PORT)))


def test_socket_that_its_program_has_closed_is_nobodys_though_the_kernel_says_root(table: Path) -> None:
    half_closed = row("0100007F", 4000, 0, state="05", inode=0)
    waiting = row("0100007F", 4001, 0, state="06")
    assert found(table, half_closed, waiting, row("0100007F", 4002, 1000, state="05")) == {4002: 1000}


def test_ipv4_within_ipv6_is_the_same_address(table: Path) -> None:
    mapped = "0000000000000000FFFF00000100007F"
    table.write_text(HEAD + row(mapped, 4000, 1000) + row("00000000000000000000000001000000", 4001, 8))
    owners = SocketOwners([table]).of_clients([PORT])
    assert owners[endpoint(("127.0.0.1", 4000)), endpoint(("127.0.0.1", PORT))] == 1000
    assert owners[endpoint(("::1", 4001)), endpoint(("::1", PORT))] == 8


def test_table_is_read_to_a_bound_and_one_that_is_missing_is_left_out(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_users, "MAX_TABLE", 1 << 17)
    rows = [row("0100007F", 1000 + number, 1000) for number in range(2000)]
    assert 500 < len(found(table, *rows)) < 1500
    table.unlink()
    assert SocketOwners([table]).of_clients([PORT]) == {}


def test_reading_takes_a_part_of_the_time(table: Path) -> None:
    clock = iter([10.0, 10.5, 10.6, 13.0])
    table.write_text(HEAD)
    owners = SocketOwners([table], lambda: next(clock))
    owners.of_clients([PORT])
    assert owners.rest == pytest.approx(1.9)
    assert owners.rest == 0


def test_own_connection_is_found_in_the_kernels_table() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            ends = endpoint(client.getsockname()), endpoint(address)
            assert SocketOwners().of_clients([address[1]])[ends] == os.geteuid()
            client.shutdown(socket.SHUT_WR)
            assert SocketOwners().of_clients([address[1]])[ends] == os.geteuid()
        assert ends not in SocketOwners().of_clients([address[1]])
