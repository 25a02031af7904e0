"""What dig and kdig learn of a running daemon: its encrypted transports, what is true of it, and which server it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.daemon.harness import Daemon, has_dig, write_list
from tests.upstream import UpstreamSimulator

NAME = "dns.isp.example"
SERVER = "jkt-1"
NEEDS_DIG = pytest.mark.skipif(not has_dig(), reason="dig (Debian: bind9-dnsutils) is not installed")
NEEDS_KDIG = pytest.mark.skipif(shutil.which("kdig") is None, reason="kdig (Debian: knot-dnsutils) is not installed")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("discovery")
    write_list(folder / "listed", ["listed.example"])
    said = {"name": NAME, "addresses": ["192.0.2.53", "2001:db8::53"], "dot_port": 853, "doh_port": 8443}
    feed = {"name": "listed", "type": "domains", "path": "listed"}
    with Daemon(folder, feed, upstream=resolver.address, discovery=said, server_id=SERVER) as running:
        yield running


@NEEDS_DIG
@pytest.mark.parametrize("name", ["_dns.resolver.arpa", f"_dns.{NAME}"])
def test_dig_finds_the_transports(daemon: Daemon, name: str) -> None:
    hints = "ipv4hint=192.0.2.53 ipv6hint=2001:db8::53"
    assert daemon.dig("+short", name, "SVCB").splitlines() == [
        f'1 {NAME}. alpn="dot" {hints}',
        f'2 {NAME}. alpn="h2" port=8443 {hints} key7="/dns-query{{?dns}}"',
    ]


@NEEDS_DIG
def test_dig_learns_which_server_has_answered(daemon: Daemon) -> None:
    assert daemon.dig("+short", "id.server", "CH", "TXT") == f'"{SERVER}"\n'
    assert "REFUSED" in daemon.dig("version.bind", "CH", "TXT")


@NEEDS_KDIG
def test_kdig_reads_what_the_resolver_says_of_itself(daemon: Daemon) -> None:
    command = ["kdig", f"@127.0.0.1#{daemon.dns_port}", "+short", "+norec", "resolver.arpa", "TYPE261"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
    octets = bytes.fromhex("".join(told.split()[2:]))
    assert octets[1:] == b"exterr=0,3,14-17,19,22-23,30"


def test_status_and_check_say_what_is_announced(daemon: Daemon) -> None:
    assert daemon.status()["resolution"]["discovery"] == {
        "name": NAME,
        "addresses": ["192.0.2.53", "2001:db8::53"],
        "transports": [
            {"alpn": "dot", "port": 853, "path": None},
            {"alpn": "h2", "port": 8443, "path": "/dns-query"},
        ],
    }
    told = f"discovery: clients that ask are told of {NAME}: DNS over TLS at port 853, DNS over HTTPS at port 8443"
    for verb in ("status", "check"):
        assert told in daemon.run_verb(verb).stdout
    found = json.loads(daemon.run_verb("lookup", "--json", NAME).stdout)
    assert found["resolved"] == {"by": "local", "zone": NAME, "source": "discovery", "upstreams": []}


def test_the_doctor_finds_what_the_config_says(daemon: Daemon) -> None:
    checks = json.loads(daemon.run_verb("doctor", "--json").stdout)["checks"]
    (found,) = [one for one in checks if one["name"] == "discovery"]
    assert found["found"] == f"{NAME} is announced; the front ends that terminate TLS have its certificate"


def test_discovery_is_counted(daemon: Daemon) -> None:
    before = daemon.metric("blockd_local_answers_total", zone="discovery")
    daemon.ask("_dns.resolver.arpa", "SVCB")
    assert daemon.metric("blockd_local_answers_total", zone="discovery") == before + 1
