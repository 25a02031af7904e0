"""Checks for a publisher's omissions and mistakes, beyond those of every reader (`blockd.orders.document`).

These rules have no exceptions: an order that would block a public suffix or a protected name is not staged.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from secrets import token_bytes

from blockd.names import DomainName
from blockd.names.network import KEY_IPV4
from blockd.names.suffixes import ancestors
from blockd.orders import Action, Entry, Mandate, Order, Scope
from blockd.orders.contact import contact_uris
from blockd.orders.coverage import COVERING
from blockd.orders.name_list import NameList
from blockd.orders.repository import LISTS, place_of
from blockd.publish.confidential import SALT_SIZE
from blockd.ruleset.gate.guard import PROTECTED, PUBLIC_SUFFIX, TOP_LEVEL, Guard
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import GateSettings
from blockd.times import time_from_text

_NOT_WRITTEN = {"salt", "list_name", "role", "shown", "records", "unknown"}  # fields of an Order that no document has
FIELDS = frozenset(("schema", *COVERING, *(name.name for name in fields(Order)))) - _NOT_WRITTEN
MAX_FIELD = 60  # characters of a field's name that a problem repeats
MAX_SAMPLES = 5  # names in one warning, as examples

_WHY = {
    TOP_LEVEL: "it is a top-level domain, which contains the names of many registrants",
    PUBLIC_SUFFIX: "it is a public suffix, or above one: the names below it belong to different registrants",
    PROTECTED: "it is a protected name, or above one that it covers",
}


def publishers_guard(settings: GateSettings) -> Guard:
    """Return the guard with the lists of a node's gate.

    Public suffixes and popular names are always included, whatever the settings say. An order may be against a popular
    name, so these are only reported. Raises ConfigError if a list cannot be used.
    """
    always = {
        "public_suffixes": settings.public_suffixes or True,
        "popular": settings.popular or True,
        "popular_mode": "report",
    }
    return gate_of(settings.model_copy(update=always)).guard


@cache
def shipped_guard() -> Guard:
    """Return the guard with the lists that are installed with blockd."""
    return publishers_guard(GateSettings())


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for documents: the guard, and the authority whose orders they are, empty if any is allowed."""

    guard: Guard = field(default_factory=shipped_guard)
    authority: str = ""
    salt: Callable[[str], bytes] = lambda _: token_bytes(SALT_SIZE)  # of a confidential order, by its id
    role: str | None = None  # the role that signs them; None if unknown


def forgotten(raw: Mapping[str, object], rules: Rules) -> Iterator[str]:
    """Return what is missing or contradictory in a document, apart from the names that it covers."""
    for name in raw:
        if name not in FIELDS:
            shown = str(name)[:MAX_FIELD]
            close = difflib.get_close_matches(shown, FIELDS, 1)
            yield f"{shown}: is not a field of an order" + (f"; did you mean {close[0]}?" if close else "")
    if not isinstance(raw.get("schema"), str):
        yield 'schema: expected a text, as in schema: "1.0"'
    if rules.authority and _said(raw, "authority") and str(raw["authority"]).strip() != rules.authority:
        yield f"authority: expected {rules.authority!r}, the name of the role; if left out, it is filled in"
    if not _said(raw, "contact"):
        yield "contact: is missing; state where those affected by the block can object"
    if "expires" not in raw:
        yield "expires: is missing; state a date, or `expires: null` for an order without an end"
    if mandate_of(raw) == Mandate.LAW and not _said(raw, "legal_basis"):
        yield "legal_basis: is missing; an order by law must state its legal basis"
    if raw.get("confidential") and _said(raw, "lumen_id"):
        yield "lumen_id: a confidential order cannot have one: the notice names what the order covers"
    if _said(raw, "lifted_on") != _said(raw, "lifted_reason"):
        yield "lifted_on, lifted_reason: both are required if an order is lifted, or neither"
    begins, ends, review = (_date(raw, name) for name in ("in_force_from", "expires", "review_by"))
    if begins is not None and ends is not None and ends <= begins:
        yield "expires: is not later than in_force_from"
    if ends is not None and review is not None and review > ends:
        yield "review_by: is later than expires; a review must come before the end"


def outside(names: NameList | None, rules: Rules) -> Iterator[str]:
    """Return the files of a list that are outside of the role's own part of the repository."""
    if names is None or rules.role is None:
        return
    part = place_of(LISTS, rules.role)
    for number, step in enumerate(names.steps):
        if step.target.rpartition("/")[0] + "/" != part:
            yield f"list.steps[{number}].target: expected a file in {part}, which is the role's own part"


def mandate_of(raw: Mapping[str, object]) -> object:
    """Return the mandate of a document, as stated or by default; None if it has neither."""
    return raw.get("mandate", Mandate.LAW if _said(raw, "legal_basis") else None)


def mistaken(
    entries: Iterable[tuple[int, Entry]], action: object, rules: Rules, *, hidden: bool = False
) -> Iterator[str]:
    """Return what is wrong with entries, each with its place; if `hidden`, their names are not repeated."""
    try:
        asked = Action(str(action))
    except ValueError:
        asked = Action.SINKHOLE  # an unknown action is reported elsewhere
    seen: dict[bytes, int] = {}
    for number, entry in entries:
        name = "the name" if hidden else entry.text
        if entry.key in seen:
            yield f"names[{number}]: {name} is listed twice; it is also names[{seen[entry.key]}]"
            continue
        seen[entry.key] = number
        reason = "" if entry.key[0] >= KEY_IPV4 else rules.guard.reason(entry.key, entry.scope, asked)
        if reason and not rules.guard.only_reports(reason):
            yield f"names[{number}]: {name} cannot be blocked: {_WHY.get(reason, reason)}"


def warnings(raw: Mapping[str, object], entries: list[tuple[int, Entry]], *, hidden: bool = False) -> Iterator[str]:
    """Return what is allowed but should be reviewed; what takes more than it names is asked back instead."""
    if mandate_of(raw) == Mandate.LAW and not _said(raw, "decided_by"):
        yield "decided_by: is missing; an order by law should state who decided on it"
    if _said(raw, "contact") and not contact_uris(str(raw["contact"])):
        yield (
            "contact: has no mail address, and no telephone number with + and its country's code; browsers that "
            "explain the block lead nobody there"
        )
    wide = {entry.key for _, entry in entries if entry.scope & Scope.SUBDOMAINS}
    covered = []
    for number, entry in entries:
        if entry.key[0] >= KEY_IPV4:
            continue
        above = next((key for key in ancestors(entry.key) if key in wide), None)
        if above:
            covered.append(f"names[{number}]" if hidden else f"{entry.text} by {DomainName(above).text}")
    if covered:
        more = f", and {len(covered) - MAX_SAMPLES} more" if len(covered) > MAX_SAMPLES else ""
        yield (
            f"names: {len(covered)} are covered by other names of this order already: "
            f"{', '.join(covered[:MAX_SAMPLES])}{more}"
        )


def _said(raw: Mapping[str, object], name: str) -> bool:
    value = raw.get(name)
    return bool(value.strip() if isinstance(value, str) else value)


def _date(raw: Mapping[str, object], name: str) -> int | None:
    value = raw.get(name)
    try:
        return None if value is None else time_from_text(str(value))
    except ValueError:
        return None  # reported by the parser of the document
