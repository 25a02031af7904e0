"""Text for terminals, logs and records, whatever foreign texts it contains.

Orders, lists, servers and names of files contain texts of others. A line feed in one of them would begin a line that
looks like blockd's own, a control character would steer the terminal, and a bidirectional override would show another
text than there is. What nobody vouches for is cut as well, or it would fill the log and the disk; names and signed
texts are bounded by their own formats, and are never cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MAX_UNPROVED = 200  # characters of a text that nobody vouches for: two lines of a terminal
MAX_SENTENCE = 1_000  # characters of a refusal: a few lines of a terminal
_WIDEST = 4  # octets of a character in UTF-8


def printable(text: str, keep: str = "") -> str:
    """Return `text` with every character escaped that is neither seen nor a space, but for those in `keep`.

    Half of a surrogate pair, which stands for an octet of a file's name that is not UTF-8, is escaped too.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_safe(char) or char in keep else _escaped(char) for char in text)


def unproved(text: str | bytes, limit: int = MAX_UNPROVED) -> str:
    r"""Return what an unproved source wrote, on one line: escaped, and cut to `limit` characters.

    Such are status lines and headers of servers, and lines of lists. Blanks other than the space are escaped too, for
    they may be what is wrong. Octets that are not UTF-8 are written `\xNN`. The work is bounded by `limit`, not by the
    text.
    """
    if isinstance(text, bytes):
        start = text[: _WIDEST * (limit + 1)].decode("utf-8", "backslashreplace")
    else:
        start = text[: limit + 1]
    shown = "".join(char if char.isprintable() else _escaped(char) for char in start)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def one_line(text: str, limit: int = MAX_SENTENCE) -> str:
    """Return a sentence on one line of at most `limit` characters; its line feeds are spaces."""
    return unproved(text[: limit + 1].replace("\n", " "), limit)


def some_of(items: Sequence[str], most: int) -> str:
    """Return the first `most` items with commas between them, and how many more there are; empty if there are none."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def _is_safe(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
