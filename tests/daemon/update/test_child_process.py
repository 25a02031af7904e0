"""What runs beside the workers gives way to them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.daemon.harness import Daemon, until, write_list
from tests.upstream import UpstreamSimulator


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_control_process_gives_way_to_workers_and_compiling_to_both(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    with Daemon(tmp_path, feed, upstream=resolver.address, fresh=True) as daemon:
        workers = [worker["pid"] for worker in daemon.status()["workers"]]
        control = daemon.control_pid()
        assert daemon.process is not None
        apart = {daemon.process.pid, control, *workers}
        until(lambda: set(daemon.processes()) - apart, "the process that will compile waits")
        (compiling,) = set(daemon.processes()) - apart
        own = niceness(daemon.process.pid)
        assert {niceness(worker) for worker in workers} == {own}
        assert niceness(control) == min(own + 5, 19)
        until(lambda: niceness(compiling) == min(own + 10, 19), "it gives way")
        # Another session would have a share of the core of its own, where the kernel makes groups of them.
        assert {os.getsid(pid) for pid in (compiling, control, *workers)} == {os.getsid(daemon.process.pid)}
        assert os.getpgid(compiling) == compiling
