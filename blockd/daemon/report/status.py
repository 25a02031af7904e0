"""The daemon's status for `blockd status`: workers, feeds, what is enforced, alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from blockd import __version__
from blockd.audit import AuditLog
from blockd.audit.chain import Head
from blockd.daemon.certificates.told import CertificateStatus
from blockd.daemon.clock_watch import ClockWatch
from blockd.daemon.config_watch import ConfigStatus, ConfigWatch
from blockd.daemon.damage import Damage
from blockd.daemon.followers.watch import Followers, FollowerStatus
from blockd.daemon.operator.overrides import OverrideService, OverrideStatus
from blockd.daemon.operator.releases import ReleaseService
from blockd.daemon.pinning import Pin
from blockd.daemon.reload.service import ReloadService, ReloadStatus
from blockd.daemon.report.alarms import Alarm, alarms
from blockd.daemon.report.bounds import compile_status, disk_status
from blockd.daemon.report.feed_status import FeedStatus, feed_status
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.of_enforced import OfEnforced
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.report.upstreams import UpstreamStatus
from blockd.daemon.rights import landlock
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.ruleset_maker import RulesetMaker
from blockd.daemon.workers import Workers
from blockd.files import is_socket
from blockd.orders import State
from blockd.resolver import engine_name
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Enforced
from blockd.ruleset.versions.contradictions import Contradictions
from blockd.selftest import SelfTestReport, SelfTests
from blockd.settings import Settings
from blockd.settings.groups import GroupSummary, summaries
from blockd.times import time_text
from blockd.transports.binding import Bound
from blockd.transports.descriptors import Shares


@dataclass(frozen=True, slots=True)
class RulesetStatus:
    """The version in force; `orders` are counted by the words for their states.

    `verified_age_seconds` is how long ago its file was read through and was right, None if it was not since the start.
    """

    version: int
    digest: str
    compiled: str
    names: int
    networks: int
    orders: Mapping[str, int]
    verified_age_seconds: int | None

    @classmethod
    def of(cls, enforced: Enforced, counts: OrderCounts, verified: float | None) -> RulesetStatus:
        """Describe what is enforced, of which `counts` are."""
        header = enforced.ruleset.header
        return cls(
            enforced.version,
            enforced.ruleset.digest,
            time_text(header.created),
            header.names,
            header.networks,
            {state.text: counts.by_state[state] for state in State},
            None if verified is None else int(verified),
        )


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker; `pid` is None if it is not running, `enforcing` is None if it enforces nothing."""

    index: int
    pid: int | None
    enforcing: int | None


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
    """The whole status; the keys of its JSON object are part of the admin API.

    `since` (RFC 3339, UTC) is when blockd was started, or this version of it took over; a reload does not change it.
    """

    version: str
    engine: str
    since: str
    config: ConfigStatus
    reload: ReloadStatus
    listen: tuple[str, ...]
    bound: Bound
    admin_socket: Path | None  # None if it is not in its place
    resolution: Mapping[str, object]  # how names are resolved
    upstreams: tuple[UpstreamStatus, ...]
    certificates: tuple[CertificateStatus, ...]
    ruleset: RulesetStatus | None
    pinned: Pin | None
    base: int | None  # the version that the one in force was made from by other overrides, None if by none
    feeds: tuple[FeedStatus, ...]
    groups: tuple[GroupSummary, ...]
    workers: tuple[WorkerStatus, ...]
    page: FollowerStatus | None  # None if there is no block page
    decide: FollowerStatus | None  # None if nothing is decided for HTTP proxies
    self_test: SelfTestReport | None
    overrides: tuple[OverrideStatus, ...]
    contradictions: Contradictions
    audit: AuditStatus
    compiling: Mapping[str, object] | None  # how long the compile in progress has taken, and what it reads
    disk: Mapping[str, object]
    open_files: Mapping[str, object]  # how many a process may open, and what they are shared out to
    confinement: Mapping[str, object]
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...] = ()  # about no feed

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "version": self.version,
            "engine": self.engine,
            "since": self.since,
            "config": asdict(self.config),
            "reload": self.reload.to_json(),
            "listen": list(self.listen),
            "bound": {
                **self.bound.to_json(),
                "admin_socket": [] if self.admin_socket is None else [str(self.admin_socket)],
            },
            "resolution": self.resolution,
            "upstreams": [upstream.to_json() for upstream in self.upstreams],
            "certificates": [certificate.to_json() for certificate in self.certificates],
            "ruleset": asdict(self.ruleset) if self.ruleset else None,
            "pinned": self._pinned(),
            "feeds": [feed.to_json() for feed in self.feeds],
            "groups": [group.to_json() for group in self.groups],
            "workers": [asdict(worker) for worker in self.workers],
            "page": self.page.to_json() if self.page else None,
            "decide": self.decide.to_json() if self.decide else None,
            "self_test": self.self_test.to_json() if self.self_test else None,
            "overrides": [override.to_json() for override in self.overrides],
            "contradictions": self.contradictions.to_json(),
            "audit": self.audit.to_json(),
            "compiling": self.compiling,
            "disk": self.disk,
            "open_files": self.open_files,
            "confinement": self.confinement,
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "notes": list(self.notes),
        }

    def _pinned(self) -> dict[str, object] | None:
        """Return the pinned version, and what is enforced for it."""
        if self.pinned is None:
            return None
        enforced = self.ruleset.version if self.ruleset else None
        return {**self.pinned.to_json(), "enforced": enforced, "base": self.base}


