"""The order document: what an authority signs, as JSON. Parsed once into an Order and its entries.

A document has `schema` ("MAJOR.MINOR"), the fields of `blockd.orders.order.Order`, and what it covers
(`blockd.orders.covered`). Dates are RFC 3339: `2017-07-14`, or with a time `2017-07-14T04:30:00Z`.
A later minor schema's unknown fields are kept, but for those whose names begin with an underscore; an unknown major
schema is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from blockd.errors import BadName, BadOrder
from blockd.names import DomainName, hashed_key, key_from_text, name_digest
from blockd.names.hashed import MAX_SALT, MIN_SALT
from blockd.orders.covered import COVERING, MAX_PROBLEMS, Covered, covered, shown
from blockd.orders.entry import Entry, Scope
from blockd.orders.name_list import NameList
from blockd.orders.order import Action, LocalRecord, Mandate, Notice, Order
from blockd.orders.repository import is_order_id

SCHEMA_MAJOR = 1
SCHEMA = "1.0"
MAX_TEXT = 4_000  # characters in one text field: a page of law, not a library
MAX_NOTICES = 1_000
MAX_RECORDS = 64  # of one name in a policy zone; an answer that is meant has a few
MAX_RECORD_DATA = 4_096  # octets of all of them together, so that they fit an answer beside everything else
MAX_DEPTH = 32  # objects and lists within each other; the document itself has three

# Control characters other than tab and line breaks, which could steer a terminal, and halves of surrogate pairs, which
# cannot be written as UTF-8.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_TEXTS = (
    "authority",
    "platform",
    "legal_basis",
    "reference",
    "summary",
    "reported_by",
    "assessed_by",
    "decided_by",
    "contact",
    "lifted_reason",
)
_TIMES = ("in_force_from", "expires", "review_by", "lifted_on", "published")
_KNOWN = frozenset(("schema", "id", "action", "mandate", "cname", "notices", *COVERING, *_TEXTS, *_TIMES))
_OWN = "_"  # how names of fields begin that only blockd itself writes


Member = TypeVar("Member", Action, Mandate)


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """An order with the entries it covers; where `names` is not None they are in files of their own."""

    order: Order
    entries: tuple[Entry, ...]
    names: NameList | None = None
    scope: Scope = Scope.BOTH  # of what is in those files

    def covering(self, name: DomainName) -> tuple[DomainName, Entry] | None:
        """Give the longest name by which the entries cover `name`, itself or one above it, with its entry.

        None where they do not. Of a confidential order the entry has the hash of that name.
        """
        scopes: dict[bytes, Scope] = {}
        for entry in self.entries:
            scopes[entry.key] = scopes.get(entry.key, Scope(0)) | entry.scope
        for candidate in name.ancestors():
            salt = self.order.salt
            key = hashed_key(name_digest(candidate.key, salt)) if salt else candidate.key
            scope = scopes.get(key, Scope(0))
            if scope & (Scope.EXACT if candidate == name else Scope.SUBDOMAINS):
                return candidate, Entry(key, scope)
        return None


def time_from_text(text: str) -> int:
    """Give the seconds since the epoch of an RFC 3339 date or time, UTC where it names no zone; raises ValueError.

    Fractions of a second are cut off. A moment that in UTC is outside of the years 1 to 9999 is no date here.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.astimezone(UTC).replace(microsecond=0).timestamp())
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def time_text(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC; `time_from_text` takes it back."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=0, tzinfo=None)
    return f"{moment.isoformat()}Z"  # strftime would write the year 900 with three digits


def fit_text(text: str) -> str:
    """Give a text field as it is kept, without blanks around it; raises ValueError where it may not stand in a file."""
    if _UNFIT.search(text):
        raise ValueError("control characters are not allowed")
    return text.strip()


def parse_document(document: object, source: str) -> OrderDocument:
    """Parse a decoded JSON document; `source` names it in errors. Raises BadOrder with every problem at once."""
    return _parse(document, source, kept=False)


def _parse(document: object, source: str, *, kept: bool) -> OrderDocument:
    """Parse a document; `kept` tells whether blockd wrote it itself, so that it may be what only a zone's rules are."""
    if not isinstance(document, Mapping):
        raise BadOrder(source, ["the document is no JSON object"])
    if _too_deep(document):
        raise BadOrder(source, [f"more than {MAX_DEPTH} objects and lists are within each other"])
    problems: list[str] = []
    major = str(document.get("schema", "")).partition(".")[0]
    if major != str(SCHEMA_MAJOR):
        raise BadOrder(source, [f"schema: {shown(document.get('schema'))} is not known here; {SCHEMA} is"])
    fields: dict[str, object] = {name: _text(document, name, problems) for name in _TEXTS}
    for name in _TIMES:
        fields[name] = _time(document, name, problems)
    identifier = _text(document, "id", problems)
    if not is_order_id(identifier):
        problems.append("id: small letters, digits, dot, hyphen and underscore, 1 to 80 of them, are allowed")
    required = ("authority", "platform", "in_force_from")
    problems.extend(f"{name}: is missing" for name in required if fields[name] in ("", None))
    action = _member(document, "action", Action, Action.SINKHOLE, problems)
    if action.is_zones and not kept:
        problems.append(f"action: {action} is for the rules of a policy zone only")
    default = Mandate.LAW if fields["legal_basis"] else Mandate.OPERATOR
    mandate = _member(document, "mandate", Mandate, default, problems)
    covers = Covered() if kept else covered(document, problems)
    cname = _target(document, action, problems, of_zone=kept)
    local = action is Action.LOCAL and kept
    records = _records(document.get("records"), problems) if local else ()
    salt, role = _added(document, problems) if kept else (covers.salt, "")
    notices = _notices(document, problems)
    if problems:
        raise BadOrder(source, problems[:MAX_PROBLEMS])
    order = Order(
        id=identifier,
        action=action,
        mandate=mandate,
        cname=cname,
        records=records,
        notices=notices,
        salt=salt,
        role=role,
        unknown={
            str(name): value
            for name, value in document.items()
            if name not in _KNOWN and not str(name).startswith(_OWN) and not (local and name == "records")
        },
        **fields,  # type: ignore[arg-type]
    )
    return OrderDocument(order, covers.entries, covers.names, covers.scope)


def order_to_json(order: Order) -> dict[str, object]:
    """Give the document's fields of an order, without what it covers; `parse_order` takes them back."""
    written: dict[str, object] = {"schema": SCHEMA, "id": order.id, "action": order.action, "mandate": order.mandate}
    written.update({name: getattr(order, name) for name in _TEXTS if getattr(order, name)})
    written.update({name: time_text(at) for name in _TIMES if (at := getattr(order, name)) is not None})
    if order.cname:
        written["cname"] = order.cname
    if order.salt:
        written["_salt"] = order.salt.hex()
    if order.role:
        written["_role"] = order.role
    if order.records:
        written["records"] = [[record.type, record.ttl, record.data.hex()] for record in order.records]
    if order.notices:
        names = ("sent", "channel", "text", "answer")
        written["notices"] = [{n: getattr(notice, n) for n in names if getattr(notice, n)} for notice in order.notices]
    return {**order.unknown, **written}


def parse_order(document: object, source: str) -> Order:
    """Parse what `order_to_json` writes, also of a policy zone's order; raises BadOrder."""
    return _parse(document, source, kept=True).order


def _text(document: Mapping[str, object], name: str, problems: list[str]) -> str:
    if name not in document:  # as most are: a ruleset's catalogue may hold thousands of orders
        return ""
    value = document[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        problems.append(f"{name}: a text of at most {MAX_TEXT} characters is allowed")
        return ""
    try:
        return fit_text(value)
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return ""


def _time(document: Mapping[str, object], name: str, problems: list[str]) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    try:
        return time_from_text(value if isinstance(value, str) else str(value))
    except ValueError:
        problems.append(f"{name}: {shown(value)} is no RFC 3339 date such as 2017-07-14 or 2017-07-14T04:30:00Z")
        return None


def _member(
    document: Mapping[str, object], name: str, kind: type[Member], default: Member, problems: list[str]
) -> Member:
    value = document.get(name, default)
    try:
        return kind(str(value))
    except ValueError:
        problems.append(f"{name}: {shown(value)} is not one of {', '.join(kind)}")
        return default


def _notices(document: Mapping[str, object], problems: list[str]) -> tuple[Notice, ...]:
    value = document.get("notices", [])
    if not isinstance(value, list) or len(value) > MAX_NOTICES:
        problems.append(f"notices: a list of at most {MAX_NOTICES} notices is allowed")
        return ()
    found = []
    for number, item in enumerate(value):
        if len(problems) >= MAX_PROBLEMS:
            break
        if not isinstance(item, Mapping):
            problems.append(f"notices[{number}]: an object with at least `sent` is needed")
            continue
        wrong: list[str] = []
        texts = {name: _text(item, name, wrong) for name in ("sent", "channel", "text", "answer")}
        if not texts["sent"] and not wrong:
            wrong.append("sent: is missing")
        problems.extend(f"notices[{number}].{problem}" for problem in wrong)
        found.append(Notice(**texts))
    return tuple(found)


def _added(document: Mapping[str, object], problems: list[str]) -> tuple[bytes, str]:
    """Read what was written beside the document's own fields: the salt and the role."""
    try:
        salt, role = bytes.fromhex(str(document.get("_salt", ""))), document.get("_role", "")
        if (salt and not MIN_SALT <= len(salt) <= MAX_SALT) or not isinstance(role, str):
            raise ValueError
    except ValueError:
        problems.append("_salt, _role: are not what blockd writes")
        return b"", ""
    return salt, role


def _target(document: Mapping[str, object], action: Action, problems: list[str], *, of_zone: bool) -> str:
    target = _text(document, "cname", problems)
    if (action is Action.CNAME) != bool(target):
        problems.append("cname: the action cname needs a target, and no other action has one")
        return ""
    if target:
        try:
            key_from_text(target.removeprefix("*.") if of_zone else target)
        except BadName as error:
            problems.append(f"cname: {shown(target)} is no name: {error.reason}")
    return target


def _records(value: object, problems: list[str]) -> tuple[LocalRecord, ...]:
    """Read the records of a policy zone's rule, each `[type, ttl, data in hexadecimal]`."""
    found = []
    try:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_RECORDS:
            raise ValueError(f"1 to {MAX_RECORDS} records are needed")
        for kind, ttl, data in value:
            record = LocalRecord(int(kind), int(ttl), bytes.fromhex(data))
            if not 0 < record.type <= 0xFFFF or not 0 <= record.ttl <= 0x7FFFFFFF:
                raise ValueError("a type or TTL is out of range")
            found.append(record)
        if sum(len(record.data) for record in found) > MAX_RECORD_DATA:
            raise ValueError(f"they hold more than {MAX_RECORD_DATA} octets")
    except (TypeError, ValueError) as error:
        problems.append(f"records: cannot be read: {error}")
        return ()
    return tuple(found)


def _too_deep(document: object) -> bool:
    """Tell whether more than MAX_DEPTH objects and lists are within each other: recursive code would fail on them."""
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner = {  # by identity: a YAML document may hold the same list many times
            id(value): value
            for outer in level
            for value in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(value, (dict, list))
        }
        if not inner:
            return False
        level = list(inner.values())
    return True
