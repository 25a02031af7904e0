"""The metrics of feeds and of their authorities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from blockd.metrics.hints import refused_notifies
from blockd.metrics.sample import Sample


def feed_metrics(sample: Sample, reasons: Sequence[str]) -> Iterator[Metric]:
    """Yield a family for each figure of the feeds; `reasons` are all the reasons a feed can be refused for."""
    age = GaugeMetricFamily("blockd_feed_age_seconds", "Since the feed was last fetched or confirmed.", labels=["feed"])
    expires = GaugeMetricFamily(
        "blockd_feed_expires_in_seconds", "Until the feed expires; +Inf if it names no end.", labels=["feed"]
    )
    names = GaugeMetricFamily("blockd_feed_names", "Names and networks of the feed that are enforced.", labels=["feed"])
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
        for reason in reasons:
            refused.add_metric([name, reason], feed.refused.get(reason, 0))
    for name, refused_now in sample.refused.items():
        is_refused.add_metric([name], int(refused_now))
    yield refused_notifies(sample.refused_notifies)
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
