from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from blockd.feeds.reasons import REASONS
from blockd.metrics import AuthoritySample, Collector, Counters, FeedSample, HitLabels, Sample, Transport
from blockd.metrics.bounds import BoundsSample, FeedUse
from blockd.metrics.certificates import CertificateSample
from blockd.metrics.counters import UPSTREAM_BUCKETS
from blockd.metrics.sample import ENFORCEMENT_BUCKETS, EnforcementTimes
from blockd.metrics.upstreams import FAILURES, UpstreamFigures, UpstreamsSample, UpstreamTable

# Names and labels of the documented metrics; a histogram's `le` is not listed.
NAMES = {
    "blockd_queries_total": {"transport"},
    "blockd_answers_total": {"rcode"},
    "blockd_connections_closed_total": {"transport", "reason"},
    "blockd_stream_events_total": {"transport", "event"},
    "blockd_hits_total": {"feed", "platform", "order", "action", "protocol"},
    "blockd_orders_contradicting": set(),
    "blockd_orders_counted_together": set(),
    "blockd_orders_without_room": set(),
    "blockd_blocked_total": set(),
    "blockd_history_failing": set(),
    "blockd_cache_hits_total": set(),
    "blockd_releases_failed": set(),
    "blockd_compile_seconds": set(),
    "blockd_disk_free_bytes": set(),
    "blockd_disk_level": set(),
    "blockd_feed_disk_bytes": {"feed"},
    "blockd_feed_read_seconds": {"feed"},
    "blockd_feed_read_bytes": {"feed"},
    "blockd_cache_misses_total": set(),
    "blockd_cache_stale_answers_total": set(),
    "blockd_cache_prefetches_total": set(),
    "blockd_cache_flushed_entries_total": set(),
    "blockd_local_answers_total": {"zone"},
    "blockd_rate_limited_total": {"kind", "done"},
    "blockd_cache_entries": set(),
    "blockd_cache_bytes": set(),
    "blockd_upstream_seconds": set(),
    "blockd_upstream_state": {"upstream", "state"},
    "blockd_upstream_up": {"upstream"},
    "blockd_upstream_round_trip_seconds": {"upstream"},
    "blockd_upstream_probe_seconds": {"upstream"},
    "blockd_upstream_in_flight": {"upstream"},
    "blockd_upstream_questions_total": {"upstream"},
    "blockd_upstream_answers_total": {"upstream"},
    "blockd_upstream_late_answers_total": {"upstream"},
    "blockd_upstream_unanswered_total": {"upstream"},
    "blockd_upstream_hedges_total": {"upstream"},
    "blockd_upstream_loops_total": {"upstream"},
    "blockd_upstream_failures_total": {"upstream", "kind"},
    "blockd_upstream_left_out": {"upstream"},
    "blockd_upstreams_usable": {"zone"},
    "blockd_certificate_expires_in_seconds": {"certificate"},
    "blockd_certificate_lifetime_seconds": {"certificate"},
    "blockd_certificate_refused": {"certificate"},
    "blockd_flights": set(),
    "blockd_late_flights": set(),
    "blockd_remembered_failures": set(),
    "blockd_held_back_questions_total": set(),
    "blockd_ruleset_names": set(),
    "blockd_ruleset_networks": set(),
    "blockd_ruleset_pinned": set(),
    "blockd_ruleset_info": {"version", "digest"},
    "blockd_ready": set(),
    "blockd_page_ready": set(),
    "blockd_decide_ready": set(),
    "blockd_process_restarts_total": {"process"},
    "blockd_rulesets_damaged": set(),
    "blockd_rulesets_unverified": set(),
    "blockd_state_unwritable": set(),
    "blockd_supervisor_silent": set(),
    "blockd_selftest_failures_total": set(),
    "blockd_selftest_failed": set(),
    "blockd_clock_behind_seconds": set(),
    "blockd_feed_names": {"feed"},
    "blockd_feed_refused": {"feed"},
    "blockd_feed_interval_seconds": {"feed"},
    "blockd_feed_next_poll_seconds": {"feed"},
    "blockd_feed_age_seconds": {"feed"},
    "blockd_feed_expires_in_seconds": {"feed"},
    "blockd_feed_refused_total": {"feed", "reason"},
    "blockd_notify_refused_total": {"feed", "cause"},
    "blockd_feed_rejected_ratio": {"feed"},
    "blockd_feed_held_names": {"feed"},
    "blockd_orders_stale": {"feed"},
    "blockd_authority_expires_in_seconds": {"feed", "authority"},
    "blockd_authority_refused": {"feed", "authority"},
    "blockd_orders_refused": {"feed", "authority"},
    "blockd_order_to_enforcement_seconds": {"change"},
    "blockd_audit_failed": set(),
    "blockd_audit_failures_total": set(),
    "blockd_admin_refused_total": set(),
    "blockd_reloads_total": {"result"},
    "blockd_config_last_reload_successful": set(),
    "blockd_config_last_reload_success_timestamp_seconds": set(),
    "blockd_config_changed": set(),
    "blockd_config_restart_needed": set(),
    "blockd_config_info": {"digest"},
    "blockd_build_info": {"version", "engine"},
}
LABELS = HitLabels("ministry", "Telegram", "order-1", "sinkhole")
UPSTREAM = "192.0.2.1:53"
TABLE = UpstreamTable(1)
TABLE.use([UPSTREAM])
TABLE.row(0).use([UPSTREAM])
TABLE.row(0).note(0, UpstreamFigures(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (0,) * len(FAILURES)))
SAMPLE = Sample(
    certificates={"chain.pem": CertificateSample(5.0, 9.0, True)},
    upstreams=UpstreamsSample(TABLE, (UPSTREAM,), {".": 1}, ("127.0.0.1:53",)),
    names=12,
    networks=34,
    version="7",
    digest="ab" * 32,
    engine="python",
    build="1.0",
    feeds={
        "ministry": FeedSample(
            1.5,
            math.inf,
            {"cut": 2},
            stale=3,
            names=5,
            authorities={"telecom": AuthoritySample(-5.0, True), "courts": AuthoritySample(math.inf)},
            refused_orders={"": 0, "telecom": 0, "courts": 3},
        ),
        "national": FeedSample(3.0, -60.0, {}, 0.25, 7),
    },
    refused={"ministry": True, "national": False, "overrides": False},
    refused_notifies={("national", "no key"): 4, ("", "zone"): 0},
    selftest_failed=True,
    bounds=BoundsSample(90.0, 5, 2, {"ministry": FeedUse(7, 1.5, 9)}),
    clock_behind=7200.0,
    hit_slots={LABELS: 1, HitLabels("national", 'quo"te\\\n', "national", "nxdomain"): 2},
)

