"""The statement of enforcement: what a node enforces at a moment, signed with the node's own Ed25519 key (RFC 8032).

A statement is a JSON object with `signed`, the statement itself, and `signatures`, a list of one object with `keyid`
(SHA-256 of the public key's 32 octets, hexadecimal) and `sig` (hexadecimal). The signature is over `signed` in the
canonical form of `blockd.audit.chain`. It names the head of the audit log, so that the log cannot be rewritten
without contradicting it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from blockd.audit.chain import Head, canonical
from blockd.errors import AuditError
from blockd.files import read_kept, replace_file

KEY, FOLDER = "node.key", "statements"
KEY_MODE = 0o600
KEPT = 400  # statements of the node's own accord: one a day for more than a year
KEPT_ASKED = 100  # statements that somebody asked for, which take the place of none of those
MAX_KEY = 64 << 10  # octets
MAX_STATEMENT = 64 << 20  # octets; one with ten thousand orders has a few
TYPE = "blockd-statement-1"

_OTHERS = 0o077  # permission bits of the group and of others
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z(?P<asked>-asked)?(?:-[0-9]+)?\.json", re.ASCII)


class OtherKey(AuditError):
    """A statement is signed with another key than the one that it is verified with."""


def node_key(folder: Path) -> Ed25519PrivateKey:
    """Load the node's key, or make it at the first start; raises AuditError if it is unusable."""
    path = folder / KEY
    try:
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            octets = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            replace_file(path, octets, KEY_MODE)
            return key
        return read_key(path)
    except OSError as error:
        raise AuditError(f"the node's key {path} cannot be read or made: {error}. No statement is signed.") from error


def read_key(path: Path) -> Ed25519PrivateKey:
    """Load the key at `path`; raises AuditError, and OSError."""
    if path.stat().st_mode & _OTHERS:
        raise AuditError(f"the node's key {path} can be read by other users. Restrict it: chmod 600 {path}")
    octets = read_kept(path, MAX_KEY)
    try:
        key = serialization.load_pem_private_key(octets, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuditError(f"{path} does not hold a private key in PEM. {_NEW_KEY}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditError(f"{path} does not hold an Ed25519 key. {_NEW_KEY}")
    return key


_NEW_KEY = "Restore it from a backup, or move it away: a new one is made, whose public key must be distributed again."


def public_key_text(key: Ed25519PublicKey) -> str:
    """Return the public key as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form).decode("ascii")


def public_key_from(octets: bytes) -> Ed25519PublicKey:
    """Read a public key in PEM; raises AuditError."""
    try:
        key = serialization.load_pem_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuditError("expected a public key in PEM, as printed by `blockd audit key`.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AuditError("expected an Ed25519 key, as printed by `blockd audit key`.")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id under which signatures name a key."""
    octets = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(octets).hexdigest()


def sign_statement(content: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return a statement with its signature, as the file holds it."""
    signed = {**content, "type": TYPE}
    signature = {"keyid": key_id(key.public_key()), "sig": key.sign(canonical(signed)).hex()}
    return canonical({"signed": signed, "signatures": [signature]}) + b"\n"


def verify_statement(octets: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    """Return what a statement says; raises AuditError if `key` has not signed it."""
    try:
        statement = json.loads(octets)
        signed, (signature,) = statement["signed"], statement["signatures"]
        if not isinstance(signed, dict) or signed["type"] != TYPE:
            raise ValueError(f"its type is not {TYPE}")
        if signature["keyid"] != key_id(key):
            raise OtherKey(f"the statement is signed with another key: {str(signature['keyid'])[:16]}….")
        key.verify(bytes.fromhex(signature["sig"]), canonical(signed))
        Head.from_json(signed["audit"])
    except InvalidSignature as error:
        raise AuditError(
            "the statement's signature is not valid: the statement was changed, or another key signed it."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(f"the statement cannot be read: {error}.") from error
    return dict(signed)


def kept_statements(folder: Path, *, asked: bool | None = None) -> list[Path]:
    """Return the statements kept in a state folder, the oldest first.

    `asked` is whether those are wanted that somebody asked for, or those of the node's own accord; None for both.
    """
    try:
        paths = sorted((folder / FOLDER).iterdir())
    except OSError:
        return []
    found = [(path, bool(name["asked"])) for path in paths if (name := _NAME.fullmatch(path.name))]
    return [path for path, is_asked in found if asked is None or is_asked is asked]


def keep_statement(folder: Path, stem: str, octets: bytes, *, asked: bool = False) -> Path:
    """Store a statement named by its time, as `20261124T120000Z`, and keep the last of its kind; raises OSError.

    One that was `asked` for, which its name says, never takes the place of one of the node's own accord.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    stem += "-asked" if asked else ""
    path = place / f"{stem}.json"
    count = 1
    while path.exists():
        count += 1
        path = place / f"{stem}-{count}.json"
    replace_file(path, octets)
    for old in kept_statements(folder, asked=asked)[: -(KEPT_ASKED if asked else KEPT)]:
        old.unlink(missing_ok=True)
    return path
