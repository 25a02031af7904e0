"""The config file as frozen, validated values; every error with its path, all at once."""

from blockd.settings.addresses import SYSTEM_UPSTREAM, SocketAddress, Upstream
from blockd.settings.feeds import (
    FEED_CLASSES,
    FEED_TYPES,
    TEXT_TYPES,
    ZONE_TYPES,
    Feed,
    ListFeed,
    Override,
    OverridesFeed,
    RpzFeed,
    Signature,
    SignedFeed,
    TextFeed,
    TransferFeed,
    ZoneFeed,
)
from blockd.settings.load import load
from blockd.settings.model import (
    Audit,
    BlockPage,
    Cache,
    Clients,
    Forwarding,
    Gate,
    Listen,
    Operator,
    Settings,
    Sinkhole,
    Versions,
)
from blockd.settings.reference import reference
from blockd.settings.transfer import Tsig

__all__ = [
    "FEED_CLASSES",
    "FEED_TYPES",
    "SYSTEM_UPSTREAM",
    "TEXT_TYPES",
    "ZONE_TYPES",
    "Audit",
    "BlockPage",
    "Cache",
    "Clients",
    "Feed",
    "Forwarding",
    "Gate",
    "ListFeed",
    "Listen",
    "Operator",
    "Override",
    "OverridesFeed",
    "RpzFeed",
    "Settings",
    "Signature",
    "SignedFeed",
    "Sinkhole",
    "SocketAddress",
    "TextFeed",
    "TransferFeed",
    "Tsig",
    "Upstream",
    "Versions",
    "ZoneFeed",
    "load",
    "reference",
]
