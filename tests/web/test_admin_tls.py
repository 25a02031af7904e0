"""The admin port in TLS, and who is known there by a certificate: by real handshakes, right ones and wrong ones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blockd.files import remove, replace_file
from blockd.tls import CertificatePair
from blockd.transports.connections import Bounds
from blockd.web import admin_door
from blockd.web.admin import admin_app
from blockd.web.admin_door import AdminServing
from blockd.web.admin_serving import ADMIN_BOUNDS, serve_admin
from blockd.web.bounds import admin_places
from blockd.web.bounds.local_users import Ends, SocketOwners
from blockd.web.callers.admin_tls import AdminTlsContexts
from blockd.web.callers.attempts import WrongAttempts
from blockd.web.callers.recognition import Callers
from blockd.web.callers.role import AccessRole
from blockd.web.callers.sessions import Sessions
from tests.tls.certificates import pair
from tests.web.known import Tokens
from tests.web.test_admin import Daemon

ROLES: Mapping[str, AccessRole] = {
    "scraper.example": AccessRole.METRICS,
    "support.example": AccessRole.READ,
    "officer.example": AccessRole.OPERATOR,
}
PATIENCE = 30.0  # seconds that a test waits for what is to happen
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Authority:
    """An authority, and the certificates that it makes."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._made(self._name, self._key, authority=True).public_bytes(Encoding.PEM)

    def _made(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *names: str,
        begins: datetime = NOW - DAY,
        ends: datetime = NOW + DAY,
        authority: bool = False,
        use: x509.ObjectIdentifier | None = None,
    ) -> x509.Certificate:
        made = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(begins).not_valid_after(ends)
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        if use:
            made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        return made.sign(self._key, SHA256())

    def certificate(
        self,
        path: Path,
        *subject: str,
        names: tuple[str, ...] = (),
        begins: datetime = NOW - DAY,
        ends: datetime = NOW + DAY,
        use: x509.ObjectIdentifier | None = None,
    ) -> Path:
        """Write a certificate with some common names, and its key, to a file."""
        key = ec.generate_private_key(ec.SECP256R1())
        called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in subject])
        made = self._made(called, key, *names, begins=begins, ends=ends, use=use)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(made.public_bytes(Encoding.PEM) + private)
        return path


class NoOwners(SocketOwners):
    """Knows nobody's connection."""

    def of_clients(self, _connections: Iterable[Ends]) -> dict[Ends, int]:
        return {}


