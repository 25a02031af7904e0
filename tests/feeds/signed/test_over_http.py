from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from blockd.errors import FeedUnreachable
from blockd.feeds.signed.fetchers import FILE_SECONDS, BoundedFetcher
from tests.feeds.authority import DAY, Authority, refused
from tests.webserver import QuietHandler, QuietServer, running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class FolderHandler(QuietHandler, SimpleHTTPRequestHandler):
    """Serves a folder."""


class FaultyHandler(FolderHandler):
    """Answers for timestamp.json as `fault` says, for everything else correctly."""

    fault = ""

    def do_GET(self) -> None:
        if "timestamp" not in self.path or not self.fault:
            super().do_GET()
        elif self.fault == "redirect":
            self.answer(302, Location="/metadata/other.json")
        elif self.fault == "elsewhere":
            self.answer(302, Location="file:///etc/passwd")
        elif self.fault == "nowhere":
            self.answer(302, Location="http://[")
        elif self.fault == "downgrade":
            self.answer(302, Location="http://127.0.0.1/")
        elif self.fault == "loop":
            self.answer(302, Location=self.path)
        elif self.fault == "error":
            self.answer(500)
        elif self.fault == "cut":
            self.answer(200, **{"Content-Length": "1000"})
            self.wfile.write(b'{"signed"')
        elif self.fault == "endless":
            self.give_without_end()
        elif self.fault == "slow":
            self.give_without_end(b" ", pause=0.01)

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def serving(
    authority: Authority, context: ssl.SSLContext | None = None, handler: type[FolderHandler] = FaultyHandler
) -> Iterator[int]:
    FaultyHandler.fault = ""
    server = QuietServer(partial(handler, directory=str(authority.out)))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server.server_port


@pytest.fixture
def served(authority: Authority) -> Iterator[str]:
    with serving(authority) as port:
        yield f"http://127.0.0.1:{port}"


def test_what_was_published_is_fetched_over_http(authority: Authority, served: str) -> None:
    assert authority.repository(served + "/").fetch() == Authority.repository(authority).fetch()


class HurriedFetcher(BoundedFetcher):
    def __init__(self) -> None:
        super().__init__(file_seconds=0.3)


class FittingFetcher(BoundedFetcher):
    """Has a short limit if the server is slow at the time, and else a long one."""

    def __init__(self) -> None:
        super().__init__(file_seconds=0.3 if FaultyHandler.fault == "slow" else FILE_SECONDS)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error", "unreachable"),
        ("elsewhere", "unreachable"),
        ("loop", "unreachable"),
        ("nowhere", "unreachable"),
        ("redirect", "missing"),
        ("cut", "cut"),
        ("endless", "too large"),
        ("slow", "stalled"),
    ],
)
def test_bad_server_is_refused_and_the_good_one_accepted_afterwards(
    authority: Authority, served: str, fault: str, reason: str
) -> None:
    FaultyHandler.fault = fault
    repository = authority.repository(served, fetcher=FittingFetcher)
    assert refused(repository).reason == reason
    FaultyHandler.fault = ""
    assert repository.fetch().targets_version == 1


def test_nobody_at_the_address_is_unreachable(authority: Authority) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))  # and does not listen, so that nothing listens at this port
        port = kept.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}", "https://[::1", "file://elsewhere/list", "ftp://x/"):
            with pytest.raises(FeedUnreachable):
                authority.repository(url).fetch()


def test_time_for_all_files_together_is_bounded() -> None:
    clock = iter([0.0, 10.0])
    fetcher = BoundedFetcher(seconds=5, clock=lambda: next(clock))
    with pytest.raises(Exception, match="all files together"):
        fetcher.download_bytes("file:/nowhere", 10)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - DAY)
        .not_valid_after(datetime.now(UTC) + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(encoded + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def served_over_tls(authority: Authority, certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(authority, context) as port:
        yield f"https://127.0.0.1:{port}"


def test_certificate_that_the_machine_trusts_is_accepted(
    authority: Authority, served_over_tls: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert authority.repository(served_over_tls).fetch().targets_version == 1


class KeepingHandler(FolderHandler):
    protocol_version = "HTTP/1.1"
    connections: list[object] = []  # noqa: RUF012 - one list for all, cleared by the test

    def setup(self) -> None:
        self.connections.append(self.request)
        super().setup()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer without the end of the connection that the base class sends along."""
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_connection_over_tls_stays_open_from_look_to_look(
    authority: Authority, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    KeepingHandler.connections.clear()
    with serving(authority, context, KeepingHandler) as port:
        repository = authority.repository(f"https://127.0.0.1:{port}")
        with contextlib.closing(repository):
            for _ in range(3):
                assert repository.fetch().targets_version == 1
        assert len(KeepingHandler.connections) == 1


def test_certificate_that_nobody_vouches_for_is_refused(authority: Authority, served_over_tls: str) -> None:
    error = refused(authority.repository(served_over_tls))
    assert error.reason == "unreachable"
    assert "has a certificate that is not accepted: it is signed by itself" in str(error)


def test_redirect_from_https_to_http_is_not_followed(
    authority: Authority, served_over_tls: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    FaultyHandler.fault = "downgrade"
    error = refused(authority.repository(served_over_tls))
    assert error.reason == "unreachable"
    assert "is not followed" in str(error)


def test_slow_handshake_ends_in_time(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts in the kernel and never says a word
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        assert refused(authority.repository(url, fetcher=HurriedFetcher)).reason == "stalled"
