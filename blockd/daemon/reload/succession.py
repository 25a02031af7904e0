"""One process after the other takes the place of another, which goes on until its successor serves.

A worker, or a process that follows workers, serves beside its successor for a moment: both have the same sockets. The
control process is the only one that writes the state folder, so that it ends first; whoever asks it meanwhile waits.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence

from blockd.daemon.processes.children import CONTROL, Child, Role, Standing, its_end
from blockd.daemon.processes.family import Family
from blockd.daemon.reload.waits import Steps, ended, until

SERVES = 60.0  # seconds for a successor to begin to serve: opening millions of names may take some
LEAVES = 35.0  # seconds for a process to answer what is pending, and to end: more than it takes itself
BESIDE = 0.2  # seconds for which both answer: the start has used up what the kernel's scheduler allows a new process
NEXT = 1.0  # seconds to wait for one that leaves before the next one is replaced, so that not all hold memory at once

log = logging.getLogger(__name__)


class SuccessionError(Exception):
    """A successor does not serve; says why as a sentence without its end."""


class Succession:
    """Replaces the children of `family`; `start` forks one for a role, and returns None if that fails."""

    def __init__(self, family: Family, start: Callable[[Role, Standing], Child | None]) -> None:
        self._family = family
        self._start = start

    def replace(self, role: Role, serves: Callable[[Child, Child | None], None]) -> Steps[None]:
        """Have a new process serve in a role, which may be empty.

        `serves` is called with it and with the one before as soon as it does: that one is to `leave`.
        Raises SuccessionError; then who served in the role still does, or is started again as after any end.
        """
        if role == CONTROL:
            yield from self._replace_control()
            return
        successor = self._start(role, "coming")
        if successor is None:
            raise SuccessionError(f"the {role.name} process cannot be started")
        yield from until(lambda: successor.enforcing is not None or successor.status is not None, SERVES)
        if successor.enforcing is not None and self._family.of(role) is not None:
            yield from until(lambda: successor.status is not None, BESIDE)
        if successor.status is not None or successor.enforcing is None:
            raise SuccessionError(self._failure(successor))
        before = self._family.of(role)
        successor.standing = "serving"
        serves(successor, before)
        if before is not None and before.standing == "leaving":
            yield from until(lambda: before.status is not None, NEXT)

    def leave(self, child: Child, going: Sequence[int] = ()) -> None:
        """Have a child answer what is pending, and end; nothing is heard of it any more.

        The sockets at the descriptors `going` are closed afterwards: it reads them empty first.
        """
        child.standing = "leaving"
        child.channel.send({"drain": True, "empty": list(going)})

    def drained(self) -> Steps[None]:
        """Wait for all that leave; who takes too long is killed."""
        leaving = [child for child in self._family if child.standing == "leaving"]
        if (yield from until(lambda: all(child.status is not None for child in leaving), LEAVES)):
            return
        for child in leaving:
            if child.status is None:
                log.warning("The %s process %d did not end in time and is killed.", child.name, child.pid)
                child.send_signal(signal.SIGKILL)

    def _replace_control(self) -> Steps[None]:
        before = self._family.of(CONTROL)
        if before is not None:
            self.leave(before)
            yield from ended(before, LEAVES)
        successor = self._start(CONTROL, "serving")
        if successor is None:
            return  # it is tried again, as after any end
        yield from until(lambda: successor.is_ready or successor.status is not None, SERVES)
        if not successor.is_ready:
            raise SuccessionError(self._failure(successor))

    def _failure(self, successor: Child) -> str:
        """Say why a successor does not serve, and end it."""
        if successor.status is None:
            successor.send_signal(signal.SIGKILL)
            return f"the new {successor.name} process did not begin to serve within {SERVES:.0f} seconds"
        return f"the new {successor.name} process {its_end(successor.status, successor.reason)}"
