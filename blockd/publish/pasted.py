"""Names as officers paste them: out of a browser's address bar, a letter or a list. The name in them is taken."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.errors import BadName
from blockd.formats.subject import Subject, subject_of
from blockd.names import key_from_text
from blockd.printable import unproved

_EXCEPTION = "@@"  # of an ad blocker's list: it would say the opposite


def names_taken(raw: Mapping[str, object], *, hidden: bool = False) -> tuple[dict[str, object], list[str]]:
    """Return a decoded document whose names have nothing around them, and what was taken out of what, in words.

    What is not a name in any way stays, to be reported with the document's other problems. If `hidden`, no name is
    repeated.
    """
    names = raw.get("names")
    if not isinstance(names, list):
        return dict(raw), []
    changed, told = list(names), []
    for number, item in enumerate(names):
        text = item.get("name") if isinstance(item, Mapping) else item
        found = _around(text) if isinstance(text, str) else None
        if found is None:
            continue
        changed[number] = {**item, "name": found.text} if isinstance(item, Mapping) else found.text
        what = "the name" if hidden else found.text
        source = "" if hidden else f' in "{unproved(str(text))}"'
        told.append(f"names[{number}]: {what} is taken, {found.taken_from}{source}")
    return {**raw, "names": changed}, told


def _around(text: str) -> Subject | None:
    """Return what a text names if it has something around it; None if it has nothing, or names nothing."""
    try:
        key_from_text(text)
    except BadName:
        pass
    else:
        return None
    if text.lstrip().startswith(_EXCEPTION):
        return None
    try:
        subject = subject_of(text)
    except BadName:
        return None
    return subject if subject.taken_from and not subject.is_client else None
