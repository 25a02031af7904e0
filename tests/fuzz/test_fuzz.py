"""A short run of the fuzzers, without sanitizers; `make fuzz` runs them for long, and with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.building import build_driver, compiler

PATIENCE = 900.0  # seconds; a busy machine may take long, another one needs 20
SHORT = (
    "--packets=40000",
    "--headers=200000",
    "--responses=40000",
    "--files=200",
    "--sessions=1000",
    "--requests=500",
    "--traffic=21000",
    "--seconds=300",
)


@pytest.mark.skipif(compiler() is None, reason="fuzzing needs a C compiler and Cython")
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    environment = build_driver(tmp_path)
    done = subprocess.run(  # noqa: S603 - our own run
        [sys.executable, "-P", "-m", "tests.fuzz.run", *SHORT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("questions of clients: 40,000: "), done.stdout
    assert "headers of front ends: 200,000: " in done.stdout, done.stdout
    assert "streams of HTTP: " in done.stdout, done.stdout
    assert "octets more in use at the end" in done.stdout, done.stdout
