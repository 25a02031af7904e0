"""The gauges that a scrape by Prometheus shows beside the counters."""

from __future__ import annotations

from collections.abc import Mapping

from blockd import __version__
from blockd.audit import AuditRecorder
from blockd.daemon.report.held_back import HeldBack
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.state_dir import HitSlots
from blockd.daemon.update.expiry import end_of
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.metrics import AuthoritySample, FeedSample, Sample
from blockd.metrics.collector import AuditSample
from blockd.resolver import engine_name
from blockd.ruleset import Enforced


def sample(
    enforced: Enforced | None,
    feeds: Mapping[str, ManagedFeed],
    slots: HitSlots,
    recorder: AuditRecorder,
    held: HeldBack,
    *,
    is_pinned: bool,
    is_ready: bool,
    selftest_failures: int,
    now: float,
) -> Sample:
    """Return the values of all gauges at `now`."""
    counts = OrderCounts.of(enforced)
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
            name: _feed(managed, held.of(managed, enforced).held, counts.stale_of(name), now)
            for name, managed in feeds.items()
        },
        hit_slots=dict(slots.slots),  # a copy: a thread that prepares a version adds to them
        enforcement=recorder.times,
        audit=AuditSample(bool(recorder.log.trouble), recorder.log.failures),
    )


def _feed(managed: ManagedFeed, held: int, stale: int, now: float) -> FeedSample:
    state = managed.state
    end = end_of(managed.source.feed, state)
    return FeedSample(
        age=max(0.0, now - state.checked) if state.checked else float("inf"),
        expires_in=float("inf") if end is None else end - now,
        refused=managed.refused,
        rejected=state.rejects.share if state.rejects else 0.0,
        held=held,
        interval=managed.source.interval,
        stale=stale,
        authorities={
            part.role: AuthoritySample(
                part.expires - now if part.version else float("inf"), part.role in managed.authority_refusals
            )
            for part in state.authorities
        },
    )
