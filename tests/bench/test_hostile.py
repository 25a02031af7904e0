from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.hostile.__main__ import markdown
from tests.bench.load import compiler
from tests.bench.programs import find

ROOT = Path(__file__).parents[2]
RUN_TIME = 120.0  # seconds
CORES = sorted(os.sched_getaffinity(0))


@pytest.mark.skipif(compiler() is None or find("taskset") is None, reason="no C compiler, or no taskset")
@pytest.mark.skipif(len(CORES) < 2, reason="a server and its load need a core each")
def test_a_short_trial_gives_the_figures_of_blockd_and_the_floor(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench.hostile",
        "--seconds",
        "1",
        "--only",
        "blockd",
        "--json",
        str(figures),
    ]
    command += ["--trials", "servfail", "--server-core", str(CORES[0]), "--load-core", str(CORES[1])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIME, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    floor, blockd = json.loads(figures.read_text(encoding="utf-8")).values()
    assert float(floor["failing µs"]) > 0
    assert set(blockd) == {"SERVFAIL: lost", "SERVFAIL: p99 ms", "SERVFAIL: failing µs"}


def test_the_table_has_a_line_for_each_figure_and_a_column_for_each_server() -> None:
    text = markdown({"blockd 1": {"lost": "0 %", "µs": "5"}, "named 9": {"µs": "7"}})
    assert text.splitlines()[0] == "|  | blockd 1 | named 9 |"
    assert text.splitlines()[2:] == ["| lost | 0 % | - |", "| µs | 5 | 7 |"]
