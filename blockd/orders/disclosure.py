"""What is disclosed of an order: in DNS answers, on the block page and by lookups. They show nothing else of it.

Nothing is shown that nobody has stated. A list that is enforced without an order is called by its name, and not by a
number; who issued it, its mandate and its date are left out unless the config names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from blockd.dns import types
from blockd.names import is_hashed_key
from blockd.orders.entry import Entry
from blockd.orders.order import Mandate, Order
from blockd.orders.stored import order_to_json

NOT_RENEWED = "list not renewed in time"  # what texts for people say of an order whose signer has not
CONFIDENTIAL = "confidential"  # in the place of a name, an entry or a platform that is not disclosed

# Of a confidential order: who orders it, on what basis, for how long, where to object. The rest may reveal the names.
_OPEN = (
    "id", "authority", "action", "mandate", "legal_basis", "reference", "contact", "language",
    "in_force_from", "expires", "review_by", "lifted_on", "published",
)  # fmt: skip


class Codes(NamedTuple):
    """What a blocked client is told in numbers: the status of HTTP, and the Extended DNS Error (RFC 8914)."""

    status: int
    extended_error: int


# Status 451 is for legal demands (RFC 7725 section 3). Where nobody has stated a mandate, it cannot be excluded that
# there is one, and 451 stays; the code of RFC 8914 then says no more than that the name is on a list.
CODES: Mapping[Mandate | None, Codes] = {
    Mandate.LAW: Codes(451, types.EDE_CENSORED),
    Mandate.OPERATOR: Codes(403, types.EDE_BLOCKED),
    Mandate.CLIENT: Codes(403, types.EDE_FILTERED),
    None: Codes(451, types.EDE_BLOCKED),
}


def codes(order: Order) -> Codes:
    """Return the numbers that a client is told if the order blocks."""
    return CODES[order.mandate]


@dataclass(frozen=True, slots=True)
class PublicOperator:
    """Who runs this resolver; each text is empty if the config does not have it."""

    name: str = ""
    contact: str = ""


UNNAMED = PublicOperator()


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Who is behind a block, and where to object; a text is empty if it is not known.

    `called` is the order by its role and id, or the list by its name. `issuer` is the authority, or the operator of a
    list for which no authority is named. `contact` is whose `contact_of` says: the order's own, else the operator's.
    """

    called: str
    issuer: str
    contact: str
    contact_of: Literal["order", "operator", "nobody"]


def called(order: Order, order_word: str = "order", list_word: str = "list") -> str:
    """Return how texts for people refer to an order: `order ROLE/ID`, or `list NAME`."""
    return f"{list_word} {order.list_name}" if order.list_name else f"{order_word} {order.name}"


def disclosed(order: Order, operator: PublicOperator) -> Disclosed:
    """Return who is behind the order that blocks, and where to object."""
    issuer = order.authority or (operator.name if order.list_name else "")
    if order.contact:
        return Disclosed(called(order), issuer, order.contact, "order")
    return Disclosed(called(order), issuer, operator.contact, "operator" if operator.contact else "nobody")


def error_text(order: Order, operator: PublicOperator, more: str = "") -> str:
    """Return the text of the Extended DNS Error that names the order behind a block, and where to object."""
    known = disclosed(order, operator)
    text = ", ".join(part for part in (known.called, known.issuer) if part)
    if more:
        text += f"; {more}"
    return f"{text}; objections: {known.contact}" if known.contact else text


def public_text(entry: Entry) -> str:
    """Return an entry's text, or CONFIDENTIAL if it is known by its hash."""
    return CONFIDENTIAL if is_hashed_key(entry.key) else entry.text


def public_fields(order: Order) -> dict[str, object]:
    """Return an order's fields as JSON values, without those that blockd adds; if it is confidential, the open ones.

    `called` is how the order is called among others (`blockd.orders.key`), and `id` the authority's own id for it. A
    list has `list`, its name, in the place of both.
    """
    written = order_to_json(order)
    if order.is_confidential:
        opened = {name: written[name] for name in _OPEN if name in written}
        return {"called": order.name, **opened, CONFIDENTIAL: True}
    shown = {name: value for name, value in written.items() if not name.startswith("_")}
    if order.list_name:
        del shown["id"]
        return {"list": order.list_name, **shown}
    return {**shown, "called": order.name}
