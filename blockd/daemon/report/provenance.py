"""Where a name's entries come from: the line of each feed that lists it, and since when it is listed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blockd.feeds.kinds import kind_of
from blockd.formats.finding.line import Line
from blockd.names import is_hashed_key, is_network_key
from blockd.orders import Entry, Scope
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.explain import ExplainedClaim, ExplainedRuleset, Explanation
from blockd.ruleset.gate.held_entries import HeldClaim, covering
from blockd.ruleset.versions.listing_history import ListingHistory, Mention, listed_in
from blockd.settings import Feed
from blockd.times import time_text


@dataclass(frozen=True, slots=True)
class TracedExplanation:
    """An explanation, the line of each claim in its list, None if there is none, and which versions list the name."""

    explanation: Explanation
    ruleset: ExplainedRuleset
    lines: tuple[Line | None, ...]
    listed: ListingHistory
    held: tuple[tuple[HeldClaim, Line | None], ...] = ()  # entries that cover the name and are held back, or reported

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without what is confidential."""
        claims = [
            {**claim.to_json(), "line": asdict(line) if line else None}
            for claim, line in zip(self.ruleset.claims, self.lines, strict=True)
        ]
        listed = {
            "versions_kept": self.listed.kept,
            "first": _mention(self.listed.first),
            "last": _mention(self.listed.last),
            "since_before": self.listed.since_before,
            "until_now": self.listed.until_now,
        }
        held = [held_json(claim, line) for claim, line in self.held]
        return {**self.explanation.to_json(), "claims": claims, "listed": listed, "held": held}


def with_provenance(
    explanation: Explanation, feeds: Sequence[Feed], state_dir: Path, *, lines: bool = True, is_past: bool = False,
    like: Ruleset | None = None,
) -> Explanation | TracedExplanation:  # fmt: skip
    """Return the explanation by `explain` with its provenance, if there is a ruleset.

    A claim of a text list has the first line that names its entry, and one of a signed order whose names are a list in
    files has the line of that; any other, also of a list that no longer names it, has None. Blocks while it reads the
    lists, tenths of a second for the largest; without `lines` it reads none, and every claim has None.
    `is_past` says that the version explained need not be the one in force. `like` is a ruleset that is open already.
    """
    if explanation.ruleset is None:
        return explanation
    lists = {feed.name: feed for feed in feeds if lines}
    versions, key = Versions(state_dir / "rulesets"), explanation.subject.key
    held = covering(versions.held(explanation.ruleset.version) or {}, key)
    held_lines = tuple((claim, held_line_of(claim, lists, state_dir)) for claim in held)
    found = tuple(line_of(weighed.claim, lists, state_dir, about=key) for weighed in explanation.ruleset.claims)
    listed = listed_in(versions, key, versions.current() if is_past else explanation.ruleset.version, like)
    return TracedExplanation(explanation, explanation.ruleset, found, listed, held_lines)


def line_of(claim: ExplainedClaim, lists: Mapping[str, Feed], state_dir: Path, *, about: bytes) -> Line | None:
    """Return the line by which a claim covers a name, in the list of its feed, which is one of `lists`; None without.

    `about` is the key of the name or network: an entry may stem from two lines, `x` and `*.x`, of which one covers it.
    """
    feed = lists.get(claim.feed)
    if feed is None:
        return None
    if is_hashed_key(claim.entry.key):
        return None
    covers = claim.entry.scope & (Scope.EXACT if claim.entry.key == about else Scope.SUBDOMAINS)
    if covers and not is_network_key(about):
        claim = replace(claim, entry=replace(claim.entry, scope=covers))
    return kind_of(feed).line_of(feed, claim, state_dir / "feeds" / feed.name, claim.entry.key)


def held_line_of(claim: HeldClaim, lists: Mapping[str, Feed], state_dir: Path) -> Line | None:
    """Return the line of an entry that is held back, in the list of its feed; None if there is none."""
    feed = lists.get(claim.feed)
    if feed is None:
        return None
    return kind_of(feed).lines_of(feed, state_dir / "feeds" / feed.name, [claim.key]).get(claim.key)


def held_json(claim: HeldClaim, line: Line | None = None) -> dict[str, object]:
    """Return an entry that is held back, or reported, as JSON values, with the command that lets it through."""
    release = f"blockd held release {shlex.quote(Entry(claim.key).text)} --reason TEXT"
    return {**claim.to_json(), "line": asdict(line) if line else None, "release": release if claim.is_held else None}


def _mention(mention: Mention | None) -> dict[str, object] | None:
    return {"version": mention.version, "compiled": time_text(mention.created)} if mention else None