Scraped = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(counters: Counters, sample: Callable[[], Sample]) -> Scraped:
    registry = CollectorRegistry()
    registry.register(Collector(counters, list(REASONS), sample))
    found: Scraped = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for one in family.samples:
            place = (one.name, frozenset(one.labels.items()))
            assert place not in found
            found[place] = one.value
    return found


def value(found: Scraped, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_names_and_labels_are_exactly_those_of_the_design() -> None:
    registry = CollectorRegistry()
    registry.register(Collector(Counters(1), list(REASONS), lambda: SAMPLE))
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for one in family.samples for label in one.labels} - {"le"}
        assert family.documentation
    assert found == NAMES


def test_every_series_is_there_from_the_start_at_zero() -> None:
    found = scrape(Counters(1), lambda: SAMPLE)
    for transport in Transport:
        assert value(found, "blockd_queries_total", transport=transport.name.lower()) == 0
    for rcode in ("NOERROR", "SERVFAIL", "NXDOMAIN", "REFUSED", "BADVERS", "other"):
        assert value(found, "blockd_answers_total", rcode=rcode) == 0
    for reason in REASONS:
        for feed in SAMPLE.feeds:
            expected = 2 if (feed, reason) == ("ministry", "cut") else 0
            assert value(found, "blockd_feed_refused_total", feed=feed, reason=reason) == expected
    for action, protocol in (("sinkhole", "dns"), ("page", "http"), ("alert", "tls")):
        labels = {"feed": "ministry", "platform": "Telegram", "order": "order-1", "action": action}
        labels |= {"protocol": protocol}
        assert value(found, "blockd_hits_total", **labels) == 0
    for series in ("hits_total", "misses_total", "entries", "bytes"):
        assert value(found, f"blockd_cache_{series}") == 0
    assert value(found, "blockd_upstream_seconds_count") == 0
    assert value(found, "blockd_upstream_seconds_sum") == 0
    for change in ("imposed", "lifted"):
        assert value(found, "blockd_order_to_enforcement_seconds_count", change=change) == 0


