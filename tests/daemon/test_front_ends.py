"""A daemon whose only clients are behind front ends of this machine, which all of loopback are."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
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
        clients={"allow": ["192.0.2.128/25", "2001:db8:1::/48"]},
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


@pytest.mark.skipif(not shutil.which("kdig"), reason="kdig is not installed: tests/install-debian.sh")
@pytest.mark.parametrize("how", ["+notcp", "+tcp"])
@pytest.mark.parametrize(
    ("client", "rcode"),
    [("192.0.2.200", "NOERROR"), ("2001:db8:1::1", "NOERROR"), ("192.0.2.1", "REFUSED"), ("", "")],
)
def test_kdig_asks_as_any_client_with_a_header_and_not_without(
    daemon: Daemon, how: str, client: str, rcode: str
) -> None:
    server = "2001:db8::53" if ":" in client else "192.0.2.53"
    options = [f"+proxy={client}-{server}"] if client else ["+time=1"]
    command = ["kdig", "@127.0.0.1", "-p", str(daemon.dns_port), how, "+retry=0", *options, "law.example", "A"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603
    found = re.search(r"status: (\w+);", done.stdout)
    assert (found[1] if found else "") == rcode, done.stdout + done.stderr
    assert ("127.0.0.1" in re.findall(r"\bA\s+([0-9.]+)$", done.stdout, re.MULTILINE)) == (rcode == "NOERROR")


def test_selftests_and_lookups_go_on_without_a_header(daemon: Daemon) -> None:
    until(lambda: daemon.status()["self_test"], "the self-test has been made")
    told = daemon.status()["self_test"]
    assert (told["failure"], told["failures"], len(told["workers"])) == (None, 0, 2)
    looked = blockd("lookup", "law.example", "--json", folder=daemon.folder, config=daemon.config)
    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout)["blocked"] is True
