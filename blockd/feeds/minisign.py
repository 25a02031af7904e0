"""Signatures of minisign: Ed25519 (RFC 8032) over a file or its BLAKE2b-512 digest (RFC 7693).

A signature's file has four lines: an untrusted comment, which proves nothing; base64 of algorithm, key id and
signature; a trusted comment; base64 of the global signature, which is over the signature and the trusted comment. A
key's file has a comment and base64 of algorithm, key id and key; the base64 line alone suffices.
"""

from __future__ import annotations

import hashlib
import hmac
import mmap
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from blockd.feeds.base64 import decode_strict
from blockd.formats.body import open_regular

_KEY_ID = 8  # octets
_KEY = 32  # octets
_SIGNATURE = 64  # octets
_PIECE = 1024 * 1024  # octets hashed at a time
_PREHASHED, _LEGACY = b"ED", b"Ed"  # the latter also precedes a key
_UNTRUSTED, _TRUSTED = b"untrusted comment: ", b"trusted comment: "


def verify(key: bytes, signed: bytes, path: Path) -> None:
    """Verify a signature over the file at `path`; raises ValueError, or InvalidSignature."""
    key_id, public = _public_key(key)
    lines = _lines(signed)
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise ValueError("it is not a minisign signature")
    octets = decode_strict(lines[1], "the signature")
    algorithm, signer, signature = octets[:2], octets[2 : 2 + _KEY_ID], octets[2 + _KEY_ID :]
    if algorithm not in (_PREHASHED, _LEGACY) or len(signature) != _SIGNATURE:
        raise ValueError("the signature's algorithm is not Ed25519")
    if not hmac.compare_digest(signer, key_id):
        raise ValueError("the signature is by another key")
    overall = decode_strict(lines[3], "the global signature")
    try:
        public.verify(overall, signature + lines[2].removeprefix(_TRUSTED))
    except InvalidSignature as error:
        raise ValueError("its trusted comment is not signed") from error
    with open_regular(path) as file:
        if algorithm == _PREHASHED:
            digest = hashlib.blake2b()
            while piece := file.read(_PIECE):
                digest.update(piece)
            public.verify(signature, digest.digest())
        elif not os.fstat(file.fileno()).st_size:
            public.verify(signature, b"")
        else:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
                public.verify(signature, content)


def _public_key(content: bytes) -> tuple[bytes, Ed25519PublicKey]:
    lines = _lines(content)
    if len(lines) == 2 and lines[0].startswith(_UNTRUSTED):
        del lines[0]
    octets = decode_strict(lines[0], "the key") if len(lines) == 1 else b""
    if octets[:2] != _LEGACY or len(octets) != 2 + _KEY_ID + _KEY:
        raise ValueError("it is not a minisign key")
    return octets[2 : 2 + _KEY_ID], Ed25519PublicKey.from_public_bytes(octets[2 + _KEY_ID :])


def _lines(content: bytes) -> list[bytes]:
    """Return the lines of a file, the last of which may lack its line feed."""
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]
