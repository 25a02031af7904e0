"""Text for terminals and logs, whatever foreign texts it contains.

Orders, lists, servers and names of files contain texts of others. A line feed in one of them would begin a line that
looks like blockd's own, a control character would steer the terminal, and a bidirectional override would show another
text than there is.
"""

from __future__ import annotations

import unicodedata


def printable(text: str, keep: str = "") -> str:
    """Return `text` with every character escaped that is neither seen nor a space, but for those in `keep`.

    Half of a surrogate pair, which stands for an octet of a file's name that is not UTF-8, is escaped too.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_safe(char) or char in keep else _escaped(char) for char in text)


def _is_safe(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
