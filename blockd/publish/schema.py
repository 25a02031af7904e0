"""The JSON Schema of order documents (draft 2020-12), for other programs that read or write them."""

from __future__ import annotations

from pathlib import Path

SCHEMA_FILE = Path(__file__).with_name("order.schema.json")


def schema_text() -> str:
    """Return the schema as it is in its file."""
    return SCHEMA_FILE.read_text(encoding="utf-8")
