"""Local overrides as a kind of feed."""

from __future__ import annotations

from pathlib import Path

from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.overrides.source import OverridesSource
from blockd.feeds.signed.amend import amend_signed
from blockd.feeds.signed.kind import bundle_input
from blockd.formats.body import Progress
from blockd.formats.rejects import RejectReport
from blockd.ruleset import FeedInput
from blockd.settings import OverridesFeed


class OverridesKind(FeedKind[OverridesFeed]):
    """The operator's own file, which yields a bundle as a signed feed does."""

    settings = OverridesFeed
    proves_itself = True  # a bundle, whose digest is that of the file it was made from

    def source(self, feed: OverridesFeed, folder: Path, validators: Validators) -> OverridesSource:
        """Return the file."""
        return OverridesSource(feed, folder)

    def read(
        self,
        feed: OverridesFeed,
        content: Content,
        first_seen: int,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the overrides as orders."""
        return bundle_input(feed, content)

    def can_amend(self, feed: OverridesFeed, candidate: Candidate) -> bool:
        """Return True, as for signed orders."""
        return True

    def amend(self, feed: OverridesFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Amend the overrides that were added, removed or changed."""
        return amend_signed(feed, candidate, amending)
