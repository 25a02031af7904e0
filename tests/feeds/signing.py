"""Signatures for tests: what minisign and openssl would write."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_ID = b"\x01\x02\x03\x04\x05\x06\x07\x08"


class Minisign:
    """One key of minisign."""

    def __init__(self, seed: bytes = bytes(range(32)), key_id: bytes = KEY_ID) -> None:
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self._key_id = key_id

    @property
    def public(self) -> bytes:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"untrusted comment: minisign public key\n" + base64.b64encode(b"Ed" + self._key_id + raw) + b"\n"

    def sign(self, content: bytes, *, prehashed: bool = True, comment: bytes = b"timestamp:1\tfile:list") -> bytes:
        message = hashlib.blake2b(content).digest() if prehashed else content
        signature = self._key.sign(message)
        lines = (
            b"untrusted comment: signature",
            base64.b64encode((b"ED" if prehashed else b"Ed") + self._key_id + signature),
            b"trusted comment: " + comment,
            base64.b64encode(self._key.sign(signature + comment)),
        )
        return b"".join(line + b"\n" for line in lines)


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def rsa_public(bits: int = 2048) -> bytes:
    return rsa_key(bits).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def rsa_sign(content: bytes, bits: int = 2048) -> bytes:
    return base64.encodebytes(rsa_key(bits).sign(content, padding.PKCS1v15(), SHA256()))
