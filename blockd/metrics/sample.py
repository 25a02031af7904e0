"""What a scrape reads of the control process: the enforced ruleset, its feeds, their orders, and the audit log."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from blockd.metrics.bounds import BoundsSample
from blockd.metrics.certificates import CertificateSample
from blockd.metrics.reloads import ReloadsSample
from blockd.metrics.upstreams import UpstreamsSample

ENFORCEMENT_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)  # seconds
Change = Literal["imposed", "lifted"]


@dataclass(frozen=True, slots=True)
class HitLabels:
    """The labels of one order's hits."""

    feed: str
    platform: str
    order: str
    action: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """The labels without the action, which may change while the order is enforced."""
        return self.feed, self.platform, self.order


# Of the orders for which no slot is left. No feed has an empty name, so that no order has the same labels.
OTHER = HitLabels("", "", "other", "other")


@dataclass(frozen=True, slots=True)
class AuthoritySample:
    """One authority of a signed feed at the moment of a scrape."""

    expires_in: float  # seconds, negative if past, infinite if nothing came from it yet
    is_refused: bool = False  # whether its newest metadata or orders were refused


@dataclass(frozen=True, slots=True)
class FeedSample:
    """One feed's state at the moment of a scrape."""

    age: float  # seconds since its content was last fetched or confirmed
    expires_in: float  # seconds, negative if past, infinite if the feed names no end
    refused: Mapping[str, int]  # by reason
    rejected: float = 0.0  # the share of its content's lines that were rejected, 0 to 1
    held: int = 0  # its entries that the gate holds back
    interval: float = 0.0  # seconds between two polls
    next_poll: float = 0.0  # seconds until it is polled next
    stale: int = 0  # its orders in force that were not renewed in time
    authorities: Mapping[str, AuthoritySample] = field(default_factory=dict)  # by role
    names: int = 0  # of it in the ruleset enforced
    refused_orders: Mapping[str, int] = field(default_factory=dict)  # orders refused alone, by role


@dataclass(slots=True)
class EnforcementTimes:
    """How long it took from an order to its enforcement by every worker, since the start."""

    by_bucket: list[int] = field(default_factory=lambda: [0] * (len(ENFORCEMENT_BUCKETS) + 1))
    seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one order; if the authority's clock is ahead of this one, it counts as zero seconds."""
        seconds = max(seconds, 0.0)
        self.by_bucket[bisect_left(ENFORCEMENT_BUCKETS, seconds)] += 1
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class AuditSample:
    """The audit log's state at the moment of a scrape."""

    is_failing: bool = False
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the control process knows at the moment of a scrape."""

    names: int = 0
    networks: int = 0
    version: str = ""
    digest: str = ""
    is_pinned: bool = False
    engine: str = "python"
    build: str = ""
    is_ready: bool = False
    page_ready: bool = True  # whether the page process runs and follows, or there is no block page
    decide_ready: bool = True  # the same of the process that decides for HTTP proxies
    selftest_failures: int = 0
    selftest_failed: bool = False  # the last one
    releases_failed: bool = False  # whether the file of releases could not be used
    history_failing: bool = False  # whether the history of figures cannot be written, or was damaged
    clock_behind: float = 0.0  # seconds that the clock is behind the newest time that is known
    bounds: BoundsSample = field(default_factory=BoundsSample)
    feeds: Mapping[str, FeedSample] = field(default_factory=dict)
    refused: Mapping[str, bool] = field(default_factory=dict)  # feeds, the overrides included, refused at this moment
    refused_notifies: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by feed, and by cause
    hit_slots: Mapping[HitLabels, int] = field(default_factory=dict)  # of orders with a slot of their own
    orders_without_slot: int = 0  # orders enforced whose hits are counted together
    orders_without_room: int = 0  # orders that are refused on some names
    contradictions: int = 0  # between orders of different authorities
    damaged: int = 0  # versions found damaged
    unverified: int = 0  # versions that could not be verified
    is_unwritable: bool = False  # whether the state folder cannot be written
    supervisor_silent: bool = False  # whether it does not answer
    restarts: Mapping[str, int] = field(default_factory=dict)  # how often processes have ended, by their kind
    enforcement: Mapping[Change, EnforcementTimes] = field(default_factory=dict)
    audit: AuditSample = AuditSample()
    admin_refused: int = 0  # requests, and sign-ins, of who may not make them
    admin_closed: Sequence[int] = ()  # connections to the admin port that were closed for others, by `Closing`
    certificates: Mapping[str, CertificateSample] = field(default_factory=dict)  # by the paths of their chains
    reloads: ReloadsSample = field(default_factory=ReloadsSample)
    upstreams: UpstreamsSample = field(default_factory=UpstreamsSample)