class Port:
    """A running admin port in TLS, and its clients."""

    def __init__(self, serving: AdminServing, number: int, pairs: list[CertificatePair]) -> None:
        self.serving, self.number, self.pairs = serving, number, pairs

    def context(self, shown: Path | None = None) -> ssl.SSLContext:
        """Return a client's, which trusts the certificate of now, and shows one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pairs[0].chain.decode())
        if shown is not None:
            context.load_cert_chain(shown)
        return context

    async def connect(self, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection after its handshake."""
        return await asyncio.open_connection("127.0.0.1", self.number, ssl=context)

    async def role(self, shown: Path | None = None, context: ssl.SSLContext | None = None) -> str:
        """Return who shows a certificate, and its role; what refuses it if it is not let in at all."""
        try:
            reader, writer = await self.connect(context or self.context(shown))
            try:
                return await ask(reader, writer)
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError) as error:
            return str(getattr(error, "reason", None) or type(error).__name__)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Return who a connection is of, or the status if it is of nobody."""
    writer.write(b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split()[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
    body = (await reader.readexactly(length)).decode()
    return body.strip() if head.startswith("HTTP/1.1 200 ") else head.split(" ")[1]


def serve_and(
    use: Callable[[Port], Awaitable[None]], authorities: Path | None = None, bounds: Bounds = ADMIN_BOUNDS
) -> None:
    """Run an admin port in TLS."""

    async def run() -> None:
        pairs = [pair("127.0.0.1", "admin.example")]
        kept = Tokens()
        nowhere = Path("/nowhere-of-blockd")
        callers = Callers(kept, Sessions(nowhere, kept, lambda: 0.0), WrongAttempts(), certificates=ROLES)
        tls = AdminTlsContexts(lambda: pairs, authorities)
        with socket.create_server(("127.0.0.1", 0)) as bound:
            app, owners = admin_app(Daemon(), callers), NoOwners()  # who is on this machine is one client
            serving = await serve_admin(app, [bound], bounds, owners=owners, tls=tls.context)
            try:
                await asyncio.wait_for(use(Port(serving, bound.getsockname()[1], pairs)), PATIENCE)
            finally:
                await serving.close()

    asyncio.run(run())


@pytest.fixture
def authority() -> Authority:
    return Authority("monitoring")


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "authorities.pem"
    path.write_bytes(b"For monitoring:\n" + authority.pem)
    return path


def test_who_shows_a_certificate_has_the_role_of_its_name(authority: Authority, trusted: Path, tmp_path: Path) -> None:
    shown = {
        "by its common name": (("officer.example",), (), '"certificate officer.example", "role": "operator"'),
        "by a DNS name": (("anything",), ("support.example",), '"certificate support.example", "role": "read"'),
        "of several the one with most rights": (("support.example",), ("officer.example",), "officer.example"),
        "of several common names": (("x.example", "support.example"), (), "support.example"),
        "without rights": (("scraper.example",), (), "403"),
        "of nobody": (("x.example",), ("y.example",), "401"),
        "in other letters": (("Officer.example",), ("OFFICER.example",), "401"),
        "with more behind it": (("officer.example\0.x.example", "officer.example."), (), "401"),
        "for all names": (("*.example",), ("*.example",), "401"),
        "without a name": ((), (), "401"),
    }

    async def use(port: Port) -> None:
        assert await port.role() == "401"
        for number, (what, (subject, names, expected)) in enumerate(shown.items()):
            made = authority.certificate(tmp_path / f"{number}.pem", *subject, names=names)
            assert expected in await port.role(made), what

    serve_and(use, trusted)


def test_certificate_that_is_not_valid_is_not_let_in(authority: Authority, trusted: Path, tmp_path: Path) -> None:
    other = Authority("monitoring")  # of the same name
    names = ("officer.example",)
    wrong = [
        other.certificate(tmp_path / "other.pem", *names),
        authority.certificate(tmp_path / "over.pem", *names, ends=NOW - DAY / 2),
        authority.certificate(tmp_path / "early.pem", *names, begins=NOW + DAY / 2),
        authority.certificate(tmp_path / "server.pem", *names, use=ExtendedKeyUsageOID.SERVER_AUTH),
    ]
    client = authority.certificate(tmp_path / "client.pem", *names, use=ExtendedKeyUsageOID.CLIENT_AUTH)

    async def use(port: Port) -> None:
        for shown in wrong:
            refused = await port.role(shown)
            assert not refused.startswith("{"), shown
            assert not refused.isdecimal(), shown
        assert "operator" in await port.role(client)

    serve_and(use, trusted)


def test_without_an_authority_nobody_is_known_by_a_certificate(authority: Authority, tmp_path: Path) -> None:
    shown = authority.certificate(tmp_path / "officer.pem", "officer.example")

    async def use(port: Port) -> None:
        assert await port.role(shown) == "401"

    serve_and(use)


def test_certificate_is_shown_for_each_connection_anew(authority: Authority, trusted: Path, tmp_path: Path) -> None:
    shown = authority.certificate(tmp_path / "officer.pem", "officer.example")

    async def use(port: Port) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = port.context(shown)
            context.maximum_version = version
            session = await asyncio.to_thread(_session, port.number, context, None)
            assert session is None or not session.has_ticket
            assert await asyncio.to_thread(_session, port.number, context, session) is not session

    serve_and(use, trusted)


def _session(port: int, context: ssl.SSLContext, earlier: ssl.SSLSession | None) -> ssl.SSLSession | None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1", session=earlier) as tls,
    ):
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert tls.recv(1 << 16)
        assert not tls.session_reused
        return tls.session


def test_earlier_versions_of_tls_and_plain_http_are_not_spoken() -> None:
    async def use(port: Port) -> None:
        context = port.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        assert await port.role(context=context) != "401"
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()

    with pytest.warns(DeprecationWarning, match="TLSv1"):
        serve_and(use)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_nothing_is_negotiated_again() -> None:
    async def use(port: Port) -> None:
        client = await asyncio.create_subprocess_exec(
            "openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{port.number}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await client.communicate(b"R\n")
        assert b"no renegotiation" in told.lower()
        assert await port.role() == "401"

    serve_and(use)


@pytest.mark.parametrize("name", [b"\xff\xfe.example", b"a\0b", b"a" * 255, b"", b"a..b", b"xn--a"])
def test_any_name_that_is_asked_for_is_answered_without_a_traceback(
    name: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def use(port: Port) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(_hello(name))
        await reader.read(1)
        writer.close()
        assert await port.role() == "401"

    serve_and(use)
    assert "Traceback" not in "".join(capfd.readouterr())


def _hello(name: bytes) -> bytes:
    """Return a ClientHello (RFC 8446 section 4.1.2) that asks for a name."""

    def extension(number: int, body: bytes) -> bytes:
        return struct.pack("!HH", number, len(body)) + body

    named = struct.pack("!BH", 0, len(name)) + name
    extensions = b"".join(
        (
            extension(0, struct.pack("!H", len(named)) + named),
            extension(10, struct.pack("!HH", 2, 23)),
            extension(13, struct.pack("!HHH", 4, 0x0403, 0x0804)),
        )
    )
    body = b"\3\3" + bytes(33) + struct.pack("!HHH", 4, 0xC02B, 0xC02F) + b"\1\0"
    body += struct.pack("!H", len(extensions)) + extensions
    message = b"\1" + len(body).to_bytes(3) + body
    return b"\x16\3\1" + struct.pack("!H", len(message)) + message


def test_connections_stay_while_another_certificate_is_shown(
    authority: Authority, trusted: Path, tmp_path: Path
) -> None:
    shown = authority.certificate(tmp_path / "officer.pem", "officer.example")

    async def use(port: Port) -> None:
        reader, writer = await port.connect(port.context(shown))
        assert "operator" in await ask(reader, writer)
        before = port.context(shown)
        port.pairs[:] = [pair("127.0.0.1", "renewed.example")]
        assert "operator" in await port.role(shown), "the new one is shown"
        assert "CERTIFICATE_VERIFY_FAILED" in await port.role(context=before), "and no more the one before"
        assert "operator" in await ask(reader, writer)
        writer.close()

    serve_and(use, trusted)


def test_other_authorities_count_once_their_file_has_them(
    authority: Authority, trusted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority("other")
    before = authority.certificate(tmp_path / "before.pem", "support.example")
    after = other.certificate(tmp_path / "after.pem", "support.example")

    async def use(port: Port) -> None:
        assert '"read"' in await port.role(before)
        for wrong in (b"", b"nonsense"):
            replace_file(trusted, wrong, 0o600)
            assert '"read"' in await port.role(before)
        remove(trusted)
        assert [('"read"' in await port.role(before)) for _ in range(3)] == [True] * 3
        replace_file(trusted, other.pem, 0o600)
        assert '"read"' in await port.role(after)
        assert '"read"' not in await port.role(before)

    with caplog.at_level(logging.ERROR):
        serve_and(use, trusted)
    told = [record.getMessage() for record in caplog.records if "client_ca" in record.getMessage()]
    assert len(told) == 3, "each is told once"
    assert all("Those read before are in force until that is mended." in sentence for sentence in told)


def test_who_loses_its_place_before_tls_is_agreed_on_does_not_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_places, "READING", 0.0)
    monkeypatch.setattr(admin_door, "HANDSHAKE", PATIENCE)

    async def use(port: Port) -> None:
        context = port.context()
        context.set_ecdh_curve("prime256v1")  # which the server takes at once
        slow = []
        for _ in range(12):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
            writer.write(outgoing.read())
            incoming.write(await reader.read(1 << 16))
            tls.do_handshake()
            slow.append((reader, writer, outgoing))
        for _, writer, outgoing in slow:
            writer.write(outgoing.read())  # the end of each handshake
        taken = port.serving.connections
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(*(reader.read() for reader, *_ in slow[:-4]))
        assert len(taken) <= 4
        for _, writer, _ in slow:
            writer.transport.abort()
        assert await port.role() == "401"

    serve_and(use, bounds=Bounds(4, 4, 4))
