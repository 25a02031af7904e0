"""Certificates that tests make, and a client that speaks to a session without a socket."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from blockd.tls import CertificatePair, ServerTls, TlsSession, read_pair

DAY = timedelta(days=1)


def certificate(*names: str, days: float = 90, begun: float = 1) -> tuple[bytes, bytes]:
    """Return a self-signed chain and its key in PEM; a name that is an address becomes one in the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - begun * DAY).not_valid_after(now + days * DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(key, SHA256())
    return (
        made.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pair(*names: str, days: float = 90) -> CertificatePair:
    """Return a certificate for these names, with its key."""
    return read_pair("chain.pem", *certificate(*names, days=days))


class Client:
    """A client of the standard library, whose octets a test carries to a session and back."""

    def __init__(
        self,
        server: ServerTls,
        *trusted: CertificatePair,
        name: str = "dns.example",
        alpn: tuple[str, ...] = ("dot",),
        session: ssl.SSLSession | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not those of the system, which take long
        for one in trusted:
            self.context.load_verify_locations(cadata=one.chain.decode())
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        self.server: TlsSession = server.session()

    def exchange(self) -> bytes:
        """Carry octets both ways until none are left; return what the server read."""
        read = b""
        while True:
            octets = self.outgoing.read()
            if octets:
                self.server.feed(octets)
            while (plain := self.server.read()) or self.server.has_more:
                read += plain
            back = self.server.take()
            self.incoming.write(back)
            if not octets and not back:
                return read

    def shake_hands(self) -> None:
        """Complete the handshake, and take the tickets."""
        for _ in range(4):
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.exchange()
        self.exchange()
        assert self.receive() == b""

    def send(self, octets: bytes) -> bytes:
        """Send octets; return what the server read."""
        self.tls.write(octets)
        return self.exchange()

    def receive(self) -> bytes:
        """Return what the client can read."""
        self.incoming.write(self.server.take())
        read = b""
        try:
            while part := self.tls.read(1 << 14):
                read += part
        except ssl.SSLWantReadError:
            pass
        return read
