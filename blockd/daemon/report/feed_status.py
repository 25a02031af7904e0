"""What `blockd status` shows of a feed and of each authority in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from blockd.daemon.report.bounds import feed_limits
from blockd.daemon.report.feed_phase import FeedPhase
from blockd.daemon.report.order_counts import OrderCounts
from blockd.daemon.update.expiry import end_of, ends_of_roles
from blockd.daemon.update.managed_feed import ManagedFeed
from blockd.feeds.signed.bundle import RefusedOrder
from blockd.ruleset import Enforced
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.times import time_text


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
        values["phase"] = str(self.phase)
        values["phase_words"] = self.phase.words
        values["authorities"] = [asdict(part) for part in self.authorities]
        values["mirrors"] = list(self.mirrors)
        values["refused_orders"] = [asdict(order) for order in self.refused_orders]
        values["notes"] = list(self.notes)
        values["limits"] = {key: dict(limit) for key, limit in self.limits.items()}
        return values


def feed_status(
    managed: ManagedFeed,
    held: GuardReport,
    enforced: Enforced | None,
    counts: OrderCounts,
    now: float,
    *,
    is_pinned: bool,
    notes: Sequence[str],
) -> FeedStatus:
    """Return what is shown of a feed at `now`; `held` is what the gate holds back of it, `notes` are sentences."""
    feed, state = managed.source.feed, managed.state
    record = enforced.ruleset.catalogue.feed(feed.name) if enforced else None
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
        stale=counts.stale_of[feed.name],
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
