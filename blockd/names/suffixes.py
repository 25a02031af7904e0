"""The public suffix list (https://publicsuffix.org/list/), parsed from its text: names under which anybody registers.

Both of its sections count: names under `co.id`, like names under `github.io`, belong to different registrants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blockd.names.domain import MAX_KEY, MAX_LABEL

_PUNYCODE = b"xn--"  # prefix of an A-label, RFC 5890 section 2.3.2.1


@dataclass(frozen=True, slots=True)
class PublicSuffixes:
    """The rules of the list as keys: a name that is one, a name whose every child is one, and children that are not."""

    names: frozenset[bytes]
    wild: frozenset[bytes]
    exceptions: frozenset[bytes]

    @classmethod
    def none(cls) -> PublicSuffixes:
        """Return an empty list."""
        return cls(frozenset(), frozenset(), frozenset())


def parse_suffixes(text: str) -> PublicSuffixes:
    """Parse the list: one rule a line, prefixes `*.` and `!` as the list defines them, comments after `//`.

    A rule that no name can match is skipped, as the list's format requires: a wildcard that is not its first label, a
    label too long.
    """
    names: set[bytes] = set()
    wild: set[bytes] = set()
    exceptions: set[bytes] = set()
    for line in text.splitlines():
        rule = line.split(maxsplit=1)[0] if line and not line.isspace() else ""
        if not rule or rule.startswith("//"):
            continue
        kind, rule = (wild, rule[2:]) if rule.startswith("*.") else (names, rule)
        if rule.startswith("!"):
            kind, rule = exceptions, rule[1:]
        key = _key(rule.lower())
        if key:
            kind.add(key)
    return PublicSuffixes(frozenset(names), frozenset(wild), frozenset(exceptions))


def ancestors(key: bytes) -> Iterator[bytes]:
    """Yield the keys of all ancestors of a name, the top-level one first; neither the root nor the name itself."""
    end = 1 + key[0]
    while end < len(key):
        yield key[:end]
        end += 1 + key[end]


def parent(key: bytes) -> bytes:
    """Return the key of a name's parent, empty for a top-level name."""
    last = at = 0
    while at < len(key):
        last, at = at, at + 1 + key[at]
    return key[:last]


def _key(rule: str) -> bytes:
    """Return a rule's key, empty if it is not valid. The list holds its labels as IDNA 2008 has them, in lower case."""
    labels = [
        label.encode() if label.isascii() else _PUNYCODE + label.encode("punycode", "replace")
        for label in reversed(rule.split("."))
    ]
    if not all(0 < len(label) <= MAX_LABEL and b"*" not in label for label in labels):
        return b""
    key = b"".join(b"%c%b" % (len(label), label) for label in labels)
    return key if len(key) <= MAX_KEY else b""
