"""Signed repositories as a kind of feed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import ACCEPTED, Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.signed.amend import amend_signed
from blockd.feeds.signed.bundle import read_bundle
from blockd.feeds.signed.list_lines import StoredListNames
from blockd.feeds.signed.list_texts import LISTS, text_path
from blockd.feeds.source import FeedSource
from blockd.formats.body import Progress
from blockd.formats.find_line import Line, find_in_names
from blockd.formats.rejects import RejectReport
from blockd.orders import OrderDocument
from blockd.ruleset import FeedInput, Listing
from blockd.ruleset.explain import ExplainedClaim
from blockd.settings import Feed, SignedFeed

MAX_BUNDLE = 32 << 20  # octets of a bundle that is read for the line of a name: more takes too long for a command


class SignedKind(FeedKind[SignedFeed]):
    """A repository of orders; its content is a bundle of documents."""

    settings = SignedFeed
    proves_itself = True  # and its digest is of the orders, not of the file

    def source(self, feed: SignedFeed, folder: Path, validators: Validators) -> FeedSource:
        """Return the repository."""
        from blockd.feeds.signed.source import SignedSource  # not before it is needed: see FeedKind.source

        return SignedSource(feed, folder)

    def read(
        self,
        feed: SignedFeed,
        content: Content,
        first_seen: int,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return the bundle's orders."""
        return bundle_input(feed, content)

    def can_amend(self, feed: SignedFeed, candidate: Candidate) -> bool:
        """Return True: even the first content can, since orders are compared by their ids."""
        return True

    def amend(self, feed: SignedFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Amend the orders that were added, removed or changed."""
        return amend_signed(feed, candidate, amending)

    def line_of(self, feed: SignedFeed, claim: ExplainedClaim, folder: Path, key: bytes) -> Line | None:
        """Return the line in the list of the claim's order; None if the order has its names in its document."""
        bundle = folder / ACCEPTED
        try:
            if not (folder / LISTS).is_dir() or bundle.stat().st_size > MAX_BUNDLE:
                return None
            documents = read_bundle(bundle).documents
        except (FeedRefused, OSError):
            return None
        lists = [each.names for each in documents if each.names is not None and each.order.id == claim.order.id]
        return find_in_names(text_path(folder, lists[0].last), key) if lists else None


def bundle_input(feed: Feed, content: Content) -> FeedInput:
    """Return what the compiler takes of a bundle; raises FeedRefused if it cannot be read."""
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
    )


def _listings(document: OrderDocument, folder: Path) -> Iterator[Listing]:
    if document.names is not None:
        step = document.names.last
        yield Listing(document.order, document.scope, StoredListNames(text_path(folder, step), step))
        return
    for scope, entries in groupby(sorted(document.entries, key=lambda entry: entry.scope), lambda entry: entry.scope):
        yield Listing(document.order, scope, [entry.key for entry in entries])
