"""What a reload has done by children before it changes anything: the config is checked, and tried by a canary."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from blockd.daemon.channel import Channel, discard
from blockd.daemon.contexts import WorkerContext
from blockd.daemon.processes.children import Child, Role, its_end
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.reload import canary
from blockd.daemon.reload.checking import PATIENCE, CheckedConfig, ConfigCheck
from blockd.daemon.reload.generation import Generation
from blockd.daemon.reload.waits import Steps, ended, until
from blockd.daemon.worker import process as worker

CHECKER, CANARY, TESTER = Role("checker"), Role("canary"), Role("tester")

Fork = Callable[[Role, Callable[[Channel], None], int | None], Child]
"""Forks a child for one task, which has a row of the counters or none; raises OSError."""


class Trying:
    """Forks such children by `fork`; `row` returns a row of the counters that no child has."""

    def __init__(self, jobs: Jobs, fork: Fork, row: Callable[[], int]) -> None:
        self._jobs = jobs
        self._fork = fork
        self._row = row

    def checked(self, generation: Generation) -> Steps[CheckedConfig]:
        """Have the config read and checked anew."""
        child = self._fork(CHECKER, ConfigCheck(generation).run, None)
        in_time = yield from ended(child, PATIENCE)
        try:
            return CheckedConfig.of(child.said)
        except ValueError:
            why = its_end(child.status) if in_time else f"took more than {PATIENCE:.0f} seconds; a file does not answer"
            return CheckedConfig((f"the process that reads the config and its files {why}",))

    def tried(self, made: Generation, before: Generation) -> Steps[str]:
        """Have a worker by a new generation tried on sockets of its own; return what is wrong, empty if nothing is."""
        shared, address = canary.private(made.shared)
        tried = asking = None
        try:
            row, version = self._row(), self._jobs.version
            work = WorkerContext(shared, 0, row, self._jobs.engine, made.resolution, version, made.certificates)
            tried = self._fork(CANARY, lambda channel: worker.run(work, channel, CANARY.kind), row)
            answer = canary.do_answer(shared.upstreams, before.resolution, time.time())
            test = canary.CanaryTest(shared, version, address, answer)
            asking = self._fork(TESTER, test.run, None)
            yield from until(lambda: asking.status is not None or tried.status is not None, 2 * canary.PATIENCE)
            return _found(tried, asking)
        finally:
            for child in (tried, asking):
                if child is not None and child.status is None:
                    child.send_signal(signal.SIGKILL)
            shared.sockets.close()


def _found(tried: Child, asking: Child) -> str:
    """Return what the two have said in the end."""
    if tried.status is not None:
        return f"it {its_end(tried.status, tried.last_reason)}"
    for message in asking.said:
        discard(message)
        if "passed" in message:
            return ""
        if "failed" in message:
            return str(message["failed"]).removesuffix(".")
    if asking.status is None:
        return f"its test took more than {2 * canary.PATIENCE:.0f} seconds"
    return f"the process that tests it {its_end(asking.status)}"
