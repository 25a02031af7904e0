"""The tiers of a ruleset: the order in which the operator's feeds are asked.

A policy zone decides before later zones are asked (draft-vixie-dnsop-dns-rpz, precedence rules), while the claims of
all other unsigned feeds are weighed together. So each zone is a tier of its own, and adjacent feeds of other kinds form
one tier, in the order of their priorities. Authorities have no tiers (`blockd.ruleset.precedence`).

A list may have exceptions from its own rules; its orders are then a group. An exception on a name ends the rules of its
group on the names above, and says nothing about other feeds. It is an order with the action `passthru`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from blockd.orders import NO_TIER, Action
from blockd.ruleset.catalogue import Catalogue
from blockd.settings import SIGNED_TYPES, ZONE_TYPES

MAX_TIERS = NO_TIER // 2  # a tier is one octet, whose lowest bit marks a zone; later ones share the last
MAX_FEEDS = 0xFFFF  # that are told apart where some apply to some clients only: far more than a config may have
MAX_GROUPS = 255  # a group is one octet, which is 0 if there is none; the exceptions of later feeds have no effect
SIGNED_TIER = NO_TIER - 1  # of all that authorities sign


def tiers_of(catalogue: Catalogue) -> bytes:
    """Return the tier of each order, one octet: lower if the tier is asked earlier, odd for a zone's."""
    by_feed = tiers_by_feed((feed.name, feed.type) for feed in catalogue.feeds)
    return bytes(by_feed.get(record.feed, SIGNED_TIER) for record in catalogue.orders)


def groups_of(catalogue: Catalogue) -> bytes:
    """Return the group of each order, one octet: 0 if its feed is a policy zone, or has no exceptions."""
    by_feed: dict[str, int] = {}
    zones = {feed.name for feed in catalogue.feeds if feed.type in ZONE_TYPES}
    for record in catalogue.orders:
        if record.order.action is Action.PASSTHRU and record.feed not in zones and len(by_feed) < MAX_GROUPS:
            by_feed.setdefault(record.feed, len(by_feed) + 1)
    return bytes(by_feed.get(record.feed, 0) for record in catalogue.orders)


def priorities_of(catalogue: Catalogue) -> array[int]:
    """Return the place of each order's feed by its priority, 32 bits each; feeds of equal priority have one place."""
    places = {priority: place for place, priority in enumerate(sorted({feed.priority for feed in catalogue.feeds}))}
    by_feed = {feed.name: places[feed.priority] for feed in catalogue.feeds}
    return array("I", (by_feed.get(record.feed, len(places)) for record in catalogue.orders))


def feeds_of(catalogue: Catalogue) -> tuple[array[int], list[str]]:
    """Return the number of each order's feed, 16 bits each, and the feeds' names by their numbers.

    The last name is empty, and stands for feeds that are not in the catalogue.
    """
    names = [feed.name for feed in catalogue.feeds[:MAX_FEEDS]]
    numbers = {name: number for number, name in enumerate(names)}
    return array("H", (numbers.get(record.feed, len(names)) for record in catalogue.orders)), [*names, ""]


def tiers_by_feed(feeds: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the tier of each feed, given name and type of all in their order: by priority, then by name."""
    by_feed: dict[str, int] = {}
    place = -1
    zone_before = True
    for name, kind in feeds:
        if kind in SIGNED_TYPES:
            by_feed[name] = SIGNED_TIER
            continue
        zone = kind in ZONE_TYPES
        if zone or zone_before:
            place += 1
        zone_before = zone
        by_feed[name] = min(place, MAX_TIERS - 1) * 2 + zone
    return by_feed


def is_zone(tier: int) -> bool:
    """Return whether a tier is a policy zone's, in which a listed name stops the wildcards above it from matching."""
    return bool(tier & 1)
