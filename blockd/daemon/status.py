"""What the daemon says of itself: workers, feeds, what is enforced, for `blockd status` and for Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from blockd import __version__
from blockd.daemon.channel import Message
from blockd.daemon.expiry import end_of, ends_of_roles
from blockd.daemon.state import HitSlots
from blockd.daemon.tracked import Tracked
from blockd.metrics import AuthoritySample, FeedSample, Sample
from blockd.metrics.collector import AuditSample, Change, EnforcementTimes
from blockd.orders import State
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Settings
from blockd.times import time_text

Part = tuple[str, str]  # a feed's name and a role; the role is empty where the repository itself has signed


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that an operator went back to, since when (seconds since the epoch, where that is known), and why."""

    version: int
    since: int | None = None
    reason: str = ""


@dataclass(slots=True)
class Fleet:
    """The workers, as their messages tell."""

    size: int
    pids: dict[int, int]  # by index, those that live
    enforcing: dict[int, int] = field(default_factory=dict)  # version by index, 0 for none
    _failure: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, message: Message) -> None:
        """Take a message of the supervisor about a worker."""
        if "died" in message:
            self.pids.pop(message["died"], None)
            self.enforcing.pop(message["died"], None)
        elif "failed" in message:
            self._failure = f"worker {message['worker']} cannot enforce version {message['failed']}: {message['why']}"
        else:
            self.pids[message["worker"]] = message["pid"]
            self.enforcing[message["worker"]] = message["enforcing"]
        self._changed.set()

    def missing(self) -> list[int]:
        """Give the indices of workers that do not run."""
        return [index for index in range(self.size) if index not in self.pids]

    def behind(self, version: int) -> list[int]:
        """Give the indices of workers that do not enforce a version."""
        return [index for index in range(self.size) if self.enforcing.get(index) != version]

    def enforces(self, version: int) -> bool:
        """Whether any worker enforces a version."""
        return version in self.enforcing.values()

    async def wait_for(self, version: int, seconds: float) -> str:
        """Wait until every worker that lives enforces a version; give what went wrong, empty where nothing did.

        One that has died enforces the newest version as soon as it is back: no order waits for it.
        """
        self._failure = ""
        try:
            async with asyncio.timeout(seconds):
                while self._late(version) and not self._failure:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return f"workers {self._late(version)} did not take version {version} in {seconds:.0f} seconds"
        return self._failure

    def _late(self, version: int) -> list[int]:
        return [index for index in self.behind(version) if index in self.pids]


def status(
    settings: Settings,
    enforced: Enforced | None,
    feeds: Mapping[str, Tracked],
    fleet: Fleet,
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
            {"index": index, "pid": fleet.pids.get(index), "enforcing": fleet.enforcing.get(index) or None}
            for index in range(fleet.size)
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
    feeds: Mapping[str, Tracked],
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
                expires_in=float("inf") if (end := end_of(tracked.source.feed, tracked.state)) is None else end - now,
                refused=tracked.refused,
                rejected=tracked.state.rejects.share if tracked.state.rejects else 0.0,
                held=tracked.state.held.held if tracked.state.held else 0,
                interval=tracked.source.interval,
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
    tracked: Tracked, enforced: Enforced | None, counted: tuple[Counter[Part], Counter[Part]], now: float
) -> dict[str, object]:
    feed = tracked.source.feed
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
        "mirrors": list(tracked.source.mirrors),
    }


def _authorities(tracked: Tracked, counted: tuple[Counter[Part], Counter[Part]], now: float) -> list[dict[str, object]]:
    name, ends = tracked.source.feed.name, ends_of_roles(tracked.state)
    orders, stale = counted
    return [
        {
            "role": part.role,
            "version": part.version or None,
            "expires": time_text(part.expires) if part.role in ends else None,
            "ended": part.role in ends and now >= part.expires,
            "at_expiry": tracked.source.feed.at_expiry_of(part.role),
            "orders": orders[name, part.role],
            "stale": stale[name, part.role],
            "refusal": tracked.authority_refusals.get(part.role),
        }
        for part in tracked.state.authorities
    ]


def _held(tracked: Tracked) -> dict[str, object]:
    report = tracked.state.held or GuardReport()
    return {**report.to_json(), "sentence": report.sentence()}
