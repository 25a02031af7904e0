"""The doctor's checks of certificates, of handshakes with the listeners, and of what discovery announces."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from blockd.doctor import CHECKS, Context, Finding, Grade, Machine, Running
from blockd.doctor.handshake import Handshake, shake_hands, why_not_trusted
from blockd.errors import BadCertificate
from blockd.names import Network
from blockd.resolver.edge.proxy_header import LOCAL_HEADER
from blockd.resolver.local.discovery import Designation
from blockd.settings import Certificate, Settings, SocketAddress
from blockd.tls import CertificatePair, read_pair
from tests.tls.certificates import certificate, pair

NAME = "dns.isp.example"
HOST = "127.0.0.1"


@dataclass
class Fake(Machine):
    """A machine that trusts every authority and shakes every hand, but for what a test says."""

    days: float = 0  # after today
    distrust: str = ""
    made: Handshake | None = None
    asked: list[tuple[SocketAddress, str]] = field(default_factory=list)
    unreadable: bool = False
    announced: frozenset[bytes] | OSError | None = None

    def now(self) -> float:
        return super().now() + self.days * 86_400

    def pair(self, certificate: Certificate) -> CertificatePair:
        if self.unreadable:
            source = str(certificate.key)
            raise BadCertificate(source, f"{source} cannot be read") from PermissionError(
                errno.EACCES, "refused", source
            )
        return super().pair(certificate)

    def why_not_trusted(self, pair: CertificatePair, name: str) -> str:
        return self.distrust

    def shake_hands(
        self, address: SocketAddress, alpn: Sequence[str], name: str, fronts: Sequence[Network]
    ) -> Handshake:
        self.asked.append((address, name))
        return self.made or super().shake_hands(address, alpn, name, fronts)

    def services_at(self, address: SocketAddress, owner: str, fronts: Sequence[Network]) -> frozenset[bytes]:
        if isinstance(self.announced, OSError):
            raise self.announced
        return super().services_at(address, owner, fronts) if self.announced is None else self.announced


class Case:
    """A config with certificates in a folder, and the machine that it is examined on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.machine = folder, Fake()
        self.settings: dict[str, Any] = {
            "listen": {"dns": ["192.0.2.53:53"], "dot": ["192.0.2.53:853"]},
            "discovery": {"name": NAME},
            "certificates": [],
        }
        self.runs = False
        self.status: dict[str, Any] | None = None

    def add(self, *names: str, days: float = 90) -> CertificatePair:
        """Add a certificate with these names."""
        number = len(self.settings["certificates"])
        chain, key = self.folder / f"chain{number}.pem", self.folder / f"key{number}.pem"
        octets = certificate(*names, days=days)
        chain.write_bytes(octets[0])
        key.write_bytes(octets[1])
        key.chmod(0o600)
        self.settings["certificates"].append({"chain": str(chain), "key": str(key)})
        return read_pair(str(chain), *octets)

    def find(self, check: str) -> list[Finding]:
        """Run one check."""
        settings = Settings.model_validate(self.settings, context={"folder": self.folder})
        running = Running(1) if self.runs else Running(status=self.status)
        return list(CHECKS[check](Context(self.folder / "blockd.yaml", settings, self.machine, running)))

    def one(self, check: str) -> tuple[Grade, str]:
        """Return what the check's only finding is and says."""
        (found,) = self.find(check)
        assert bool(found.advice) == (found.grade != Grade.OK)
        return found.grade, found.found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_good_certificate_is_told_with_its_names(case: Case) -> None:
    source = case.add(NAME, "*.isp.example", "192.0.2.53", "a.example", "b.example").source
    grade, found = case.one("certificates")
    assert grade is Grade.OK
    assert found.startswith(f"{source} is for {NAME}, *.isp.example, a.example, b.example and 1 more, valid until 20")


@pytest.mark.parametrize(("days", "grade"), [(75, Grade.OK), (77, Grade.WARNING), (91, Grade.BAD), (-2, Grade.BAD)])
def test_time_is_kept(case: Case, days: float, grade: Grade) -> None:
    case.add(NAME)
    case.machine.days = days
    assert case.one("certificates")[0] is grade


def test_a_chain_that_leads_to_no_authority_is_told(case: Case) -> None:
    case.add(NAME)
    case.machine.distrust = "unable to get local issuer certificate"
    grade, found = case.one("certificates")
    assert grade is Grade.WARNING
    assert found.endswith("chain0.pem: unable to get local issuer certificate")


def test_files_that_are_no_pair_are_told(case: Case) -> None:
    case.add(NAME)
    (case.folder / "key0.pem").write_bytes(certificate(NAME)[1])
    assert case.one("certificates")[0] is Grade.BAD
    (case.folder / "key0.pem").unlink()
    grade, found = case.one("certificates")
    assert (grade, found) == (Grade.BAD, f"{case.folder / 'key0.pem'} cannot be read: no such file or directory")
    assert case.one("discovery")[0] is Grade.WARNING


