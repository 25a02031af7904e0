"""The digest of a certificate's public key, which pins name (RFC 7858 section 4.2)."""

from __future__ import annotations

import hashlib

_FIELDS_BEFORE = 5  # of a TBSCertificate (RFC 5280 section 4.1): serial, signature, issuer, validity, subject
_VERSION = 0xA0  # the tag of the optional field before these


def key_digest(certificate: bytes) -> bytes:
    """Return the SHA-256 of the SubjectPublicKeyInfo of a certificate in DER; raises ValueError.

    It is taken as it stands, whatever the kind of key, and not encoded anew.
    """
    start, _ = _content(certificate, 0)  # Certificate
    at, _ = _content(certificate, start)  # TBSCertificate
    if certificate[at : at + 1] == bytes((_VERSION,)):
        at = _content(certificate, at)[1]
    for _ in range(_FIELDS_BEFORE):
        at = _content(certificate, at)[1]
    return hashlib.sha256(certificate[at : _content(certificate, at)[1]]).digest()


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at `at` begins and ends (X.690 section 8.1); raises ValueError."""
    if at + 2 > len(data):
        raise ValueError("the certificate is cut")
    size, start = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        size, start = int.from_bytes(data[start : start + octets]), start + octets
    if start + size > len(data):
        raise ValueError("the certificate is cut")
    return start, start + size
