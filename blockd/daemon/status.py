"""What the daemon says of itself: workers, feeds, what is enforced, for `blockd status` and for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from blockd import __version__
from blockd.daemon.expiry import at_expiry_of, end_of, ends_of_roles
from blockd.daemon.managed_feed import ManagedFeed
from blockd.daemon.ruleset_switcher import Pin
from blockd.daemon.state_dir import HitSlots
from blockd.daemon.workers import Workers
from blockd.metrics import AuthoritySample, FeedSample, Sample
from blockd.metrics.collector import AuditSample, Change, EnforcementTimes
from blockd.orders import State
from blockd.orders.document import time_text
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.ruleset.held import HeldReport
from blockd.settings import Settings

Part = tuple[str, str]  # a feed's name and a role; the role is empty where the repository itself has signed


def status(
    settings: Settings,
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    workers: Workers,
    *,
    pin: Pin | None = None,
    started: float,
    now: float,
) -> dict[str, object]:
    """Give the whole status as plain values; `blockd status` prints it."""
    counted = _counted(enforced)
    told: dict[str, object] = {
        "version": __version__,
        "engine": engine_name(),
        "since": time_text(started),
        "listen": [address.text for address in settings.listen.dns],
        "ruleset": None,
        "pinned": None,
        "feeds": [_feed(tracked, enforced, counted, now) for tracked in feeds.values()],
        "workers": [
            {"index": index, "pid": workers.pids.get(index), "enforcing": workers.enforcing.get(index) or None}
            for index in range(workers.size)
        ],
    }
    if pin is not None:
        since = time_text(pin.since) if pin.since is not None else None
        told["pinned"] = {"version": pin.version, "since": since, "reason": pin.reason}
    if enforced is not None:
        header = enforced.ruleset.header
        states = Counter(State(byte).text for byte in enforced.states.states)
        told["ruleset"] = {
            "version": enforced.version,
            "digest": enforced.ruleset.digest,
            "compiled": time_text(header.created),
            "names": header.names,
            "networks": header.entries - header.names,
            "orders": {state.text: states[state.text] for state in State},
        }
    return told


def sample(
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    slots: HitSlots,
    times: Mapping[Change, EnforcementTimes],
    audit: AuditSample,
    *,
    is_pinned: bool,
    is_ready: bool,
    selftest_failures: int,
    now: float,
) -> Sample:
    """Give what a scrape shows beside the counters."""
    _, stale = _counted(enforced)
    return Sample(
        names=enforced.ruleset.header.names if enforced else 0,
        version=str(enforced.version) if enforced else "",
        digest=enforced.ruleset.digest if enforced else "",
        is_pinned=is_pinned,
        engine=engine_name(),
        build=__version__,
        is_ready=is_ready,
        selftest_failures=selftest_failures,
        feeds={
            name: FeedSample(
                age=max(0.0, now - tracked.state.checked) if tracked.state.checked else float("inf"),
                expires_in=float("inf") if (end := end_of(tracked.watch.feed, tracked.state)) is None else end - now,
                refused=tracked.refused,
                rejected=tracked.state.rejects.share if tracked.state.rejects else 0.0,
                held=tracked.state.held.held if tracked.state.held else 0,
                interval=tracked.watch.interval,
                stale=_of_feed(stale, name),
                authorities={
                    part.role: AuthoritySample(
                        part.expires - now if part.version else float("inf"), part.role in tracked.authority_refusals
                    )
                    for part in tracked.state.authorities
                },
            )
            for name, tracked in feeds.items()
        },
        hit_slots=dict(slots.slots),  # a copy: a thread that prepares a version adds to them
        enforcement=times,
        audit=audit,
    )


def _counted(enforced: Enforced | None) -> tuple[Counter[Part], Counter[Part]]:
    """Count the orders of each feed and role, and those of them that are in force and stale."""
    orders: Counter[Part] = Counter()
    stale: Counter[Part] = Counter()
    if enforced is not None:
        states = enforced.states
        for record, state, is_stale in zip(enforced.ruleset.catalogue.orders, states.states, states.stale, strict=True):
            part = (record.feed, record.order.role)
            orders[part] += 1
            stale[part] += state == State.IN_FORCE and bool(is_stale)
    return orders, stale


def _of_feed(counted: Counter[Part], feed: str) -> int:
    return sum(count for (name, _), count in counted.items() if name == feed)


def _feed(
    tracked: ManagedFeed, enforced: Enforced | None, counted: tuple[Counter[Part], Counter[Part]], now: float
) -> dict[str, object]:
    feed = tracked.watch.feed
    records = {record.name: record for record in enforced.ruleset.catalogue.feeds} if enforced else {}
    record = records.get(feed.name)
    end = end_of(feed, tracked.state)
    return {
        "name": feed.name,
        "type": feed.type,
        "priority": feed.priority,
        "names": record.names if record else 0,
        "rejected": record.rejected if record else 0,
        "held": _held(tracked),
        "digest": record.digest if record else None,
        "age_seconds": round(now - tracked.state.checked, 1) if tracked.state.checked else None,
        "expires": time_text(end) if end is not None else None,
        "ended": end is not None and now >= end,
        "at_expiry": feed.at_expiry,
        "refusal": tracked.refusal or None,
        "refused": dict(tracked.refused),
        "stale": _of_feed(counted[1], feed.name),
        "authorities": _authorities(tracked, counted, now),
        "mirrors": list(tracked.watch.mirrors),
    }


def _authorities(
    tracked: ManagedFeed, counted: tuple[Counter[Part], Counter[Part]], now: float
) -> list[dict[str, object]]:
    name, ends = tracked.watch.feed.name, ends_of_roles(tracked.state)
    orders, stale = counted
    return [
        {
            "role": part.role,
            "version": part.version or None,
            "expires": time_text(part.expires) if part.role in ends else None,
            "ended": part.role in ends and now >= part.expires,
            "at_expiry": at_expiry_of(tracked.watch.feed, part.role),
            "orders": orders[name, part.role],
            "stale": stale[name, part.role],
            "refusal": tracked.authority_refusals.get(part.role),
        }
        for part in tracked.state.authorities
    ]


def _held(tracked: ManagedFeed) -> dict[str, object]:
    report = tracked.state.held or HeldReport()
    return {**report.to_json(), "sentence": report.sentence()}
