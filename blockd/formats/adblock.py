"""Lists in the syntax of ad blockers, of which the rules for names are taken.

Hosts lines may occur among the rules. An exception takes away what the list itself says; it is not an `allow` for other
feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.formats.adblock_rule import SKIPS, Rule, parse_rule
from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.hosts import is_address, names_of
from blockd.formats.line import bounded_content, entry_key, without_note
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import TextFormat
from blockd.orders import Scope

MAX_RULES = 5_000_000  # for names, in one list: under a gigabyte of memory; the largest public list has a fifth of it
UNKEPT = "exception under a listed name"

_COSMETIC_STARTS = (b"##", b"#@", b"#$", b"#%", b"#?")


class Adblock(TextFormat):
    """An ad blocker's list; each rule says what it covers."""

    name = "adblock"
    description = "The rules for names in an ad blocker's list."
    scope = None
    is_streamed = False  # an exception may follow the rule that it takes away

    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> dict[bytes, Scope]:
        """Return the result of `read_adblock`."""
        return read_adblock(blocks, rejects, source)

    def listings(
        self,
        path: Path,
        rejects: RejectReport,
        max_size: int,
        scope: Scope,
        progress: Progress | None = None,
        source: str = "",
    ) -> Iterator[tuple[Scope, Iterable[bytes]]]:
        """Yield the names of each scope that the rules have."""
        listed = read_scopes(path, rejects, max_size, progress, source)
        for one in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH):
            if keys := [key for key, own in listed.items() if own == one]:
                yield one, keys

    def keys_of_line(self, line: bytes, scope: Scope = Scope.BOTH) -> set[bytes]:
        """Return the keys of the names of which one line covers part of `scope`."""
        return {key for key, own in self.keys([line + b"\n"], RejectReport(), "").items() if own & scope}


def read_scopes(
    path: Path, rejects: RejectReport, max_size: int, progress: Progress | None = None, source: str = ""
) -> dict[bytes, Scope]:
    """Return the key of every name in the list at `path`, with its scope; raises as `read_list` does."""
    source = source or str(path)
    with open_body(path, max_size, progress, source) as pieces:
        return read_adblock(read_blocks(pieces, rejects), rejects, source)


@dataclass(slots=True)
class _Rules:
    """Rules for names by key, with their scopes; and the lines of exceptions."""

    blocks: dict[bytes, Scope] = field(default_factory=dict)
    important: dict[bytes, Scope] = field(default_factory=dict)
    exceptions: dict[bytes, Scope] = field(default_factory=dict)
    important_exceptions: dict[bytes, Scope] = field(default_factory=dict)
    lines: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def add(self, rule: Rule, number: int, line: bytes) -> None:
        """Add a rule of the line with that number."""
        if rule.is_exception:
            self.lines.setdefault(rule.key, (number, line))
            rules = self.important_exceptions if rule.is_important else self.exceptions
        else:
            rules = self.important if rule.is_important else self.blocks
        rules[rule.key] = rules.get(rule.key, Scope(0)) | rule.scope

    def listed(self) -> dict[bytes, Scope]:
        """Return what the exceptions leave of the rules for names, in their order."""
        every = _joined(self.exceptions, self.important_exceptions)
        return _joined(_without(self.blocks, every), _without(self.important, self.important_exceptions))


def read_adblock(blocks: Iterable[bytes], rejects: RejectReport, source: str) -> dict[bytes, Scope]:
    """Return the key of every name that the list at `source` covers, with its scope.

    Each block holds whole lines with their line feeds. Lines that are not about names are skipped for the reasons of
    `adblock_rule.SKIPS`; lines that are and cannot be used are rejected. An exception under a name that stays listed is
    rejected, because nothing can be taken away for it. Raises FeedRefused("too large") for over MAX_RULES.
    """
    rules = _Rules()
    taken = 0
    for block in blocks:
        for number, line in enumerate(block[:-1].split(b"\n"), rejects.lines + 1):
            for rule in _rules_of(line, number, rejects):
                rules.add(rule, number, line)
                taken += 1
        rejects.lines += block.count(b"\n")
        if taken > MAX_RULES:
            raise FeedRefused(
                "too large",
                f"{source} has more than {MAX_RULES:,} rules for names: nothing of it is taken. "
                "Use it as a list of domains, which may have more.",
            )
    listed = rules.listed()
    for key, (number, line) in rules.lines.items():
        if any(listed.get(above, 0) & Scope.SUBDOMAINS for above in _ancestors(key)):
            rejects.add(UNKEPT, number, line)
    rejects.accepted = len(listed)
    return listed


def _rules_of(line: bytes, number: int, rejects: RejectReport) -> Iterator[Rule]:
    """Yield the rules of one line: one, or one for each name of a hosts line."""
    try:
        content = bounded_content(line, number, b"!")
        if not content or _is_comment(content):
            return
        words = without_note(content).split()
        if len(words) < 2 or not is_address(words[0]):
            yield parse_rule(words[0] if len(words) == 1 else content)
            return
    except BadName as error:
        if error.reason in SKIPS:
            rejects.skip(error.reason, number, line)
        else:
            rejects.add(error.reason, number, line)
        return
    for word in names_of(words):
        try:
            key = entry_key(word)
        except BadName as error:
            rejects.add(error.reason, number, line)
        else:
            yield Rule(key, Scope.EXACT)


def _is_comment(content: bytes) -> bool:
    """Return whether a line is a comment, or the list's head: `[Adblock Plus 2.0]`."""
    if content.startswith(b"#"):
        return not content.startswith(_COSMETIC_STARTS) or not content.strip(b"#")
    return content.startswith(b"[") and content.endswith(b"]") and not content.startswith(b"[$")


def _without(rules: Mapping[bytes, Scope], exceptions: Mapping[bytes, Scope]) -> dict[bytes, Scope]:
    """Return what exceptions leave of rules: nothing of names under one, and less of a name that has one itself."""
    if not exceptions:
        return dict(rules)
    left = {}
    for key, scope in rules.items():
        if any(exceptions.get(above, 0) & Scope.SUBDOMAINS for above in _ancestors(key)):
            continue
        if rest := scope & ~exceptions.get(key, Scope(0)):
            left[key] = rest
    return left


def _joined(one: Mapping[bytes, Scope], other: Mapping[bytes, Scope]) -> dict[bytes, Scope]:
    joined = dict(one)
    for key, scope in other.items():
        joined[key] = joined.get(key, Scope(0)) | scope
    return joined


def _ancestors(key: bytes) -> Iterator[bytes]:
    """Yield the keys of all ancestors of a name, from the top down."""
    end = 1 + key[0]
    while end < len(key):
        yield key[:end]
        end += 1 + key[end]
