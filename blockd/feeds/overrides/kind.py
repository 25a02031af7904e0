"""Local overrides as a kind of feed."""

from __future__ import annotations

from pathlib import Path

from blockd.feeds.fetched import Validators
from blockd.feeds.overrides.source import OverridesSource
from blockd.feeds.signed.bundle_kind import BundleKind
from blockd.settings import OverridesFeed


class OverridesKind(BundleKind[OverridesFeed]):
    """The operator's own file, which yields a bundle as a signed feed does."""

    settings = OverridesFeed

    def source(self, feed: OverridesFeed, folder: Path, validators: Validators) -> OverridesSource:
        """Return the file."""
        return OverridesSource(feed, folder)
