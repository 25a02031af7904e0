"""The daemon's status for `blockd status`: workers, feeds, what is enforced, alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from blockd import __version__
from blockd.audit import AuditLog
from blockd.audit.chain import Head
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.config_watch import ConfigStatus, ConfigWatch
from blockd.daemon.operator.overrides import OverrideService, OverrideStatus
from blockd.daemon.operator.releases import ReleaseService
from blockd.daemon.pinning import Pin
from blockd.daemon.report.alarms import Alarm, alarms
from blockd.daemon.report.bounds import compile_status, disk_status, feed_limits
from blockd.daemon.report.feed_phase import FeedPhase
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.report.upstreams import UpstreamStatus
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.expiry import end_of, ends_of_roles
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.daemon.update.ruleset_maker import RulesetMaker
from blockd.daemon.workers import Workers
from blockd.feeds.signed.bundle import RefusedOrder
from blockd.orders import State
from blockd.resolver import engine_name
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Enforced
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.versions.contradictions import Contradictions
from blockd.selftest import SelfTestReport, SelfTests
from blockd.settings.groups import ClientGroup, GroupSummary, summaries
from blockd.times import time_text
from blockd.transports.binding import Bound


@dataclass(frozen=True, slots=True)
class RulesetStatus:
    """The version in force; `orders` are counted by the words for their states."""

    version: int
    digest: str
    compiled: str
    names: int
    networks: int
    orders: Mapping[str, int]

    @classmethod
    def of(cls, enforced: Enforced) -> RulesetStatus:
        """Describe what is enforced."""
        header = enforced.ruleset.header
        states = Counter(State(byte).text for byte in enforced.states.states)
        return cls(
            enforced.version,
            enforced.ruleset.digest,
            time_text(header.created),
            header.names,
            header.networks,
            {state.text: states[state.text] for state in State},
        )


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker; `pid` is None if it is not running, `enforcing` is None if it enforces nothing."""

    index: int
    pid: int | None
    enforcing: int | None


@dataclass(frozen=True, slots=True)
class AuthorityStatus:
    """An authority's part of a signed feed; `version` and `expires` are None before it has provided anything."""

    role: str
    version: int | None
    expires: str | None
    ended: bool
    at_expiry: str
    orders: int
    stale: int
    refusal: str | None
    without_room: int  # orders that are refused on some names, since too many of the authority list these


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed of the config; None stands for what is not known yet."""

    name: str
    type: str
    priority: int
    phase: FeedPhase
    names: int
    rejected: int
    held: GuardReport
    digest: str | None
    version: str | None  # as the feed names its content that is in force
    age_seconds: float | None
    next_poll: str | None
    expires: str | None
    ended: bool
    at_expiry: str
    refusal: str | None
    acceptable: Mapping[str, object] | None  # what the gate refused last, and `blockd accept` may take
    refused: Mapping[str, int]  # how often, by reason
    stale: int
    authorities: tuple[AuthorityStatus, ...]
    mirrors: Sequence[Mapping[str, object]]
    refused_orders: tuple[RefusedOrder, ...]  # each alone; all others are taken
    notes: Sequence[str]  # sentences about what works, but not as it should
    limits: Mapping[str, Mapping[str, float | None]]  # what it takes, and may take, by the key of `limits`

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        values: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        values["held"] = {**self.held.to_json(), "sentence": self.held.sentence()}
        values["refused"] = dict(self.refused)
        values |= {"phase": str(self.phase), "phase_words": self.phase.words}
        values["authorities"] = [asdict(part) for part in self.authorities]
        values["mirrors"] = list(self.mirrors)
        values["refused_orders"] = [asdict(order) for order in self.refused_orders]
        values["notes"] = list(self.notes)
        values["limits"] = {key: dict(limit) for key, limit in self.limits.items()}
        return values


@dataclass(frozen=True, slots=True)
class AuditStatus:
    """The end of the audit log, and what is wrong with it; empty for nothing."""

    head: Head
    trouble: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**self.head.to_json(), "trouble": self.trouble or None}


@dataclass(frozen=True, slots=True)
class Status:
    """The whole status; the keys of its JSON object are part of the admin API."""

    version: str
    engine: str
    since: str
    config: ConfigStatus
    listen: tuple[str, ...]
    bound: Bound
    resolution: Mapping[str, object]  # how names are resolved
    upstreams: tuple[UpstreamStatus, ...]
    ruleset: RulesetStatus | None
    pinned: Pin | None
    base: int | None  # the version that the one in force was made from by other overrides, None if by none
    feeds: tuple[FeedStatus, ...]
    groups: tuple[GroupSummary, ...]
    workers: tuple[WorkerStatus, ...]
    self_test: SelfTestReport | None
    overrides: tuple[OverrideStatus, ...]
    contradictions: Contradictions
    audit: AuditStatus
    compiling: Mapping[str, object] | None  # how long the compile in progress has taken, and what it reads
    disk: Mapping[str, object]
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...] = ()  # about no feed

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "version": self.version,
            "engine": self.engine,
            "since": self.since,
            "config": asdict(self.config),
            "listen": list(self.listen),
            "bound": self.bound.to_json(),
            "resolution": self.resolution,
            "upstreams": [upstream.to_json() for upstream in self.upstreams],
            "ruleset": asdict(self.ruleset) if self.ruleset else None,
            "pinned": self._pinned(),
            "feeds": [feed.to_json() for feed in self.feeds],
            "groups": [group.to_json() for group in self.groups],
            "workers": [asdict(worker) for worker in self.workers],
            "self_test": self.self_test.to_json() if self.self_test else None,
            "overrides": [override.to_json() for override in self.overrides],
            "contradictions": self.contradictions.to_json(),
            "audit": self.audit.to_json(),
            "compiling": self.compiling,
            "disk": self.disk,
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "notes": list(self.notes),
        }

    def _pinned(self) -> dict[str, object] | None:
        """Return the pinned version, and what is enforced for it."""
        if self.pinned is None:
            return None
        enforced = self.ruleset.version if self.ruleset else None
        return {**self.pinned.to_json(), "enforced": enforced, "base": self.base}


class ObservedUpstreams(Protocol):
    """How upstreams are, see `blockd.daemon.upstreams.service.UpstreamService`."""

    def resolution(self) -> Resolution:
        """Return how names are resolved."""

    def status(self) -> tuple[UpstreamStatus, ...]:
        """Return how each upstream is."""

    def alarms(self, now: float, /) -> list[Alarm]:
        """Return the alarms about upstreams."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a status is made from; `started` is in seconds since the epoch."""

    switcher: RulesetSwitcher
    feeds: FeedSet
    workers: Workers
    tests: SelfTests
    overrides: OverrideService
    audit: AuditLog
    releases: ReleaseService
    bound: Bound
    watch: ClockWatch
    running: ConfigWatch
    held: HeldBack
    maker: RulesetMaker
    room: DiskRoom
    upstreams: ObservedUpstreams
    groups: Sequence[ClientGroup]
    started: float

    def status(self, now: float) -> Status:
        """Return the status at `now`."""
        enforced, workers = self.switcher.enforced, self.workers
        counts = OrderCounts.of(enforced)
        in_force = alarms(
            enforced, self.feeds, workers, self.tests, engine_name(),
            pin=self.switcher.pin, base=self.switcher.base, watch=self.watch,
            audit=self.audit.trouble, releases=self.releases.trouble,
            contradictions=self.switcher.journal.contradictions.count,
            maker=self.maker, room=self.room, upstreams=self.upstreams.alarms(now), started=self.started, now=now,
        )  # fmt: skip
        return Status(
            version=__version__,
            engine=engine_name(),
            since=time_text(self.started),
            config=self.running.status(),
            listen=tuple(dict.fromkeys((*self.bound.dns_udp, *self.bound.dns_tcp))),
            bound=self.bound,
            resolution=self.upstreams.resolution().to_json(),
            upstreams=self.upstreams.status(),
            ruleset=RulesetStatus.of(enforced) if enforced else None,
            pinned=self.switcher.pin,
            base=self.switcher.base,
            feeds=tuple(
                _feed(
                    managed,
                    self.held.of(managed, enforced),
                    enforced,
                    counts,
                    now,
                    is_pinned=self.switcher.is_held,
                    notes=self.feeds.notes(name),
                )
                for name, managed in self.feeds.configured.items()
            ),
            groups=tuple(summaries(self.groups, list(self.feeds.configured))),
            workers=tuple(
                WorkerStatus(index, workers.pids.get(index), workers.enforcing.get(index) or None)
                for index in range(workers.size)
            ),
            self_test=self.tests.report(),
            overrides=self.overrides.current(),
            contradictions=self.switcher.journal.contradictions,
            audit=AuditStatus(self.audit.head, self.audit.trouble),
            compiling=compile_status(self.maker),
            disk=disk_status(self.room, self.feeds),
            alarms=tuple(in_force),
            notes=tuple(self.feeds.notify.notes("")),
        )


