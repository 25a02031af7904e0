from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.programs import find
from tests.bench.streams.__main__ import StreamRow, markdown

ROOT = Path(__file__).parents[2]
RUN_TIME = 300.0  # seconds
LACKING = [name for name in ("dnsperf", "knotd", "taskset") if find(name) is None]
CORES = sorted(os.sched_getaffinity(0))


@pytest.mark.skipif(bool(LACKING), reason=f"{', '.join(LACKING)} not on this machine (tests/bench/install-debian.sh)")
@pytest.mark.skipif(len(CORES) < 2, reason="a server and its load need a core each")
def test_the_quick_benchmark_gives_sane_figures_of_blockd_over_tcp_and_tls(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.bench.streams", "--quick", "--only", "blockd", "--transports", "tcp,dot"]
    command += ["--json", str(figures), "--server-core", str(CORES[0]), "--load-core", str(CORES[1])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIME, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    tcp, dot = json.loads(figures.read_text(encoding="utf-8"))
    for row in (tcp, dot):
        assert row["costs"].keys() == {"blocked", "cached", "missed"}
        assert all(0 < cost < 10_000 for cost in row["costs"].values())
        p50, p99, p999 = row["percentiles"]
        assert 0 < p50 <= p99 <= p999
    assert all(0 < rate < 100_000 for rate in dot["handshakes"].values())
    assert 0 < dot["resumed"] <= 1
    assert tcp["handshakes"] == {}


def test_the_table_shows_what_was_measured_and_what_is_broken() -> None:
    whole = StreamRow("blockd", "1", "dot", {"blocked": 9.0}, {}, (1.0, 2.0, 3.0), {"full": 2500.0}, 0.5, 14.2)
    text = markdown([whole, StreamRow("unbound", "2", "doh", problem="silence")], {"kresd": "kresd"})
    lines = text.splitlines()
    assert lines[2] == "| blockd | dot | 9.0 | - | - | 1.00 / 2.00 / 3.00 | 2,500 | - | 14.2 |"
    assert lines[3] == "| unbound | doh | - | - | - | - | - | - | - |"
    assert "* unbound 2, doh, is broken: silence" in lines
    assert "* blockd resumed 50% of the sessions that it was to resume." in lines
    assert "* kresd is skipped: this machine has no kresd." in lines
