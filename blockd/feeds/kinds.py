"""The kinds of feeds, one per line. Each has a folder here, and its settings class is in `FEED_CLASSES`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blockd.feeds.fetched import Validators
from blockd.feeds.kind import FeedKind
from blockd.feeds.lists.kind import ListKind
from blockd.feeds.overrides.kind import OverridesKind
from blockd.feeds.rpz.kind import RpzKind
from blockd.feeds.signed.kind import SignedKind
from blockd.feeds.source import FeedSource
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


def open_source(feed: Feed, folder: Path, validators: Validators) -> FeedSource:
    """Return the source of a feed; `validators` are those of the accepted content in `folder`."""
    return kind_of(feed).source(feed, folder, validators)
