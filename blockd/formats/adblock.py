"""Lists in the syntax of ad blockers, of which the rules for names are taken.

Hosts lines may occur among the rules. An exception takes away what the list itself says; it is not an `allow` for other
feeds. In a feed with the action `allow`, exceptions are what it lists, as its rules are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.formats.adblock_rule import SKIPS, Rule, parse_rule
from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.hosts import is_address, names_of
from blockd.formats.line import DOTLESS, TinyLines, bounded_content, entry_key, without_hash
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.key_spool import KeySpool
from blockd.formats.text_format import Listed, TextFormat
from blockd.orders import Action, Scope

MAX_RULES = 5_000_000  # for names, in one list: under a gigabyte of memory; the largest public list has a fifth of it
UNKEPT = "exception under a listed name"

_TINY = TinyLines()
_SIMPLE = re.compile(rb"\|\|([A-Za-z0-9_-][A-Za-z0-9_.-]{0,250}[A-Za-z0-9_-])\^")
_COSMETIC_STARTS = (b"##", b"#@", b"#$", b"#%", b"#?")
_MAX_FORMS = 48  # ways to write a rule for a name that are told apart for $badfilter
_SCOPES = (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH)

Scopes = dict[bytes, Scope]
"""Names by key, each with what of it is covered."""


class Adblock(TextFormat):
    """An ad blocker's list; each rule says what it covers."""

    name = "adblock"
    description = "The rules for names in an ad blocker's list."
    scope = None
    is_streamed = False  # an exception may follow the rule that it takes away

    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Scopes:
        """Return the result of `read_adblock`."""
        return read_adblock(blocks, rejects, source)

    def listings(
        self,
        path: Path,
        rejects: RejectReport,
        max_size: int,
        scope: Scope,
        action: Action,
        progress: Progress | None = None,
        source: str = "",
    ) -> list[Listed]:
        """Return the names of each action and scope that the rules have; the list is read at once."""
        source = source or str(path)
        with open_body(path, max_size, progress, source) as pieces:
            found = read_rules(read_blocks(pieces, rejects), rejects, source, is_allowing=action is Action.ALLOW)
        spool = KeySpool()
        actions: list[Action] = []
        for answer, listed in found.items():
            own = action if answer is None or (action is Action.MONITOR and answer is not Action.PASSTHRU) else answer
            group = len(actions) << 2
            actions.append(own)
            for key, covered in listed.items():
                spool.put(group | covered, key)
        return [Listed(actions[group >> 2], Scope(group & Scope.BOTH), spool.keys(group)) for group in spool.groups]

    def keys_of_line(self, line: bytes, scope: Scope = Scope.BOTH, action: Action | None = None) -> set[bytes]:
        """Return the keys of the names of which one line covers part of `scope`.

        Exceptions count with the actions `allow` and `passthru`, rules with all but `passthru`.
        """
        return {
            rule.key
            for rule in _rules_of(line, 1, RejectReport())
            if rule.scope & scope and not rule.is_badfilter and _is_meant(rule, action)
        }


def _is_meant(rule: Rule, action: Action | None) -> bool:
    return action is Action.ALLOW or rule.is_exception == (action is Action.PASSTHRU)


Kind = tuple[bool, bool, bool, Action | None]
"""Whether rules are exceptions, are important, have an answer of their own; and that answer."""


@dataclass(slots=True)
class _Rules:
    """Rules for names, by kind and key, each with the set of its forms; and the lines of exceptions from rewrites."""

    rules: dict[Kind, dict[bytes, int]] = field(default_factory=dict)
    bad: dict[Kind, dict[bytes, int]] = field(default_factory=dict)  # forms that $badfilter takes away
    lines: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    forms: dict[tuple[Scope, bytes], int] = field(default_factory=dict)  # a form -> its bit
    scopes: list[Scope] = field(default_factory=lambda: list(_SCOPES))  # of each form; the first three are all others

    def add(self, rule: Rule, number: int, line: bytes) -> None:
        """Add a rule of the line with that number; raises BadName("modifier") for too many forms of $badfilter."""
        kind = rule.is_exception, rule.is_important, rule.is_rewrite, rule.answer
        kept = (self.bad if rule.is_badfilter else self.rules).setdefault(kind, {})
        kept[rule.key] = kept.get(rule.key, 0) | self._form(rule)
        if rule.is_exception and rule.is_rewrite and not rule.is_badfilter:
            self.lines.setdefault(rule.key, (number, line))

    def of(self, *, is_exception: bool = False, is_important: bool = False) -> Scopes:
        """Return the names of the rules without an answer of their own."""
        return self._scopes((is_exception, is_important, False, None))

    def rewrites(self, *, is_exception: bool = False) -> dict[Action | None, Scopes]:
        """Return the names of the rules with an answer of their own, or of the exceptions from them, by answer."""
        found: dict[Action | None, Scopes] = {}
        for kind in self.rules:
            if kind[0] == is_exception and kind[2]:
                found[kind[3]] = _joined(found.get(kind[3], {}), self._scopes(kind))
        return found

    def _scopes(self, kind: Kind) -> Scopes:
        bad = self.bad.get(kind)
        scope_of = cache(self._scope_of)
        rules = self.rules.get(kind, {})
        if not bad:
            return {key: scope_of(forms) for key, forms in rules.items()}
        return {key: scope_of(left) for key, forms in rules.items() if (left := forms & ~bad.get(key, 0))}

    def _scope_of(self, forms: int) -> Scope:
        covered = Scope(0)
        for place, scope in enumerate(self.scopes):
            if forms >> place & 1:
                covered |= scope
        return covered

    def _form(self, rule: Rule) -> int:
        bit = self.forms.get((rule.scope, rule.form))
        if bit is None:
            if len(self.forms) == _MAX_FORMS:
                if rule.is_badfilter:
                    raise BadName("modifier")
                return 1 << _SCOPES.index(rule.scope)
            bit = self.forms[rule.scope, rule.form] = 1 << len(self.scopes)
            self.scopes.append(rule.scope)
        return bit


