"""The process that compiles, by itself."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from blockd.daemon.update.compile_child import Job
from blockd.ruleset import Gate
from tests.places import ROOT


@pytest.mark.parametrize("job", [b"", pickle.dumps(list(range(1000)))[:-7]])
def test_a_job_that_was_not_written_to_its_end_is_none(job: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blockd.daemon.update.compile_child"],
        cwd=ROOT,
        input=job,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_result_that_nobody_waits_for_any_more_is_dropped_in_silence(tmp_path: Path) -> None:
    job = Job([], tmp_path / "new.ruleset", Gate(), None, {}, {})
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "blockd.daemon.update.compile_child"],
            cwd=ROOT,
            input=pickle.dumps(job),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