def test_each_authority_of_a_feed_has_its_own_series() -> None:
    found = scrape(Counters(1), lambda: SAMPLE)
    assert value(found, "blockd_authority_expires_in_seconds", feed="ministry", authority="telecom") == -5
    assert value(found, "blockd_authority_expires_in_seconds", feed="ministry", authority="courts") == math.inf
    assert value(found, "blockd_authority_refused", feed="ministry", authority="telecom") == 1
    assert value(found, "blockd_authority_refused", feed="ministry", authority="courts") == 0
    assert value(found, "blockd_orders_refused", feed="ministry", authority="courts") == 3
    assert value(found, "blockd_orders_stale", feed="ministry") == 3
    assert value(found, "blockd_orders_stale", feed="national") == 0


def test_what_is_refused_failed_or_behind_now_is_a_gauge() -> None:
    found = scrape(Counters(1), lambda: SAMPLE)
    assert [value(found, "blockd_feed_refused", feed=feed) for feed in SAMPLE.refused] == [1, 0, 0]
    assert value(found, "blockd_notify_refused_total", feed="national", cause="no key") == 4
    assert value(found, "blockd_notify_refused_total", feed="", cause="zone") == 0
    assert [value(found, "blockd_feed_names", feed=feed) for feed in SAMPLE.feeds] == [5, 0]
    assert value(found, "blockd_selftest_failed") == 1
    assert value(found, "blockd_clock_behind_seconds") == 7200
    found = scrape(Counters(1), Sample)
    assert value(found, "blockd_selftest_failed") == value(found, "blockd_clock_behind_seconds") == 0
    assert value(found, "blockd_releases_failed") == 0
    assert value(scrape(Counters(1), lambda: Sample(releases_failed=True)), "blockd_releases_failed") == 1


def test_connections_that_the_admin_port_closed_are_counted_by_reason() -> None:
    found = scrape(Counters(1), lambda: Sample(admin_closed=[1, 2, 3, 0, 5, 0]))
    name = "blockd_connections_closed_total"
    assert value(found, name, transport="admin", reason="address") == 1
    assert value(found, name, transport="admin", reason="all") == 3
    assert value(found, name, transport="admin", reason="descriptors") == 5


def test_what_feeds_take_and_what_is_left_of_the_disk() -> None:
    found = scrape(Counters(1), lambda: SAMPLE)
    taken = [
        value(found, f"blockd_feed_{what}", feed="ministry") for what in ("disk_bytes", "read_seconds", "read_bytes")
    ]
    assert taken == [7, 1.5, 9]
    left = [value(found, f"blockd_{what}") for what in ("compile_seconds", "disk_free_bytes", "disk_level")]
    assert left == [90, 5, 2]


def test_before_the_first_ruleset_there_are_series_too() -> None:
    found = scrape(Counters(1), Sample)
    assert value(found, "blockd_ruleset_names") == 0
    assert value(found, "blockd_ruleset_info", version="", digest="") == 0
    assert value(found, "blockd_build_info", version="", engine="python") == 1


def test_what_was_counted_is_shown() -> None:
    counters = Counters(2)
    for index in range(2):
        row = counters.row(index)
        row.query(Transport.DOH)
        row.answer(3)
        row.answer(15)
        row.answer(4095)
        row.cache_hit()
        row.cache_miss()
        row.cache_grown(2, 1000)
        row.hit(1)
        row.hit(1, 1)
        row.hit(2, 2)
    found = scrape(counters, lambda: SAMPLE)
    assert value(found, "blockd_queries_total", transport="doh") == 2
    assert value(found, "blockd_answers_total", rcode="NXDOMAIN") == 2
    assert value(found, "blockd_answers_total", rcode="other") == 4
    assert value(found, "blockd_answers_total", rcode="BADCOOKIE") == 0
    cache = [value(found, f"blockd_cache_{series}") for series in ("hits_total", "misses_total", "entries", "bytes")]
    assert cache == [2, 2, 4, 2000]
    first = {"feed": "ministry", "platform": "Telegram", "order": "order-1"}
    assert value(found, "blockd_hits_total", action="sinkhole", protocol="dns", **first) == 2
    assert value(found, "blockd_hits_total", action="page", protocol="http", **first) == 2
    assert value(found, "blockd_hits_total", action="alert", protocol="tls", **first) == 0
    second = {"feed": "national", "platform": 'quo"te\\\n', "order": "national"}
    assert value(found, "blockd_hits_total", action="alert", protocol="tls", **second) == 2
    assert value(found, "blockd_hits_total", action="nxdomain", protocol="dns", **second) == 0


