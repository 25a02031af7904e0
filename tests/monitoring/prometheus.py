"""A real Prometheus on loopback that scrapes a daemon, with the rules that are shipped."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.daemon.harness import free_port, request, until
from tests.places import ROOT

ALERTS = ROOT / "config" / "alerts.yml"
RECORDING = ROOT / "config" / "prometheus" / "recording.yml"
INTERVAL = "500ms"  # between two scrapes, and between two evaluations of the rules
WINDOW = 60  # seconds that a graph shows


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data that its API answers with; an error of the query is an AssertionError."""
        with request("GET", self.port, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as response:
            told: dict[str, Any] = json.loads(response.read())
        assert told["status"] == "success", f"{parameters}: {told.get('error')}"
        return told["data"]

    def values(self, expression: str, *, over_time: bool = False) -> list[float]:
        """Return the values of a query that are figures, now or over the time that a graph shows."""
        if not over_time:
            series = self.ask("query", query=expression)["result"]
            return [value for one in series if math.isfinite(value := float(one["value"][1]))]
        now = time.time()
        parameters = {"start": str(now - WINDOW), "end": str(now), "step": "1"}
        series = self.ask("query_range", query=expression, **parameters)["result"]
        return [value for one in series for _, text in one["values"] if math.isfinite(value := float(text))]

    def rules(self) -> dict[str, dict[str, Any]]:
        """Return its rules by name, with their health."""
        return {rule["name"]: rule for group in self.ask("rules")["groups"] for rule in group["rules"]}


@contextlib.contextmanager
def scraping(folder: Path, admin_port: int) -> Iterator[Prometheus]:
    """A Prometheus as docs/operator/monitoring-and-alarms.md sets it up, but that it scrapes more often."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on this machine (Debian: prometheus)")
    folder.mkdir()
    config = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": [str(ALERTS), str(RECORDING)],
        "scrape_configs": [{"job_name": "blockd", "static_configs": [{"targets": [f"127.0.0.1:{admin_port}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
    try:
        made = Prometheus(port)
        until(lambda: _is_ready(made, process, folder), "prometheus is ready")
        yield made
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
    with request("GET", prometheus.port, "/-/ready") as response:
        return response.status == 200
