"""What else there is to say about a name: the line of each feed that lists it, and since when it is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.feeds.bundle import read_bundle
from blockd.feeds.fetched import ACCEPTED
from blockd.feeds.find import Line, find_in_names, find_line
from blockd.feeds.name_lists import LISTS, text_path
from blockd.names import key_from_text
from blockd.orders.document import time_text
from blockd.orders.told import entry_told
from blockd.ruleset import Versions
from blockd.ruleset.explain import Claim, ExplainedRuleset, Explanation
from blockd.ruleset.history import Listed, Mention, listed_in
from blockd.settings import AdblockFeed, AnyFeed, DomainsFeed, HostsFeed, SignedFeed

MAX_BUNDLE = 32 << 20  # octets of a bundle that is read for the line of a name: more takes longer than anybody waits

LinedFeed = DomainsFeed | HostsFeed | AdblockFeed | SignedFeed
"""Those whose entries each stand on a line of a text, or may do so."""


@dataclass(frozen=True, slots=True)
class TracedExplanation:
    """An explanation, the line of each claim in its list, None if there is none, and which versions list the name."""

    explanation: Explanation
    ruleset: ExplainedRuleset
    lines: tuple[Line | None, ...]
    listed: Listed

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
    told: Explanation, name: str, feeds: Sequence[AnyFeed], state_dir: Path, *, lines: bool = True
) -> Explanation | TracedExplanation:
    """Return what `explain` has said of the name asked for, with more behind it if there is a ruleset.

    A claim of a text list has the first line that names its entry, and one of a signed order whose names are a list in
    files has the line of that; any other, also of a list that no longer names it, has None. Blocks while it reads the
    lists, tenths of a second for the largest; without `lines` it reads none, and every claim has None.
    """
    if told.ruleset is None:
        return told
    lists = {feed.name: feed for feed in feeds if lines and isinstance(feed, LinedFeed)}
    found = tuple(line_of(weighed.claim, lists, state_dir) for weighed in told.ruleset.claims)
    listed = listed_in(Versions(state_dir / "rulesets"), key_from_text(name))
    return TracedExplanation(told, told.ruleset, found, listed)


def line_of(claim: Claim, lists: Mapping[str, LinedFeed], state_dir: Path) -> Line | None:
    """Return the line of a claim in the list of its feed, which is one of `lists`; None if there is none."""
    feed = lists.get(claim.feed)
    if feed is None:
        return None
    try:
        key = key_from_text(entry_told(claim.entry))
    except BadName:  # no host name: a text list has none of those
        return None
    folder = state_dir / "feeds" / feed.name
    if isinstance(feed, SignedFeed):
        return _signed_line(claim, folder, key)
    return find_line(feed.type, folder / ACCEPTED, key, feed.max_size)


def _signed_line(claim: Claim, folder: Path, key: bytes) -> Line | None:
    """Find the line in the list of the claim's order; None where the order has its names in its document."""
    bundle = folder / ACCEPTED
    try:
        if not (folder / LISTS).is_dir() or bundle.stat().st_size > MAX_BUNDLE:
            return None
        documents = read_bundle(bundle).documents
    except (FeedRefused, OSError):
        return None
    lists = [each.names for each in documents if each.names is not None and each.order.id == claim.order.id]
    return find_in_names(text_path(folder, lists[0].last), key) if lists else None


def _mention(mention: Mention | None) -> dict[str, object] | None:
    return {"version": mention.version, "compiled": time_text(mention.created)} if mention else None
