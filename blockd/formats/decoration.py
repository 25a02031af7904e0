"""What published lists write around a name: a URL, a port, a hosts file's address, an ad blocker's anchors."""

from __future__ import annotations

import re

from blockd.errors import BadName
from blockd.formats.hosts import is_address, names_of

# A line without any of these octets holds a bare name, or none. The first four are NUL and the blanks between words.
_AROUND = re.compile(rb"[\0 \t\r/:@|#$^]")
_SCHEME = re.compile(rb"[a-z][a-z0-9+.-]{0,30}://", re.IGNORECASE)  # RFC 3986 section 3.1
_AUTHORITY_END = re.compile(rb"[/?#]")  # RFC 3986 section 3.2
_COLUMN_END = re.compile(rb"[,;]")  # no host has them: they begin another column
_HOST_PORT = re.compile(rb"(\[[^\]]*\]|[^:\[\]]+):([0-9]{1,5})", re.DOTALL)
_MAX_PORT = 65535

# An ad blocker's rule for a whole name and all under it. A trailing dot would stand for any top-level domain.
_WHOLE_NAME = re.compile(rb"\|\|([^\^/|$:@\s]*[^\^/|$:@\s.])\^?")
# Signs of an ad blocker's rule for something else: its anchors, or what hides parts of a page.
_RULE = re.compile(rb"@@|\||[^\s#]*#@?[$%?]{0,2}#|.*[\^$]", re.DOTALL)
_PART_OF_PAGE = re.compile(rb"[ \t]*[^\s#$]*(?:#@?[$%?]{0,2}#|\$@?\$)")


def hides_part_of_page(line: bytes) -> bool:
    """Return whether a line is an ad blocker's rule for a part of a page, whose names may stand before a comma."""
    return (b"#" in line or b"$" in line) and b"://" not in line and bool(_PART_OF_PAGE.match(line))


def host_of(content: bytes) -> bytes:
    """Return the part of a line's content that should be a name; empty if a hosts line names the machine itself.

    A URL and a `name/path` stand for their host, whatever follows it. The name itself is not checked. Raises BadName:
    NUL, empty (a URL without a host), bad character (readers would differ on the URL's host), several names (after an
    address), adblock rule (one that is not for a whole name).
    """
    if not _AROUND.search(content):
        return content
    if b"\0" in content:
        raise BadName("NUL")
    words = content.split()
    if len(words) > 1:
        return _behind_address(words) if is_address(words[0]) else content
    if scheme := _SCHEME.match(content):
        authority = _AUTHORITY_END.split(content[scheme.end() :], maxsplit=1)[0]
        if b"\\" in authority:  # browsers read a slash, other programs a part of the user name
            raise BadName("bad character")
        host = _without_port(_COLUMN_END.split(authority.rpartition(b"@")[2], maxsplit=1)[0])
        if not host:
            raise BadName("empty")
        return host
    if whole := _WHOLE_NAME.fullmatch(content):
        return whole[1]
    if _RULE.match(content):
        raise BadName("adblock rule")
    return _without_port(content.partition(b"/")[0] or content)


def _behind_address(words: list[bytes]) -> bytes:
    if len(words) > 2:
        raise BadName("several names")
    return b"".join(names_of(words))


def _without_port(host: bytes) -> bytes:
    found = _HOST_PORT.fullmatch(host)
    return found[1] if found and int(found[2]) <= _MAX_PORT else host