def test_files_of_the_running_daemons_user_are_not_bad(case: Case) -> None:
    case.add(NAME)
    case.machine.unreadable = True
    assert case.one("certificates")[0] is Grade.BAD
    case.runs = True
    assert case.one("certificates")[0] is Grade.WARNING


def test_without_certificates_all_is_well(case: Case) -> None:
    assert [case.one(check)[0] for check in ("certificates", "handshakes", "discovery")] == [Grade.OK] * 3


def test_a_self_signed_certificate_is_not_trusted_by_this_machine() -> None:
    assert why_not_trusted(pair(NAME), NAME) == "self-signed certificate"


def test_a_certificate_of_a_known_authority_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    known = pair(NAME, HOST)

    def context() -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        found.load_verify_locations(cadata=known.chain.decode())
        return found

    monkeypatch.setattr(ssl, "create_default_context", context)
    assert why_not_trusted(known, NAME) == ""
    assert why_not_trusted(known, HOST) == ""
    assert "other.example" in why_not_trusted(known, "other.example")


@pytest.mark.parametrize(
    ("names", "grade", "words"),
    [
        ((NAME, "192.0.2.53"), Grade.OK, f"{NAME} is announced, and the certificates have its name and addresses"),
        ((NAME,), Grade.WARNING, "clients that ask at 192.0.2.53 do not take what discovery tells them"),
        (("other.example",), Grade.WARNING, f"no certificate is for discovery.name, {NAME}"),
    ],
)
def test_what_discovery_announces_is_compared_with_the_certificates(
    case: Case, names: tuple[str, ...], grade: Grade, words: str
) -> None:
    case.add(*names)
    told = case.one("discovery")
    assert told[0] is grade
    assert told[1].startswith(words)


def test_what_the_running_blockd_announces_is_compared_with_the_config(case: Case) -> None:
    case.add(NAME, "192.0.2.53")
    case.runs = True
    case.settings["clients"] = {"allow": ["192.0.2.0/24"]}
    settings = Settings.model_validate(case.settings, context={"folder": case.folder})
    designation = Designation.of(settings)
    assert designation is not None
    case.machine.announced = frozenset(record.data for record in designation.services(b""))
    assert case.one("discovery")[0] is Grade.OK
    case.machine.announced = frozenset()
    assert [one.grade for one in case.find("discovery")] == [Grade.WARNING, Grade.WARNING, Grade.OK]
    case.machine.announced = OSError(errno.ECONNREFUSED, "Connection refused")
    assert "Connection refused" in case.find("discovery")[0].found
    case.settings["clients"] = {"allow": ["198.51.100.0/24"]}
    assert case.one("discovery")[0] is Grade.OK, "this machine is no client, and is not asked"
    case.settings["listen"]["dns"].append("0.0.0.0:5353")
    case.settings["proxy_protocol"] = {"from": ["127.0.0.1"]}
    assert "Connection refused" in case.find("discovery")[0].found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"listen": {}, "discovery": {}}, "nothing is announced"),
        ({"discovery": {}}, "DNS over TLS and HTTPS are offered to who knows of them"),
        ({"listen": {}, "discovery": {"name": NAME, "dot_port": 853}}, f"{NAME} is announced; the front ends"),
    ],
)
def test_what_is_not_announced_is_well(case: Case, settings: dict[str, Any], words: str) -> None:
    case.settings |= settings
    grade, found = case.one("discovery")
    assert grade is Grade.OK
    assert found.startswith(words)


@contextlib.contextmanager
def listener(shown: Case, alpn: Sequence[str], head: bytes = b"") -> Iterator[SocketAddress]:
    """Agree on TLS with one client, which sends `head` first, at the address that is given."""
    files = shown.settings["certificates"][0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["chain"], files["key"])
    context.set_alpn_protocols(list(alpn))
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as plain:
                assert plain.recv(len(head), socket.MSG_WAITALL) == head if head else True
                with context.wrap_socket(plain, server_side=True) as tls:
                    tls.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield SocketAddress(*server.getsockname())
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_listener_with_the_certificate_of_the_file_is_well(case: Case) -> None:
    case.add(NAME)
    case.runs = True
    with listener(case, ["dot"]) as address:
        case.settings["listen"] = {"dot": [address.text]}
        assert case.one("handshakes") == (Grade.OK, f"TLS is agreed on as it should be at listen.dot {address.text}")
    assert case.machine.asked == [(address, NAME)]


def test_a_listener_of_https_prefers_http_2(case: Case) -> None:
    case.add(NAME)
    case.runs = True
    with listener(case, ["http/1.1"]) as address:
        case.settings["listen"] = {"doh": [address.text]}
        grade, found = case.one("handshakes")
    assert (grade, found) == (Grade.BAD, f"listen.doh {address.text} agrees on http/1.1 instead of h2")


