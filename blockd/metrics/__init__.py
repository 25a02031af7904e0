"""Counters in shared memory that every process writes, and the Prometheus collector that reads them."""

from blockd.metrics.collector import Collector
from blockd.metrics.counters import Closing, Counters, Row, StreamEvent, Transport
from blockd.metrics.sample import AuthoritySample, FeedSample, HitLabels, Sample
from blockd.metrics.traffic import Sketch, Traffic, TrafficRow

__all__ = [
    "AuthoritySample",
    "Closing",
    "Collector",
    "Counters",
    "FeedSample",
    "HitLabels",
    "Row",
    "Sample",
    "Sketch",
    "StreamEvent",
    "Traffic",
    "TrafficRow",
    "Transport",
]
