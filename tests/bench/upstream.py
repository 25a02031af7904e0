"""The upstream of every server: knotd with a root zone in which every name has the same address."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import ask
from tests.bench.names import REAL
from tests.bench.programs import Daemon, ProgramFailed, find, free_port, pinned, run

START_TIME = 10.0  # seconds
_ZONE = f"""\
$ORIGIN .
$TTL 86400
@ SOA ns.upstream. hostmaster.upstream. 1 3600 600 86400 60
@ NS ns.upstream.
ns.upstream. A 127.0.0.1
* A {REAL}
"""


@contextlib.contextmanager
def upstream(folder: Path, core: int) -> Iterator[int]:
    """Serve until the end of the block, on one core; return the port of 127.0.0.1."""
    folder.mkdir()
    port = free_port()
    (folder / "root.zone").write_text(_ZONE, encoding="utf-8")
    config = folder / "knot.conf"
    config.write_text(
        f"""\
server:
  listen: 127.0.0.1@{port}
  rundir: "{folder}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}"
log:
  - target: stderr
    any: warning
zone:
  - domain: .
    storage: "{folder}"
    file: root.zone
    zonefile-sync: -1
    journal-content: none
""",
        encoding="utf-8",
    )
    daemon = Daemon(pinned(core, [find("knotd") or "knotd", "-c", str(config)]), folder / "log")
    try:
        deadline = time.monotonic() + START_TIME
        while ask(port, "name.example", 0.1) != REAL:
            daemon.check()
            if time.monotonic() > deadline:
                raise ProgramFailed(f"knotd gives no answers: {daemon.tail()}")
        _pin_threads(daemon.pid, core)
        yield port
    finally:
        daemon.stop()


def _pin_threads(pid: int, core: int) -> None:
    """Put all threads of a process on one core; knotd gives each of its own a core, whatever it was started on."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def version() -> str:
    """Return knotd's version."""
    return run([find("knotd") or "knotd", "--version"]).split()[-1]
