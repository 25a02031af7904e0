"""Zone files as a kind of feed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from blockd.feeds.candidate import Content
from blockd.feeds.fetched import ACCEPTED, Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.source import FeedSource
from blockd.feeds.weakness import Weakness, text_weakness
from blockd.feeds.zone_orders import override_of, zone_input
from blockd.formats.body import Progress
from blockd.formats.finding.line import Line
from blockd.formats.finding.lines import find_rules
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.find_rule import find_rule
from blockd.formats.rpz.reading import read_zone
from blockd.names import key_from_text
from blockd.ruleset import FeedInput
from blockd.ruleset.explain import ExplainedClaim
from blockd.settings import RpzFeed


class RpzKind(FeedKind[RpzFeed]):
    """A policy zone in a file or at a URL; each kind of answer that its rules ask for is one order."""

    settings = RpzFeed

    def source(self, feed: RpzFeed, folder: Path, validators: Validators) -> FeedSource:
        """Return the zone's file or URL."""
        from blockd.feeds.text_source import TextSource  # not before it is needed: see FeedKind.source

        return TextSource(feed, folder, validators)

    def weakness(self, feed: RpzFeed) -> Weakness | None:
        """Return a weakness if the zone comes by plain HTTP unsigned."""
        return text_weakness(feed)

    def read(
        self,
        feed: RpzFeed,
        content: Content,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the zone's rules."""
        zone = key_from_text(feed.zone) if feed.zone else None
        rules = read_zone(
            content.path,
            rejects,
            feed.max_size,
            zone=zone,
            override=override_of(feed),
            progress=progress,
            source=content.shown,
        )
        return zone_input(feed, rules, digest=content.digest)

    def line_of(self, feed: RpzFeed, claim: ExplainedClaim, folder: Path, key: bytes) -> Line | None:
        """Return the line with the rule for the entry, if the zone is not too large to be searched."""
        return find_rule(folder / ACCEPTED, claim.entry, key_from_text(feed.zone) if feed.zone else None)

    def lines_of(self, feed: RpzFeed, folder: Path, keys: Collection[bytes]) -> dict[bytes, Line]:
        """Return the first record that makes a rule for each entry."""
        zone = key_from_text(feed.zone) if feed.zone else None
        return find_rules(folder / ACCEPTED, keys, feed.max_size, zone)
