"""Order documents as an authority writes them, YAML or JSON, read strictly: what a publisher may forget is refused.

A daemon reads leniently (`blockd.orders.document`), because an order signed yesterday must still be enforced today.
Here, before anything is signed, a field that nobody knows is a slip of the pen, and so is a missing contact.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from blockd.errors import BadOrder, PublishError
from blockd.orders import Mandate, OrderDocument, Scope, parse_document
from blockd.orders.document import order_to_json

MAX_DOCUMENT = 64 * 1024 * 1024  # bytes; the same bound that a daemon sets (`blockd.feeds.signed`)
MAX_PROBLEMS = 100  # problems told at once over all files


def read_documents(paths: Iterable[Path]) -> dict[str, bytes]:
    """Read and check order documents; gives the canonical JSON of each by its order's id.

    Raises PublishError with every problem of every file; then nothing is given.
    """
    documents: dict[str, bytes] = {}
    sources: dict[str, Path] = {}
    problems: list[str] = []
    for path in paths:
        try:
            identifier, content = canonical(_load(path), str(path))
        except BadOrder as error:
            problems.extend(f"{path}: {problem}" for problem in error.problems)
            continue
        if identifier in documents:
            problems.append(f"{path}: id: {identifier} is the id of {sources[identifier]} too")
        documents[identifier], sources[identifier] = content, path
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems[:MAX_PROBLEMS])
        raise PublishError(f"The orders cannot be taken; nothing was staged.{listed}")
    return documents


def canonical(raw: object, source: str) -> tuple[str, bytes]:
    """Check a decoded document strictly; gives the order's id and its canonical JSON, without `published`.

    Raises BadOrder with every problem at once.
    """
    problems: list[str] = []
    document: OrderDocument | None = None
    try:
        document = parse_document(raw, source)
    except BadOrder as error:
        problems.extend(error.problems)
    if isinstance(raw, Mapping):
        problems.extend(_forgotten(raw))
        if document is not None:
            problems.extend(_contradictions(raw, document))
    if problems or document is None:
        raise BadOrder(source, problems)
    written = order_to_json(document.order)
    written.pop("published", None)  # stamped when it is signed
    written.setdefault("expires", None)
    written["names"] = [
        entry.text if entry.scope is Scope.BOTH else {"name": entry.text, "scope": entry.scope.text}
        for entry in document.entries
    ]
    return document.order.id, to_bytes(written)


def to_bytes(document: Mapping[str, object]) -> bytes:
    """Write a document as canonical JSON: sorted fields, no spaces, UTF-8, one newline at the end."""
    return (json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _forgotten(raw: Mapping[str, object]) -> Iterable[str]:
    if not _said(raw, "contact"):
        yield "contact: is missing; say where the people who are blocked can object"
    if "expires" not in raw:
        yield "expires: is missing; give a date, or say `expires: null` for an order without an end"
    mandate = raw.get("mandate", Mandate.LAW if _said(raw, "legal_basis") else Mandate.OPERATOR)
    if mandate == Mandate.LAW and not _said(raw, "legal_basis"):
        yield "legal_basis: is missing; an order by law names the law"
    if _said(raw, "lifted_on") != _said(raw, "lifted_reason"):
        yield "lifted_on, lifted_reason: a lifting has a date and a reason, both or neither"


def _said(raw: Mapping[str, object], name: str) -> bool:
    value = raw.get(name)
    return bool(value.strip() if isinstance(value, str) else value)


def _contradictions(raw: Mapping[str, object], document: OrderDocument) -> Iterable[str]:
    order = document.order
    for name in order.unknown:
        yield f"{name}: is no field of an order"
    if order.expires is not None and order.expires <= order.in_force_from:
        yield "expires: is not later than in_force_from"
    seen = set()
    for entry in document.entries:
        if entry.key in seen:
            yield f"names: {entry.text} is listed twice"
        seen.add(entry.key)
    if not isinstance(raw.get("schema"), str):
        yield 'schema: a text is needed: schema: "1.0"'


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise BadOrder(str(path), [f"cannot be read: {error.strerror}"]) from error
    if len(content) > MAX_DOCUMENT:
        raise BadOrder(str(path), [f"is larger than {MAX_DOCUMENT} bytes"])
    try:
        if path.suffix == ".json":
            return json.loads(content, object_pairs_hook=_pairs)
        return yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split()) or "nested too deeply"
        raise BadOrder(
            str(path), [f"cannot be read as {'JSON' if path.suffix == '.json' else 'YAML'}: {said}"]
        ) from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is given twice")
    return fields


class _Loader(yaml.SafeLoader):
    """YAML in which dates and the schema's number stay the text that the author wrote, and no field comes twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - so it is declared by its base class
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        if len(set(map(str, names))) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"{twice} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
