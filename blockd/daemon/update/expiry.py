"""What has come to its end: a signed list, or an authority's part of one, not signed anew in time; a list long unseen.

Its orders go on and are stale, which is the default, or go out of force until it is good again: no compiling, only
states. An order ends with its feed or with its authority, whichever is first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from blockd.daemon.update.feed_state import FeedState
from blockd.orders import Order
from blockd.ruleset import Catalogue
from blockd.settings import Feed
from blockd.times import time_text

log = logging.getLogger(__name__)

Known = Iterable[tuple[Feed, FeedState]]


class ExpiryEffect(Enum):
    """What becomes of an order whose feed or authority is at its end."""

    STALE = "stale"  # it goes on, and its answers say so
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ExpiredParts:
    """What of one feed is at its end: the `effect` on its orders, None if there is none, and on those of `roles`."""

    effect: ExpiryEffect | None = None
    roles: Mapping[str, ExpiryEffect] = field(default_factory=dict)

    def of(self, role: str) -> ExpiryEffect | None:
        """Return what becomes of the orders that a role has signed."""
        return self.roles.get(role, self.effect)


Ends = Mapping[str, ExpiredParts]
"""By feed's name; one that is not there goes on."""


def end_of(feed: Feed, state: FeedState) -> float | None:
    """Return when a feed ends, in seconds since the epoch, unless it is renewed; None if it has no end."""
    return feed.end(checked=state.checked, expires=state.expires)


def ends_of_roles(state: FeedState) -> dict[str, int]:
    """Return when each authority's part of a feed ends; those that have given nothing yet are left out."""
    return {part.role: part.expires for part in state.authorities if part.version}


def ended(feeds: Known, now: float) -> Ends:
    """Return what is at its end at `now`."""
    found = {}
    for feed, state in feeds:
        one = _ended(feed, state, now)
        if one != ExpiredParts():
            found[feed.name] = one
    return found


def next_end(feeds: Known, now: float) -> float | None:
    """Return the next time after `now` at which a feed or an authority's part of one ends; None if none does."""
    ends = [end for feed, state in feeds for end in (end_of(feed, state), *ends_of_roles(state).values())]
    return min((end for end in ends if end is not None and end > now), default=None)


def orders_of(catalogue: Catalogue, ends: Ends) -> tuple[list[Order], frozenset[int]]:
    """Return the catalogue's orders, stopped ones expired since ever, and the indices of stale ones."""
    orders, stale = [], set()
    for index, record in enumerate(catalogue.orders):
        effect = ends[record.feed].of(record.order.role) if record.feed in ends else None
        orders.append(replace(record.order, expires=0) if effect is ExpiryEffect.STOPPED else record.order)
        if effect is ExpiryEffect.STALE:
            stale.add(index)
    return orders, frozenset(stale)


class Expiry:
    """Tells once when a feed, or an authority's part of it, comes to its end."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def look(self, feeds: Known, now: float) -> None:
        """Log what has come to its end since the last look."""
        parts: set[tuple[str, str]] = set()
        for feed, state in feeds:
            parts.update((feed.name, role) for role in ("", *ends_of_roles(state)))
            self._tell(feed, "", f"Feed {feed.name}", end_of(feed, state), now)
            for role, end in ends_of_roles(state).items():
                self._tell(feed, role, f"The part of authority {role} in feed {feed.name}", end, now)
        self._told &= parts  # a repository may change its authorities without end

    def _tell(self, feed: Feed, role: str, what: str, end: float | None, now: float) -> None:
        part = (feed.name, role)
        if end is None or now < end:
            self._told.discard(part)
        elif part not in self._told:
            self._told.add(part)
            is_stopped = feed.at_expiry_of(role) == "stop"
            done = "go out of force until it is good again" if is_stopped else "stay in force"
            log.error("%s has ended on %s: its orders %s (at_expiry).", what, time_text(end), done)


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
