"""A client that follows RFC 9462: from an address in plain DNS to DNS over TLS, verified or, if private, unverified."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from tests.daemon.harness import Daemon, free_port, put, until, write_list
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

NAME = "dns.isp.example"
HOST = "127.0.0.1"
PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Service:
    """What one SVCB record says."""

    priority: int
    target: str
    alpn: tuple[str, ...]
    port: int | None
    hints: tuple[str, ...]
    template: str


class Client:
    """Knows an address or a name, and the authorities that it trusts."""

    def __init__(self, daemon: Daemon, authority: Path) -> None:
        self._daemon = daemon
        self._authority = authority

    def services(self, owner: str) -> list[Service]:
        """Ask in plain DNS, the preferred first."""
        found = []
        for rrset in self._plain(owner, "SVCB").answer:
            for data in rrset:
                said = {int(key): value for key, value in data.params.items()}
                port = said[3].port if 3 in said else None
                hints = tuple(said[4].addresses) if 4 in said else ()
                alpn = tuple(one.decode() for one in said[1].ids)
                template = said[7].value.decode() if 7 in said else ""
                target = data.target.to_text(omit_final_dot=True)
                found.append(Service(data.priority, target, alpn, port, hints, template))
        return sorted(found, key=lambda one: one.priority)

    def addresses(self, name: str) -> list[str]:
        """Ask in plain DNS for the addresses of a name."""
        return [data.to_text() for rrset in self._plain(name, "A").answer for data in rrset]

    def ask(self, service: Service, verified: str, name: str) -> dns.message.Message:
        """Ask over TLS; the certificate must be for `verified`, an address or a name, or for anybody if it is empty."""
        context = ssl.create_default_context(cafile=str(self._authority))
        context.set_alpn_protocols(["dot"])
        if not verified:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = service.port or 853
        query = dns.message.make_query(name, "A", use_edns=0)
        return dns.query.tls(query, HOST, PATIENCE, port, ssl_context=context, server_hostname=verified or None)

    def fetch(self, service: Service, name: str) -> dns.message.Message:
        """Ask over HTTPS at the address that is known, which the certificate must have (RFC 9462 section 6.3)."""
        query = dns.message.make_query(name, "A", use_edns=0, id=0)
        variable = base64.urlsafe_b64encode(query.to_wire()).rstrip(b"=").decode()
        path = service.template.replace("{?dns}", f"?dns={variable}")
        url = f"https://{HOST}:{service.port or 443}{path}"
        command = ["curl", "--silent", "--show-error", "--fail", "--cacert", str(self._authority), url]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603
        return dns.message.from_wire(done.stdout)

    def _plain(self, owner: str, kind: str) -> dns.message.Message:
        return dns.query.udp(dns.message.make_query(owner, kind), HOST, PATIENCE, self._daemon.dns_port)


@dataclass
class Setting:
    """A daemon with a certificate, and a client that trusts who made that."""

    daemon: Daemon
    client: Client

    def check(self, name: str) -> dict[str, Any]:
        """Return what the doctor's check of a name found."""
        checks = json.loads(self.daemon.run_verb("doctor", "--json").stdout)["checks"]
        (found,) = [one for one in checks if one["name"] == name]
        return dict(found)


