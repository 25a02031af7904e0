"""How much news each role may give in time: what a node fetches of its orders is kept for ever by the audit log.

A role whose key is stolen, or whose tool signs everything anew without end, would fill the disk of every node with
evidence. So each role has an allowance of octets that comes back with time. Metadata may use all of it, documents leave
a rest, so that an authority which has replaced its keys can lift what a thief has signed.
"""

from __future__ import annotations

from collections.abc import Callable

from blockd.feeds.signed.limits import MAX_SHARE

DAILY = 128 * 1024 * 1024  # octets that come back in a day: an authority of 10,000 orders can sign 50 times a day
RESERVE = 16 * 1024 * 1024  # octets that documents leave: the largest metadata, twice
MOST = MAX_SHARE + RESERVE  # octets at once: all orders that one role may have
_DAY = 86_400.0  # seconds


class Allowance:
    """What each role may still give; `now` returns seconds since the epoch. A restart begins anew."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}  # by role, the octets that were left, and when

    def allows(self, role: str, octets: int, *, reserve: int = RESERVE) -> bool:
        """Return whether a role may give so many octets more now."""
        return self._level(role) >= octets + reserve

    def take(self, role: str, octets: int) -> None:
        """Note that a role has given octets."""
        self._left[role] = (max(0.0, self._level(role) - octets), self._now())

    def _level(self, role: str) -> float:
        left, since = self._left.get(role, (float(MOST), self._now()))
        return min(MOST, left + max(0.0, self._now() - since) * DAILY / _DAY)
