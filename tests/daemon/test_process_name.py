from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, until, write_list
from tests.places import ROOT

SCRIPT = (
    "import sys, pathlib\n"
    "from blockd.daemon.process_name import name_process\n"
    "name_process(sys.argv[1], sys.argv[2])\n"
    "own = pathlib.Path('/proc/self')\n"
    "print((own / 'comm').read_text().strip())\n"
    "print((own / 'cmdline').read_bytes().rstrip(b'\\0').decode())\n"
    "print(sys.argv[1])\n"
)


@pytest.mark.parametrize(
    ("role", "short", "name", "command"),
    [
        ("control", "", "blockd: control", "blockd: control"),
        ("worker 12", "w12", "blockd: w12", "blockd: worker 12"),
        ("supervisor", "", "blockd: supervi", "blockd: supervisor"),
    ],
)
def test_process_is_named_in_both_places(role: str, short: str, name: str, command: str) -> None:
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", SCRIPT, role, short], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == [name, command, role]


def test_every_process_of_a_daemon_says_which_it_is(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    with Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"}, fresh=True) as running:

        def names() -> set[str]:
            found = set()
            for pid in running.processes():
                try:
                    found.add(Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode())
                except OSError:  # it has just ended
                    continue
            return found

        workers = {f"blockd: worker {worker['index']}" for worker in running.status()["workers"]}
        wanted = {"blockd: supervisor", "blockd: page", "blockd: control", *workers}
        until(lambda: names() == wanted, "each process is named")
