"""An authority made for one run, and the certificates that it signs; the keys are on P-256, as most servers' are."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NAME = "dns.example"
SERVER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server")])


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, in one file of PEM."""

    path: Path
    made: x509.Certificate

    @property
    def pin(self) -> bytes:
        """The SHA-256 of its public key."""
        info = self.made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(info).digest()

    @property
    def pin_text(self) -> str:
        """The pin as the config file writes it."""
        return f"pin-sha256={base64.b64encode(self.pin).decode()}"

    def context(self, *alpn: str) -> ssl.SSLContext:
        """Settings of a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Authority:
    """Signs certificates; `path` is its own, in PEM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
        self._made = self._builder(self._name, self._key.public_key(), -DAY, DAY, authority=True).sign(
            self._key, hashes.SHA256()
        )
        self.path = folder / "authority.pem"
        self.path.write_bytes(self._made.public_bytes(Encoding.PEM))

    def certificate(
        self,
        file: str,
        name: str = NAME,
        begin: datetime.timedelta = -DAY,
        end: datetime.timedelta = DAY,
        *,
        self_signed: bool = False,
    ) -> Certificate:
        """Return a certificate for a name or an address, valid from `begin` to `end` from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            subject = x509.DNSName(name)
        issuer = SERVER if self_signed else self._name
        builder = self._builder(issuer, key.public_key(), begin, end, authority=False).add_extension(
            x509.SubjectAlternativeName([subject]), critical=False
        )
        made = builder.sign(key if self_signed else self._key, hashes.SHA256())
        path = self._folder / f"{file}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + made.public_bytes(Encoding.PEM))
        return Certificate(path, made)

    def _builder(
        self,
        issuer: x509.Name,
        key: ec.EllipticCurvePublicKey,
        begin: datetime.timedelta,
        end: datetime.timedelta,
        *,
        authority: bool,
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        subject = issuer if authority else SERVER
        return x509.CertificateBuilder(
            issuer, subject, key, x509.random_serial_number(), now + begin, now + end
        ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
