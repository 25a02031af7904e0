"""Zones by transfer as a kind of feed."""

from __future__ import annotations

from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.source import FeedSource
from blockd.feeds.transfer.amend import amend_zone
from blockd.feeds.transfer.content import open_zone
from blockd.feeds.transfer.keys import read_key
from blockd.feeds.weakness import Weakness
from blockd.feeds.zone_orders import override_of, zone_input
from blockd.formats.body import Progress
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.action import RpzAction
from blockd.formats.rpz.apex import Apex
from blockd.formats.rpz.reading import zone_rules
from blockd.formats.rpz.rules import RpzRules
from blockd.names import key_from_text
from blockd.ruleset import FeedInput
from blockd.settings import TransferFeed


class TransferKind(FeedKind[TransferFeed]):
    """A policy zone from its primaries."""

    settings = TransferFeed

    def source(self, feed: TransferFeed, folder: Path, validators: Validators) -> FeedSource:
        """Return the zone's primaries; the content of `folder` may be built upon if it has a validator."""
        from blockd.feeds.transfer.source import TransferSource  # not before it is needed: see FeedKind.source

        return TransferSource(feed, folder, known=validators != Validators())

    def weakness(self, feed: TransferFeed) -> Weakness | None:
        """Return a weakness if transfers are not signed, or their secret cannot be used."""
        if feed.tsig is None:
            return Weakness(
                f"comes from {feed.fetched_from} unsigned: anyone on the path can change the zone",
                "Agree on a TSIG key with the primary's operator, and name it in the feed's `tsig`.",
            )
        try:
            read_key(feed.tsig)
        except FeedRefused as refused:
            return Weakness(f"has a key that cannot be used: {refused}", "No transfer is taken until then.", True)
        return None

    def read(
        self,
        feed: TransferFeed,
        content: Content,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the zone's rules."""
        zone = key_from_text(feed.zone)
        rules = read_transferred(content.path, rejects, zone=zone, override=override_of(feed), source=content.shown)
        return zone_input(feed, rules, digest=content.digest)

    def can_amend(self, feed: TransferFeed, candidate: Candidate) -> bool:
        """Return whether there is an accepted zone to compare with."""
        return candidate.accepted is not None

    def amend(self, feed: TransferFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Amend the rules that were added or removed."""
        return amend_zone(feed, candidate, amending)


def read_transferred(
    journal: Path, rejects: RejectReport, *, zone: bytes, override: RpzAction | None = None, source: str = ""
) -> RpzRules:
    """Return the rules of the zone transferred to `journal`, called `source` in refusals; raises as `open_zone`."""
    with open_zone(journal) as pieces:
        return zone_rules(pieces, source or str(journal), RpzRules(rejects, override), Apex(zone, zone))
