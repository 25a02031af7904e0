"""Text lists as a kind of feed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import ACCEPTED, Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.lists.amend import amend_list
from blockd.feeds.source import FeedSource
from blockd.feeds.weakness import Weakness, text_weakness
from blockd.formats.body import Progress
from blockd.formats.finding.line import Line, find_line
from blockd.formats.finding.lines import find_lines
from blockd.formats.rejects import RejectReport
from blockd.ruleset import FeedInput, Listing
from blockd.ruleset.explain import ExplainedClaim
from blockd.settings import ListFeed


class ListKind(FeedKind[ListFeed]):
    """A text list; one order covers all of its names."""

    settings = ListFeed

    def source(self, feed: ListFeed, folder: Path, validators: Validators) -> FeedSource:
        """Return the list's file or URL."""
        from blockd.feeds.text_source import TextSource  # not before it is needed: see FeedKind.source

        return TextSource(feed, folder, validators)

    def weakness(self, feed: ListFeed) -> Weakness | None:
        """Return a weakness if the list comes by plain HTTP unsigned."""
        return text_weakness(feed)

    def read(
        self,
        feed: ListFeed,
        content: Content,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the feed's order with all names of the list; rules that say so themselves are orders beside it."""
        listed = feed.form.listings(
            content.path, rejects, feed.max_size, feed.covers, feed.action, progress, content.shown
        )
        orders = {feed.action: feed.order()}
        for action, _, _ in listed:
            orders.setdefault(action, feed.order_with(f"{feed.name}.{action}", action))
        return FeedInput(
            name=feed.name,
            type=feed.type,
            priority=feed.priority,
            digest=content.digest,
            orders=list(orders.values()),
            listings=(Listing(orders[action], scope, keys) for action, scope, keys in listed),
            rejected=lambda: rejects.rejected,
        )

    def is_streamed(self, feed: ListFeed) -> bool:
        """Return whether the format can be read in a stream."""
        return feed.form.is_streamed

    def can_amend(self, feed: ListFeed, candidate: Candidate) -> bool:
        """Return whether the list can be compared, line by line, with an accepted version."""
        return feed.form.has_line_changes and candidate.accepted is not None

    def amend(self, feed: ListFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Amend the names that were added or removed."""
        return amend_list(feed, candidate, amending)

    def line_of(self, feed: ListFeed, claim: ExplainedClaim, folder: Path, key: bytes) -> Line | None:
        """Return the first line that names the entry, with a scope that the claim's has a part of."""
        return find_line(feed.form, folder / ACCEPTED, key, feed.max_size, claim.entry.scope, claim.order.action)

    def lines_of(self, feed: ListFeed, folder: Path, keys: Collection[bytes]) -> dict[bytes, Line]:
        """Return the first line that names each entry."""
        return find_lines(feed.form, folder / ACCEPTED, keys, feed.max_size, feed.action)
