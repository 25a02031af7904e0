"""Signed repositories as a kind of feed."""

from __future__ import annotations

from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import ACCEPTED, Validators
from blockd.feeds.signed.bundle import read_bundle
from blockd.feeds.signed.bundle_kind import BundleKind
from blockd.feeds.signed.list_texts import LISTS, text_path
from blockd.feeds.source import FeedSource
from blockd.formats.finding.line import Line, find_in_names
from blockd.ruleset.explain import ExplainedClaim
from blockd.settings import SignedFeed

MAX_BUNDLE = 32 << 20  # octets of a bundle that is read for the line of a name: more takes too long for a command


class SignedKind(BundleKind[SignedFeed]):
    """A repository of orders; its content is a bundle of documents."""

    settings = SignedFeed

    def source(self, feed: SignedFeed, folder: Path, validators: Validators) -> FeedSource:
        """Return the repository."""
        from blockd.feeds.signed.source import SignedSource  # not before it is needed: see FeedKind.source

        return SignedSource(feed, folder)

    def line_of(self, feed: SignedFeed, claim: ExplainedClaim, folder: Path, key: bytes) -> Line | None:
        """Return the line in the list of the claim's order; None if the order has its names in its document."""
        bundle = folder / ACCEPTED
        try:
            if not (folder / LISTS).is_dir() or bundle.stat().st_size > MAX_BUNDLE:
                return None
            documents = read_bundle(bundle).documents
        except (FeedRefused, OSError):
            return None
        wanted = claim.order.role, claim.order.id
        lists = [
            each.names for each in documents if each.names is not None and (each.order.role, each.order.id) == wanted
        ]
        return find_in_names(text_path(folder, lists[0].last), key) if lists else None
