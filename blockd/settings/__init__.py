"""The config file as frozen, validated values; every error with its path, all at once."""

from blockd.settings.addresses import SYSTEM_UPSTREAM, NamedPrimary, SocketAddress, Upstream
from blockd.settings.encrypted import (
    Certificate,
    Discovery,
    DohSettings,
    ProxyProtocol,
    Public,
    StructuredErrors,
    TlsSettings,
)
from blockd.settings.feeds import (
    FEED_CLASSES,
    FEED_TYPES,
    SIGNED_TYPES,
    TEXT_TYPES,
    ZONE_TYPES,
    Feed,
    ListFeed,
    ListSignature,
    OverridesFeed,
    RpzFeed,
    SignedFeed,
    TextFeed,
    TransferFeed,
    WebFeed,
    ZoneFeed,
    ZoneOverride,
)
from blockd.settings.feeds.base import shown_place
from blockd.settings.gate import GateSettings
from blockd.settings.limits import Limits
from blockd.settings.listening import BlockPage, Listen, LocalAddress, PublicPage, UnixSocket
from blockd.settings.load import load, settings_from
from blockd.settings.local import ForwardedZone, Local, LocalName, LocalZone
from blockd.settings.model import (
    Audit,
    CacheSettings,
    ClientSettings,
    Forwarding,
    Operator,
    Settings,
    SinkholeSettings,
    VersionSettings,
)
from blockd.settings.reference import reference
from blockd.settings.transfer import Tsig
from blockd.settings.zone_records import ZoneRecord

__all__ = [
    "FEED_CLASSES",
    "FEED_TYPES",
    "SIGNED_TYPES",
    "SYSTEM_UPSTREAM",
    "TEXT_TYPES",
    "ZONE_TYPES",
    "Audit",
    "BlockPage",
    "CacheSettings",
    "Certificate",
    "ClientSettings",
    "Discovery",
    "DohSettings",
    "Feed",
    "ForwardedZone",
    "Forwarding",
    "GateSettings",
    "Limits",
    "ListFeed",
    "ListSignature",
    "Listen",
    "Local",
    "LocalAddress",
    "LocalName",
    "LocalZone",
    "NamedPrimary",
    "Operator",
    "OverridesFeed",
    "ProxyProtocol",
    "Public",
    "PublicPage",
    "RpzFeed",
    "Settings",
    "SignedFeed",
    "SinkholeSettings",
    "SocketAddress",
    "StructuredErrors",
    "TextFeed",
    "TlsSettings",
    "TransferFeed",
    "Tsig",
    "UnixSocket",
    "Upstream",
    "VersionSettings",
    "WebFeed",
    "ZoneFeed",
    "ZoneOverride",
    "ZoneRecord",
    "load",
    "reference",
    "settings_from",
    "shown_place",
]
