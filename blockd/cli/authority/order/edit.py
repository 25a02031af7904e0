"""`blockd authority order edit`: change an order in an editor, or field by field."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from blockd.cli.authority.order.staging import (
    Document,
    checked_change,
    role_of,
    rules_of,
    stage,
    staged_document,
)
from blockd.cli.output import error_lines, show
from blockd.errors import BadOrder, PublishError
from blockd.publish import Workshop
from blockd.publish.changes import with_fields
from blockd.publish.document_files import load_document, to_yaml
from blockd.publish.documents import Checked
from blockd.publish.lint import Rules

_FIRST = ("schema", "id", "authority", "platform")  # fields that an editor shows before all others
_LAST = ("names", "hashed", "list")


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    workshop = Workshop(args.folder)
    with workshop.locked():
        role = role_of(args, workshop)
        document = staged_document(workshop, args.identifier, role)
        rules = rules_of(args, workshop, role)
        if args.set:
            changed = with_fields(document, args.set)
            checked: Checked | None = checked_change(args.identifier, changed, rules)
        else:
            checked = _edited(args.identifier, document, rules)
        if checked is None:
            show(args.json, {"edited": []}, [f"Nothing was changed in {args.identifier}."])
        else:
            stage(args, workshop, role, checked, "edited")
    return 0


def _edited(identifier: str, document: Document, rules: Rules) -> Checked | None:
    """Let an editor change the document until it has no fault; None if nothing was changed.

    The file lies in a folder that only its owner reads and is gone afterwards: it may hold confidential names.
    """
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder:
        path = Path(folder) / f"{identifier}.yaml"
        text = to_yaml(_in_order(document))
        path.write_text(text, encoding="utf-8")
        while True:
            _open_editor(path)
            if path.read_bytes() == text.encode():
                return None
            try:
                changed = load_document(path)
                if not isinstance(changed, dict):
                    raise PublishError("The file no longer contains an order; nothing was changed.")
                return checked_change(identifier, changed, rules)
            except (BadOrder, PublishError) as error:
                if not _again(str(error)):
                    raise PublishError(f"{error}\nThe order was not changed.") from error


def _open_editor(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode  # noqa: S603 - the user's own
    except (OSError, ValueError) as error:
        raise PublishError(f"The editor {editor} cannot be started; nothing was changed. Set EDITOR.") from error
    if ended:
        raise PublishError(f"The editor {editor} ended with exit code {ended}; nothing was changed.")


def _again(problem: str) -> bool:
    if not sys.stdin.isatty():
        return False
    error_lines(str(problem))
    return input("Edit again? [Y/n] ").strip().lower() in ("", "y", "yes")


def _in_order(document: Document) -> Document:
    middle = sorted(name for name in document if name not in (*_FIRST, *_LAST))
    return {name: document[name] for name in (*_FIRST, *middle, *_LAST) if name in document}
