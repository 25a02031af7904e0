"""`blockd authority order new`: stage orders from files, or one from options."""

from __future__ import annotations

import argparse
from pathlib import Path

from blockd.cli.authority.order.name_lists import renew_list
from blockd.cli.authority.order.staging import rules_of, stage
from blockd.cli.output import print_text
from blockd.errors import BadName, BadOrder, CommandError, FileTooLarge, PublishError
from blockd.files import read_file
from blockd.formats.line import line_content
from blockd.orders.fields import SCHEMA
from blockd.orders.repository import MAX_DOCUMENT
from blockd.publish import Workshop
from blockd.publish.changes import NEVER, notice
from blockd.publish.document_files import load_document
from blockd.publish.documents import check_documents
from blockd.publish.template import TEMPLATE


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if args.template:
        print_text(TEMPLATE)
        return 0
    if args.folder is None:
        raise CommandError("order new takes a workshop, or --template")
    given = _from_options(args)
    if bool(args.files) == bool(given):
        raise CommandError("order new takes either FILE..., or the options that make one order; see --template")
    if args.list is not None and len(args.files) > 1:
        raise CommandError("--list is the list of one order; give one FILE")
    workshop = Workshop(args.folder)
    role = args.role or ""
    rules = rules_of(args, workshop, role)
    with workshop.locked():
        if args.list is not None:
            source = str(args.files[0]) if args.files else "the order"
            document = _decoded(args.files[0]) if args.files else given
            return renew_list(args, workshop, role, document, source, verb="staged")
        sources: list[tuple[str, object]] = [(str(path), path) for path in args.files] or [("the order", given)]
        checked = check_documents(sources, rules)
        stage(args, workshop, role, checked, "staged")
    return 0


def _from_options(args: argparse.Namespace) -> dict[str, object]:
    """Return the document that the options make, empty if there are none."""
    document: dict[str, object] = {
        name.removeprefix("field_"): value
        for name, value in vars(args).items()
        if name.startswith("field_") and value is not None
    }
    if document.get("expires") == NEVER:
        document["expires"] = None
    names = [*(args.name or ()), *(_names(args.names_file) if args.names_file else ())]
    if names:
        document["names"] = names
    if args.notice:
        document["notices"] = [notice(text) for text in args.notice]
    if args.confidential:
        document["confidential"] = True
    return {"schema": SCHEMA, **document} if document else {}


def _names(path: Path) -> list[str]:
    """Return what the lines of a file hold beside comments; whether they are names is seen with the order."""
    try:
        content = read_file(path, MAX_DOCUMENT)
    except FileTooLarge as error:
        sentence = f"{path} is larger than {MAX_DOCUMENT} bytes; nothing was staged. Use --list for it."
        raise PublishError(sentence) from error
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            text = line_content(line, number).decode()
        except (BadName, UnicodeDecodeError) as error:
            raise PublishError(f"{path}: line {number} is not a valid name; nothing was staged.") from error
        if text:
            found.append(text)
    return found


def _decoded(path: Path) -> dict[str, object]:
    try:
        document = load_document(path)
    except BadOrder as error:
        raise PublishError(f"{error} Nothing was staged.") from error
    if not isinstance(document, dict):
        raise PublishError(f"{path} does not contain an order; nothing was staged.")
    return document
