"""Structured DNS errors: what an Extended DNS Error says of a block to programs, as I-JSON.

By draft-ietf-dnsop-structured-dns-error (`c` contacts, `j` justification, `s` sub-error, `o` organization, `l` language)
and draft-ietf-dnsop-filtering-transparency (`fdbs`, where a database tells of the block). It discloses no more than the
text for people does (`blockd.orders.disclosure`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

from blockd.dns import types
from blockd.orders.contact import contact_uris
from blockd.orders.disclosure import PublicOperator, codes, disclosed, error_text, reason_text
from blockd.orders.order import Action, Mandate, Order

MAX_STRUCTURED = 800  # octets of the text: an answer with it and the longest name is below 1,232 octets before padding
DNS_OPERATOR_POLICY = 6  # the sub-error, for code 15 (Blocked) alone
LANGUAGE = "en"  # of the words that blockd puts between what others wrote
# What may be left out begins here. Inside of a string its quotes would be escaped, so that it is found by its octets.
LESS_NEEDED = b',"l":'

# What I-JSON forbids: noncharacters and halves of surrogate pairs (RFC 7493 section 2.1).
_FORBIDDEN = re.compile("[\ud800-\udfff\ufdd0-\ufdef" + "".join(f"{chr(n + 0xFFFE)}{chr(n + 0xFFFF)}" for n in range(0, 0x110000, 0x10000)) + "]")


@dataclass(frozen=True, slots=True)
class StructuredReply:
    """What clients get that read structured errors.

    `answer`, NXDOMAIN or NODATA, takes the place of a sinkhole's address, which a browser could only warn of; `database`
    is the ID under which a registry of filtering databases knows this operator's, empty if it does not.
    """

    answer: Action = Action.NXDOMAIN
    database: str = ""


def structured_text(order: Order, operator: PublicOperator, database: str = "", more: str = "") -> str:
    """Return the text of the Extended DNS Error about an order, of at most MAX_STRUCTURED octets.

    `more` is said beside the reason. What does not fit is left out: justification and organization first, then all.
    A client ignores what has neither contact, nor justification, nor sub-error; then those two are needed.
    """
    needed, more_text = _needed(order, operator), _described(order, operator, more)
    incidents = {"fdbs": found} if (found := incidents_of(order, database)) else {}
    for fields in ({**needed, **incidents, **more_text}, {**needed, **incidents}) if needed else ({**more_text, **incidents},):
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) <= MAX_STRUCTURED:
            return text
    return ""


def incidents_of(order: Order, database: str) -> list[dict[str, str]]:
    """Return where databases tell of an order, each as `db` and `id`; a list has no number there."""
    return [] if not database or order.list_name else [{"db": database, "id": order.name}]


def without_less_needed(text: bytes) -> bytes:
    """Return a text of `structured_text` without justification and organization; empty if nothing is left then."""
    end = text.find(LESS_NEEDED)
    return text[:end] + b"}" if text.startswith(b"{") and end > 0 else b""


def _needed(order: Order, operator: PublicOperator) -> dict[str, object]:
    """Return the fields without which clients ignore the others."""
    fields: dict[str, object] = {}
    if contacts := contact_uris(disclosed(order, operator).contact):
        fields["c"] = contacts
    if order.mandate is Mandate.OPERATOR and codes(order).extended_error == types.EDE_BLOCKED:
        fields["s"] = DNS_OPERATOR_POLICY
    return fields


def _described(order: Order, operator: PublicOperator, more: str) -> dict[str, object]:
    """Return the language, the justification, and the organization that filters."""
    is_told = contact_uris(disclosed(order, operator).contact)
    text = reason_text(order, operator, more) if is_told else error_text(order, operator, more)
    organization = {"o": _fit(operator.name)} if operator.name else {}
    return {"l": LANGUAGE, "j": _fit(text), **organization}


def _fit(text: str) -> str:
    """Return a text as I-JSON and RFC 5198 allow it: composed, on one line, without noncharacters."""
    return unicodedata.normalize("NFC", _FORBIDDEN.sub("\ufffd", " ".join(text.split())))
