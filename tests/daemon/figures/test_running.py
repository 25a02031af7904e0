"""Figures of a running daemon: asked over the admin API, kept over restarts, told as events, and of no client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.harness import Daemon, content_of, everywhere, request, until
from tests.daemon.publisher import Publisher
from tests.upstream import Fault, UpstreamSimulator

CLIENT = "127.0.0.88"
SINKHOLE = ["127.0.0.1"]


@pytest.fixture
def daemon(tmp_path: Path, publisher: Publisher, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    with Daemon(tmp_path / "daemon", publisher.feed(), upstream=resolver.address) as running:
        yield running


def figure(daemon: Daemon, path: str) -> dict[str, Any]:
    status, body = daemon.get(f"/api/v1/{path}")
    assert status == 200, body
    told: dict[str, Any] = json.loads(body)
    return told


def blocks(daemon: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = figure(daemon, "blocks/recent")["blocks"]
    return found


def hits(daemon: Daemon, span: str = "1h") -> int:
    return int(figure(daemon, f"hits?span={span}")["total"])


def test_blocks_are_told_by_entry_with_how_they_were_asked_for(daemon: Daemon) -> None:
    for _ in range(3):
        assert daemon.ask("www.sub.listed.example", source=CLIENT).addresses == SINKHOLE
    daemon.ask("listed.example", tcp=True)
    with request("GET", daemon.http_port, "/", {"Host": "shop.listed.example"}) as response:
        assert response.status == 451
    until(lambda: {one["via"] for one in blocks(daemon)} == {"udp", "tcp", "http"}, "each is told")
    told = {one["via"]: one for one in blocks(daemon)}
    assert {one["name"] for one in told.values()} == {"listed.example"}, "never what was asked for"
    assert told["udp"]["count"] == 3
    assert (told["udp"]["order"], told["udp"]["feed"], told["udp"]["action"]) == ("order-1", "ministry", "sinkhole")
    assert told["udp"]["authority"] == "Sample Authority"


def test_overview_duty_timeline_and_hits_follow_an_order(publisher: Publisher, daemon: Daemon) -> None:
    assert figure(daemon, "overview")["level"] in ("ok", "attention")
    assert figure(daemon, "hits?span=1d")["without_hit"] == ["ministry/order-1"]
    publisher.order("order-2", ["open-3.example"])
    publisher.publish()
    everywhere(lambda: daemon.ask("open-3.example").addresses == SINKHOLE, "the order is enforced")
    publisher.lift("order-2", datetime.now(UTC))
    publisher.publish()
    everywhere(lambda: daemon.ask("open-3.example").rcode == "NOERROR", "the order is lifted")
    until(lambda: figure(daemon, "duty")["lifted"]["count"] == 1, "both are counted")
    duty = figure(daemon, "duty")
    assert duty["deadline"] == 86400
    assert duty["imposed"]["count"] >= 1
    assert duty["recent"][0]["order"] == "order-2"
    assert duty["recent"][0]["change"] == "lifted"
    events = figure(daemon, "timeline")["events"]
    assert [event["order"] for event in events if event["kind"] == "order"][:2] == ["order-2", "order-2"]
    assert {"version", "order", "restart"} <= {event["kind"] for event in events}
    until(lambda: "ministry/order-2" in {row["key"] for row in figure(daemon, "hits?span=1h")["rows"]}, "it was hit")
    by = figure(daemon, "hits?span=13mo&by=authority")
    assert [row["key"] for row in by["rows"]] == ["Sample Authority"]


def test_history_survives_a_restart_and_the_death_of_the_control_process(daemon: Daemon) -> None:
    for _ in range(5):
        daemon.ask("listed.example")
    until(lambda: hits(daemon) == 5, "they are counted")
    daemon.ask("listed.example")
    os.kill(daemon.control_pid(), signal.SIGKILL)
    until(lambda: daemon.get("/api/v1/overview")[0] == 200, "the admin socket is served again")
    until(lambda: hits(daemon) == 6, "nothing is lost or counted twice")
    daemon.ask("listed.example")
    daemon.stop()
    daemon.start()
    until(lambda: hits(daemon) == 7, "it is in the file")
    daemon.ask("listed.example")
    until(lambda: hits(daemon, "13mo") == 8, "and counts on")
    assert any(rate for rate in figure(daemon, "series?names=blocked")["series"]["blocked"])


def test_a_damaged_history_is_begun_anew_and_told(daemon: Daemon) -> None:
    daemon.ask("listed.example")
    until(lambda: hits(daemon) == 1, "it is counted")
    daemon.stop()
    path = daemon.state_dir / "figures.db"
    path.write_bytes(b"damaged" * 1000)
    daemon.start()
    daemon.ask("listed.example")
    until(lambda: hits(daemon) == 1, "what comes is counted")
    assert (daemon.state_dir / "figures.db.damaged").exists()
    assert "BlockdHistoryFailed" in [alarm["name"] for alarm in daemon.status()["alarms"]]
    assert daemon.metric("blockd_history_failing") == 1
    assert figure(daemon, "overview")["level"] == "attention"


def test_names_that_fail_are_told_with_why_and_until(daemon: Daemon, resolver: UpstreamSimulator) -> None:
    resolver.faults = {Fault.MALFORMED}
    assert daemon.ask("broken.example").rcode == "SERVFAIL"
    resolver.faults = set()
    (failing,) = figure(daemon, "resolver")["failing_names"]
    assert (failing["name"], failing["type"], failing["upstream"]) == ("broken.example", "A", ".")
    assert failing["why"]
    assert failing["until"] > datetime.now(UTC).isoformat()[:10]
    assert figure(daemon, "resolver")["silent"] == []


def test_an_override_ends_soon_and_the_lookup_says_what_to_tell_a_caller(daemon: Daemon) -> None:
    ends = datetime.fromtimestamp(time.time() + 5 * 86400, UTC).date().isoformat()
    asked = {"name": "listed.example", "reason": "wrong name", "until": ends}
    status, told = daemon.post("/api/override", {"add": asked})
    assert status == 200, told
    until(lambda: any(item["kind"] == "override" for item in figure(daemon, "ending")["items"]), "it is told")
    (item,) = [item for item in figure(daemon, "ending")["items"] if item["kind"] == "override"]
    assert item["what"] == "listed.example"
    assert 3 * 86400 < item["in"] <= 5 * 86400
    assert daemon.lookup("listed.example")["help_desk"]["en"].startswith("listed.example is let through here")
    assert daemon.lookup("other.example")["help_desk"]["id"].startswith("other.example tidak diblokir di sini.")


def test_events_tell_rates_blocks_versions_and_feeds_as_they_happen(publisher: Publisher, daemon: Daemon) -> None:
    with daemon.by_socket("GET", "/api/v1/events", {"Accept": "text/event-stream"}) as response:
        assert response.status == 200
        daemon.ask("listed.example")
        seen: dict[str, Any] = {}
        while not {"series", "blocks", "overview"} <= set(seen):
            kind, data = next_event(response)
            if kind:
                seen[kind] = data
        assert seen["blocks"]["blocks"][0]["name"] == "listed.example"
        assert set(seen["series"]["series"]) >= {"queries", "blocked", "udp"}
        publisher.order("order-2", ["open-3.example"])
        publisher.publish()
        daemon.refresh()
        version = daemon.status()["ruleset"]["version"]
        while seen.get("versions") != {"version": version, "pinned": None} or "feeds" not in seen:
            kind, data = next_event(response)
            if kind:
                seen[kind] = data
        assert seen["feeds"] == {"feeds": ["ministry"]}


def next_event(response: http.client.HTTPResponse) -> tuple[str, Any]:
    kind, data = "", None
    while line := response.readline().decode().rstrip("\r\n"):
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data = json.loads(value)
    return kind, data


def test_no_figure_and_no_file_tells_of_a_client_or_of_what_was_asked_for(daemon: Daemon) -> None:
    for name in ("www.asked-for.listed.example", "open-1.example", "asked-for.example"):
        daemon.ask(name, source=CLIENT)
    with request("GET", daemon.http_port, "/asked-for", {"Host": "asked-for.listed.example"}) as response:
        assert response.status == 451
    with suppress(ssl.SSLError, OSError):
        ssl.create_default_context().wrap_socket(
            socket.create_connection(("127.0.0.1", daemon.tls_port), 10),
            server_hostname="asked-for.listed.example",
        )
    until(lambda: hits(daemon) >= 2, "it is counted")
    paths = ("overview", "blocks/recent", "timeline", "series", "duty", "hits", "resolver", "ending")
    told = {path: json.dumps(figure(daemon, path)).encode() for path in paths}
    assert b"listed.example" in told["blocks/recent"]
    daemon.stop()
    kept = {str(path): content for path, content in content_of(daemon.state_dir).items()}
    assert any("figures.db" in path for path in kept)
    for where, octets in {**told, **kept}.items():
        assert b"asked-for" not in octets, where
        assert CLIENT.encode() not in octets, where
    assert b"listed.example" not in kept[str(daemon.state_dir / "figures.db")], "orders are kept, and no names"
    daemon.start()