def _feed(
    managed: ManagedFeed,
    held: GuardReport,
    enforced: Enforced | None,
    counts: OrderCounts,
    now: float,
    *,
    is_pinned: bool,
    notes: Sequence[str],
) -> FeedStatus:
    feed, state = managed.source.feed, managed.state
    records = {record.name: record for record in enforced.ruleset.catalogue.feeds} if enforced else {}
    record = records.get(feed.name)
    end = end_of(feed, state)
    return FeedStatus(
        name=feed.name,
        type=feed.type,
        priority=feed.priority,
        phase=FeedPhase.of(managed, record, is_pinned=is_pinned),
        names=record.names if record else 0,
        rejected=record.rejected if record else 0,
        held=held,
        digest=record.digest if record else None,
        version=record.version or None if record else None,
        age_seconds=round(max(0.0, now - state.checked), 1) if state.checked else None,
        next_poll=time_text(managed.schedule.next_poll) if managed.schedule.next_poll is not None else None,
        expires=time_text(end) if end is not None else None,
        ended=end is not None and now >= end,
        at_expiry=feed.at_expiry,
        refusal=managed.refusal or None,
        acceptable=state.refused.to_json() if state.refused and not managed.look_refusal else None,
        refused=dict(managed.refused),
        stale=counts.stale_of(feed.name),
        authorities=tuple(_authorities(managed, counts, now)),
        mirrors=managed.source.mirrors,
        refused_orders=managed.refused_orders,
        notes=notes,
        limits=feed_limits(managed),
    )


def _authorities(managed: ManagedFeed, counts: OrderCounts, now: float) -> list[AuthorityStatus]:
    name, ends = managed.source.feed.name, ends_of_roles(managed.state)
    return [
        AuthorityStatus(
            role=part.role,
            version=part.version or None,
            expires=time_text(part.expires) if part.role in ends else None,
            ended=part.role in ends and now >= part.expires,
            at_expiry=managed.source.feed.at_expiry_of(part.role),
            orders=counts.orders[name, part.role],
            stale=counts.stale[name, part.role],
            refusal=managed.authority_refusals.get(part.role),
            without_room=counts.without_room[name, part.role],
        )
        for part in managed.state.authorities
    ]
