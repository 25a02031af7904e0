"""A certificate chain and its private key, read and checked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from blockd.errors import BadCertificate

if TYPE_CHECKING:  # loaded only by whoever reads one
    from cryptography import x509


EXPIRES_SOON = 14 * 86400.0  # seconds; of one that is made for less than six weeks, a third of that
SOON_SHARE = 3  # the part of a short lifetime that is left when it is time to renew: clients of ACME renew at a third


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A chain, the server's certificate first, and the key to that, both in PEM and with nothing else in it."""

    source: str  # the path of the chain, for sentences and labels
    chain: bytes
    key: bytes = field(repr=False)
    names: tuple[str, ...]  # of subjectAltName, in lower case; `*.` begins a wildcard
    addresses: tuple[IPv4Address | IPv6Address, ...]  # of subjectAltName
    begins: float  # seconds since the epoch
    ends: float

    def expires_soon(self, now: float) -> bool:
        """Return whether it is time to renew it, or was, at `now` (seconds since the epoch)."""
        return is_soon(self.ends - now, self.ends - self.begins)

    def covers(self, name: str) -> bool:
        """Return whether a name in lower case is one of the certificate's, by a wildcard too (RFC 6125)."""
        return name in self.names or _wildcard(name) in self.names


def is_soon(left: float, lifetime: float) -> bool:
    """Return whether a certificate with so many seconds left, of all that it is made for, is to be renewed."""
    return left < min(EXPIRES_SOON, lifetime / SOON_SHARE)


def choose(pairs: Sequence[CertificatePair], name: str) -> int:
    """Return the index of the pair for the server name that a client asks for, in lower case; empty if for none."""
    for wanted in (name, _wildcard(name)):
        for index, pair in enumerate(pairs):
            if wanted and wanted in pair.names:
                return index
    return 0


def _wildcard(name: str) -> str:
    _, dot, rest = name.partition(".")
    return f"*.{rest}" if dot else ""


def read_pair(source: str, chain: bytes, key: bytes) -> CertificatePair:
    """Return a pair from two texts in PEM; raises BadCertificate if they are damaged or do not belong together."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )

    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise BadCertificate(source, f"{source} has no certificate chain in PEM") from error
    try:
        private = load_pem_private_key(key, None)
    except TypeError as error:
        raise BadCertificate(source, f"the key of {source} is protected by a passphrase: remove that") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate(source, f"the key of {source} is not a private key in PEM") from error
    first = certificates[0]
    ours, theirs = (
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for key in (private.public_key(), first.public_key())
    )
    if ours != theirs:
        raise BadCertificate(source, f"the key of {source} belongs to another certificate")
    names, addresses = _alternative_names(first)
    begins, ends = (moment.timestamp() for moment in (first.not_valid_before_utc, first.not_valid_after_utc))
    return CertificatePair(
        source,
        b"".join(one.public_bytes(Encoding.PEM) for one in certificates),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        names,
        addresses,
        begins,
        ends,
    )


def _alternative_names(
    certificate: x509.Certificate,
) -> tuple[tuple[str, ...], tuple[IPv4Address | IPv6Address, ...]]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    names = tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))
    addresses = found.get_values_for_type(x509.IPAddress)
    return names, tuple(one for one in addresses if isinstance(one, IPv4Address | IPv6Address))
