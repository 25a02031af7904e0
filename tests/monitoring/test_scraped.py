"""What a real Prometheus makes of a daemon that is busy: every panel and every rule has figures."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import pytest

from tests.daemon.authorities import Authorities
from tests.daemon.harness import Daemon, free_port, put, request, until, write_list
from tests.monitoring import dashboard
from tests.monitoring.prometheus import Prometheus, scraping
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

NAME = "dns.example"
LISTED = "telecom.example"  # by an order
PAUSE = 0.02  # seconds between two rounds of traffic: some hundred questions a second
PATIENCE = 60.0


@dataclass(frozen=True)
class Busy:
    """A daemon, the Prometheus that scrapes it, and who signs its orders."""

    daemon: Daemon
    prometheus: Prometheus
    authorities: Authorities


class Traffic(threading.Thread):
    """Clients of every kind, until they are told to stop."""

    def __init__(self, daemon: Daemon, dot: int) -> None:
        super().__init__(name="traffic")
        self._daemon = daemon
        self._dot = dot
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._stopped = threading.Event()

    def run(self) -> None:
        """Ask what is listed, cached, missing and failing, over every transport."""
        count = 0
        while not self._stopped.wait(PAUSE):
            count += 1
            with contextlib.suppress(OSError, dns.exception.DNSException):
                for name in (LISTED, "listed.example", "known.example", f"n{count}.example"):
                    self._daemon.ask(name)
                self._daemon.ask("known.example", tcp=True)
                dns.query.tls(
                    dns.message.make_query("known.example", "A"),
                    "127.0.0.1",
                    timeout=5,
                    port=self._dot,
                    ssl_context=self._context,
                )
                with request("GET", self._daemon.http_port, "/", {"Host": LISTED}) as response:
                    response.read()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self.join()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    folder = tmp_path_factory.mktemp("monitoring")
    authorities = Authorities(folder / "authorities")
    authorities.order("telecom", "telecom-1", [LISTED])
    authorities.publish()
    write_list(folder / "list", ["listed.example"])
    chain, key = certificate(NAME)
    put(folder / "key.pem", key)
    put(folder / "chain.pem", chain)
    with UpstreamSimulator() as upstream:
        upstream.plan("known.example", "A", "known.example. 300 IN A 192.0.2.9")
        feeds = authorities.feed(), {"name": "list", "type": "domains", "path": str(folder / "list")}
        certificates = [{"chain": str(folder / "chain.pem"), "key": str(folder / "key.pem")}]
        daemon = Daemon(folder / "daemon", *feeds, upstream=upstream.address, certificates=certificates)
        dot = free_port()
        daemon.listen["dot"] = [f"127.0.0.1:{dot}"]
        with daemon, scraping(folder / "prometheus", daemon.admin_port) as prometheus:
            until(daemon.is_ready, "it enforces")
            traffic = Traffic(daemon, dot)
            traffic.start()
            try:
                until(lambda: prometheus.values("rate(blockd_queries_total[5s]) > 0"), "it is scraped", PATIENCE)
                # A series of orders begins at the first scrape: what is imposed and lifted then is an increase.
                authorities.order("telecom", "telecom-2", ["second.example"])
                authorities.publish()
                until(lambda: daemon.ask("second.example").addresses, "the second order is enforced", PATIENCE)
                authorities.lift("telecom", "telecom-2")
                authorities.publish()
                until(lambda: not daemon.ask("second.example").addresses, "it is lifted", PATIENCE)
                yield Busy(daemon, prometheus, authorities)
            finally:
                traffic.stop()


def test_prometheus_takes_the_shipped_rules_and_finds_no_fault_in_them(busy: Busy) -> None:
    until(lambda: all(rule["health"] == "ok" for rule in busy.prometheus.rules().values()), "all rules are evaluated")
    rules = busy.prometheus.rules()
    assert {rule["type"] for rule in rules.values()} == {"alerting", "recording"}
    assert not [rule for rule in rules.values() if rule.get("lastError")]


def test_every_recording_rule_gives_figures_while_traffic_runs(busy: Busy) -> None:
    recorded = [name for name, rule in busy.prometheus.rules().items() if rule["type"] == "recording"]
    assert recorded
    for name in recorded:
        until(lambda name=name: busy.prometheus.values(name), f"{name} has figures", PATIENCE)  # type: ignore[misc]


@pytest.mark.parametrize("query", list(dashboard.queries()), ids=str)
def test_every_panels_query_gives_figures_while_traffic_runs(busy: Busy, query: dashboard.Query) -> None:
    until(
        lambda: busy.prometheus.values(query.expression, over_time=query.is_over_time),
        f"{query} has figures",
        PATIENCE,
    )


@pytest.mark.parametrize(
    ("panel", "least"),
    [
        ("Questions by transport", 10.0),
        ("Orders with most hits", 1.0),
        ("From order to enforcement", 0.001),
        ("Share answered from the cache", 0.01),
        ("Names enforced", 2.0),
    ],
)
def test_figures_of_a_panel_are_those_of_the_traffic(busy: Busy, panel: str, least: float) -> None:
    [query] = [query for query in dashboard.queries() if query.panel == panel]
    until(
        lambda: max(busy.prometheus.values(query.expression, over_time=query.is_over_time), default=0.0) >= least,
        f"{panel} shows at least {least}",
        PATIENCE,
    )


def test_the_list_of_nodes_and_new_versions_are_asked_well(busy: Busy) -> None:
    made = dashboard.read()
    [nodes] = [one for one in made["templating"]["list"] if one["name"] == "instance"]
    assert nodes["query"]["query"] == nodes["definition"] == "label_values(blockd_build_info, instance)"
    told = busy.prometheus.ask("label/instance/values", **{"match[]": "blockd_build_info"})
    assert told == [f"127.0.0.1:{busy.daemon.admin_port}"]
    [annotation] = made["annotations"]["list"]
    assert busy.prometheus.values(dashboard.filled(annotation["expr"]), over_time=True)


def test_no_alert_fires_of_a_daemon_that_is_well(busy: Busy) -> None:
    firing = busy.prometheus.values('ALERTS{alertname=~"Blockd.+", severity="critical"}')
    assert firing == []
