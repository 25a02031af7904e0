"""Whether a node will take the list of an order, found out before the order is signed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from blockd.errors import FeedRefused, PublishError
from blockd.feeds.signed.list_names import fault_in
from blockd.feeds.signed.list_texts import NameLists
from blockd.orders import ListStep, NameList


def refuse_unusable_list(identifier: str, names: NameList, text: Path, file_of: Callable[[str], Path]) -> None:
    """Raise PublishError if a node would refuse the list of an order, with what is wrong and in which line.

    `text` is where the workshop keeps the list's text, if it does; if that is not what the last step says, the text is
    made from the files, as a node does. `file_of` returns the file of a target.
    """
    try:
        if _is_text_of(names.last, text):
            if fault := fault_in(text):
                raise FeedRefused("format", f"In the list of {names.last.target}, {fault}.")
            return
        with tempfile.TemporaryDirectory(
            prefix=".check-", dir=text.parent if text.parent.is_dir() else None
        ) as scratch:
            NameLists(Path(scratch)).bring(names, file_of)
    except FeedRefused as refusal:
        raise PublishError(
            f"Nodes would refuse the order {identifier} ({refusal.reason}): {refusal} Nothing was signed."
        ) from refusal


def _is_text_of(step: ListStep, text: Path) -> bool:
    try:
        with text.open("rb") as file:
            is_whole = hashlib.file_digest(file, "sha256").hexdigest() == step.sha256
            size = file.tell()
    except OSError:
        return False
    return is_whole and size == step.size and _lines(text) == step.count


def _lines(text: Path) -> int:
    with text.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
