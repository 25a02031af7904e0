"""The metric of NOTIFY messages that were not heeded."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily


def refused_notifies(counts: Mapping[tuple[str, str], int]) -> CounterMetricFamily:
    """Return the family for counts by feed and by cause."""
    family = CounterMetricFamily(
        "blockd_notify_refused",
        "NOTIFY messages that were not heeded; the feed is empty if none takes their zone.",
        labels=["feed", "cause"],
    )
    for labels, count in counts.items():
        family.add_metric(list(labels), count)
    return family