def test_the_sample_is_asked_at_each_scrape() -> None:
    found = scrape(Counters(1), lambda: SAMPLE)
    assert value(found, "blockd_ruleset_names") == 12
    assert value(found, "blockd_ruleset_networks") == 34
    assert value(found, "blockd_ruleset_info", version="7", digest="ab" * 32) == 1
    assert value(found, "blockd_feed_age_seconds", feed="ministry") == 1.5
    assert value(found, "blockd_feed_expires_in_seconds", feed="ministry") == math.inf
    assert value(found, "blockd_feed_expires_in_seconds", feed="national") == -60
    assert value(found, "blockd_feed_rejected_ratio", feed="national") == 0.25
    assert value(found, "blockd_feed_held_names", feed="national") == 7
    assert value(found, "blockd_feed_held_names", feed="ministry") == 0
    assert value(found, "blockd_build_info", version="1.0", engine="python") == 1


def buckets(found: Scraped, name: str, **having: str) -> list[float]:
    """Return a histogram's cumulative counts, the smallest bound first."""
    bounds = {
        float(dict(labels)["le"]): count
        for (sample, labels), count in found.items()
        if sample == f"{name}_bucket" and having.items() <= dict(labels).items()
    }
    return [bounds[bound] for bound in sorted(bounds)]


def test_upstream_times_are_a_histogram() -> None:
    counters = Counters(1)
    for seconds in (0.0005, 0.001, 0.3, 7.0):
        counters.row(0).upstream(seconds)
    found = scrape(counters, lambda: SAMPLE)
    counts = buckets(found, "blockd_upstream_seconds")
    assert len(counts) == len(UPSTREAM_BUCKETS) + 1
    assert counts[0] == 2
    assert counts[UPSTREAM_BUCKETS.index(0.5)] == 3
    assert counts[-2:] == [3, 4]
    assert value(found, "blockd_upstream_seconds_count") == 4
    assert value(found, "blockd_upstream_seconds_sum") == pytest.approx(7.3015)


def test_times_to_enforcement_are_a_histogram() -> None:
    times = EnforcementTimes()
    for seconds in (0.5, 0.7, 90_000.0, -3.0):
        times.observe(seconds)
    found = scrape(Counters(1), lambda: Sample(enforcement={"imposed": times}))
    counts = buckets(found, "blockd_order_to_enforcement_seconds", change="imposed")
    assert buckets(found, "blockd_order_to_enforcement_seconds", change="lifted") == [0] * len(counts)
    assert counts == [2, *[3] * (len(ENFORCEMENT_BUCKETS) - 1), 4]
    assert value(found, "blockd_order_to_enforcement_seconds_sum", change="imposed") == pytest.approx(90_001.2)


def test_registering_does_not_scrape() -> None:
    def never() -> Sample:
        raise AssertionError

    CollectorRegistry().register(Collector(Counters(1), list(REASONS), never))


def test_orders_of_which_only_the_action_differs_are_one_series_for_pages_and_handshakes() -> None:
    counters = Counters(1)
    was, now = HitLabels("f", "P", "order-1", "sinkhole"), HitLabels("f", "P", "order-1", "nxdomain")
    for slot, hits in ((1, 2), (2, 3)):
        for kind in range(3):
            for _ in range(hits):
                counters.row(0).hit(slot, kind)
    found = scrape(counters, lambda: Sample(hit_slots={was: 1, now: 2}))
    order = {"feed": "f", "platform": "P", "order": "order-1"}
    assert value(found, "blockd_hits_total", action="page", protocol="http", **order) == 5
    assert value(found, "blockd_hits_total", action="alert", protocol="tls", **order) == 5
    assert value(found, "blockd_hits_total", action="sinkhole", protocol="dns", **order) == 2
    assert value(found, "blockd_hits_total", action="nxdomain", protocol="dns", **order) == 3


def test_orders_without_a_slot_are_one_series_and_the_sum_is_right() -> None:
    counters = Counters(1)
    for slot in (0, 0, 0, 1):
        counters.row(0).hit(slot)
    found = scrape(counters, lambda: SAMPLE)
    other = {"feed": "", "platform": "", "order": "other"}
    assert value(found, "blockd_hits_total", action="other", protocol="dns", **other) == 3
    assert value(found, "blockd_hits_total", action="page", protocol="http", **other) == 0
    assert sum(count for (name, _), count in found.items() if name == "blockd_hits_total") == 4