def test_a_listener_that_shows_another_certificate_is_told(case: Case) -> None:
    case.add(NAME)
    case.runs = True
    with listener(case, ["dot"]) as address:
        case.settings["listen"] = {"dot": [address.text]}
        octets = certificate(NAME)
        (case.folder / "chain0.pem").write_bytes(octets[0])
        (case.folder / "key0.pem").write_bytes(octets[1])
        grade, found = case.one("handshakes")
    assert (grade, found) == (Grade.WARNING, f"listen.dot {address.text} shows another certificate than the file has")


def test_a_listener_that_nobody_has_is_bad(case: Case) -> None:
    case.add(NAME)
    case.runs = True
    with socket.create_server((HOST, 0)) as server:
        address = SocketAddress(*server.getsockname())
    case.settings["listen"] = {"dot": [address.text]}
    grade, found = case.one("handshakes")
    assert (grade, found) == (Grade.BAD, f"listen.dot {address.text} does not agree on TLS: Connection refused")


def test_without_a_running_blockd_nothing_is_tried(case: Case) -> None:
    case.add(NAME)
    assert case.one("handshakes") == (Grade.OK, "no blockd is running, so there is no listener to try")
    assert case.machine.asked == []


def test_a_listener_that_expects_a_front_end_gets_its_header(case: Case) -> None:
    case.add(NAME)
    with listener(case, ["dot"], LOCAL_HEADER) as address:
        made = shake_hands(address, ["dot"], NAME, [Network.from_text("127.0.0.0/8")])
    assert (made.failure, made.alpn, made.version) == ("", "dot", "TLSv1.3")


def test_a_wildcard_is_tried_at_the_loopback_address(case: Case) -> None:
    case.add(NAME)
    with listener(case, ["dot"]) as address:
        assert shake_hands(SocketAddress("0.0.0.0", address.port), ["dot"], "").alpn == "dot"  # noqa: S104


def test_a_key_that_everybody_may_read_is_told(case: Case) -> None:
    case.add(NAME)
    (case.folder / "key0.pem").chmod(0o644)
    opened, good = case.find("certificates")
    assert (opened.grade, good.grade) == (Grade.WARNING, Grade.OK)
    assert (
        opened.found
        == f"{case.folder / 'key0.pem'} can be read by every user of this machine, who could act as this server"
    )
    (case.folder / "key0.pem").chmod(0o640)
    assert case.one("certificates")[0] is Grade.OK


def test_certificates_that_nobody_is_shown_are_told(case: Case) -> None:
    case.add(NAME)
    case.settings["listen"] = {"dns": ["192.0.2.53:53"]}
    case.settings["discovery"] = {}
    grade, found = case.one("certificates")
    assert (grade, found) == (Grade.WARNING, "nothing is served over TLS, so that nobody is shown the certificates")


def test_files_that_the_running_daemon_cannot_use_are_told(case: Case) -> None:
    source = case.add(NAME).source
    case.status = {"certificates": [{"certificate": source, "refusal": "key.pem cannot be read: permission denied"}]}
    refused, good = case.find("certificates")
    assert refused.found == (
        f"the running blockd cannot use the files of {source}, and shows the certificate before: "
        "key.pem cannot be read: permission denied"
    )
    assert (refused.grade, good.grade) == (Grade.WARNING, Grade.OK)
    case.status = {"certificates": [{"certificate": source, "refusal": None}]}
    assert case.one("certificates")[0] is Grade.OK


@pytest.mark.parametrize(
    ("url", "grade", "words"),
    [
        ("", Grade.WARNING, "nothing leads to the page about orders: `public.url` is not set"),
        ("https://page.isp.example/", Grade.OK, "block pages lead to https://page.isp.example/"),
        ("https://any.wild.example:8543/x", Grade.OK, "block pages lead to https://any.wild.example:8543/x"),
        ("https://192.0.2.53/", Grade.OK, "block pages lead to https://192.0.2.53/"),
        ("http://other.example/", Grade.OK, "block pages lead to http://other.example/"),
        ("https://other.example/", Grade.WARNING, "no certificate is for other.example, which `public.url` names"),
        ("https://192.0.2.54/", Grade.WARNING, "no certificate is for 192.0.2.54, which `public.url` names"),
    ],
)
def test_the_address_of_the_page_about_orders_is_compared_with_the_certificates(
    case: Case, url: str, grade: Grade, words: str
) -> None:
    case.add(NAME, "192.0.2.53")
    case.add("page.isp.example", "*.wild.example")
    case.settings |= {"public": {"url": url}}
    assert case.one("page about orders") == (Grade.OK, "the page about orders is not listened for here")
    case.settings["listen"] |= {"public": {"https": ["192.0.2.53:8543"]}}
    found_grade, found = case.one("page about orders")
    assert (found_grade, found[: len(words)]) == (grade, words)
