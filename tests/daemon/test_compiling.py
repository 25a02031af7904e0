"""The process that compiles, by itself."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from tests.daemon.harness import ROOT


@pytest.mark.parametrize("job", [b"", pickle.dumps(list(range(1000)))[:-7]])
def test_a_job_that_was_not_written_to_its_end_is_none(job: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blockd.daemon.compiling"],
        cwd=ROOT,
        input=job,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
