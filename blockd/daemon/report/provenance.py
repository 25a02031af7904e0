"""Where a name's entries come from: the line of each feed that lists it, and since when it is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from blockd.errors import BadName
from blockd.feeds.kinds import kind_of
from blockd.formats.find_line import Line
from blockd.names import is_network_key, key_from_text
from blockd.orders.disclosure import public_text
from blockd.ruleset import Versions
from blockd.ruleset.explain import ExplainedClaim, ExplainedRuleset, Explanation
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
        return {**self.explanation.to_json(), "claims": claims, "listed": listed}


def with_provenance(
    explanation: Explanation, name: str, feeds: Sequence[Feed], state_dir: Path, *, lines: bool = True
) -> Explanation | TracedExplanation:
    """Return the explanation by `explain` with its provenance, if there is a ruleset.

    A claim of a text list has the first line that names its entry, and one of a signed order whose names are a list in
    files has the line of that; any other, also of a list that no longer names it, has None. Blocks while it reads the
    lists, tenths of a second for the largest; without `lines` it reads none, and every claim has None.
    """
    if explanation.ruleset is None:
        return explanation
    lists = {feed.name: feed for feed in feeds if lines}
    found = tuple(line_of(weighed.claim, lists, state_dir) for weighed in explanation.ruleset.claims)
    listed = listed_in(Versions(state_dir / "rulesets"), key_from_text(name))
    return TracedExplanation(explanation, explanation.ruleset, found, listed)


def line_of(claim: ExplainedClaim, lists: Mapping[str, Feed], state_dir: Path) -> Line | None:
    """Return the line of a claim in the list of its feed, which is one of `lists`; None if there is none."""
    feed, key = lists.get(claim.feed), claim.entry.key
    if feed is None:
        return None
    if not is_network_key(key):
        try:
            key = key_from_text(public_text(claim.entry))
        except BadName:  # not a host name, which text lists cannot contain
            return None
    return kind_of(feed).line_of(feed, claim, state_dir / "feeds" / feed.name, key)


def _mention(mention: Mention | None) -> dict[str, object] | None:
    return {"version": mention.version, "compiled": time_text(mention.created)} if mention else None
