"""The gauges that a scrape by Prometheus shows beside the counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blockd import __version__
from blockd.audit import AuditRecorder
from blockd.daemon.damage import Damage
from blockd.daemon.followers.watch import Followers
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.expiry import end_of
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.feeds.budget import Spent
from blockd.metrics import AuthoritySample, FeedSample, Sample
from blockd.metrics.bounds import BoundsSample, FeedUse
from blockd.metrics.certificates import CertificateSample
from blockd.metrics.reloads import ReloadsSample
from blockd.metrics.sample import AuditSample
from blockd.metrics.upstreams import UpstreamsSample
from blockd.resolver import engine_name
from blockd.ruleset import Enforced
from blockd.selftest import SelfTests


def sample(
    enforced: Enforced | None,
    feeds: FeedSet,
    slots: HitSlots,
    recorder: AuditRecorder,
    held: HeldBack,
    counts: OrderCounts,
    *,
    is_pinned: bool,
    is_ready: bool,
    followers: Followers,
    tests: SelfTests,
    releases_failed: bool,
    history_failing: bool,
    clock_behind: float,
    contradictions: int,
    damage: Damage,
    compiling: float,
    room: DiskRoom,
    upstreams: UpstreamsSample,
    certificates: Mapping[str, CertificateSample],
    reloads: ReloadsSample,
    admin_refused: int,
    admin_closed: Sequence[int],
    now: float,
) -> Sample:
    """Return the values of all gauges at `now`.

    `counts` are of what is enforced, `compiling` is how many seconds a compile has taken so far.
    """
    version = enforced.version if enforced else None
    return Sample(
        names=enforced.ruleset.header.names if enforced else 0,
        networks=enforced.ruleset.header.networks if enforced else 0,
        version=str(enforced.version) if enforced else "",
        digest=enforced.ruleset.digest if enforced else "",
        is_pinned=is_pinned,
        engine=engine_name(),
        build=__version__,
        is_ready=is_ready,
        page_ready=not followers.page.trouble(version),
        decide_ready=not followers.decide.trouble(version),
        selftest_failures=tests.failures,
        selftest_failed=tests.last is not None and bool(tests.last.outcome.failure),
        releases_failed=releases_failed,
        history_failing=history_failing,
        clock_behind=clock_behind,
        bounds=BoundsSample(
            compiling, room.free, room.level, {name: _use(managed) for name, managed in feeds.configured.items()}
        ),
        feeds={
            name: _feed(managed, enforced, held.of(managed, enforced).held, counts.stale_of[name], now)
            for name, managed in feeds.configured.items()
        },
        refused={name: bool(managed.refusal) for name, managed in feeds.items()},
        refused_notifies=feeds.notify.counts,
        orders_without_slot=counts.without_slot,
        orders_without_room=counts.without_room.total(),
        contradictions=contradictions,
        damaged=damage.count,
        unverified=len(damage.still_unverified()),
        is_unwritable=bool(damage.unwritable),
        supervisor_silent=damage.supervisor.is_silent,
        restarts=damage.restarts,
        hit_slots=dict(slots.slots),  # a copy: a thread that prepares a version adds to them
        enforcement=recorder.times,
        upstreams=upstreams,
        certificates=certificates,
        reloads=reloads,
        admin_refused=admin_refused,
        admin_closed=tuple(admin_closed),
        audit=AuditSample(bool(recorder.log.trouble), recorder.log.failures),
    )


def _use(managed: ManagedFeed) -> FeedUse:
    spent = managed.spent or Spent()
    return FeedUse(managed.room, spent.seconds, spent.memory)


def _feed(managed: ManagedFeed, enforced: Enforced | None, held: int, stale: int, now: float) -> FeedSample:
    state = managed.state
    record = enforced.ruleset.catalogue.feed(managed.source.feed.name) if enforced else None
    end = end_of(managed.source.feed, state)
    return FeedSample(
        age=max(0.0, now - state.checked) if state.checked else float("inf"),
        expires_in=float("inf") if end is None else end - now,
        refused=managed.refused,
        rejected=state.rejects.share if state.rejects else 0.0,
        held=held,
        interval=managed.source.interval,
        next_poll=max(0.0, (managed.schedule.next_poll or now) - now),
        stale=stale,
        names=record.names if record else 0,
        authorities={
            part.role: AuthoritySample(
                part.expires - now if part.version else float("inf"), part.role in managed.authority_refusals
            )
            for part in state.authorities
        },
        refused_orders=_refused_orders(managed),
    )


def _refused_orders(managed: ManagedFeed) -> dict[str, int]:
    """Return how many orders of a signed feed are refused alone, by role; empty for other kinds."""
    if not managed.source.feed.is_signed or managed.source.feed.is_own:
        return {}
    counts = {"": 0, **{part.role: 0 for part in managed.state.authorities}}
    for one in managed.refused_orders:
        counts[one.role] = counts.get(one.role, 0) + one.orders
    return counts
