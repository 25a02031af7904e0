"""One line of a text list, looked at with care: what it holds, or why it holds no name."""

from __future__ import annotations

from blockd.errors import BadName
from blockd.names import key_from_text

MAX_LINE = 1024  # octets; a name has at most 253, which leaves room for a comment behind it
BLANK = b" \t\r"
BOM = b"\xef\xbb\xbf"
_COMMENT_SIGNS = b"#;!"


def line_content(line: bytes, number: int) -> bytes:
    """Give what a line holds without blanks and comments, empty where there is nothing else.

    `line` comes without its line feed, `number` counts from 1: the first may begin with a byte order mark. A comment is
    a line that begins with `#`, `;` or `!`, or what follows a `#` behind a blank. Raises BadName("too long") for a
    line over MAX_LINE that is no comment.
    """
    if number == 1:
        line = line.removeprefix(BOM)
    content = line.strip(BLANK)
    if content[:1] in _COMMENT_SIGNS:
        return b""
    if len(line) > MAX_LINE:
        raise BadName("too long")
    if b"#" in content:
        for blank in (b" #", b"\t#"):
            content = content.partition(blank)[0]
        content = content.rstrip(BLANK)
    return content


def listed_key(content: bytes) -> bytes:
    """Give the key of a listed name; a leading `*.` is left out, since an entry's scope says what it covers.

    Raises BadName for the reasons of `key_from_text`, and: NUL, not UTF-8, no dot (a single label would block a whole
    top-level domain).
    """
    if b"\0" in content:
        raise BadName("NUL")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadName("not UTF-8") from error
    key = key_from_text(text.removeprefix("*."))
    if len(key) == 1 + key[0]:
        raise BadName("no dot")
    return key
