"""The children that run: forking them, talking to them, and ending them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import time
from collections.abc import Callable, Hashable, Iterator

from blockd.daemon.channel import Channel, Message, pair
from blockd.daemon.processes import signals
from blockd.daemon.processes.children import CONTROL, Child, Role, Standing, be_child
from blockd.daemon.processes.outbox import Outbox
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.waiting import readable
from blockd.daemon.update.nursery import Nursery

STOP_TIME = 5.0  # seconds for children to answer pending questions before they are killed
KILL_TIME = 2.0  # seconds to wait for what was killed: one that waits for a disk ends only when that answers

log = logging.getLogger(__name__)


class Family:
    """The supervisor's children, by their pidfds and channels."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._children: dict[int, Child] = {}  # by pidfd
        self._outbox = Outbox()  # of what the control process is told

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    @property
    def watches(self) -> dict[int, Child]:
        """The children by the descriptors that become readable when they have ended."""
        return dict(self._children)

    @property
    def channels(self) -> dict[int, Child]:
        """The children that may still say something, by the descriptors of their channels."""
        return {child.channel.fileno(): child for child in self._children.values() if not child.is_done}

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [child.pid for child in self._children.values()]

    def of(self, role: Role) -> Child | None:
        """Return the child that serves in a role, if it runs; those that come or leave do not count."""
        return next((one for one in self._children.values() if one.role == role and one.standing == "serving"), None)

    @property
    def free_row(self) -> int:
        """The first row of the counters that no child has."""
        taken = {child.row for child in self._children.values()}
        return next(row for row in itertools.count() if row not in taken)

    def answers(self, workers: int) -> bool:
        """Return whether so many workers run, and each has said what it enforces: from then on it answers."""
        said = {child.role.index for child in self if child.kind == "worker" and child.enforcing is not None}
        return said.issuperset(range(workers))

    def fork(
        self,
        role: Role,
        job: Callable[[Channel], None],
        forget: Callable[[], None],
        standing: Standing = "serving",
        row: int | None = None,
    ) -> Child:
        """Fork a child that does a job; `forget` closes in it what only the supervisor needs. Raises OSError."""
        ours, theirs = pair()
        pulse, own = Pulse(), os.getpid()
        try:
            with signals.held():
                pid = os.fork()
                if pid == 0:
                    ours.close()
                    self.forget()
                    forget()
                    be_child(job, theirs, pulse, own)
            try:
                watch = os.pidfd_open(pid)
            except OSError:
                os.kill(pid, signal.SIGKILL)  # it has not been waited for: the number is its own
                self._reaper.status(pid)
                raise
        except OSError:
            ours.close()
            pulse.close()
            raise
        finally:
            theirs.close()
        if role == CONTROL:
            self._outbox = Outbox()  # it has begun with all that is known
        child = self._children[watch] = Child(role, pid, watch, ours, time.monotonic(), pulse)
        child.standing, child.row = standing, row
        return child

    def forget(self) -> None:
        """Close, in a child, what belongs to the others: a channel ends only when no process holds it."""
        for child in self._children.values():
            child.channel.close()
            child.pulse.close()
            os.close(child.watch)

    def bury(self, child: Child) -> int:
        """Forget a child that has ended; return its wait status."""
        del self._children[child.watch]
        status = child.status = self._reaper.status(child.pid)
        os.close(child.watch)
        if child.handed is not None:
            os.close(child.handed)
            child.handed = None
        child.channel.close()
        child.pulse.close()
        return status

    @property
    def writing(self) -> list[int]:
        """The descriptors to write to as soon as there is room."""
        control = self.of(CONTROL)
        return [control.channel.fileno()] if len(self._outbox) and control is not None else []

    def tell_control(self, message: Message, *key: Hashable) -> None:
        """Send a message to the control process; it is lost if that does not run.

        While that has no room, the last message of each key waits.
        """
        if self.of(CONTROL) is not None:
            self._outbox.put(key, message)
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        if len(self._outbox) and (control := self.of(CONTROL)) is not None:
            self._outbox.flush(control.channel)

    def end_all(self, nursery: Nursery) -> None:
        """End the children: they answer pending questions, and are killed if they take too long.

        Meanwhile `nursery` is served, since the control process ends its own children before it ends itself.
        """
        for child in self._children.values():
            child.send_signal(signal.SIGTERM)
        running = dict(self._children)
        deadline = time.monotonic() + STOP_TIME
        while running and (seconds := deadline - time.monotonic()) > 0:
            for number in readable([*running, *nursery.descriptors], seconds):
                if running.pop(number, None) is None:
                    nursery.handle(number)
        for child in running.values():
            log.warning("The %s process %d did not end in time and is killed.", child.name, child.pid)
            child.send_signal(signal.SIGKILL)
            if child.role == CONTROL:
                log.error(
                    "This stop is not in the audit log. The next start records there that blockd ended without a "
                    "record, and when it was last seen alive."
                )
        deadline = time.monotonic() + KILL_TIME
        for child in self._children.values():
            if readable([child.watch], max(0.0, deadline - time.monotonic())):
                with contextlib.suppress(ChildProcessError):
                    self._reaper.status(child.pid)
