"""Orders for tests, and what is done to them in a workshop before they are signed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from blockd.publish import Workshop
from blockd.publish.changes import lifted
from blockd.publish.documents import canonical, check_documents
from blockd.publish.lint import Rules

TELEGRAM = [  # the names of the order of 2017
    "t.me",
    "telegram.me",
    "telegram.org",
    "core.telegram.org",
    "desktop.telegram.org",
    "macos.telegram.org",
    "web.telegram.org",
    "venus.web.telegram.org",
    "pluto.web.telegram.org",
    "flora.web.telegram.org",
    "flora-1.web.telegram.org",
]


def order_document(identifier: str, names: Sequence[object] | None = None, **more: object) -> dict[str, object]:
    """Return a valid order, in force since January, with more fields; it covers nothing without `names`."""
    return {
        "schema": "1.0",
        "id": identifier,
        "authority": "Sample Authority",
        "platform": "Example Messenger",
        "legal_basis": "Sample regulation 1",
        "contact": "objections@example.net",
        "in_force_from": "2026-01-01",
        "expires": None,
        **({} if names is None else {"names": list(names)}),
        **more,
    }


def read_documents(paths: Iterable[Path]) -> dict[str, bytes]:
    """Check the orders in files by the rules that hold everywhere; give what is to be staged."""
    return check_documents(((str(path), path) for path in paths), Rules()).documents


def stage(workshop: Workshop, order: dict[str, object], role: str = "", **more: object) -> None:
    """Stage an order like `order`, with more fields."""
    document = {**order, **({"authority": workshop.authority_of(role)} if role else {}), **more}
    workshop.stage(dict([canonical(document, "order")]), role)


def lift(workshop: Workshop, identifier: str, on: str, reason: str, role: str = "") -> None:
    """Stage that an order is lifted at `on` (RFC 3339), and why."""
    document = json.loads(workshop.staged(role)[identifier])
    workshop.stage(dict([canonical(lifted(document, on, reason), identifier)]), role)
