"""Feeds that have come to their end: a signed list not signed anew in time, a list that nobody could look at for long.

Their orders go on, which is the default, or go out of force until the feed is good again: no compiling, only states.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Set
from dataclasses import replace

from blockd.daemon.feed_state import FeedState
from blockd.orders import Order
from blockd.orders.document import time_text
from blockd.ruleset import Catalogue
from blockd.settings import AnyFeed, OverridesFeed, SignedFeed, TransferFeed

log = logging.getLogger(__name__)

Known = Iterable[tuple[AnyFeed, FeedState]]


def end_of(feed: AnyFeed, state: FeedState) -> float | None:
    """Give when a feed ends, in seconds since the epoch, unless it is renewed; None where it has no end."""
    if isinstance(feed, SignedFeed | TransferFeed | OverridesFeed):
        return state.expires
    return state.checked + feed.max_age if feed.max_age and state.checked else None


def stopped(feeds: Known, now: float) -> frozenset[str]:
    """Give the names of feeds that are at their end and whose orders stop then."""
    return frozenset(feed.name for feed, state in feeds if feed.at_expiry == "stop" and _is_over(feed, state, now))


def orders_of(catalogue: Catalogue, stopped: Set[str]) -> list[Order]:
    """Give the catalogue's orders with those of stopped feeds expired since ever."""
    return [replace(record.order, expires=0) if record.feed in stopped else record.order for record in catalogue.orders]


class Expiry:
    """Tells once when a feed comes to its end."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, feeds: Known, now: float) -> None:
        """Log what has come to its end since the last look."""
        for feed, state in feeds:
            if not _is_over(feed, state, now):
                self._told.discard(feed.name)
            elif feed.name not in self._told:
                self._told.add(feed.name)
                done = "go out of force until it is good again" if feed.at_expiry == "stop" else "stay in force"
                end = end_of(feed, state) or 0.0
                log.error("Feed %s has ended on %s: its orders %s (at_expiry).", feed.name, time_text(end), done)


def _is_over(feed: AnyFeed, state: FeedState, now: float) -> bool:
    end = end_of(feed, state)
    return end is not None and now >= end
