"""Structured DNS errors: what an Extended DNS Error says of a block to programs, as I-JSON.

By draft-ietf-dnsop-structured-dns-error (`c` contacts, `j` justification, `s` sub-error, `o` organization, `l`
language) and draft-ietf-dnsop-filtering-transparency (`fdbs`, where a database tells of the block). It discloses no
more than the text for people does (`blockd.orders.disclosure`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from blockd.dns import types
from blockd.orders.contact import contact_uris
from blockd.orders.disclosure import NOT_RENEWED, Disclosed, PublicOperator, called, codes, disclosed
from blockd.orders.order import Action, Mandate, Order

MAX_STRUCTURED = 800  # octets: an answer with it, the longest name and an SOA record has less than 1,232 before padding
DNS_OPERATOR_POLICY = 6  # the sub-error; for code 15 (Blocked) alone
LUMEN = "lumen"  # the Lumen database in the drafts' examples
# What may be left out begins here. Inside of a string its quotes would be escaped, so that it is found by its octets.
LESS_NEEDED = b',"l":'

_PLANES = range(0, 0x110000, 0x10000)
# What I-JSON forbids: noncharacters and halves of surrogate pairs (RFC 7493 section 2.1).
_FORBIDDEN = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef" + "".join(chr(at + 0xFFFE) + chr(at + 0xFFFF) for at in _PLANES) + "]"
)


@dataclass(frozen=True, slots=True)
class _Words:
    """What stands between that which others wrote; in a language without words of ours there is nothing."""

    order: str = ""
    list: str = ""
    objections: str = ""
    stale: str = ""


_WORDS: Mapping[str, _Words] = {
    "en": _Words("order", "list", "objections: ", NOT_RENEWED),
    "id": _Words("perintah", "daftar", "keberatan: ", "daftar tidak diperbarui tepat waktu"),
}
_LANGUAGE = "en"  # of orders that do not say in which one they are written


@dataclass(frozen=True, slots=True)
class StructuredReply:
    """What clients get that read structured errors.

    `answer`, NXDOMAIN or NODATA, takes the place of a sinkhole's address, which a browser could only warn of;
    `database` is the ID under which a registry of filtering databases knows this operator's, empty if none does.
    """

    answer: Action = Action.NXDOMAIN
    database: str = ""


NO_DATABASE = StructuredReply()


def structured_text(order: Order, operator: PublicOperator, database: str = "", *, stale: bool = False) -> str:
    """Return the text of the Extended DNS Error about an order, of at most MAX_STRUCTURED octets; empty if none fits.

    Of what does not fit, justification and organization are left out first. But clients ignore an error that has
    neither contact nor sub-error nor justification: where the last is all there is, it is needed, and comes first.
    `stale` says that the order's signer has not renewed it in time.
    """
    known = disclosed(order, operator)
    needed: dict[str, object] = {}
    if contacts := contact_uris(known.contact):
        needed["c"] = contacts
    if order.mandate is Mandate.OPERATOR and codes(order).extended_error == types.EDE_BLOCKED:
        needed["s"] = DNS_OPERATOR_POLICY
    incidents = {"fdbs": found} if (found := incidents_of(order, database)) else {}
    described = _described(order, known, operator.name, stale=stale, says_contact=not contacts)
    forms = ({**needed, **incidents, **described}, {**needed, **incidents}) if needed else ({**described, **incidents},)
    texts = (json.dumps(form, ensure_ascii=False, separators=(",", ":")) for form in forms)
    return next((text for text in texts if len(text.encode()) <= MAX_STRUCTURED), "")


def incidents_of(order: Order, database: str) -> list[dict[str, str]]:
    """Return where databases tell of an order, each with the database's ID `db` and the order's `id` there.

    A list is in none. Of a confidential order others might tell more than is disclosed, and are not named.
    """
    found = [{"db": database, "id": order.name}] if database and not order.list_name else []
    if order.lumen_id and not order.is_confidential:
        found.append({"db": LUMEN, "id": order.lumen_id})
    return found


def without_less_needed(text: bytes) -> bytes:
    """Return a text of `structured_text` without justification and organization; empty if it needs them."""
    end = text.find(LESS_NEEDED)
    return text[:end] + b"}" if text.startswith(b"{") and end > 0 else b""


def _described(
    order: Order, known: Disclosed, organization: str, *, stale: bool, says_contact: bool
) -> dict[str, object]:
    """Return language, justification and organization, in the language in which the order is written."""
    language = order.language or _LANGUAGE
    words = _WORDS.get(language.partition("-")[0].lower(), _Words())
    text = ", ".join(part for part in (called(order, words.order, words.list).strip(), known.issuer) if part)
    if stale and words.stale:
        text += f"; {words.stale}"
    if says_contact and known.contact:
        text += f"; {words.objections}{known.contact}"
    return {"l": language, "j": _fit(text), **({"o": _fit(organization)} if organization else {})}


def _fit(text: str) -> str:
    """Return a text as I-JSON and RFC 5198 allow it: composed, on one line, without noncharacters."""
    return unicodedata.normalize("NFC", _FORBIDDEN.sub("\ufffd", " ".join(text.split())))
