"""Whether the config on disk is the one in force, and how reloads have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

RESULTS = ("taken", "unchanged", "refused", "failed")


@dataclass(frozen=True, slots=True)
class ReloadsSample:
    """What is known at the moment of a scrape; `succeeded_at` is in seconds since the epoch."""

    total: Mapping[str, int] = field(default_factory=dict)  # since the start, by result
    is_good: bool = True  # the last one
    succeeded_at: float = 0.0
    restart_needed: bool = False  # for some settings
    is_changed: bool = False  # whether the file on disk is another
    digest: str = ""


def reload_metrics(sample: ReloadsSample) -> Iterator[Metric]:
    """Yield a family for each of these figures."""
    total = CounterMetricFamily("blockd_reloads", "Reloads of the config since the start.", labels=["result"])
    for result in RESULTS:
        total.add_metric([result], sample.total.get(result, 0))
    yield total
    yield GaugeMetricFamily(
        "blockd_config_last_reload_successful",
        "1 if the last reload took the config on disk, or none was asked for; else 0.",
        value=int(sample.is_good),
    )
    yield GaugeMetricFamily(
        "blockd_config_last_reload_success_timestamp_seconds",
        "When the config in force was taken, or last found to be that on disk.",
        value=sample.succeeded_at,
    )
    yield GaugeMetricFamily(
        "blockd_config_changed",
        "1 while the config on disk is another than that in force.",
        value=int(sample.is_changed),
    )
    yield GaugeMetricFamily(
        "blockd_config_restart_needed",
        "1 while the config on disk has settings that only a restart takes.",
        value=int(sample.restart_needed),
    )
    info = GaugeMetricFamily("blockd_config_info", "The config in force, by its SHA-256.", labels=["digest"])
    info.add_metric([sample.digest], 1)
    yield info
