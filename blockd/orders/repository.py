"""Names in a repository of orders, which publisher, node and auditor have to agree on.

    orders/[ROLE/]ID.json    an order as a target; without ROLE it is one of the repository's own
    lists/[ROLE/]FILE        a file of a national-size list
    N.root.json              a root of trust, by its version

ROLE is the role that the top-level targets delegate to for one authority. Fields that blockd adds to the metadata of
The Update Framework (specification 1.0) begin with `x-blockd-`, so that other clients ignore them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TOP_ROLES = ("root", "targets", "snapshot", "timestamp")  # of the repository itself; no authority's
OWN_ROLE = "targets"  # signs the repository's own orders, whose role is empty; no authority's role
ORDERS = "orders"
LISTS = "lists"
AUTHORITY_FIELD = "x-blockd-authority"  # of a delegation: the authority's full name, as its documents have it
MAY_LIFT_FIELD = "x-blockd-may-lift"  # of a delegation: the roles whose orders the authority may lift
PUBLISHED_FIELD = "x-blockd-published"  # of the timestamp: when it was signed, RFC 3339 in UTC with milliseconds
MAX_ROOT = 1 << 20  # octets of a root of trust
EARLIER = "earlier/"  # how the names of evidence begin that are metadata of a role before its newest: N.ROLE.json
ROOT_FILE = re.compile(r"([1-9][0-9]{0,8})\.root\.json", re.ASCII)

MAX_AUTHORITIES = 64  # in one repository: each is a value of a metric's label
MAX_DOCUMENT = 64 * 1024 * 1024  # octets of one order: a million names with their scopes

_ROLE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9])?", re.ASCII)


def is_role(text: str) -> bool:
    """Return whether a role can be an authority's."""
    return _ROLE.fullmatch(text) is not None and text not in TOP_ROLES


def is_order_id(text: str) -> bool:
    """Return whether an order can have this id."""
    return _ID.fullmatch(text) is not None


def parse_may_lift(role: str, value: object) -> tuple[str, ...]:
    """Return the roles whose orders an authority may lift, as its delegation has them in MAY_LIFT_FIELD.

    Each is another authority's role, or OWN_ROLE. None stands for none of them; raises ValueError for anything else.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MAX_AUTHORITIES:
        raise ValueError(f"expected a list of 1 to {MAX_AUTHORITIES} roles")
    return checked_may_lift(role, value)


def checked_may_lift(role: str, roles: Iterable[object]) -> tuple[str, ...]:
    """Return roles that `role` can be allowed to lift the orders of; raises ValueError."""
    found: dict[str, None] = {}
    for lifted in roles:
        if not isinstance(lifted, str) or not (is_role(lifted) or lifted == OWN_ROLE):
            raise ValueError(f"expected roles of authorities, or {OWN_ROLE}, got {str(lifted)[:40]!r}")
        if lifted == role or lifted in found:
            raise ValueError(f"{lifted} is named twice, or is the authority itself")
        found[lifted] = None
    return tuple(found)


def place_of(kind: str, role: str) -> str:
    """Return the prefix of a role's paths in ORDERS or LISTS, such as `orders/ROLE/`; "" is the repository itself."""
    return f"{kind}/{role}/" if role else f"{kind}/"


def paths_of(role: str) -> list[str]:
    """Return the path patterns of an authority's delegation: what it may sign."""
    return [f"{place_of(kind, role)}*" for kind in (ORDERS, LISTS)]
