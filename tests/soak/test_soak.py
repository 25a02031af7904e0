from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.load import compiler
from tests.places import ROOT
from tests.soak.__main__ import Report
from tests.soak.faults import Course

RUN_TIME = 300.0  # seconds
FAULTS = "kill -9 of a worker", "kill -9 of control", "a list that is none"


@pytest.mark.skipif(compiler() is None, reason="no C compiler")
def test_a_short_run_loses_nothing_and_is_whole_after_each_fault(tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    command = [sys.executable, "-m", "tests.soak", "--seconds", "8", "--pause", "1", "--rate", "100", "--lost", "15"]
    command += ["--faults", ",".join(FAULTS), "--json", str(seen)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_TIME, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(seen.read_text(encoding="utf-8"))
    assert told["failures"] == []
    assert told["courses"]
    assert told["figures"]["questions with one right answer"] > 0
    assert told["figures"]["wrong"] == 0
    assert told["memory"]


def test_report_has_a_line_for_each_fault_and_each_failure() -> None:
    report = Report({"kill": [Course(None, 0.1, 0.5), Course(None, 0.2, 0.4)], "stop": [Course(9.0, 1.0, 15.0)]})
    report.failures.append("memory has grown")
    text = report.markdown()
    assert "| kill | 2 | - | 0.20 | 0.5 |" in text
    assert "| stop | 1 | 9.0 | 1.00 | 15.0 |" in text
    assert "FAILED: memory has grown" in text
