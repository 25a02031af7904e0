"""What kinds of feeds have in common whose content is a bundle of orders: signed repositories, and overrides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.kind import FeedKind, FeedT
from blockd.feeds.signed.amend import amend_signed
from blockd.feeds.signed.bundle import lifted_by, read_bundle
from blockd.feeds.signed.list_lines import StoredListNames
from blockd.feeds.signed.list_texts import text_path
from blockd.formats.body import Progress
from blockd.formats.rejects import RejectReport
from blockd.orders import OrderDocument
from blockd.ruleset import FeedInput, Listing


class BundleKind(FeedKind[FeedT]):
    """A kind whose content is a bundle; its digest is of what the orders came from, not of the bundle's file."""

    proves_itself = True

    def read(
        self,
        feed: FeedT,
        content: Content,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the bundle's orders."""
        version = read_bundle(content.path)
        folder = content.path.parent
        return FeedInput(
            name=feed.name,
            type=feed.type,
            priority=feed.priority,
            digest=content.digest,
            orders=[document.order for document in version.documents],
            listings=[listing for document in version.documents for listing in _listings(document, folder)],
            version=str(version.targets_version),
            signed=True,
            may_lift=lifted_by(feed.name, version.may_lift),
        )

    def can_amend(self, feed: FeedT, candidate: Candidate) -> bool:
        """Return True: even the first content can, since orders are compared by role and id."""
        return True

    def amend(self, feed: FeedT, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Amend the orders that were added, removed or changed."""
        return amend_signed(feed, candidate, amending)


def _listings(document: OrderDocument, folder: Path) -> Iterator[Listing]:
    if document.names is not None:
        step = document.names.last
        yield Listing(document.order, document.scope, StoredListNames(text_path(folder, step), step))
        return
    for scope, entries in groupby(sorted(document.entries, key=lambda entry: entry.scope), lambda entry: entry.scope):
        yield Listing(document.order, scope, [entry.key for entry in entries])
