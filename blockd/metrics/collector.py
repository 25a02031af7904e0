"""The Prometheus collector: metrics from the shared counters and from a sample of what is enforced.

Labels are bounded: feeds, orders and platforms come from the config and from signed lists. A domain is never a label.
A series exists from the start, at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from blockd.metrics.bounds import bounds_metrics
from blockd.metrics.certificates import certificate_metrics
from blockd.metrics.counters import (
    LIMITED_DONE,
    LIMITED_KINDS,
    LOCAL_KINDS,
    UPSTREAM_BUCKETS,
    Closing,
    Counters,
    StreamEvent,
    Transport,
)
from blockd.metrics.feeds import feed_metrics
from blockd.metrics.hits import hits_table
from blockd.metrics.order_gauges import order_gauges
from blockd.metrics.reloads import reload_metrics
from blockd.metrics.sample import ENFORCEMENT_BUCKETS, AuditSample, Change, EnforcementTimes, Sample

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
_STREAMS = (Transport.TCP, Transport.DOT, Transport.DOH)
_ENCRYPTED = (Transport.DOT, Transport.DOH)
_HANDSHAKES = (*_ENCRYPTED, Transport.PUBLIC)
# The transports on which each can happen.
_EVENTS_OF = {
    StreamEvent.CONNECTION: (*_STREAMS, Transport.PUBLIC),
    StreamEvent.HANDSHAKE: _HANDSHAKES,
    StreamEvent.HANDSHAKE_FAILED: _HANDSHAKES,
    StreamEvent.RESUMED: _HANDSHAKES,
    StreamEvent.STREAM: (Transport.DOH,),
    StreamEvent.RESET: (Transport.DOH,),
    StreamEvent.FLOOD: _ENCRYPTED,
    StreamEvent.PROXY_REFUSED: (Transport.UDP, *_STREAMS),
}


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
        yield from self._traffic(sample)
        yield hits_table(self._counters, sample.hit_slots)
        yield from order_gauges(sample.orders_without_slot, sample.orders_without_room, sample.contradictions)
        yield from _ruleset(sample)
        yield from feed_metrics(sample, self._reasons)
        yield _enforcement(sample.enforcement)
        yield from _audit(sample.audit)
        yield CounterMetricFamily(
            "blockd_admin_refused",
            "Requests to the admin port, and sign-ins there, that were refused to who made them.",
            value=sample.admin_refused,
        )
        yield from bounds_metrics(sample.bounds)
        yield from reload_metrics(sample.reloads)
        yield from sample.upstreams.metrics()
        yield from certificate_metrics(sample.certificates)
        yield GaugeMetricFamily(
            "blockd_releases_failed",
            "1 while the file of releases cannot be used, so that what it lets through is held back; else 0.",
            value=int(sample.releases_failed),
        )
        yield GaugeMetricFamily(
            "blockd_history_failing",
            "1 while the history of figures cannot be written, or since it was damaged and begun anew; else 0.",
            value=int(sample.history_failing),
        )
        build = GaugeMetricFamily("blockd_build_info", "This blockd.", labels=["version", "engine"])
        build.add_metric([sample.build, sample.engine], 1)
        yield build

    def _traffic(self, sample: Sample) -> Iterator[Metric]:
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
        yield self._connections(sample)
        yield self._stream_events()
        limited = CounterMetricFamily(
            "blockd_rate_limited",
            "Answers over UDP that the rate limit withheld: to clients (response, error), and to those outside "
            "clients.allow (stranger); dropped, or sent empty (truncated) or as an error with a cookie (badcookie).",
            labels=["kind", "done"],
        )
        for kind, counts in zip(LIMITED_KINDS, self._counters.limited(), strict=True):
            for done, count in zip(LIMITED_DONE, counts, strict=True):
                limited.add_metric([kind, done], count)
        yield limited
        yield from self._cache()
        by_bucket, seconds = self._counters.upstream()
        yield _histogram("blockd_upstream_seconds", "Exchanges with upstreams.", UPSTREAM_BUCKETS, by_bucket, seconds)

    def _connections(self, sample: Sample) -> Metric:
        closed = CounterMetricFamily(
            "blockd_connections_closed",
            "Connections closed for the sake of others: the longest idle one of an address, of a prefix or of all that "
            "had as many as they may have, or of those in line to be served, or of those whose TLS handshake is not "
            "complete (both in `all`), when another one came; at once, if it came from outside of `clients.allow` "
            "(stranger), no descriptor could be had for it (descriptors), or too many came within a second (pace). At "
            "the admin port a local user counts as an address, and `all` has those that waited and were answered 503.",
            labels=["transport", "reason"],
        )
        for transport in Transport:
            if transport is Transport.UDP:
                continue
            for why, count in zip(Closing, self._counters.connections_closed(transport), strict=True):
                closed.add_metric([transport.name.lower(), why.name.lower()], count)
        for place, count in enumerate(sample.admin_closed):
            closed.add_metric(["admin", Closing(place).name.lower()], count)
        return closed

    def _stream_events(self) -> Metric:
        events = CounterMetricFamily(
            "blockd_stream_events",
            "What happened on connections: accepted (connection), TLS handshakes completed (handshake), of these by a "
            "session that was resumed (resumed), and not completed (handshake_failed), requests of HTTP (stream), "
            "those that clients took back (reset), connections closed for a flood of what nobody needs (flood), and "
            "PROXY protocol headers missing, wrong, or from others than front ends (proxy_refused).",
            labels=["transport", "event"],
        )
        for transport in Transport:
            for event, count in zip(StreamEvent, self._counters.stream_events(transport), strict=True):
                if transport in _EVENTS_OF[event]:
                    events.add_metric([transport.name.lower(), event.name.lower()], count)
        return events

    def _cache(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "blockd_blocked", "Questions that an order has stopped.", value=self._counters.blocked()
        )
        yield CounterMetricFamily("blockd_cache_hits", "Answers from the cache.", value=self._counters.cache_hits())
        yield CounterMetricFamily(
            "blockd_cache_misses",
            "Questions that the cache had no answer to, so that upstreams were asked or their failure was remembered.",
            value=self._counters.cache_misses(),
        )
        yield CounterMetricFamily(
            "blockd_cache_stale_answers",
            "Answers from entries of the cache that had expired, since upstreams failed or took long (RFC 8767).",
            value=self._counters.cache_stale(),
        )
        yield CounterMetricFamily(
            "blockd_cache_prefetches",
            "Questions to upstreams for names that are asked often, shortly before their answers expire.",
            value=self._counters.cache_refreshes(),
        )
        yield CounterMetricFamily(
            "blockd_cache_flushed_entries",
            "Entries that `blockd cache flush` removed.",
            value=self._counters.cache_flushed(),
        )
        local = CounterMetricFamily(
            "blockd_local_answers",
            "Answers for which no upstream was needed: from zones and names of the config (own), for names that are "
            "never asked of upstreams (default), for the canaries of browsers and devices (canary), about the "
            "resolver's own encrypted transports (discovery).",
            labels=["zone"],
        )
        for kind, count in zip(LOCAL_KINDS, self._counters.local(), strict=True):
            local.add_metric([kind], count)
        yield local
        entries, octets = self._counters.cache_size()
        yield GaugeMetricFamily(
            "blockd_cache_entries", "Responses in the caches of all workers, each of which has its own.", value=entries
        )
        yield GaugeMetricFamily(
            "blockd_cache_bytes", "What these responses take in memory; at most `cache.size`.", value=octets
        )


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
        "blockd_page_ready",
        "1 if the page process runs and follows the workers, or no block page is configured; else 0.",
        value=int(sample.page_ready),
    )
    yield GaugeMetricFamily(
        "blockd_decide_ready",
        "1 if the process that decides for HTTP proxies runs and follows the workers, or none is configured; else 0.",
        value=int(sample.decide_ready),
    )
    yield GaugeMetricFamily(
        "blockd_rulesets_damaged",
        "Versions found damaged since the start, or set aside as damaged and not removed.",
        value=sample.damaged,
    )
    yield GaugeMetricFamily(
        "blockd_rulesets_unverified",
        "Versions of which it is not known whether they are right, as they could not be verified.",
        value=sample.unverified,
    )
    yield GaugeMetricFamily(
        "blockd_state_unwritable",
        "1 while the state folder cannot be written; else 0.",
        value=int(sample.is_unwritable),
    )
    yield GaugeMetricFamily(
        "blockd_supervisor_silent",
        "1 while the supervisor does not answer, so that no process is started again; else 0.",
        value=int(sample.supervisor_silent),
    )
    restarts = CounterMetricFamily(
        "blockd_process_restarts", "Processes that ended and were started again.", labels=["process"]
    )
    for kind in ("worker", "page", "decide", "control"):
        restarts.add_metric([kind], sample.restarts.get(kind, 0))
    yield restarts
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
