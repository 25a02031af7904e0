"""Strict checks and canonical form of order documents: omissions and mistakes of a publisher are refused.

A daemon reads leniently (`blockd.orders.document`), because an order signed yesterday must still be enforced today.
Here, before anything is signed, an unknown field counts as a mistake, and so does a missing contact.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blockd.errors import BadOrder, PublishError
from blockd.orders import Action, Entry, OrderDocument, Scope, parse_document
from blockd.orders.document import MAX_TEXTS
from blockd.orders.stored import order_to_json
from blockd.publish import confidential
from blockd.publish import lint as strictness
from blockd.publish.asked_back import AskedBack, asked_back
from blockd.publish.document_files import load_document
from blockd.publish.lint import Rules
from blockd.publish.pasted import names_taken

_STAMP = 64  # octets that `published` adds when a document is signed
MAX_PROBLEMS = 100  # problems reported at once over all files
_MAY_BE_NULL = {"expires", "names"}  # any other field without a value, as in a template, counts as missing


@dataclass(frozen=True, slots=True)
class Checked:
    """Valid documents: the canonical JSON of each by its order's id, and what is to be reviewed.

    `warnings` are sentences; `asked_back` has, by id, the entries that a person is asked about; `taken` says which
    names were taken out of URLs and the like.
    """

    documents: dict[str, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    asked_back: dict[str, tuple[AskedBack, ...]] = field(default_factory=dict)
    taken: tuple[str, ...] = ()


def check_documents(sources: Iterable[tuple[str, object]], rules: Rules) -> Checked:
    """Check documents, each with its name: a Path to read, or a decoded document.

    Raises PublishError with every problem of all documents.
    """
    documents: dict[str, bytes] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    warnings: list[str] = []
    asked: dict[str, tuple[AskedBack, ...]] = {}
    taken: list[str] = []
    for source, given in sources:
        try:
            raw = load_document(given) if isinstance(given, Path) else given
            hidden = isinstance(raw, Mapping) and bool(raw.get("confidential"))
            if isinstance(raw, Mapping):
                raw, told = names_taken(raw, hidden=hidden)
                taken.extend(f"{source}: {sentence}" for sentence in told)
            one = _checked(raw, source, rules)
        except BadOrder as error:
            problems.extend(f"{source}: {problem}" for problem in error.problems)
            continue
        identifier, content = one.identifier, one.content
        if identifier in documents:
            problems.append(f"{source}: id: {identifier} is also the id of {origins[identifier]}")
        documents[identifier], origins[identifier] = content, source
        warnings.extend(f"{source}: {warning}" for warning in one.warnings)
        if found := tuple(asked_back(one.entries, one.action, rules.guard, hidden=hidden)):
            asked[identifier] = found
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems[:MAX_PROBLEMS])
        raise PublishError(f"The orders are not valid; nothing was staged.{listed}")
    return Checked(documents, tuple(warnings), asked, tuple(taken))


def canonical(raw: object, source: str, rules: Rules | None = None) -> tuple[str, bytes]:
    """Check a decoded document strictly; return the order's id and its canonical JSON, without `published`.

    The names of a confidential order become hashes. Raises BadOrder with every problem at once.
    """
    one = _checked(raw, source, rules or Rules())
    return one.identifier, one.content


def to_bytes(document: Mapping[str, object]) -> bytes:
    """Return a document as canonical JSON: sorted fields, no spaces, UTF-8, one newline at the end."""
    return (json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


@dataclass(frozen=True, slots=True)
class _CheckedOne:
    """One valid document; `entries` are those in plain text, each with its place."""

    identifier: str
    content: bytes
    warnings: tuple[str, ...]
    entries: list[tuple[int, Entry]]
    action: Action


def _checked(raw: object, source: str, rules: Rules) -> _CheckedOne:
    problems: list[str] = []
    document: OrderDocument | None = None
    hidden = isinstance(raw, Mapping) and confidential.has_plain_names(raw)  # to be hashed here
    secret = isinstance(raw, Mapping) and bool(raw.get("confidential"))  # no name is repeated, whatever is wrong
    if isinstance(raw, Mapping):
        raw = {name: value for name, value in raw.items() if value is not None or name in _MAY_BE_NULL}
        raw["authority"] = raw.get("authority") or rules.authority
        if type(raw.get("lumen_id")) is int:  # as YAML reads it without quotes
            raw["lumen_id"] = str(raw["lumen_id"])
        problems.extend(strictness.forgotten(raw, rules))
    try:
        document = parse_document(_plain(raw), source)
    except BadOrder as error:
        problems.extend(map(confidential.problem_without_name, error.problems) if secret else error.problems)
    if not isinstance(raw, Mapping):
        raise BadOrder(source, problems)
    if document is not None:
        problems.extend(strictness.outside(document.names, rules))
        entries = [] if document.order.is_confidential else list(enumerate(document.entries))
        if document.order.is_confidential and len(set(document.entries)) < len(document.entries):
            problems.append("hashed.names: a hash is listed twice")
    else:
        entries = confidential.plain_entries(raw)
    mistaken = strictness.mistaken(entries, raw.get("action", "sinkhole"), rules, hidden=secret)
    problems.extend(itertools.islice(mistaken, MAX_PROBLEMS))
    if hidden:
        scope = document.scope if document else _scope(raw)
        problems.extend(itertools.islice(confidential.unfit(entries, scope), MAX_PROBLEMS))
    if problems or document is None:
        raise BadOrder(source, problems)
    written = order_to_json(document.order)
    for added in ("published", "_salt"):  # stamped when it is signed; written beside the hashes
        written.pop(added, None)
    written.setdefault("expires", None)
    if hidden:
        salt = rules.salt(document.order.id)
        written.update(confidential=True, hashed=confidential.hashed([entry for _, entry in entries], salt))
    else:
        written.update(_covered(document))
    if "names" not in written and document.scope is not Scope.BOTH:
        written["scope"] = document.scope.text
    content = to_bytes(written)
    if len(content) + _STAMP > MAX_TEXTS:
        parse_document(written, source, len(content) + _STAMP)  # raises BadOrder if it is too large beside its names
    warnings = tuple(strictness.warnings(raw, entries, hidden=secret))
    return _CheckedOne(document.order.id, content, warnings, entries, document.order.action)


def _covered(document: OrderDocument) -> dict[str, object]:
    """Return what a valid document covers, in its canonical form."""
    order = document.order
    if order.is_confidential:
        digests = sorted(entry.key[1:].hex() for entry in document.entries)
        return {"confidential": True, "hashed": {"salt": order.salt.hex(), "names": digests}}
    if document.names is not None:
        fields = ("target", "sha256", "size", "count")
        return {"list": {"steps": [{n: getattr(step, n) for n in fields} for step in document.names.steps]}}
    return {
        "names": [
            entry.text if entry.scope is Scope.BOTH else {"name": entry.text, "scope": entry.scope.text}
            for entry in document.entries
        ]
    }


def _plain(raw: object) -> object:
    """Return a document whose names are still to be hashed as one that is not confidential."""
    if isinstance(raw, Mapping) and confidential.has_plain_names(raw):
        return {**raw, "confidential": False}
    return raw


def _scope(raw: Mapping[str, object]) -> Scope:
    try:
        return Scope.from_text(str(raw.get("scope", "both")))
    except KeyError:
        return Scope.BOTH
