"""What feeds take of the machine, and what is left of its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from blockd.metrics.exposition import by_feed


@dataclass(frozen=True, slots=True)
class FeedUse:
    """What one feed takes."""

    room: int = 0  # octets of all that is kept of it on the disk
    seconds: float = 0.0  # of the processor, that reading its newest content took
    memory: int = 0  # octets that it took


@dataclass(frozen=True, slots=True)
class BoundsSample:
    """What is taken at the moment of a scrape."""

    compiling: float = 0.0  # seconds that a compile has taken so far, 0 if there is none
    disk_free: int = 0  # octets
    disk_level: int = 0  # of `blockd.daemon.update.disk_room.Level`
    feeds: Mapping[str, FeedUse] = field(default_factory=dict)


_OF_FEEDS: Sequence[tuple[str, str, Callable[[FeedUse], float]]] = (
    (
        "blockd_feed_disk_bytes",
        "What is kept of the feed on the disk; at most its limits.disk.",
        lambda use: use.room,
    ),
    (
        "blockd_feed_read_seconds",
        "Processor time that reading the feed's newest content took; at most its limits.read_time.",
        lambda use: use.seconds,
    ),
    (
        "blockd_feed_read_bytes",
        "Memory that reading the feed's newest content took; at most its limits.read_memory.",
        lambda use: use.memory,
    ),
)


def bounds_metrics(sample: BoundsSample) -> Iterator[Metric]:
    """Yield a family for each of these figures."""
    yield GaugeMetricFamily(
        "blockd_compile_seconds",
        "How long the compile in progress has taken; 0 if there is none.",
        value=sample.compiling,
    )
    yield GaugeMetricFamily(
        "blockd_disk_free_bytes", "What is free on the disk of the state folder.", value=sample.disk_free
    )
    yield GaugeMetricFamily(
        "blockd_disk_level",
        "0 while there is room on the disk, 1 once history is given up, 2 once the audit log waits as well, 3 once the "
        "reserve for enforcement is used.",
        value=sample.disk_level,
    )
    for name, text, value in _OF_FEEDS:
        yield by_feed(name, text, sample.feeds, value)
