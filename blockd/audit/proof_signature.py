"""The node's signature on a proof, with its own Ed25519 key (RFC 8032), as on its statements.

`signature` has `keyid`, `public_key` (32 octets, hexadecimal), `time` (as in records) and `sig` (hexadecimal). It is
over the canonical form (`blockd.audit.chain`) of the proof's members, with the SHA-256 of each file of evidence in the
place of the files, and of `time`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from blockd.audit.chain import canonical
from blockd.audit.statement import key_id
from blockd.errors import AuditError, cause_of
from blockd.times import moment_from_text, moment_text

_MEMBERS = {"keyid", "public_key", "time", "sig"}


@dataclass(frozen=True, slots=True)
class ProofSignature:
    """Who signed a proof, and when, in seconds since the epoch."""

    keyid: str
    at: float

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"keyid": self.keyid, "time": moment_text(self.at)}


def sign_proof(told: Mapping[str, Any], key: Ed25519PrivateKey, now: float) -> dict[str, str]:
    """Return the value of `signature` for the other members of a proof."""
    public = key.public_key()
    octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    time = moment_text(now)
    signature = key.sign(_signed(told, time)).hex()
    return {"keyid": key_id(public), "public_key": octets.hex(), "time": time, "sig": signature}


def verify_signature(told: Mapping[str, Any], key: Ed25519PublicKey | None = None) -> ProofSignature:
    """Return who signed a proof: `key`, if it is given. Raises AuditError if the signature is not valid."""
    try:
        signature = told["signature"]
        if signature.keys() != _MEMBERS:
            raise ValueError("its members are not those of a signature")
        named = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
        if signature["keyid"] != key_id(named):
            raise ValueError("its key has another id")
        at = moment_from_text(signature["time"])
        if key is not None and key_id(key) != signature["keyid"]:
            raise AuditError(f"the proof is signed with another key than the one given: {signature['keyid'][:16]}….")
        named.verify(bytes.fromhex(signature["sig"]), _signed(told, signature["time"]))
    except InvalidSignature as error:
        raise AuditError("the node's signature is not valid: the proof was changed after it was exported.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(f"the node's signature cannot be read: {cause_of(error)}.") from error
    return ProofSignature(signature["keyid"], at)


def _signed(told: Mapping[str, Any], time: str) -> bytes:
    signed = {name: value for name, value in told.items() if name != "signature"}
    return canonical({**signed, "evidence": sorted(told["evidence"]), "signed": time})
