"""docs/reference/metrics.md: every series of a scrape, from the collector."""

from __future__ import annotations

from blockd.feeds.reasons import REASONS
from blockd.metrics import AuthoritySample, Collector, Counters, FeedSample, HitLabels, Sample
from blockd.metrics.bounds import BoundsSample, FeedUse
from blockd.metrics.certificates import CertificateSample
from blockd.metrics.upstreams import FAILURES, UpstreamFigures, UpstreamsSample, UpstreamTable
from tests.docs.reference.markdown import document, table


def page() -> str:
    """Return the page."""
    return document(
        "Metrics",
        "Prometheus scrapes `/metrics` at the admin port (`listen.admin`). A series exists from the start, at zero. "
        "Labels come from the config and from lists; no label holds a domain name that was asked for, or a client.",
        _series(),
        "A histogram has the series `_bucket`, `_sum` and `_count`.",
    )


def _series() -> str:
    seen = UpstreamTable(1)
    for side in (seen, seen.row(0)):
        side.use(["upstream"])
    seen.row(0).note(0, UpstreamFigures(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (0,) * len(FAILURES)))
    sample = Sample(
        upstreams=UpstreamsSample(seen, ("upstream",), {"zone": 1}, ("upstream",)),
        certificates={"chain.pem": CertificateSample(0.0, 0.0)},
        version="1",
        refused={"feed": False},
        feeds={"feed": FeedSample(0.0, 0.0, {}, authorities={"authority": AuthoritySample(0.0)})},
        refused_notifies={("feed", "cause"): 0},
        hit_slots={HitLabels("feed", "platform", "order", "action"): 1},
        bounds=BoundsSample(feeds={"feed": FeedUse()}),
    )
    rows = []
    for family in Collector(Counters(1), list(REASONS), lambda: sample).collect():
        first = next(iter(family.samples))
        labels = ",".join(label for label in first.labels if label != "le")
        name = family.name + ("_total" if family.type == "counter" else "")
        shown = f"`{name}{{{labels}}}`" if labels else f"`{name}`"
        rows.append((shown, family.type, family.documentation))
    return table(("series", "type", "meaning"), rows)
