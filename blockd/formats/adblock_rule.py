"""One rule of an ad blocker's list: the name that it stands for, or why it stands for none.

The part of the syntax that is about whole names is supported:

    ||name^             the name and all under it, as ||name, ||name/ and ||name^| do
    ||*.name^  *.name^  all under the name, as .name
    |name^  |name|      the name alone, as |https://name^ and a bare name do
    @@...               an exception from the rules above
    ...#note            a comment, if it follows the name or `^`; a blank may precede it
    $important          not affected by exceptions without it; $all and $document are ignored
    $badfilter          takes the same rule without it away, wherever that stands
    $dnsrewrite=...     NXDOMAIN, REFUSED, NOERROR without a record: the rule's own answer; 0.0.0.0 and ::, the feed's
    $denyallow=...      nothing, if no name that it excludes is the rule's or under it; else the rule is skipped

A rule stands for what it surely covers: `||name` also matches other names that begin so, which cannot be listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from blockd.errors import BadName
from blockd.formats.line import entry_key
from blockd.orders import Action, Scope

# Reasons of rules that are valid and not about a name: useful to a browser, not to a name server.
SKIPS = frozenset(
    (
        "cosmetic",
        "regex",
        "path rule",
        "modifier",
        "dnsrewrite",
        "denyallow",
        "port",
        "wildcard",
        "pattern",
        "address",
    )
)

_COSMETIC = re.compile(rb"[^\s#]*#@?[$%?]{0,2}#|[^\s$]*\$@?\$|\[\$")  # hiding, styles, scripts, parts of a page
_SCHEME = re.compile(rb"\|?[a-z*]{0,10}://|\|//", re.IGNORECASE)
_END = re.compile(rb"(?:(?:\^\|?|/|\|)\*?)?")  # after a name: all that can follow it in a URL
_HOST = re.compile(rb"[^\^|/*:?=&,;%\s]+")
_PORT = re.compile(rb":[0-9*]{1,5}(?:\^|/|\||$)")
_DOCUMENT = frozenset((b"all", b"document", b"doc"))  # the whole page, which is unreachable without its name
_NOTE = re.compile(rb"([^\s#]*[\w^|])#")  # a comment behind a name; what a `/` precedes is a part of a page's address
_FLAGS = _DOCUMENT | {b"important", b"badfilter"}
_CODES = {b"NXDOMAIN": Action.NXDOMAIN, b"REFUSED": Action.REFUSED, b"NOERROR": Action.NODATA}
_NOWHERE = frozenset((b"0.0.0.0", b"127.0.0.1", b"::", b"::1"))  # addresses that stand for "blocked"


@dataclass(slots=True)
class Rule:
    """A rule for one name, by its key.

    `is_exception` is whether it takes away what other rules list, `is_badfilter` whether it takes away the rule of the
    same `form`, which is its text without the name. `is_rewrite` is whether it has an answer of its own, or, if it is
    an exception, is one from such rules; `answer` is what that is, None for the feed's action or for every answer.
    """

    key: bytes
    scope: Scope
    is_exception: bool = False
    is_important: bool = False
    is_badfilter: bool = False
    is_rewrite: bool = False
    answer: Action | None = None
    form: bytes = field(default=b"", compare=False)


def parse_rule(content: bytes) -> Rule:
    """Parse one line without blanks around it, which is neither empty nor a comment nor a hosts line.

    Raises BadName: one of SKIPS, or for a rule that is anchored as one for a name the reasons of `entry_key`.
    """
    if _COSMETIC.match(content):
        raise BadName("cosmetic")
    if b"\0" in content:
        raise BadName("NUL")
    if b"#" in content and (noted := _NOTE.match(content)):
        content = noted[1]
    is_exception = content.startswith(b"@@")
    content = content.removeprefix(b"@@")
    if content.startswith(b"/"):
        raise BadName("regex" if content.endswith(b"/") or b"/$" in content else "path rule")
    pattern, _, modifiers = content.partition(b"$")
    host, scope, is_anchored = _host_of(pattern)
    flags, values = _modifiers(modifiers) if pattern != content else (frozenset(), {})
    try:
        if host.startswith(b"."):
            raise BadName("empty label")
        key = entry_key(host)
    except BadName as error:
        if is_anchored or error.reason in ("address", "not UTF-8"):
            raise
        raise BadName("pattern") from error
    if denied := values.get(b"denyallow"):
        _check_denied(key, denied)
    is_rewrite = b"dnsrewrite" in values
    answer = _answer(values[b"dnsrewrite"], is_exception=is_exception) if is_rewrite else None
    said = sorted(flags - {b"badfilter"})
    if denied:
        said.append(b"denyallow=" + denied.lower())
    form = pattern.replace(host, b"*", 1).lower() + b"$" + b",".join(said)
    return Rule(
        key, scope, is_exception, b"important" in flags, b"badfilter" in flags, is_rewrite, answer, form
    )  # fmt: skip


def _modifiers(text: bytes) -> tuple[frozenset[bytes], dict[bytes, bytes]]:
    """Return a rule's modifiers: those without a value, and those with one. Raises BadName for others."""
    flags: set[bytes] = set()
    values: dict[bytes, bytes] = {}
    for modifier in text.split(b","):
        name, equals, value = modifier.strip().partition(b"=")
        name = name.lower()
        if name in _FLAGS and not equals:
            flags.add(name)
        elif (name == b"denyallow" and value) or name == b"dnsrewrite":
            if name in values:
                raise BadName(name.decode())
            values[name] = value.strip()
        else:
            raise BadName("modifier")
    return frozenset(flags), values


