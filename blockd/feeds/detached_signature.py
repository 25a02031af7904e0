"""Detached signatures: a list is verified, octet for octet as published, before it is parsed.

`rsa-sha256` is the form of the Swiss gambling list: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), in base64.
The key is PEM (RFC 7468): a public key, or a certificate, of which only the key counts, since the operator vouches for
it. `minisign` is described in `blockd.feeds.minisign`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from blockd.errors import FeedRefused, FileTooLarge
from blockd.feeds import minisign
from blockd.feeds.base64 import decode_strict
from blockd.feeds.fetched import Fetched
from blockd.files import read_rest
from blockd.formats.body import open_regular
from blockd.settings import ListSignature

MAX_SIGNATURE = 16 * 1024  # octets: minisign allows 8 KiB of comment, an RSA signature takes less
MAX_KEY = 64 * 1024  # octets: a public key and the certificates behind it
MIN_RSA = 2048  # bits: what is shorter can be broken (NIST SP 800-131A)
MAX_RSA = 16_384  # bits: what is longer only costs time

UNPROVED = "Nothing of the list is taken; it is tried again at the next poll."

# The first block of the file; certificates that follow it are ignored.
_PEM = re.compile(rb"\s*-----BEGIN (PUBLIC KEY|CERTIFICATE)-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END \1-----")


def read_small(path: Path, limit: int, what: str) -> bytes:
    """Read a key or a signature; raises FeedRefused: missing, unreachable, or unsigned if it exceeds `limit`."""
    with open_regular(path) as file:
        try:
            return read_rest(file, limit)
        except FileTooLarge as error:
            sentence = f"{path} is not a {what}: it is larger than {limit:,} bytes. {UNPROVED}"
            raise FeedRefused("unsigned", sentence) from error


def verify_detached(signature: ListSignature, signed: bytes, fetched: Fetched, source: str) -> None:
    """Verify `signed`, the content of a signature's file, over what was fetched from `source`; reads the key anew.

    Raises FeedRefused: unsigned if the signature is not that of the content by the key, or if the key is not valid;
    or as `read_small` does if the key cannot be read.
    """
    key = read_small(signature.key, MAX_KEY, "public key")
    try:
        _VERIFIERS[signature.type](key, signed, fetched)
    except (ValueError, InvalidSignature) as error:
        why = f" ({error})" if str(error) else ""
        raise FeedRefused(
            "unsigned",
            f"{source} has no valid signature by the key in {signature.key}{why}. Either the list was published a "
            f"moment before its signature, or it was tampered with. {UNPROVED}",
        ) from error


def _verify_rsa(key: bytes, signed: bytes, fetched: Fetched) -> None:
    public = _rsa_key(key)
    octets = decode_strict(_joined(signed), "the signature")
    public.verify(octets, bytes.fromhex(fetched.digest), padding.PKCS1v15(), utils.Prehashed(SHA256()))


def _rsa_key(content: bytes) -> rsa.RSAPublicKey:
    block = _PEM.match(content)
    if block is None:
        raise ValueError("the key does not begin with a public key or a certificate in PEM")
    der = decode_strict(_joined(block[2]), "the key")
    try:
        is_key = block[1] == b"PUBLIC KEY"
        key = load_der_public_key(der) if is_key else x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the key cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey) or not MIN_RSA <= key.key_size <= MAX_RSA:
        raise ValueError(f"the key is not an RSA key of {MIN_RSA} to {MAX_RSA} bits")
    return key


def _joined(lines: bytes) -> bytes:
    return lines.replace(b"\r", b"").replace(b"\n", b"")


_VERIFIERS: dict[str, Callable[[bytes, bytes, Fetched], None]] = {
    "rsa-sha256": _verify_rsa,
    "minisign": lambda key, signed, fetched: minisign.verify(key, signed, fetched.path),
}
