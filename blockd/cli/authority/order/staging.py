"""What the verbs about orders have in common: by which rules an order is checked, where it is, and how it is staged."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from secrets import token_bytes

from blockd.cli.agreement import agreed
from blockd.cli.output import show
from blockd.errors import BadOrder, PublishError
from blockd.orders import Entry
from blockd.orders.fields import SCHEMA
from blockd.orders.key import parse_asked
from blockd.orders.repository import OWN_ROLE
from blockd.publish import Workshop
from blockd.publish.confidential import SALT_SIZE
from blockd.publish.documents import Checked, check_documents
from blockd.publish.lint import Rules, publishers_guard
from blockd.publish.signed_orders import difference
from blockd.settings import GateSettings, load

Document = dict[str, object]


def gate_settings(config: Path) -> GateSettings:
    """Return the gate of the config if there is one, else the default."""
    return load(config).gate if config.is_file() else GateSettings()


def rules_of(args: argparse.Namespace, workshop: Workshop, role: str) -> Rules:
    """Return the rules for orders of a role; a confidential order that is staged keeps its salt."""

    def salt(identifier: str) -> bytes:
        there = identifier in workshop.staged(role)
        return (there and workshop.document(identifier, role).order.salt) or token_bytes(SALT_SIZE)

    guard = publishers_guard(gate_settings(args.config))
    return Rules(guard, workshop.authority_of(role), salt, role)


def role_of(args: argparse.Namespace, workshop: Workshop) -> str:
    """Return the role that has the order asked for as ID or ROLE/ID; the arguments have its id alone afterwards.

    Raises PublishError if none has, if several have, or if the role named has not.
    """
    asked = parse_asked(args.identifier)
    if asked is None or asked.feed is not None:
        raise PublishError(f"expected an order as ID or ROLE/ID, got {args.identifier}; nothing was changed.")
    role: str | None = args.role
    if asked.role is not None and role not in (None, asked.role):
        whose = role or "the repository itself"
        raise PublishError(f"{args.identifier} belongs to another role than {whose}; nothing was changed.")
    role = asked.role if role is None else role
    if role is None:
        having = [one for one in ("", *workshop.roles()) if asked.id in workshop.staged(one)]
        if len(having) > 1:
            fitting = ", ".join(f"{one or OWN_ROLE}/{asked.id}" for one in having)
            raise PublishError(f"Several orders fit {asked.id}; nothing was changed. Name one of {fitting}")
        role = having[0] if having else ""
    workshop.document(asked.id, role)  # raises if it is missing or damaged
    args.identifier = asked.id
    return role


def staged_document(workshop: Workshop, identifier: str, role: str) -> Document:
    """Return a staged order as it is decoded, empty if none is staged."""
    content = workshop.staged(role).get(identifier)
    try:
        return dict(json.loads(content)) if content else {}
    except (ValueError, TypeError, RecursionError) as error:
        raise PublishError(f"The staged order {identifier} is damaged: {error}. Stage it again.") from error


def checked_change(identifier: str, changed: Document, rules: Rules) -> Checked:
    """Check a changed order; raises PublishError with every problem, also if it has become another order."""
    if changed.get("id") != identifier:
        raise PublishError(f"The id cannot change from {identifier}; nothing was changed. Make a new order instead.")
    given = {**changed, "schema": SCHEMA}
    return check_documents([(identifier, given)], rules)


def stage(args: argparse.Namespace, workshop: Workshop, role: str, checked: Checked, verb: str, **more: object) -> None:
    """Stage checked documents and tell what was done: `verb` is the word for it; the caller holds the lock."""
    asked = _newly_asked(workshop, role, checked)
    confirm(args, asked)
    replaced = {}
    for identifier, content in checked.documents.items():
        try:
            before = staged_document(workshop, identifier, role)
        except PublishError:
            continue  # it was damaged, and is valid again now
        if before:
            replaced[identifier] = list(difference(json.loads(content), before)[1])
    workshop.stage(checked.documents, role)
    data = {verb: list(checked.documents), "role": role, "changed": replaced, "warnings": checked.warnings, **more}
    data = {"asked_back": asked, "taken": checked.taken, **data}
    show(args.json, data, [*_lines(checked, verb, replaced), next_step(args.folder, role)])


def confirm(args: argparse.Namespace, asked: Sequence[str]) -> None:
    """Ask whether orders are to be staged that take more than one might think; raises PublishError if not."""
    if not asked or args.yes:
        return
    if not sys.stdin.isatty():
        listed = "".join(f"\n  {sentence}" for sentence in asked)
        raise PublishError(f"Somebody has to look at this; nothing was staged. Say --yes if it is intended.{listed}")
    if not agreed("Stage it nevertheless?", asked):
        raise PublishError("Nothing was staged, as you said.")


def _newly_asked(workshop: Workshop, role: str, checked: Checked) -> list[str]:
    """Return what is to be asked of names that the staged orders do not have yet, in the same scope and action."""
    found = []
    for identifier, questions in checked.asked_back.items():
        before = _covered_before(workshop, identifier, role, checked.documents[identifier])
        found += [f"{identifier}: {one.sentence}" for one in questions if one.entry not in before]
    return found


def _covered_before(workshop: Workshop, identifier: str, role: str, content: bytes) -> Set[Entry]:
    """Return the entries that the staged order has; empty if there is none, or its action was another one."""
    try:
        before = workshop.document(identifier, role)
    except (PublishError, BadOrder):
        return frozenset()
    same = str(before.order.action) == json.loads(content)["action"]
    return frozenset(before.entries) if same else frozenset()


def change_staged(args: argparse.Namespace, change: Callable[[Document], Document], verb: str, told: str) -> None:
    """Change the staged order that the arguments name, and tell so with its field `told`; raises PublishError."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        changed = change(staged_document(workshop, args.identifier, role))
        checked = checked_change(args.identifier, changed, rules_of(args, workshop, role))
        checked = Checked(checked.documents)  # its warnings were shown when it was made
        stage(args, workshop, role, checked, verb, **{told: changed[told]})


def next_step(folder: Path, role: str) -> str:
    """Say what comes after a change."""
    by = f" --role {role} --key FILE" if role else ""
    return f"Nothing is published yet; next: blockd authority sign {folder}{by}"


def _lines(checked: Checked, verb: str, replaced: dict[str, list[str]]) -> Iterable[str]:
    for identifier in checked.documents:
        if identifier not in replaced:
            yield f"{verb} {identifier}"
        elif replaced[identifier]:
            yield f"{verb} {identifier}: changed {', '.join(replaced[identifier])}"
        else:
            yield f"{verb} {identifier}: it is staged already, unchanged"
    yield from checked.taken
    yield from (f"warning: {warning}" for warning in checked.warnings)
    for identifier, questions in checked.asked_back.items():
        yield from (f"{identifier}: {one.sentence}" for one in questions)
