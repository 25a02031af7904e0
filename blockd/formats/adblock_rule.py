"""One rule of an ad blocker's list: the name that it stands for, or why it stands for none.

The part of the syntax that is about whole names is supported:

    ||name^             the name and all under it, as ||name, ||name/ and ||name^| do
    ||*.name^  *.name^  all under the name
    |name^  |name|      the name alone, as |https://name^ and a bare name do
    @@...               an exception from the rules above
    $important          not affected by exceptions without it; $all and $document are ignored

A rule stands for what it surely covers: `||name` also matches other names that begin so, which cannot be listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from blockd.errors import BadName
from blockd.formats.line import entry_key
from blockd.orders import Scope

# Reasons of rules that are valid and not about a name: useful to a browser, not to a name server.
SKIPS = frozenset(("cosmetic", "regex", "path rule", "modifier", "port", "wildcard", "pattern", "address"))

_COSMETIC = re.compile(rb"[^\s#]*#@?[$%?]{0,2}#|[^\s$]*\$@?\$|\[\$")  # hiding, styles, scripts, parts of a page
_SCHEME = re.compile(rb"\|?[a-z*]{0,10}://|\|//", re.IGNORECASE)
_END = re.compile(rb"(?:(?:\^\|?|/|\|)\*?)?")  # after a name: all that can follow it in a URL
_HOST = re.compile(rb"[^\^|/*:?=&,;%\s]+")
_PORT = re.compile(rb":[0-9*]{1,5}(?:\^|/|\||$)")
_DOCUMENT = frozenset((b"all", b"document", b"doc"))  # the whole page, which is unreachable without its name
_IMPORTANT = b"important"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one name, by its key; `is_exception` is whether it takes away what other rules list."""

    key: bytes
    scope: Scope
    is_exception: bool = False
    is_important: bool = False


def parse_rule(content: bytes) -> Rule:
    """Parse one line without blanks around it, which is neither empty nor a comment nor a hosts line.

    Raises BadName: one of SKIPS, or for a rule that is anchored as one for a name the reasons of `entry_key`.
    """
    if _COSMETIC.match(content):
        raise BadName("cosmetic")
    if b"\0" in content:
        raise BadName("NUL")
    is_exception = content.startswith(b"@@")
    content = content.removeprefix(b"@@")
    if content.startswith(b"/"):
        raise BadName("regex" if content.endswith(b"/") or b"/$" in content else "path rule")
    pattern, _, modifiers = content.partition(b"$")
    host, scope, is_anchored = _host_of(pattern)
    wanted = set(modifiers.lower().split(b",")) if pattern != content else set()
    if wanted - _DOCUMENT - {_IMPORTANT}:
        raise BadName("modifier")
    try:
        key = entry_key(host)
    except BadName as error:
        if is_anchored or error.reason in ("address", "not UTF-8"):
            raise
        raise BadName("pattern") from error
    return Rule(key, scope, is_exception, _IMPORTANT in wanted)


def _host_of(pattern: bytes) -> tuple[bytes, Scope, bool]:
    """Return the host that a pattern stands for as a whole, its scope, and whether anchors say that it is one."""
    if pattern.startswith(b"||"):
        rest, scope, is_anchored = pattern[2:], Scope.BOTH, True
    elif scheme := _SCHEME.match(pattern):
        rest, scope, is_anchored = pattern[scheme.end() :], Scope.EXACT, True
    elif pattern.startswith(b"|"):
        rest, scope, is_anchored = pattern[1:], Scope.EXACT, True
    else:
        rest, scope, is_anchored = pattern, Scope.EXACT, False
    if rest.startswith(b"*."):
        rest, scope, is_anchored = rest[2:], Scope.SUBDOMAINS, True
    host = _HOST.match(rest)
    if host is None:
        raise BadName(_why_no_host(rest))
    end = rest[host.end() :]
    if not _END.fullmatch(end):
        raise BadName("port" if _PORT.match(end) else _why_no_host(end))
    if host[0].endswith(b".") or (end and not is_anchored):
        raise BadName("pattern")  # any top-level name, or any name that ends so
    return host[0], scope, is_anchored


def _why_no_host(rest: bytes) -> str:
    if b"/" in rest or b"?" in rest:
        return "path rule"
    return "wildcard" if b"*" in rest else "pattern"
