"""The fields that the signed and the stored form of an order have in common; every problem is reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from blockd.errors import BadName, BadOrder
from blockd.names import key_from_text
from blockd.orders.coverage import COVERING, MAX_PROBLEMS, shown
from blockd.orders.order import Action, Mandate, Notice
from blockd.orders.repository import is_order_id
from blockd.times import time_from_text

SCHEMA_MAJOR = 1
SCHEMA = "1.0"
MAX_TEXT = 4_000  # characters in one text field: about a page
MAX_NOTICES = 1_000
MAX_DEPTH = 32  # objects and lists within each other; the document itself has three

MAX_LANGUAGE = 35  # characters, RFC 5646 section 4.4.1
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)  # a language tag's form, without its registry
_LUMEN_ID = re.compile(r"[0-9]{1,20}", re.ASCII)  # a notice's number; those of 2026 have eight digits

# Control characters other than tab and line breaks, which could steer a terminal, and halves of surrogate pairs, which
# cannot be written as UTF-8.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
TEXTS = (
    "authority",
    "platform",
    "legal_basis",
    "reference",
    "summary",
    "reported_by",
    "assessed_by",
    "decided_by",
    "language",
    "lumen_id",
    "contact",
    "lifted_reason",
)
TIMES = ("in_force_from", "expires", "review_by", "lifted_on", "published")
_REQUIRED = ("authority", "platform", "in_force_from")
_KNOWN = frozenset(("schema", "id", "action", "mandate", "cname", "notices", *COVERING, *TEXTS, *TIMES))
_OWN = "_"  # prefix of fields that only blockd itself writes

Member = TypeVar("Member", Action, Mandate)


def fit_text(text: str) -> str:
    """Return a text field as it is kept, without blanks around it; raises ValueError for control characters."""
    if _UNFIT.search(text):
        raise ValueError("control characters are not allowed")
    return text.strip()


def as_mapping(document: object, source: str) -> Mapping[str, object]:
    """Return a decoded JSON document as a mapping; raises BadOrder if it is too deep, or of another schema."""
    if not isinstance(document, Mapping):
        raise BadOrder(source, ["the document is not a JSON object"])
    if _too_deep(document):
        raise BadOrder(source, [f"objects and lists are nested more than {MAX_DEPTH} deep"])
    major = str(document.get("schema", "")).partition(".")[0]
    if major != str(SCHEMA_MAJOR):
        raise BadOrder(source, [f"schema: {shown(document.get('schema'))} is not supported; expected {SCHEMA}"])
    return document


def read_fields(
    document: Mapping[str, object], problems: list[str], *, of_zone: bool, of_list: bool = False
) -> dict[str, Any]:
    """Return the arguments of `Order` that both forms have; what is wrong is added to `problems`.

    `of_zone` is whether the order may be one of a policy zone's rules, which no authority can sign; `of_list` is
    whether it stands for a list, of which nothing but its name has to be known.
    """
    fields: dict[str, Any] = {name: _text(document, name, problems) for name in TEXTS}
    for name in TIMES:
        fields[name] = _time(document, name, problems)
    fields["id"] = _text(document, "id", problems)
    if not is_order_id(fields["id"]):
        problems.append("id: expected 1 to 80 lower-case letters, digits, dots, hyphens and underscores")
    if fields["language"] and not (len(fields["language"]) <= MAX_LANGUAGE and _LANGUAGE.fullmatch(fields["language"])):
        problems.append("language: expected a language tag (RFC 5646) such as id or en-GB")
    if fields["lumen_id"] and not _LUMEN_ID.fullmatch(fields["lumen_id"]):
        problems.append("lumen_id: expected the number of a notice in the Lumen database: a text of 1 to 20 digits")
    if not of_list:
        problems.extend(f"{name}: is missing" for name in _REQUIRED if fields[name] in ("", None))
    fields["action"] = action = _member(document, "action", Action, Action.SINKHOLE, problems)
    if action.is_zones and not of_zone:
        problems.append(f"action: {action} is allowed in the rules of a policy zone only")
    fields["mandate"] = Mandate.LAW if fields["legal_basis"] else None
    if "mandate" in document:
        fields["mandate"] = _member(document, "mandate", Mandate, Mandate.LAW, problems)
    fields["cname"] = _target(document, action, problems, of_zone=of_zone)
    fields["notices"] = _notices(document, problems)
    return fields


def unknown_fields(document: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that a later minor schema adds, without those that only blockd itself writes."""
    return {
        str(name): value for name, value in document.items() if name not in _KNOWN and not str(name).startswith(_OWN)
    }


def refuse(source: str, problems: list[str]) -> None:
    """Raise BadOrder if there are problems."""
    if problems:
        raise BadOrder(source, problems[:MAX_PROBLEMS])


def _text(document: Mapping[str, object], name: str, problems: list[str]) -> str:
    if name not in document:  # as most are: a ruleset's catalogue may hold thousands of orders
        return ""
    value = document[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        problems.append(f"{name}: expected a text of at most {MAX_TEXT} characters")
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
        example = "an RFC 3339 date such as 2017-07-14 or 2017-07-14T04:30:00Z"
        problems.append(f"{name}: expected {example}, got {shown(value)}")
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
        problems.append(f"notices: expected a list of at most {MAX_NOTICES} notices")
        return ()
    found = []
    for number, item in enumerate(value):
        if len(problems) >= MAX_PROBLEMS:
            break
        if not isinstance(item, Mapping):
            problems.append(f"notices[{number}]: expected an object with at least `sent`")
            continue
        wrong: list[str] = []
        texts = {name: _text(item, name, wrong) for name in ("sent", "channel", "text", "answer")}
        if not texts["sent"] and not wrong:
            wrong.append("sent: is missing")
        problems.extend(f"notices[{number}].{problem}" for problem in wrong)
        found.append(Notice(**texts))
    return tuple(found)


def _target(document: Mapping[str, object], action: Action, problems: list[str], *, of_zone: bool) -> str:
    target = _text(document, "cname", problems)
    if (action is Action.CNAME) != bool(target):
        problems.append("cname: the action cname needs a target, and no other action has one")
        return ""
    if target:
        try:
            key_from_text(target.removeprefix("*.") if of_zone else target)
        except BadName as error:
            problems.append(f"cname: expected a domain name, got {shown(target)}: {error.reason}")
    return target


def _too_deep(document: object) -> bool:
    """Return whether objects and lists are nested more than MAX_DEPTH deep: recursive code would fail on them."""
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
