"""Expiry: of a signed list or an authority's part of one that was not signed again in time, or of a list long unseen.

Its orders stay in force and are stale, which is the default, or go out of force until it is renewed. That needs no
compiling, only new states. An order expires with its feed or with its authority, whichever is first.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from blockd.daemon.update.feed_state import FeedState
from blockd.orders import Order
from blockd.ruleset import Catalogue
from blockd.ruleset.catalogue import standing_orders
from blockd.settings import Feed
from blockd.times import time_text

log = logging.getLogger(__name__)

Known = Iterable[tuple[Feed, FeedState]]


class ExpiryEffect(Enum):
    """Effect on an order whose feed or authority has expired."""

    STALE = "stale"  # it stays in force, and its answers say so
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ExpiredParts:
    """What of a feed has expired: the `effect` on its orders, None if there is none, and on those of `roles`."""

    effect: ExpiryEffect | None = None
    roles: Mapping[str, ExpiryEffect] = field(default_factory=dict)

    def of(self, role: str) -> ExpiryEffect | None:
        """Return the effect on the orders that a role has signed."""
        return self.roles.get(role, self.effect)


Ends = Mapping[str, ExpiredParts]
"""By the feed's name; a feed that is missing has not expired."""


def end_of(feed: Feed, state: FeedState) -> float | None:
    """Return when a feed expires unless it is renewed, in seconds since the epoch; None if never."""
    return feed.end(checked=state.checked, expires=state.expires)


def ends_of_roles(state: FeedState) -> dict[str, int]:
    """Return when each authority's part of a feed expires; authorities without content are left out."""
    return {part.role: part.expires for part in state.authorities if part.version}


def ended(feeds: Known, now: float) -> Ends:
    """Return what has expired at `now`."""
    found = {}
    for feed, state in feeds:
        one = _ended(feed, state, now)
        if one != ExpiredParts():
            found[feed.name] = one
    return found


def kept_feeds(feeds: Known) -> frozenset[str] | None:
    """Return the names of the config's feeds, to whose orders a ruleset is held; None if it is not.

    Only once any of them has content: what an earlier config has had enforced stays until there is something instead.
    """
    known = list(feeds)
    has_content = any(state.accepted_digest and not feed.is_own for feed, state in known)
    return frozenset(feed.name for feed, _ in known) if has_content else None


def removed(catalogue: Catalogue, kept: Collection[str] | None) -> Ends:
    """Return the feeds of a ruleset that are no longer in the config as stopped: it is compiled again without them."""
    stopped = ExpiredParts(ExpiryEffect.STOPPED)
    return {feed.name: stopped for feed in catalogue.feeds if kept is not None and feed.name not in kept}


def next_end(feeds: Known, now: float) -> float | None:
    """Return the next time after `now` at which a feed or an authority's part of one expires; None if none does."""
    ends = [end for feed, state in feeds for end in (end_of(feed, state), *ends_of_roles(state).values())]
    return min((end for end in ends if end is not None and end > now), default=None)


def orders_of(catalogue: Catalogue, created: int, ends: Ends) -> tuple[list[Order], frozenset[int]]:
    """Return a ruleset's orders, stopped ones as expired from the beginning, and the indices of stale ones.

    `created` is when it was made, in seconds since the epoch.
    """
    orders, stale = [], set()
    standing = standing_orders(catalogue, created)
    for index, (record, order) in enumerate(zip(catalogue.orders, standing, strict=True)):
        effect = ends[record.feed].of(record.order.role) if record.feed in ends else None
        orders.append(replace(order, expires=0) if effect is ExpiryEffect.STOPPED else order)
        if effect is ExpiryEffect.STALE:
            stale.add(index)
    return orders, frozenset(stale)


class Expiry:
    """Logs once that a feed, or an authority's part of it, has expired."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def look(self, feeds: Known, now: float) -> None:
        """Log what has expired since the last call."""
        parts: set[tuple[str, str]] = set()
        for feed, state in feeds:
            parts.update((feed.name, role) for role in ("", *ends_of_roles(state)))
            self._log(feed, "", f"Feed {feed.name}", end_of(feed, state), now)
            for role, end in ends_of_roles(state).items():
                self._log(feed, role, f"The part of authority {role} in feed {feed.name}", end, now)
        self._logged &= parts  # bounded, as a repository may change its authorities

    def _log(self, feed: Feed, role: str, what: str, end: float | None, now: float) -> None:
        part = (feed.name, role)
        if end is None or now < end:
            self._logged.discard(part)
        elif part not in self._logged:
            self._logged.add(part)
            is_stopped = feed.at_expiry_of(role) == "stop"
            done = "go out of force until it is renewed" if is_stopped else "stay in force"
            log.error("%s expired on %s: its orders %s (at_expiry).", what, time_text(end), done)


def _ended(feed: Feed, state: FeedState, now: float) -> ExpiredParts:
    end = end_of(feed, state)
    is_over = end is not None and now >= end
    over = {role for role, at in ends_of_roles(state).items() if now >= at}
    named = feed.roles if is_over else frozenset()
    own = _effect(feed, "") if is_over else None
    effects = {role: _effect(feed, role) for role in over | named}
    return ExpiredParts(own, {role: effect for role, effect in effects.items() if effect is not own})


def _effect(feed: Feed, role: str) -> ExpiryEffect:
    return ExpiryEffect.STOPPED if feed.at_expiry_of(role) == "stop" else ExpiryEffect.STALE
