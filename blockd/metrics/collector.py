"""The Prometheus collector: metrics from the shared counters and from a sample of what is enforced.

Labels are bounded: feeds, orders and platforms come from the config and from signed lists. A domain is never a label.
A series exists from the start, at zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from blockd.metrics.counters import HIT_KINDS, UPSTREAM_BUCKETS, Counters, Transport

RCODE_NAMES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
    11: "DSOTYPENI",
    16: "BADVERS",
    23: "BADCOOKIE",
}
ENFORCEMENT_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)  # seconds
Change = Literal["imposed", "lifted"]
# What was done to a hit, if it was not the order's own action in DNS.
_SINKHOLE_ACTIONS = {"http": "page", "tls": "alert"}


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
    selftest_failures: int = 0
    selftest_failed: bool = False  # the last one
    releases_failed: bool = False  # whether the file of releases could not be used
    clock_behind: float = 0.0  # seconds that the clock is behind the newest time that is known
    feeds: Mapping[str, FeedSample] = field(default_factory=dict)
    refused: Mapping[str, bool] = field(default_factory=dict)  # feeds, the overrides included, refused at this moment
    hit_slots: Mapping[HitLabels, int] = field(default_factory=dict)  # of orders with a slot of their own
    orders_without_slot: int = 0  # orders enforced whose hits are counted together
    enforcement: Mapping[Change, EnforcementTimes] = field(default_factory=dict)
    audit: AuditSample = AuditSample()


class Collector(PrometheusCollector):
    """Reads `counters` and calls `sample` at each scrape; `reasons` are all the reasons a feed can be refused for."""

    def __init__(self, counters: Counters, reasons: Sequence[str], sample: Callable[[], Sample]) -> None:
        self._counters = counters
        self._reasons = reasons
        self._sample = sample

    def describe(self) -> list[Metric]:
        """Return an empty list, so that registering does not scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        sample = self._sample()
        yield from self._traffic()
        yield self._hits(sample)
        yield GaugeMetricFamily(
            "blockd_orders_counted_together",
            "Orders enforced whose hits are counted together, as order `other`, since all counters are taken.",
            value=sample.orders_without_slot,
        )
        yield from _ruleset(sample)
        yield from self._feeds(sample)
        yield _enforcement(sample.enforcement)
        yield from _audit(sample.audit)
        yield GaugeMetricFamily(
            "blockd_releases_failed",
            "1 while the file of releases cannot be used, so that what it lets through is held back; else 0.",
            value=int(sample.releases_failed),
        )
        build = GaugeMetricFamily("blockd_build_info", "This blockd.", labels=["version", "engine"])
        build.add_metric([sample.build, sample.engine], 1)
        yield build

    def _traffic(self) -> Iterator[Metric]:
        queries = CounterMetricFamily(
            "blockd_queries", "Questions, and requests at the sinkhole (http, tls).", labels=["transport"]
        )
        for transport, count in zip(Transport, self._counters.queries(), strict=True):
            queries.add_metric([transport.name.lower()], count)
        yield queries
        answers = CounterMetricFamily("blockd_answers", "Answers sent.", labels=["rcode"])
        other = 0
        for rcode, count in enumerate(self._counters.answers()):
            if rcode in RCODE_NAMES:
                answers.add_metric([RCODE_NAMES[rcode]], count)
            else:
                other += count
        answers.add_metric(["other"], other)
        yield answers
        yield from self._cache()
        by_bucket, seconds = self._counters.upstream()
        yield _histogram("blockd_upstream_seconds", "Exchanges with upstreams.", UPSTREAM_BUCKETS, by_bucket, seconds)

    def _cache(self) -> Iterator[Metric]:
        yield CounterMetricFamily("blockd_cache_hits", "Answers from the cache.", value=self._counters.cache_hits())
        yield CounterMetricFamily(
            "blockd_cache_misses",
            "Questions that the cache had no answer to, so that upstreams were asked or their failure was remembered.",
            value=self._counters.cache_misses(),
        )
        entries, octets = self._counters.cache_size()
        yield GaugeMetricFamily(
            "blockd_cache_entries", "Responses in the caches of all workers, each of which has its own.", value=entries
        )
        yield GaugeMetricFamily(
            "blockd_cache_bytes", "What these responses take in memory; at most `cache.size`.", value=octets
        )

    def _hits(self, sample: Sample) -> Metric:
        hits = CounterMetricFamily(
            "blockd_hits",
            "Hits of an order by protocol (dns, http, tls): its action in DNS, page for a block page, alert for a "
            "refused TLS handshake. `order` is what the order is called: ROLE/ID, or FEED/ROLE/ID if two feeds share a "
            "role. Orders beyond those that are counted one by one are counted as order `other`.",
            labels=["feed", "platform", "order", "action", "protocol"],
        )
        # Orders of which only the action differs have the same series for pages and handshakes.
        counted: dict[tuple[str, str, str, str, str], int] = {}
        for labels, slot in (*sample.hit_slots.items(), (OTHER, 0)):
            for protocol, count in zip(HIT_KINDS, self._counters.hits(slot), strict=True):
                place = (*labels.identity, _SINKHOLE_ACTIONS.get(protocol, labels.action), protocol)
                counted[place] = counted.get(place, 0) + count
        for place, count in counted.items():
            hits.add_metric(list(place), count)
        return hits

    def _feeds(self, sample: Sample) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "blockd_feed_age_seconds", "Since the feed was last fetched or confirmed.", labels=["feed"]
        )
        expires = GaugeMetricFamily(
            "blockd_feed_expires_in_seconds", "Until the feed expires; +Inf if it names no end.", labels=["feed"]
        )
        names = GaugeMetricFamily(
            "blockd_feed_names", "Names and networks of the feed that are enforced.", labels=["feed"]
        )
        is_refused = GaugeMetricFamily(
            "blockd_feed_refused",
            "1 while the feed's new content, or its last poll, is refused; else 0.",
            labels=["feed"],
        )
        refused = CounterMetricFamily(
            "blockd_feed_refused", "Times a feed's new content was refused.", labels=["feed", "reason"]
        )
        rejected = GaugeMetricFamily(
            "blockd_feed_rejected_ratio", "Share of the lines accepted last that were rejected.", labels=["feed"]
        )
        held = GaugeMetricFamily("blockd_feed_held_names", "Entries that the gate holds back.", labels=["feed"])
        interval = GaugeMetricFamily(
            "blockd_feed_interval_seconds", "Between two polls of the feed, as configured.", labels=["feed"]
        )
        until = GaugeMetricFamily("blockd_feed_next_poll_seconds", "Until the feed is polled next.", labels=["feed"])
        stale = GaugeMetricFamily(
            "blockd_orders_stale", "Orders in force whose signatures, or whose list, were not renewed.", labels=["feed"]
        )
        for name, feed in sample.feeds.items():
            stale.add_metric([name], feed.stale)
            names.add_metric([name], feed.names)
            rejected.add_metric([name], feed.rejected)
            held.add_metric([name], feed.held)
            interval.add_metric([name], feed.interval)
            until.add_metric([name], feed.next_poll)
            age.add_metric([name], feed.age)
            expires.add_metric([name], feed.expires_in)
            for reason in self._reasons:
                refused.add_metric([name, reason], feed.refused.get(reason, 0))
        for name, refused_now in sample.refused.items():
            is_refused.add_metric([name], int(refused_now))
        yield from (names, age, expires, is_refused, refused, rejected, held, interval, until, stale)
        yield from _authorities(sample)


