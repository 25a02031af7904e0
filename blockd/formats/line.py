"""Parsing of one line of a text list: what it holds, or why it holds no name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blockd.errors import BadName
from blockd.formats.rpz.tokens import name_key
from blockd.names import key_from_text

MAX_LINE = 1024  # octets; a name has at most 253, which leaves room for a comment
BLANK = b" \t\r"
_TINY = 3  # octets; the shortest name has as many
_MAX_TINY = 1 << 16  # lines remembered: some six megabytes
DOTLESS = re.compile(rb"[A-Za-z0-9_-]{1,63}\r?")  # a line that is one label
_MEAN_LINE = 8  # octets of a block's lines on average; a name with what stands around it has more
BOM = b"\xef\xbb\xbf"
_COMMENT_SIGNS = b"#;!"
_BLANKS = (b" ", b"\t")

# What begins a comment behind a name, whether or not a blank precedes it. No name has any of these but `!`, which an
# octet of a label may be: without a blank it counts if what follows does not look like the rest of a name.
_NOTE = re.compile(rb"[#;,]|//|(?<=[ \t])!|!(?![\w-]*\.[\w-])")
_APART = re.compile(rb"[ \t](?:[#;,!]|//)")  # a comment that a blank precedes
_QUOTED = re.compile(rb'"([^"]*)"[ \t]*(?:[,;#!].*|//.*)?', re.DOTALL)
_ESCAPED = re.compile(r"(?:[\w.-]|\\[0-9]{3})+", re.ASCII)  # a host name but for octets written as `\DDD`


# Blank lines and comments, as `line_content` knows them, but for those that begin with a thousand blanks.
_IDLE = re.compile(rb"(?:[ \t\r]{0,1000}+(?:(?:[#;!]|//[ \t/])[^\n]*+|//\r{0,1000}+)?\n)++")
_IDLE_STARTS = frozenset(b"\n\r #;!/\t")


def idle_end(block: bytes, at: int) -> int:
    """Return where the blank lines and comments end that begin at `at`, the begin of a line; `at` if there are none."""
    if at < len(block) and block[at] in _IDLE_STARTS and (idle := _IDLE.match(block, at)):
        return idle.end()
    return at


def busy_lines(block: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """Yield each line of a block with its number, without its line feed; runs of blank lines and comments left out.

    `number` is that of the line before the block. Lines that hold nothing may be yielded all the same.
    """
    at, size = 0, len(block)
    if size > block.count(b"\n") * _MEAN_LINE:  # few of its lines can be blank, and the others are found faster
        yield from enumerate(block[:-1].split(b"\n"), number + 1)
        return
    while at < size:
        end = idle_end(block, at)
        if end > at:
            number += block.count(b"\n", at, end)
            at = end
            continue
        end = block.index(b"\n", at)
        number += 1
        yield number, block[at:end]
        at = end + 1


class TinyLines:
    """Why lines of at most three octets hold no name, found out once for each: a list may have millions of them.

    The first line of a list, which may begin with a byte order mark, has to be left out.
    """

    def __init__(self) -> None:
        self._reasons: dict[bytes, str] = {}

    def reason(self, line: bytes) -> str | None:
        """Return the reason of a line; None if it is not known, or the line is too long or holds a name."""
        return self._reasons.get(line) if len(line) <= _TINY else None

    def note(self, line: bytes, reason: str) -> None:
        """Remember the reason of a line if it is short."""
        if len(line) <= _TINY and len(self._reasons) < _MAX_TINY:
            self._reasons[line] = reason


def line_content(line: bytes, number: int) -> bytes:
    """Return a line's content without blanks and comments, empty if there is nothing else.

    `line` comes without its line feed, `number` counts from 1: the first may begin with a byte order mark. A comment is
    a line that begins with `#`, `;`, `!` or `// `, or what `without_note` leaves out. Raises BadName as both functions
    do, for a line that is not a comment.
    """
    content = bounded_content(line, number, _COMMENT_SIGNS)
    if content[:2] == b"//" and content[2:3] in (b"", b" ", b"\t", b"/"):
        return b""
    return without_note(content)


def bounded_content(line: bytes, number: int, comment_signs: bytes) -> bytes:
    """Return a line without the blanks around it, empty if it begins with one of `comment_signs`.

    Raises BadName("too long") for a line over MAX_LINE that does not begin with one. Only its first MAX_LINE octets are
    examined: `read_blocks` keeps little more of a line that runs over the end of a piece.
    """
    is_long = len(line) > MAX_LINE
    if is_long:
        line = line[:MAX_LINE]
    if number == 1:
        line = line.removeprefix(BOM)
    content = line.strip(BLANK)
    if content and content[0] in comment_signs:
        return b""
    if is_long:
        raise BadName("too long")
    return content


def without_note(content: bytes) -> bytes:
    """Return what precedes a comment: `#`, `;`, `,`, `!` or `//`, with or without a blank before it.

    So all but the first column of a CSV file is a comment; the column may stand in double quotes. In a URL the signs
    are part of it unless a blank precedes them. Raises BadName, empty or bad character, if
    nothing precedes the comment.
    """
    is_url = b"://" in content
    note = (_APART if is_url else _NOTE).search(content)
    if note is None and content[:1] != b'"':
        return content
    if content[:1] == b'"' and (quoted := _QUOTED.fullmatch(content)):
        before = quoted[1].strip(BLANK)
    else:
        before = content[: note.start()].rstrip(BLANK) if note else content
    if content and not before:
        raise BadName("bad character" if content.startswith(b"/") else "empty")
    return before


def without_hash(content: bytes) -> bytes:
    """Return `content` without what follows a `#` after a blank: the only comment behind an ad blocker's rule."""
    for blank in _BLANKS:
        content = content.partition(blank + b"#")[0]
    return content.rstrip(BLANK)


def entry_key(content: bytes) -> bytes:
    r"""Return the key of a listed name; a leading `*.` or `.` is ignored: an entry's scope says what it covers.

    Octets that no host name has may be written as `\DDD` (RFC 1035 section 5.1), as blockd shows them. Raises BadName
    for the reasons of `key_from_text`, and: NUL, not UTF-8, no dot (a single label would block a whole top-level
    domain).
    """
    if b"\0" in content:
        raise BadName("NUL")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadName("not UTF-8") from error
    text = text[2:] if text.startswith("*.") else text.removeprefix(".")
    is_escaped = "\\" in text and _ESCAPED.fullmatch(text)
    key = name_key(text.encode("ascii"), b"") if is_escaped else key_from_text(text)
    if len(key) == 1 + key[0]:
        raise BadName("no dot")
    return key
