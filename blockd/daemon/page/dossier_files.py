"""Where the dossiers of orders are kept, for the page process to read: below `incidents` in the state folder.

FEED/ROLE/ID.dossier    a line with an order's dossier (`blockd.orders.dossier`), and behind it its document, as it was
                        signed; ROLE is `targets` for the repository's own
FEED/ROLE.signatures    what the orders of this authority rest on

They repeat what is in the audit log, and are made anew from that whenever they differ. The signatures are removed
before the dossiers that rest on others are replaced, and written anew after them. So whoever finds the same file of
signatures before and after reading a dossier has those that belong to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from blockd.files import open_kept, read_kept, read_rest, stamp_of
from blockd.orders import OrderKey, Verdict
from blockd.orders.dossier import Dossier, Signatures, dossier_from_json, fingerprint, signatures_from_json
from blockd.orders.repository import OWN_ROLE

MAX_DOSSIER = 1 << 14  # octets of a dossier's line: fifty turns
MAX_SIGNATURES = 1 << 19  # octets of the signatures behind an authority's orders: sixty files with 64 keys each
MAX_SHOWN = 1 << 20  # octets of a signed document that can be downloaded; one with a thousand names has some 50,000

log = logging.getLogger(__name__)


def dossier_path(folder: Path, key: OrderKey) -> Path:
    """Return the file of an order's dossier; no part of a key can lead out of the folder (`blockd.orders.key`)."""
    return folder / key.feed / (key.role or OWN_ROLE) / f"{key.id}.dossier"


def signatures_path(folder: Path, feed: str, role: str) -> Path:
    """Return the file of what the orders of an authority rest on."""
    return folder / feed / f"{role or OWN_ROLE}.signatures"


def dossier_lines(dossier: Dossier, document: bytes) -> bytes:
    """Return what the file of a dossier holds."""
    return json.dumps(dossier.to_json()).encode("ascii") + b"\n" + document


class DossierFiles:
    """Reads what the control process has written to `folder`; what cannot be read is as if it were not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def dossier(self, verdict: Verdict) -> Dossier | None:
        """Return an order's dossier, None if there is none; one of another version of it has the history alone."""
        order = verdict.order
        if order is None:
            return None
        key = order.key(verdict.feed)
        signed = signatures_path(self._folder, key.feed, key.role)
        before = stamp_of(signed)
        signatures = self._signatures(signed)
        try:
            with open_kept(dossier_path(self._folder, key)) as file:
                dossier = dossier_from_json(json.loads(file.readline(MAX_DOSSIER)))
        except (OSError, ValueError, RecursionError):
            return None
        if dossier.of != fingerprint(order):
            return Dossier(dossier.of, dossier.history)
        if signatures is None or stamp_of(signed) != before:  # they are about to be others
            return Dossier(dossier.of, dossier.history)
        return dossier.resting_on(signatures)

    def document(self, verdict: Verdict, dossier: Dossier) -> bytes | None:
        """Return the signed document of an order; None if there is none with the digest that its dossier names."""
        if verdict.order is None or verdict.order.is_confidential or not dossier.is_kept:
            return None
        try:
            with open_kept(dossier_path(self._folder, verdict.order.key(verdict.feed))) as file:
                file.readline(MAX_DOSSIER)
                octets = read_rest(file, MAX_SHOWN)
        except OSError:
            return None
        return octets if hashlib.sha256(octets).hexdigest() == dossier.sha256 else None

    def _signatures(self, path: Path) -> Signatures | None:
        try:
            return signatures_from_json(json.loads(read_kept(path, MAX_SIGNATURES)))
        except (OSError, ValueError, RecursionError):
            return None
