"""The kinds of feeds, one a line. Each has a folder here, and its settings class stands in `FEED_CLASSES`."""

from __future__ import annotations

from typing import Any

from blockd.feeds.kind import FeedKind
from blockd.feeds.lists.kind import ListKind
from blockd.feeds.overrides.kind import OverridesKind
from blockd.feeds.rpz.kind import RpzKind
from blockd.feeds.signed.kind import SignedKind
from blockd.feeds.transfer.kind import TransferKind
from blockd.settings import Feed

KINDS: tuple[FeedKind[Any], ...] = (
    SignedKind(),
    ListKind(),
    RpzKind(),
    TransferKind(),
    OverridesKind(),
)


def kind_of(feed: Feed) -> FeedKind[Any]:
    """Return the kind of a feed."""
    return next(kind for kind in KINDS if isinstance(feed, kind.settings))