def _check_denied(key: bytes, names: bytes) -> None:
    """Raise BadName unless a rule for a name covers none of the names that `$denyallow` excludes."""
    for name in names.split(b"|"):
        try:
            denied = entry_key(name)
        except BadName as error:
            raise BadName("denyallow") from error
        if denied.startswith(key) or key.startswith(denied):
            raise BadName("denyallow")


def _answer(value: bytes, *, is_exception: bool) -> Action | None:
    """Return the action that stands for the value of `$dnsrewrite`, None for the feed's; raises BadName for others."""
    code, *record = value.upper().split(b";")
    if is_exception and not value:
        return None
    if code in _CODES and not any(record) and len(record) in (0, 2):
        return _CODES[code]
    address = record[1] if code == b"NOERROR" and len(record) == 2 and record[0] in (b"A", b"AAAA") else code
    if (not record or address is not code) and address in _NOWHERE and not is_exception:
        return None
    raise BadName("dnsrewrite")


def _host_of(pattern: bytes) -> tuple[bytes, Scope, bool]:
    """Return the host that a pattern stands for as a whole, its scope, and whether anchors say that it is one."""
    ends_so = False  # whether the pattern may also be the end of a name, or of its first labels
    if pattern.startswith(b"||"):
        rest, scope, is_anchored = pattern[2:], Scope.BOTH, True
    elif scheme := _SCHEME.match(pattern):
        rest, scope, is_anchored = pattern[scheme.end() :], Scope.EXACT, True
    elif pattern.startswith(b"|"):
        rest, scope, is_anchored = pattern[1:], Scope.EXACT, True
    elif pattern.startswith(b"."):
        rest, scope, is_anchored = pattern[1:], Scope.SUBDOMAINS, False
    else:
        rest, scope, is_anchored, ends_so = pattern, Scope.EXACT, False, True
    if rest.startswith(b"*."):
        rest, scope, is_anchored = rest[2:], Scope.SUBDOMAINS, True
    host = _HOST.match(rest)
    if host is None:
        raise BadName(_why_no_host(rest))
    end = rest[host.end() :]
    if not _END.fullmatch(end):
        raise BadName("port" if _PORT.match(end) else _why_no_host(end))
    if host[0].endswith(b".") or (end and ends_so and not is_anchored):
        raise BadName("pattern")  # any top-level name, or any name that ends so
    return host[0], scope, is_anchored


def _why_no_host(rest: bytes) -> str:
    if b"/" in rest or b"?" in rest:
        return "path rule"
    return "wildcard" if b"*" in rest else "pattern"