def setting(folder: Path, resolver: UpstreamSimulator, *names: str) -> Setting:
    """Return a daemon, not started yet, whose certificate has these names and addresses."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    octets = certificate(*names)
    chain.write_bytes(octets[0])
    key.write_bytes(octets[1])
    write_list(folder / "listed", ["listed.example"])
    daemon = Daemon(
        folder,
        {"name": "listed", "type": "domains", "path": "listed"},
        upstream=resolver.address,
        discovery={"name": NAME},
        certificates=[{"chain": str(chain), "key": str(key)}],
    )
    daemon.listen["dns"] = [f"{HOST}:{daemon.dns_port}"]
    for transport in ("dot", "doh"):
        daemon.listen[transport] = [f"{HOST}:{free_port()}"]
    return Setting(daemon, Client(daemon, chain))


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Setting]:
    """One whose certificate has all that clients verify."""
    found = setting(tmp_path_factory.mktemp("verified"), resolver, NAME, HOST)
    with found.daemon:
        yield found


@pytest.fixture(scope="module")
def opportunistic(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Setting]:
    """One whose certificate has the name only."""
    found = setting(tmp_path_factory.mktemp("opportunistic"), resolver, NAME)
    with found.daemon:
        yield found


def test_a_client_that_knows_an_address_verifies_it(verified: Setting) -> None:
    service, _ = verified.client.services("_dns.resolver.arpa")
    assert (service.alpn, service.target, service.hints) == (("dot",), NAME, (HOST,))
    told = verified.client.ask(service, HOST, "listed.example")
    assert [data.to_text() for data in told.answer[0]] == ["127.0.0.1"]
    assert verified.check("discovery")["state"] == "ok"
    assert verified.check("handshakes")["found"].startswith("TLS is agreed on as it should be at listen.dot 127.0.0.1:")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_client_of_https_expands_the_template_for_the_address(verified: Setting, opportunistic: Setting) -> None:
    _, service = verified.client.services("_dns.resolver.arpa")
    assert (service.alpn, service.template) == (("h2",), "/dns-query{?dns}")
    assert [data.to_text() for data in verified.client.fetch(service, "listed.example").answer[0]] == ["127.0.0.1"]
    _, other = opportunistic.client.services("_dns.resolver.arpa")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        opportunistic.client.fetch(other, "listed.example")
    assert refused.value.returncode == 60, "the certificate does not have the address"


def test_a_client_that_knows_the_name_verifies_that(verified: Setting) -> None:
    service, _ = verified.client.services(f"_dns.{NAME}")
    assert verified.client.addresses(service.target) == [HOST]
    assert verified.client.ask(service, NAME, "listed.example").answer


def test_a_client_at_a_private_address_goes_on_unverified(opportunistic: Setting) -> None:
    service, _ = opportunistic.client.services("_dns.resolver.arpa")
    with pytest.raises(ssl.SSLCertVerificationError):
        opportunistic.client.ask(service, HOST, "listed.example")
    assert HOST in service.hints
    assert opportunistic.client.ask(service, "", "listed.example").answer
    found = opportunistic.check("discovery")
    assert (found["state"], found["found"][:64]) == (
        "warning",
        "discovery is only opportunistic for clients that ask at 127.0.0.1"[:64],
    )


def test_the_start_and_the_check_tell_what_the_certificate_lacks(opportunistic: Setting) -> None:
    sentence = "iscovery is only opportunistic for clients that ask at 127.0.0.1"
    assert sentence in opportunistic.daemon.log
    assert f"a warning: D{sentence}" in opportunistic.daemon.run_verb("check").stdout


def test_the_doctor_asks_as_a_front_end_where_it_is_taken_for_one(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    found = setting(tmp_path, resolver, NAME, HOST)
    found.daemon.settings["proxy_protocol"] = {"from": ["127.0.0.0/8"]}
    with found.daemon:
        assert found.check("discovery")["state"] == found.check("handshakes")["state"] == "ok"


def test_a_renewed_certificate_without_the_address_is_told(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    found = setting(tmp_path, resolver, NAME, HOST)
    with found.daemon as daemon:
        assert "opportunistic" not in daemon.log
        for name, octets in zip(("chain.pem", "key.pem"), certificate(NAME), strict=True):
            put(tmp_path / name, octets)
        until(lambda: "Discovery is only opportunistic for clients that ask at 127.0.0.1" in daemon.log, "it is told")


def test_the_first_start_with_another_name_says_so(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    found = setting(tmp_path, resolver, "www.isp.example", HOST)
    with found.daemon:
        assert f"o certificate is for discovery.name, {NAME}" in found.daemon.log
