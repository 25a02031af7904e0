"""A daemon whose only clients are behind front ends of this machine, which all of loopback are."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import dns.message
import pytest

from tests.daemon.harness import PATIENCE, Daemon, blockd, until, write_list
from tests.resolver.edge.headers import header, local
from tests.upstream import UpstreamSimulator

CLIENT = "192.0.2.200"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("front-ends")
    write_list(folder / "national", ["law.example"])
    with Daemon(
        folder,
        {"name": "national", "type": "domains", "path": "national"},
        upstream=resolver.address,
        proxy_protocol={"from": ["127.0.0.0/8", "::1"]},
        clients={"allow": ["192.0.2.128/25"]},
    ) as running:
        yield running


def addresses(answer: dns.message.Message) -> list[str]:
    return [record.address for rrset in answer.answer for record in rrset]


def asked(daemon: Daemon, octets: bytes, *, tcp: bool) -> dns.message.Message:
    """Return the answer to octets that come as a datagram, or as the first of a connection."""
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", daemon.dns_port))
        sock.sendall(octets)
        answer = sock.recv(65535)
        return dns.message.from_wire(answer[2:] if tcp else answer)


@pytest.mark.parametrize("tcp", [False, True])
def test_clients_are_answered_by_their_headers_and_by_nothing_else(daemon: Daemon, *, tcp: bool) -> None:
    query = dns.message.make_query("law.example", "A").to_wire()
    framed = len(query).to_bytes(2) + query if tcp else query
    for wrapped in (header(CLIENT), local()):
        assert addresses(asked(daemon, wrapped + framed, tcp=tcp)) == ["127.0.0.1"]
    refused = f'blockd_stream_events_total{{event="proxy_refused",transport="{"tcp" if tcp else "udp"}"}}'
    assert f"{refused} 0.0\n" in daemon.get("/metrics")[1].decode()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", daemon.dns_port))
        sock.sendall(framed)
        until(lambda: f"{refused} 1.0\n" in daemon.get("/metrics")[1].decode(), "it is counted")


def test_selftests_and_lookups_go_on_without_a_header(daemon: Daemon) -> None:
    until(lambda: daemon.status()["self_test"], "the self-test has been made")
    told = daemon.status()["self_test"]
    assert (told["failure"], told["failures"], len(told["workers"])) == (None, 0, 2)
    looked = blockd("lookup", "law.example", "--json", folder=daemon.folder, config=daemon.config)
    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout)["blocked"] is True
