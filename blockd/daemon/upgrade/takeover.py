"""An upgrade, in the program that has taken the place of another: its children serve beside those of that one.

As soon as they do, the others answer what has come to them, and end. If they do not, the program before is executed
again: its children have never stopped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from blockd import __version__
from blockd.daemon.processes.children import Child
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.reload.succession import BESIDE, SERVES, Succession
from blockd.daemon.reload.taking import roles_of
from blockd.daemon.reload.waits import LOOK, Steps, go_on, until
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, give_to_program
from blockd.daemon.upgrade.handover import Handover
from blockd.daemon.upgrade.record import UpgradeOutcome, UpgradeRecord
from blockd.errors import CommandError

log = logging.getLogger(__name__)


class Takeover:
    """Has the children of the program before leave; `tell` is called with the record as it begins and ends."""

    def __init__(
        self,
        handed: Handover | None,
        jobs: Jobs,
        family: Family,
        succession: Succession,
        tell: Callable[[UpgradeRecord], None],
    ) -> None:
        self._handed = handed
        self._jobs = jobs
        self._family = family
        self._succession = succession
        self._tell = tell
        self._begun = time.monotonic()
        self.is_taking = handed is not None  # whether the children of the program before are still needed
        self._steps: Steps[None] | None = None if handed is None else self._take(handed)

    @property
    def is_busy(self) -> bool:
        """Whether children of the program before may still run."""
        return self._steps is not None

    def seconds(self) -> float | None:
        """Return the seconds until `step` is to be called; None if nothing is to be done."""
        return LOOK if self.is_busy else None

    def step(self) -> None:
        """Go on as far as nothing has to be waited for; raises CommandError if the own children do not serve."""
        if self._steps is not None and not go_on(self._steps):
            self._steps = None

    def _take(self, handed: Handover) -> Steps[None]:
        self._tell(self._record(handed, "taking"))
        before = [child for child in self._family if child.standing == "leaving"]
        if not (yield from until(self._serves, SERVES)):
            raise CommandError(f"its processes did not begin to serve within {SERVES:.0f} seconds")
        yield from until(lambda: not self._serves(), BESIDE)
        handed.back = ()  # from now on nothing of it may be missing
        self._jobs.forget_handed()
        self._jobs.handed.clear()
        sockets = self._jobs.generation.shared.sockets
        leaving = {sock.fileno() for group in sockets.leaving.values() for sock in group}
        for child in before:
            if child.status is None:
                self._succession.leave(child, _going(handed, child, leaving))
        sockets.steer()
        self.is_taking = False
        self._say(handed)
        yield from self._succession.drained()
        sockets.close_leaving(leaving)

    def _serves(self) -> bool:
        """Return whether each process that enforces serves."""
        wanted = [role for role in roles_of(self._jobs.generation) if role.enforces]
        serving = [self._family.of(role) for role in wanted]
        return all(child is not None and child.enforcing is not None for child in serving)

    def _say(self, handed: Handover) -> None:
        by, failed = handed.request.get("by", ""), handed.request.get("failed", "")
        if failed:
            log.error("The upgrade to version %s failed: %s. Version %s goes on.", handed.version, failed, __version__)
        else:
            log.warning("Version %s has taken the place of version %s, as %s asked.", __version__, handed.version, by)
        self._tell(self._record(handed, "failed" if failed else "taken"))

    def _record(self, handed: Handover, outcome: UpgradeOutcome) -> UpgradeRecord:
        request, failed = handed.request, handed.request.get("failed", "")
        versions = (__version__, handed.version) if failed else (handed.version, __version__)
        return UpgradeRecord(
            request.get("id", ""), request.get("by", ""), request.get("reason", ""), request.get("program", ""), False,
            request.get("at", ""), outcome, *versions, (failed,) if failed else (),
            round(time.monotonic() - self._begun, 3),
        )  # fmt: skip


def go_back(handed: Handover, why: str, environment: Mapping[str, str]) -> None:
    """Execute the program before again, having ended what this one has started; raises OSError."""
    kept = {child.pid for child in handed.children}
    for pid in _children():
        if pid not in kept:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    told: Sequence[str] = handed.back
    give_to_program(CAP_NET_BIND_SERVICE)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # until the other one handles them
    replace(handed, version=__version__, back=(), request={**handed.request, "failed": why}).pass_on(told, environment)


def _children() -> list[int]:
    try:
        pid = os.getpid()
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except (OSError, ValueError):
        return []


def _going(handed: Handover, child: Child, leaving: set[int]) -> list[int]:
    """Return the sockets of a child, by descriptor, that it is to read empty since nobody else will."""
    if child.kind != "worker":
        return []
    own = [number for name, number in handed.sockets if name.endswith(f".{child.role.index}")]
    return [number for number in own if number in leaving]
