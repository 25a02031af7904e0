from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import pytest

from tests.daemon.harness import Daemon, request, write_list
from tests.upstream import UpstreamSimulator

SEED = 20261124
PACKETS = 400


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("packets")
    write_list(folder / "list", ["listed.example"])
    with Daemon(folder, {"name": "national", "type": "domains", "path": "list"}, upstream=resolver.address) as running:
        yield running  # its end asserts that nothing was a fault of the daemon's


@pytest.fixture
def packets() -> list[bytes]:
    """Random and mutated packets, the same at each run."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    made = [chance.randbytes(chance.randint(0, 600)) for _ in range(PACKETS // 4)]
    sound = [
        dns.message.make_query(
            name,
            kind,
            use_edns=0,
            want_dnssec=True,
            options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8octets!")],
        )
        for name in ("listed.example", "open-1.example", "a." * 100 + "example")
        for kind in ("A", "HTTPS", "TYPE65535")
    ]
    while len(made) < PACKETS:
        packet = bytearray(chance.choice(sound).to_wire())
        for _ in range(chance.randint(1, 6)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        made.append(bytes(packet[: chance.choice((len(packet), chance.randrange(len(packet))))]))
    return made


def test_daemon_answers_after_hostile_datagrams(daemon: Daemon, packets: list[bytes]) -> None:
    workers = [worker["pid"] for worker in daemon.status()["workers"]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", daemon.dns_port))
        for packet in packets:
            sock.send(packet)
    _assert_well(daemon, workers)


def test_daemon_answers_after_hostile_streams(daemon: Daemon, packets: list[bytes]) -> None:
    workers = [worker["pid"] for worker in daemon.status()["workers"]]
    for start in range(0, len(packets), 20):
        connected = socket.create_connection(("127.0.0.1", daemon.dns_port), 10)
        with connected as sock, contextlib.suppress(ConnectionError):  # what is no question ends the connection
            for packet in packets[start : start + 20]:
                sock.sendall(len(packet).to_bytes(2) + packet)
            sock.sendall(b"\xff\xffnever the rest")
    _assert_well(daemon, workers)


def test_web_ports_answer_after_hostile_bytes(daemon: Daemon, packets: list[bytes]) -> None:
    for port in (daemon.http_port, daemon.tls_port, daemon.admin_port):
        for packet in packets[:60]:
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                sock.sendall(b"\x16\x03\x01" + packet if port == daemon.tls_port else packet)
    with request("GET", daemon.http_port, "/", {"Host": "listed.example"}) as response:
        assert response.status == 451
    assert daemon.get("/healthz")[0] == 200


def test_answers_get_no_answer(daemon: Daemon) -> None:
    query = dns.message.make_query("listed.example", "A")
    answer = dns.message.make_response(query)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", daemon.dns_port))
        for _ in range(20):
            sock.send(answer.to_wire())
        sock.send(query.to_wire())  # of one client, so by the same worker, behind the answers
        assert query.is_response(dns.message.from_wire(sock.recv(4096)))
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(4096)


def test_other_opcodes_and_classes_are_told(daemon: Daemon) -> None:
    notify = dns.message.make_query("listed.example", "SOA")
    notify.flags |= 4 << 11
    assert _rcode(daemon, notify.to_wire()) == 4
    assert _rcode(daemon, dns.message.make_query("version.bind", "TXT", "CH").to_wire()) == 5
    assert _rcode(daemon, dns.message.make_query("listed.example", "AXFR").to_wire()) == 5


def _rcode(daemon: Daemon, packet: bytes) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", daemon.dns_port))
        sock.send(packet)
        return sock.recv(4096)[3] & 15


def _assert_well(daemon: Daemon, workers: list[int]) -> None:
    for _ in range(20):
        assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
        assert daemon.ask("open-1.example", tcp=True).addresses == ["192.0.2.1"]
    assert [worker["pid"] for worker in daemon.status()["workers"]] == workers
    daemon.assert_no_fault()
