"""What feeds take of this machine beside what they may take, and what is left of its disk."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.ruleset_maker import RulesetMaker


def feed_limits(managed: ManagedFeed) -> dict[str, Mapping[str, float | None]]:
    """Return what a feed's newest content took, and all that is kept of it, by the key of `limits`.

    Times are in seconds, sizes in octets; `used` is None before anything was fetched or read.
    """
    limits, spent = managed.limits, managed.spent
    return {
        "fetch_time": {"used": managed.fetch_seconds, "allowed": limits.fetch_time},
        "read_time": {"used": round(spent.seconds, 2) if spent else None, "allowed": limits.read_time},
        "read_memory": {"used": spent.memory if spent else None, "allowed": limits.read_memory},
        "disk": {"used": managed.room, "allowed": limits.disk},
    }


def compile_status(maker: RulesetMaker) -> dict[str, object] | None:
    """Return how long the compile in progress has taken, and the feed whose new content it reads; None if none is."""
    return {"seconds": round(maker.seconds, 1), "feed": maker.reading or None} if maker.seconds else None


def disk_status(room: DiskRoom, feeds: FeedSet) -> dict[str, object]:
    """Return what is free on the state folder's disk, and what all feeds take and may take, in octets."""
    configured = feeds.configured.values()
    return {
        "total": room.total,
        "free": room.free,
        "level": room.level.name.lower(),
        "feeds": {
            "used": sum(managed.room for managed in configured),
            "allowed": sum(managed.limits.disk for managed in configured),
        },
    }
