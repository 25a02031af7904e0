"""What each child of the supervisor is forked for, with all that it is given."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from blockd.daemon.channel import Channel
from blockd.daemon.contexts import (
    ControlContext,
    DecideContext,
    PageContext,
    ProcessState,
    WorkerContext,
)
from blockd.daemon.processes.children import CONTROL, DECIDE, PAGE, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.processes.verification import VersionCheck
from blockd.daemon.reload.generation import Generation
from blockd.daemon.reload.record import ReloadHistory
from blockd.daemon.worker import process as worker
from blockd.daemon.worker.caches import HandedCaches

# What each process but the workers needs, loaded once these have started, in this order.
CODE = {
    PAGE: "blockd.daemon.page.process",
    DECIDE: "blockd.daemon.decide.process",
    CONTROL: "blockd.daemon.control",
}
MOST_PASSED_ON = 256  # versions that a child may still be changing over to


@dataclass(slots=True)
class Jobs:
    """The jobs of one daemon; `generation` and `version` are those in force."""

    generation: Generation
    engine: str
    version: int | None = None
    passed_on: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_PASSED_ON))  # the versions, the newest last
    pulse: Pulse = field(default_factory=Pulse)  # of the supervisor, for the control process
    coming: Generation | None = None  # one that is about to take the place of that in force
    taken: set[Role] = field(default_factory=set)  # the roles that are filled by the coming one already
    handed: dict[Role, HandedCaches] = field(default_factory=dict)  # what a worker about to be forked begins with
    since: float = field(default_factory=time.time)  # in seconds since the epoch; a reload does not change it
    is_announced: bool = False  # whether a control process has announced the start-up
    has_begun: bool = False  # whether a control process was started

    def of(
        self,
        role: Role,
        row: int,
        family: Family,
        nursery: socket.socket | None,
        check: VersionCheck,
        restarts: Mapping[str, int],
        reloads: ReloadHistory,
    ) -> Callable[[Channel], None]:
        """Return what a child does; all but its role is for the control process."""
        made = self.generation_of(role)
        shared, certificates = made.shared, made.certificates
        if role.kind == "worker":
            work = WorkerContext(
                shared, role.index, row, self.engine, made.resolution, self.version, certificates, self.handed.get(role)
            )
            return lambda channel: worker.run(work, channel)
        if role == PAGE:
            page = PageContext(shared, row, self.version, certificates)
            return lambda channel: _run_page(page, channel)
        if role == DECIDE:
            decide = DecideContext(shared, row, self.version)
            return lambda channel: _run_decide(decide, channel)
        serving = [child for child in family if child.standing == "serving"]
        states = {child.role: ProcessState(child.pid, child.enforcing) for child in serving}
        control = ControlContext(
            shared,
            config=made.config,
            running=made.running,
            gate=made.gate,
            version=self.version,
            workers={role.index: state for role, state in states.items() if role.kind == "worker"},
            followers={role.kind: state for role, state in states.items() if role.follows},
            announce=not self.is_announced,
            restarted=self.has_begun,
            since=self.since,
            resolution=made.resolution,
            certificates=certificates,
            nursery=nursery,
            damaged=dict(check.damaged),
            unverified=dict(check.unverified),
            restarts=dict(restarts),
            reloads=reloads,
            supervisor=self.pulse,
        )
        self.has_begun = True
        return lambda channel: _run_control(control, channel)

    def forget_handed(self, role: Role | None = None) -> None:
        """In a child, close what others begin with: a cache in memory lasts as long as anybody has it open."""
        for other, handed in self.handed.items():
            if other != role:
                handed.close()

    @property
    def generations(self) -> list[Generation]:
        """Those by which any child serves."""
        return [self.generation, *([] if self.coming is None else [self.coming])]

    def generation_of(self, role: Role) -> Generation:
        """Return the one by which a child in a role is started now."""
        return self.coming if self.coming is not None and role in self.taken else self.generation

    def enforce(self, version: int | None) -> None:
        """Have later children start with a version, None for none; those that run are passed it on."""
        self.version = version
        if version is not None:
            self.passed_on.append(version)


def _run_page(context: PageContext, channel: Channel) -> None:
    """Run the page process; its code, which no worker needs, was imported once the workers had started."""
    from blockd.daemon.page import process

    process.run(context, channel)


def _run_decide(context: DecideContext, channel: Channel) -> None:
    """Run the process that decides for HTTP proxies; its code was imported with the page process's."""
    from blockd.daemon.decide import process

    process.run(context, channel)


def _run_control(context: ControlContext, channel: Channel) -> None:
    """Run the control process; its libraries, which no other child needs, were imported last."""
    from blockd.daemon import control

    control.run(context, channel)
