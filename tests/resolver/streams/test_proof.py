"""The digest of a certificate's key, and the address of a link-local upstream."""

from __future__ import annotations

import datetime
import hashlib
import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from blockd.resolver.streams import NoSuchInterface, socket_address
from blockd.resolver.streams.spki import key_digest
from blockd.settings import Upstream
from tests.resolver.streams.certificates import DAY, SERVER, Certificate

NOW = datetime.datetime.now(datetime.UTC)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "ed25519"])
def test_the_digest_is_that_of_the_public_key(kind: str) -> None:
    keys: dict[str, PrivateKey] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    key = keys[kind]
    made = x509.CertificateBuilder(SERVER, SERVER, key.public_key(), 1, NOW, NOW + DAY).sign(
        key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_digest(made.public_bytes(Encoding.DER)) == hashlib.sha256(info).digest()


def test_a_cut_certificate_has_no_digest(certificate: Certificate) -> None:
    whole = certificate.made.public_bytes(Encoding.DER)
    for size in range(0, len(whole), 7):
        with pytest.raises(ValueError, match="the certificate is cut"):
            key_digest(whole[:size])


@given(st.binary(max_size=200))
def test_any_octets_have_a_digest_or_are_cut(data: bytes) -> None:
    try:
        assert len(key_digest(data)) == 32
    except ValueError as error:
        assert str(error) == "the certificate is cut"  # noqa: PT017 - either is right


def test_an_address_has_the_number_of_its_interface() -> None:
    index = socket.if_nametoindex("lo")
    assert socket_address(Upstream("fe80::1%lo", 53)) == (socket.AF_INET6, ("fe80::1", 53, 0, index))
    assert socket_address(Upstream("fe80::1%4711", 53)) == (socket.AF_INET6, ("fe80::1", 53, 0, 4711))
    assert socket_address(Upstream("2001:db8::1", 53)) == (socket.AF_INET6, ("2001:db8::1", 53, 0, 0))
    assert socket_address(Upstream("192.0.2.1", 53)) == (socket.AF_INET, ("192.0.2.1", 53))


@pytest.mark.parametrize("zone", ["nosuchiface0", "0", "4294967296"])
def test_an_interface_that_does_not_exist_is_named(zone: str) -> None:
    with pytest.raises(NoSuchInterface, match=f"^the machine has no interface {zone}$"):
        socket_address(Upstream(f"fe80::1%{zone}", 53))