def read_adblock(blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Scopes:
    """Return the key of every name that the list at `source` covers, with its scope, whatever the rules answer.

    Raises and counts as `read_rules` does.
    """
    listed: Scopes = {}
    for action, names in read_rules(blocks, rejects, source).items():
        if action is not Action.PASSTHRU:
            listed = _joined(listed, names) if listed else names
    return listed


def read_rules(
    blocks: Iterable[bytes], rejects: RejectReport, source: str, *, is_allowing: bool = False
) -> dict[Action | None, Scopes]:
    """Return the key of every name that the list at `source` covers, with its scope, by what is answered.

    None stands for the feed's action, `passthru` for exceptions under a name that stays listed. `is_allowing` is
    whether that action is `allow`: exceptions are then listed as rules are, and rules with an answer of their own are
    skipped.

    Each block holds whole lines with their line feeds. Lines that are not about names are skipped for the reasons of
    `adblock_rule.SKIPS`; lines that are and cannot be used are rejected. So is an exception from $dnsrewrite under a
    name that such a rule covers: nothing can be taken away for it. Raises FeedRefused("too large") for over MAX_RULES.
    """
    rules = _Rules()
    taken = 0
    for block in blocks:
        number = rejects.lines
        for line in block[:-1].split(b"\n"):
            number += 1
            if not line:
                continue
            if number > 1 and (reason := _TINY.reason(line) or ("pattern" if DOTLESS.fullmatch(line) else None)):
                (rejects.skip if reason in SKIPS else rejects.add)(reason, number, line)
                continue
            for rule in _rules_of(line, number, rejects):
                if is_allowing and rule.is_rewrite:
                    rejects.skip("dnsrewrite", number, line)
                    continue
                try:
                    rules.add(rule, number, line)
                except BadName as error:
                    rejects.skip(error.reason, number, line)
                taken += 1
        rejects.lines = number
        if taken > MAX_RULES:
            raise FeedRefused(
                "too large",
                f"{source} has more than {MAX_RULES:,} rules for names: nothing of it is taken. "
                "Use it as a list of domains, which may have more.",
            )
    found: dict[Action | None, Scopes] = {None: _all(rules)} if is_allowing else _listed(rules, rejects)
    rejects.accepted = sum(map(len, found.values()))
    return found


def _all(rules: _Rules) -> Scopes:
    """Return the names of rules and exceptions alike."""
    ordinary = _joined(rules.of(), rules.of(is_exception=True))
    important = _joined(rules.of(is_important=True), rules.of(is_exception=True, is_important=True))
    return _joined(ordinary, important)


def _listed(rules: _Rules, rejects: RejectReport) -> dict[Action | None, Scopes]:
    """Return what the exceptions leave of the rules for names, in their order, and those that are still needed."""
    strong = rules.of(is_exception=True, is_important=True)
    every = _joined(rules.of(is_exception=True), strong)
    important = _without(rules.of(is_important=True), strong)
    own = _joined(_without(rules.of(), every), important)
    unrewritten = rules.rewrites(is_exception=True)
    rewritten: Scopes = {}
    answers: dict[Action | None, Scopes] = {}
    for answer, names in rules.rewrites().items():
        left = names
        for excepted in {None, answer} & unrewritten.keys():
            left = _without(left, unrewritten[excepted])
        answers[answer] = left
        rewritten = _joined(rewritten, left)
    for key, (number, line) in rules.lines.items():
        if _is_under(key, rewritten):
            rejects.add(UNKEPT, number, line)
    if rewritten:  # it comes before the other rules for the same name
        own = {key: rest for key, scope in own.items() if (rest := scope & ~rewritten.get(key, Scope(0)))}
    kept: Scopes = {}
    for key, scope in every.items():
        if _is_under(key, own) and not _is_under(key, rewritten) and (key in strong or not _is_under(key, important)):
            kept[key] = scope
    found: dict[Action | None, Scopes] = {None: _joined(own, answers.pop(None, {})), **answers}
    if kept:
        found[Action.PASSTHRU] = kept
    return {answer: names for answer, names in found.items() if names or answer is None}


def _is_under(key: bytes, rules: Mapping[bytes, Scope]) -> bool:
    """Return whether rules cover a name by one of its ancestors."""
    return bool(rules) and any(rules.get(above, 0) & Scope.SUBDOMAINS for above in _ancestors(key))


def _rules_of(line: bytes, number: int, rejects: RejectReport) -> Iterator[Rule]:
    """Yield the rules of one line: one, or one for each name of a hosts line."""
    try:
        if simple := _SIMPLE.fullmatch(line):  # most rules for names; what follows reads them in the same way
            yield Rule(entry_key(simple[1]), Scope.BOTH, form=b"||*^$")
            return
        content = bounded_content(line, number, b"!")
        if not content or _is_comment(content):
            return
        words = without_hash(content).split()
        if len(words) < 2 or not is_address(words[0]):
            yield parse_rule(words[0] if len(words) == 1 else content)
            return
    except BadName as error:
        if number > 1:
            _TINY.note(line, error.reason)
        if error.reason in SKIPS:
            rejects.skip(error.reason, number, line)
        else:
            rejects.add(error.reason, number, line)
        return
    for word in names_of(content.partition(b"#")[0].split()):
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
