"""Where the dossiers of orders are kept, for the page process to read: below `incidents` in the state folder.

FEED/ROLE/ID.json             an order's dossier (`blockd.orders.dossier`); ROLE is `targets` for the repository's own
FEED/ROLE/documents/ID.json   its document, as it was signed

They repeat what is in the audit log, and are made anew from that whenever they differ.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from blockd.files import read_kept
from blockd.orders import OrderKey, Verdict
from blockd.orders.dossier import Dossier, dossier_from_json, fingerprint
from blockd.orders.repository import OWN_ROLE

MAX_DOSSIER = 1 << 17  # octets of a dossier's file: fifty turns, and the keys of a thousand roots
MAX_SHOWN = 1 << 20  # octets of a signed document that can be downloaded; one with a thousand names has some 50,000

log = logging.getLogger(__name__)


def dossier_path(folder: Path, key: OrderKey) -> Path:
    """Return the file of an order's dossier; no part of a key can lead out of the folder (`blockd.orders.key`)."""
    return folder / key.feed / (key.role or OWN_ROLE) / f"{key.id}.json"


def document_path(folder: Path, key: OrderKey) -> Path:
    """Return the file of an order's signed document."""
    return folder / key.feed / (key.role or OWN_ROLE) / "documents" / f"{key.id}.json"


class DossierFiles:
    """Reads what the control process has written to `folder`; what cannot be read is as if it were not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def dossier(self, verdict: Verdict) -> Dossier | None:
        """Return an order's dossier, None if there is none; one of another version of it has the history alone."""
        order = verdict.order
        if order is None:
            return None
        try:
            told = json.loads(read_kept(dossier_path(self._folder, order.key(verdict.feed)), MAX_DOSSIER))
            dossier = dossier_from_json(told)
        except (OSError, ValueError, RecursionError):
            return None
        return dossier if dossier.of == fingerprint(order) else Dossier(dossier.of, dossier.history)

    def document(self, verdict: Verdict, dossier: Dossier) -> bytes | None:
        """Return the signed document of an order; None if there is none with the digest that its dossier names."""
        if verdict.order is None or verdict.order.is_confidential or not dossier.is_kept:
            return None
        try:
            octets = read_kept(document_path(self._folder, verdict.order.key(verdict.feed)), MAX_SHOWN)
        except OSError:
            return None
        return octets if hashlib.sha256(octets).hexdigest() == dossier.sha256 else None
