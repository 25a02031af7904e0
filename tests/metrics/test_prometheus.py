"""Prometheus itself reads what a scrape gives: its tool has no objection, and the server takes every sample."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from blockd.feeds.reasons import REASONS
from blockd.metrics import AuthoritySample, Collector, Counters, FeedSample, HitLabels, Sample

PATIENCE = 60.0  # seconds for a start of Prometheus and its first scrape, on a busy machine
SAMPLE = Sample(
    version="7",
    digest="ab" * 32,
    build="1.0",
    feeds={"ministry": FeedSample(1.5, 60.0, {"cut": 2}, authorities={"telecom": AuthoritySample(-5.0, True)})},
    hit_slots={  # an order under each action that it had, and one whose texts need to be escaped
        HitLabels("ministry", "Telegram", "order-1", "sinkhole"): 1,
        HitLabels("ministry", "Telegram", "order-1", "nxdomain"): 2,
        HitLabels("other", 'quo"te\\\n', "other", "other"): 3,
    },
)


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine (Debian: prometheus)")
    return found


def scraped() -> bytes:
    counters = Counters(1)
    for slot in range(4):
        for kind in range(3):
            for _ in range(slot + 1):
                counters.row(0).hit(slot, kind)
    registry = CollectorRegistry()
    registry.register(Collector(counters, list(REASONS), lambda: SAMPLE))
    return generate_latest(registry)


def test_promtool_finds_nothing_to_object_to() -> None:
    command = [needed("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=scraped(), capture_output=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = scraped()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:  # the base has `format` first
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def query(tmp_path: Path, target: int) -> Iterator[Callable[[str], list[dict[str, object]]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "scrape_configs": [{"job_name": "blockd", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
            }
        ),
        encoding="ascii",
    )
    program = needed("prometheus")
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)  # noqa: S603

    def asked(text: str) -> list[dict[str, object]]:
        url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(text)}"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                    if found := json.load(response)["data"]["result"]:
                        return list(found)
            except OSError:
                continue
        raise AssertionError((tmp_path / "log").read_text(encoding="utf-8"))

    try:
        yield asked
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_prometheus_takes_every_sample(query: Callable[[str], list[dict[str, object]]], tmp_path: Path) -> None:
    [samples] = query("scrape_samples_scraped > 0")
    lines = [line for line in scraped().decode().splitlines() if line and not line.startswith("#")]
    assert samples["value"][1] == str(len(lines))  # type: ignore[index]
    [pages] = query('blockd_hits_total{order="order-1",action="page"}')
    assert pages["value"][1] == "5"  # type: ignore[index]
    [total] = query("sum(blockd_hits_total)")
    assert total["value"][1] == str(3 * (1 + 2 + 3 + 4))  # type: ignore[index]
    [other] = query('blockd_hits_total{feed="",order="other",protocol="dns"}')
    assert other["value"][1] == "1"  # type: ignore[index]
    assert "duplicate" not in (tmp_path / "log").read_text(encoding="utf-8").lower()
