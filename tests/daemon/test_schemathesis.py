"""Schemathesis asks a running daemon what its OpenAPI document allows, and what it does not, and finds nothing.

A few requests of each kind by default; with BLOCKD_LONG=1, as `make api-fuzz` has it, hundreds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blockd.web.callers.caller import AccessRole
from blockd.web.callers.tokens import FILE, MODE, AccessToken, digest_of, file_of
from tests.daemon.harness import Daemon, write_list
from tests.effort import tries
from tests.places import ROOT

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIG = ROOT / "tests" / "daemon" / "schemathesis.toml"
EXAMPLES = tries(4, 300)  # requests for each operation, beside those that cover each constraint
SECONDS = tries(240, 3600)
PATIENCE = 150  # seconds for an answer: an upgrade is told once the program has tried itself
ENDLESS = "/api/v1/events"  # a stream has no end that a client could wait for
LEFT_OUT = "ignored_auth"  # it sends a wrong token for each operation, and after ten of them is told to wait (429)


@pytest.mark.skipif(not PROGRAM.exists(), reason="Schemathesis is not installed")
def test_no_request_finds_an_answer_that_the_document_does_not_describe(tmp_path: Path) -> None:
    listed = tmp_path / "national.txt"
    write_list(listed, ["a.example", "b.example"])
    with Daemon(tmp_path, {"name": "national", "type": "domains", "path": str(listed)}) as daemon:
        token = "blockd_" + "5ec7e7" * 8
        kept = AccessToken("schemathesis", AccessRole.OPERATOR, digest_of(token), 0.0)
        written = tmp_path / FILE
        written.write_bytes(file_of([kept]))
        written.chmod(MODE)
        written.replace(daemon.state_dir / FILE)
        arguments: list[str | Path] = [
            PROGRAM, "--config-file", CONFIG, "run", f"http://127.0.0.1:{daemon.admin_port}/api/v1/openapi.json",
            "--header", f"Authorization: Bearer {token}", "--exclude-path", ENDLESS,
            "--checks", "all", "--exclude-checks", LEFT_OUT, "--max-examples", str(EXAMPLES),
            "--seed", "1", "--continue-on-failure", "--request-timeout", str(PATIENCE),
        ]  # fmt: skip
        found = subprocess.run(  # noqa: S603 - its arguments are these
            arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stdout
        asked = re.search(r"(\d+) generated", found.stdout)
        assert asked is not None
        assert int(asked[1]) > 300, found.stdout
        daemon.assert_no_fault()
        assert daemon.is_ready()
    shutil.rmtree(tmp_path / "schemathesis-report", ignore_errors=True)