class ObservedCertificates(Protocol):
    """How certificates are, see `blockd.daemon.certificates.watch.CertificateWatch`."""

    def status(self, now: float, /) -> tuple[CertificateStatus, ...]:
        """Return what is told of each."""

    def alarms(self, now: float, /) -> Iterable[Alarm]:
        """Return the alarms about certificates."""


class ObservedHistory(Protocol):
    """How the history of figures is, see `blockd.daemon.figures.history.History`."""

    @property
    def trouble(self) -> str:
        """Return what an operator must know of it now; empty if nothing."""


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
    """What a status is made from; its moments are in seconds since the epoch."""

    switcher: RulesetSwitcher
    feeds: FeedSet
    workers: Workers
    followers: Followers
    damage: Damage
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
    certificates: ObservedCertificates
    history: ObservedHistory
    settings: Settings
    reloads: ReloadService
    counts: OfEnforced[OrderCounts]
    started: float  # when this control process was: feeds are looked at from then on
    since: float  # when blockd was

    def alarms(self, now: float) -> list[Alarm]:
        """Return the alarms in force at `now`, the gravest first."""
        version = self.switcher.version
        page, decide = self.followers.page.status(version), self.followers.decide.status(version)
        return alarms(
            self.switcher.enforced, self.feeds, self.workers, self.tests, engine_name(),
            self.counts(self.switcher.enforced),
            pin=self.switcher.pin, base=self.switcher.base, watch=self.watch,
            page=page.trouble if page else "", decide=decide.trouble if decide else "",
            audit=self.audit.trouble, releases=self.releases.trouble, history=self.history.trouble,
            contradictions=self.switcher.journal.contradictions.count,
            maker=self.maker, room=self.room,
            others=(
                *self.upstreams.alarms(now), *self.damage.alarms(), *self.certificates.alarms(now),
                *self.reloads.alarms(),
            ),
            started=self.started, now=now,
        )  # fmt: skip

    def feed_statuses(self, now: float) -> tuple[FeedStatus, ...]:
        """Return how the feeds of the config stand at `now`, without what all else takes to find out."""
        enforced = self.switcher.enforced
        counts = self.counts(enforced)
        return tuple(
            feed_status(
                managed,
                self.held.of(managed, enforced),
                enforced,
                counts,
                now,
                is_pinned=self.switcher.is_held,
                notes=self.feeds.notes(name),
            )
            for name, managed in self.feeds.configured.items()
        )

    def status(self, now: float) -> Status:
        """Return the status at `now`."""
        enforced, workers = self.switcher.enforced, self.workers
        resolution = self.upstreams.resolution()
        version = enforced.version if enforced else None
        page, decide = self.followers.page.status(version), self.followers.decide.status(version)
        return Status(
            version=__version__,
            engine=engine_name(),
            since=time_text(self.since),
            config=self.running.status(),
            reload=self.reloads.status,
            listen=tuple(dict.fromkeys((*self.bound.dns_udp, *self.bound.dns_tcp))),
            bound=self.bound,
            admin_socket=self.settings.admin_socket if is_socket(self.settings.admin_socket) else None,
            resolution=resolution.to_json(),
            upstreams=self.upstreams.status(),
            certificates=self.certificates.status(now),
            ruleset=RulesetStatus.of(enforced, self.counts(enforced), self.damage.scrub.age(enforced.version))
            if enforced
            else None,
            pinned=self.switcher.pin,
            base=self.switcher.base,
            feeds=self.feed_statuses(now),
            groups=tuple(summaries(self.settings.groups, list(self.feeds.configured))),
            workers=tuple(
                WorkerStatus(index, workers.pids.get(index), workers.enforcing.get(index) or None)
                for index in range(workers.size)
            ),
            page=page,
            decide=decide,
            self_test=self.tests.report(),
            overrides=self.overrides.current(),
            contradictions=self.switcher.journal.contradictions,
            audit=AuditStatus(self.audit.head, self.audit.trouble),
            compiling=compile_status(self.maker),
            disk=disk_status(self.room, self.feeds),
            open_files=Shares.of(self.settings).to_json(len(resolution.upstreams)),
            confinement={"landlock": landlock.abi()},  # the version of it, 0 if the kernel has none
            alarms=tuple(self.alarms(now)),
            notes=tuple(self.feeds.notify.notes("")),
        )