def _authorities(sample: Sample) -> Iterator[Metric]:
    expires = GaugeMetricFamily(
        "blockd_authority_expires_in_seconds",
        "Until an authority's part of a signed feed expires; +Inf before anything came from it.",
        labels=["feed", "authority"],
    )
    refused = GaugeMetricFamily(
        "blockd_authority_refused",
        "1 while an authority's new content is refused, and its content accepted last stays in force.",
        labels=["feed", "authority"],
    )
    orders = GaugeMetricFamily(
        "blockd_orders_refused", "Orders whose newest versions are refused, each alone.", labels=["feed", "authority"]
    )
    for name, feed in sample.feeds.items():
        for role, count in (dict.fromkeys(feed.authorities, 0) | dict(feed.refused_orders)).items():
            orders.add_metric([name, role], count)
        for role, authority in feed.authorities.items():
            expires.add_metric([name, role], authority.expires_in)
            refused.add_metric([name, role], int(authority.is_refused))
    yield from (expires, refused, orders)


def _ruleset(sample: Sample) -> Iterator[Metric]:
    yield GaugeMetricFamily("blockd_ruleset_names", "Names enforced.", value=sample.names)
    yield GaugeMetricFamily("blockd_ruleset_networks", "Networks and addresses enforced.", value=sample.networks)
    info = GaugeMetricFamily("blockd_ruleset_info", "The ruleset enforced.", labels=["version", "digest"])
    info.add_metric([sample.version, sample.digest], 1 if sample.version else 0)
    yield info
    yield GaugeMetricFamily(
        "blockd_ruleset_pinned",
        "1 while the ruleset enforced is one that an operator went back to and has not released.",
        value=int(sample.is_pinned),
    )
    yield GaugeMetricFamily("blockd_ready", "1 if every worker enforces the ruleset, else 0.", value=sample.is_ready)
    yield GaugeMetricFamily(
        "blockd_clock_behind_seconds",
        "How far the clock is behind the newest time that is known; 0 if it has not run back.",
        value=sample.clock_behind,
    )
    yield GaugeMetricFamily(
        "blockd_selftest_failed", "1 while the last self-test has failed; else 0.", value=int(sample.selftest_failed)
    )
    yield CounterMetricFamily(
        "blockd_selftest_failures",
        "Versions taken back because a worker answered the self-test wrongly.",
        value=sample.selftest_failures,
    )


def _enforcement(times: Mapping[Change, EnforcementTimes]) -> Metric:
    family = HistogramMetricFamily(
        "blockd_order_to_enforcement_seconds",
        "From the signing or the date of an order (imposed) or of its end (lifted), to every worker following it.",
        labels=["change"],
    )
    for change in get_args(Change):
        observed = times.get(change) or EnforcementTimes()
        buckets = _buckets(ENFORCEMENT_BUCKETS, observed.by_bucket)
        family.add_metric([change], buckets=buckets, sum_value=observed.seconds)
    return family


def _audit(audit: AuditSample) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "blockd_audit_failed",
        "1 while the audit log cannot be written, or was damaged; else 0.",
        value=audit.is_failing,
    )
    yield CounterMetricFamily(
        "blockd_audit_failures", "Times that the audit log could not be written.", value=audit.failures
    )


def _histogram(name: str, text: str, bounds: Sequence[float], by_bucket: Sequence[int], total: float) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], buckets=_buckets(bounds, by_bucket), sum_value=total)
    return family


def _buckets(bounds: Sequence[float], by_bucket: Sequence[int]) -> list[tuple[str, float]]:
    """Return a histogram's buckets from counts per bucket, the last one for everything above the bounds."""
    labels = [*(str(bound) for bound in bounds), "+Inf"]
    running = 0
    buckets: list[tuple[str, float]] = []
    for label, count in zip(labels, by_bucket, strict=True):
        running += count
        buckets.append((label, running))
    return buckets
