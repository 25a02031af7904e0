"""The metrics of feeds and of their authorities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from prometheus_client.core import Metric

from blockd.metrics.exposition import Row, Table, by_feed
from blockd.metrics.hints import refused_notifies
from blockd.metrics.sample import AuthoritySample, FeedSample, Sample

_GAUGES: Sequence[tuple[str, str, Callable[[FeedSample], float]]] = (
    ("blockd_feed_names", "Names and networks of the feed that are enforced.", lambda feed: feed.names),
    ("blockd_feed_age_seconds", "Since the feed was last fetched or confirmed.", lambda feed: feed.age),
    (
        "blockd_feed_expires_in_seconds",
        "Until the feed expires; +Inf if it names no end.",
        lambda feed: feed.expires_in,
    ),
    (
        "blockd_feed_rejected_ratio",
        "Share of the lines accepted last that were rejected.",
        lambda feed: feed.rejected,
    ),
    ("blockd_feed_held_names", "Entries that the gate holds back.", lambda feed: feed.held),
    ("blockd_feed_interval_seconds", "Between two polls of the feed, as configured.", lambda feed: feed.interval),
    ("blockd_feed_next_poll_seconds", "Until the feed is polled next.", lambda feed: feed.next_poll),
    (
        "blockd_orders_stale",
        "Orders in force whose signatures, or whose list, were not renewed.",
        lambda feed: feed.stale,
    ),
)
_OF_AUTHORITIES: Sequence[tuple[str, str, Callable[[AuthoritySample], float]]] = (
    (
        "blockd_authority_expires_in_seconds",
        "Until an authority's part of a signed feed expires; +Inf before anything came from it.",
        lambda authority: authority.expires_in,
    ),
    (
        "blockd_authority_refused",
        "1 while an authority's new content is refused, and its content accepted last stays in force.",
        lambda authority: int(authority.is_refused),
    ),
)


def feed_metrics(sample: Sample, reasons: Sequence[str]) -> Iterator[Metric]:
    """Yield a family for each figure of the feeds; `reasons` are all the reasons a feed can be refused for."""
    yield refused_notifies(sample.refused_notifies)
    for name, text, value in _GAUGES:
        yield by_feed(name, text, sample.feeds, value)
    yield by_feed(
        "blockd_feed_refused",
        "1 while the feed's new content, or its last poll, is refused; else 0.",
        sample.refused,
        int,
    )
    yield Table(
        "counter",
        "blockd_feed_refused",
        "Times a feed's new content was refused.",
        ("feed", "reason"),
        lambda: (
            ((name, reason), feed.refused.get(reason, 0)) for name, feed in sample.feeds.items() for reason in reasons
        ),
    )
    yield from _authorities(sample)


def _authorities(sample: Sample) -> Iterator[Table]:
    labels = ("feed", "authority")
    for name, text, value in _OF_AUTHORITIES:
        yield Table("gauge", name, text, labels, partial(_by_authority, sample, value))
    yield Table(
        "gauge",
        "blockd_orders_refused",
        "Orders whose newest versions are refused, each alone.",
        labels,
        lambda: _refused_orders(sample),
    )


def _by_authority(sample: Sample, value: Callable[[AuthoritySample], float]) -> Iterator[Row]:
    for name, feed in sample.feeds.items():
        for role, one in feed.authorities.items():
            yield (name, role), value(one)


def _refused_orders(sample: Sample) -> Iterator[Row]:
    for name, feed in sample.feeds.items():
        for role, count in (dict.fromkeys(feed.authorities, 0) | dict(feed.refused_orders)).items():
            yield (name, role), count
