"""The feeds of the config file: where lists come from, and the order that a list without one stands for."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from blockd.settings.feeds.base import Feed, OrderingFeed
from blockd.settings.feeds.http import ClientCertificate, WebFeed
from blockd.settings.feeds.lists import LIST_FEEDS, ListFeed
from blockd.settings.feeds.overrides import OVERRIDES, OverridesFeed
from blockd.settings.feeds.signed import SignedFeed
from blockd.settings.feeds.text import ListSignature, TextFeed
from blockd.settings.feeds.zones import RpzFeed, TransferFeed, ZoneFeed, ZoneOverride

__all__ = [
    "FEED_CLASSES",
    "FEED_TYPES",
    "OVERRIDES",
    "SIGNED_TYPES",
    "TEXT_TYPES",
    "ZONE_TYPES",
    "ClientCertificate",
    "ConfiguredFeed",
    "Feed",
    "ListFeed",
    "ListSignature",
    "OrderingFeed",
    "OverridesFeed",
    "RpzFeed",
    "SignedFeed",
    "TextFeed",
    "TransferFeed",
    "WebFeed",
    "ZoneFeed",
    "ZoneOverride",
]

# Every kind that a config may name; `blockd.feeds.kinds` has what each does.
FEED_CLASSES: tuple[type[Feed], ...] = (
    SignedFeed,
    *LIST_FEEDS,
    RpzFeed,
    TransferFeed,
)
FEED_TYPES: dict[str, type[Feed]] = {feed.type_name(): feed for feed in FEED_CLASSES}
SIGNED_TYPES = frozenset(name for name, feed in FEED_TYPES.items() if feed.is_signed)
TEXT_TYPES = tuple(name for name, feed in FEED_TYPES.items() if feed.is_text)
ZONE_TYPES = frozenset(name for name, feed in FEED_TYPES.items() if feed.is_zone)

if TYPE_CHECKING:
    ConfiguredFeed = Feed
else:
    ConfiguredFeed = Annotated[functools.reduce(operator.or_, FEED_CLASSES), Field(discriminator="type")]
