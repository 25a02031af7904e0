"""Proof files of the audit log and signatures of lists, of any size, and made to take as much time as they can."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from blockd.audit.chain import canonical, chained
from blockd.audit.proof_file import UNSIGNED, verify_proof
from blockd.feeds.minisign import verify
from tests.feeds.signing import Minisign

Make = Callable[[int], bytes]

_KEY = Minisign()
_MAX_SIGNATURE = 16 * 1024  # octets: a larger file is not read as a signature
_BODY = {"version": 1, "digest": "0" * 64, "parts": [{"feed": "a-feed", "orders": ["court/2026-17"], "count": 1000}]}


def read_proof(text: bytes) -> object:
    """Verify a proof file."""
    return verify_proof(text, [])


def read_signatures(text: bytes) -> object:
    """Verify pieces of a text as signatures of an empty list, each as large as one may be."""
    with tempfile.NamedTemporaryFile() as file:
        for at in range(0, len(text), _MAX_SIGNATURE):
            try:
                verify(_KEY.public, text[at : at + _MAX_SIGNATURE], Path(file.name))
            except ValueError:
                continue
    return None


def _proof(links: list[dict[str, str]], evidence: dict[str, str]) -> bytes:
    told = {"format": UNSIGNED, "instructions": "", "name": "a.example", "time": "2026-11-24T12:00:00.000Z"}
    return json.dumps({**told, "claim": {}, "links": links, "evidence": evidence}).encode()


def _linked(body: object) -> Make:
    """Return what makes a proof with a chain of records that have this body."""

    def make(size: int) -> bytes:
        links, before = list[dict[str, str]](), bytes(32)
        while size > 0:
            fields = {"number": len(links) + 1, "time": "2026-11-24T12:00:00.000Z", "kind": "start", "body": body}
            octets = canonical(fields)
            digest = chained(before, octets)
            links.append({"before": before.hex(), "record": octets.decode(), "hash": digest.hex()})
            size -= len(json.dumps(links[-1])) + 2
            before = digest
        return _proof(links, {})

    return make


def _evidence(octets: bytes) -> Make:
    """Return what makes a proof with so much evidence in pieces of this size."""
    text = base64.b64encode(octets).decode()

    def make(size: int) -> bytes:
        count = max(size // (len(text) + 72), 1)
        return _proof([], {hashlib.sha256(b"%d" % number).hexdigest(): text for number in range(count)})

    return make


PROOFS: dict[str, Make] = {
    "records": _linked(_BODY),
    "records without a body": _linked({}),
    "records with a list": _linked({"a": [1] * 500}),
    "records with deep lists": _linked({"a": json.loads("[" * 90 + "]" * 90)}),
    "records with quotes": _linked({"a": '"\\' * 200}),
    "records beyond ASCII": _linked({"a": "\u0416" * 200}),
    "evidence": _evidence(bytes(3000)),
    "pieces of evidence": _evidence(b""),
}
SIGNATURES: dict[str, Make] = {
    "signatures": lambda size: _padded(_KEY.sign(b"", comment=b"x" * 8000)) * max(size // _MAX_SIGNATURE, 1),
    "line feeds": lambda size: b"\n" * size,
    "carriage returns": lambda size: b"\r\n" * (size // 2),
    "Base64": lambda size: b"untrusted comment: \n" + b"A" * size,
    "wrong Base64": lambda size: (b"untrusted comment: \n" + b"-" * 8000 + b"\n\n\n") * max(size // 8023, 1),
}


def _padded(text: bytes) -> bytes:
    head, _, rest = text.partition(b"\n")
    return head + b" " * (_MAX_SIGNATURE - len(text)) + b"\n" + rest
