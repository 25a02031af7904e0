"""docs/reference/order-document.md: every field of an order document, from its schema."""

from __future__ import annotations

import json

from blockd.orders.document import MAX_TEXTS
from blockd.orders.fields import SCHEMA
from blockd.publish.lint import Rules, forgotten
from blockd.publish.schema import schema_text
from blockd.ruleset.gate.guard import Guard
from tests.docs.reference.markdown import document, table


def page() -> str:
    """Return the page."""
    return document(
        "Order document",
        "An order is one document in YAML or JSON. `blockd authority order new --template` prints one with every "
        "field; `blockd authority order schema` prints a JSON Schema for other programs. "
        "[Orders](../authority/orders.md) shows how to make one.",
        """
The last column says whether the field must be there:

* **yes**: readers refuse an order without it.
* **asked for**: readers accept an order without it, but `blockd authority order new` does not stage one. (A
  `legal_basis` is asked for only if the mandate is `law`.)
* **one of them**: the order has exactly one of these fields.
""",
        "Dates are RFC 3339, such as `2026-11-01` or `2026-11-01T04:30:00Z`. A date without a zone is in UTC.",
        f"Beside the names, the hashes, or the steps of a list, a document has at most {MAX_TEXTS >> 10} KiB: a larger "
        "one is neither staged nor taken.",
        _fields(),
    )


def _fields() -> str:
    schema = json.loads(schema_text())
    covering = {name for one in schema["oneOf"] for name in one["required"]}
    asked = {line.partition(":")[0] for line in forgotten({"schema": SCHEMA, "mandate": "law"}, Rules(Guard()))}
    rows = []
    for name, told in schema["properties"].items():
        if name in schema["required"]:
            required = "yes"
        elif name in covering:
            required = "one of them"
        elif name in asked:
            required = "asked for"
        else:
            required = ""
        meaning = told.get("description") or schema["$defs"][name]["description"]
        rows.append((f"`{name}`", meaning, required))
    return table(("field", "meaning", "required"), rows)
