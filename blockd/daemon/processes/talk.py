"""What the supervisor's children say, and what of it is passed on to whom; see `blockd.daemon.channel`."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable

from blockd.daemon.certificates.relay import pass_on
from blockd.daemon.channel import DESCRIPTOR, Message, discard
from blockd.daemon.notify.service import ServiceNotices
from blockd.daemon.processes.children import CONTROL, Child, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.heard import fault_in, from_child
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.processes.suspicion import Suspicion
from blockd.daemon.processes.verification import VersionCheck
from blockd.daemon.reload.record import ReloadRequest
from blockd.daemon.state_dir import StateDir
from blockd.daemon.upgrade.record import UpgradeRequest
from blockd.errors import RulesetError
from blockd.resolver.machine.observation import Observation

_HEXADECIMAL = re.compile("(?:[0-9a-f]{2})*")
MOST_SAID = 64  # messages kept of a child that was forked for one task

log = logging.getLogger(__name__)


class Talk:
    """What is said and passed on between the children of `family`; `service` hears what is for the service manager."""

    def __init__(
        self,
        jobs: Jobs,
        family: Family,
        state: StateDir,
        check: VersionCheck,
        suspicion: Suspicion,
        service: ServiceNotices,
        reload: Callable[[ReloadRequest], None],
        upgrade: Callable[[UpgradeRequest], None],
    ) -> None:
        self._service = service
        self._jobs = jobs
        self._family = family
        self._state = state
        self._check = check
        self._suspicion = suspicion
        self._reload = reload
        self._upgrade = upgrade

    def receive(self, child: Child) -> None:
        """Take what a child has said."""
        if child.kind == "verifier":
            self._check.receive(child)
            return
        if child.role.is_passing:
            self._hear_passing(child)
            return
        if child.is_done and child.role != CONTROL:
            return
        messages = child.channel.receive()
        if messages is None:
            child.is_done = True  # its end is seen by its pidfd
        for message in messages or ():
            if child.role == CONTROL:
                child.is_ready = child.is_ready or "ready" in message
                self._heed(child, message)
                continue
            if "handed_over" in message and child.is_asked:
                child.is_asked, child.handed = False, message.pop(DESCRIPTOR, None)
            if "connection" in message and child.standing == "leaving":
                self._pass_on(child, message)
            discard(message)
            if not child.is_done:
                self._hear(child, message)
        if all(one.enforcing == self._jobs.version for one in self._family if one.role.enforces):
            self._state.held.release(but=self._jobs.version)

    def _pass_on(self, child: Child, message: Message) -> None:
        """Have a worker that serves go on with a connection of one that leaves; it ends if there is none."""
        serving = [one for one in self._family if one.kind == "worker" and one.standing == "serving"]
        if serving and DESCRIPTOR in message and _HEXADECIMAL.fullmatch(str(message["connection"])):
            heir = serving[child.role.index % len(serving)]
            heir.channel.try_send({"connection": message["connection"]}, message[DESCRIPTOR])

    def _hear_passing(self, child: Child) -> None:
        """Keep what a child says that was forked for one task, for whom it was forked by."""
        messages = child.channel.receive()
        if messages is None:
            child.is_done = True
        for message in messages or ():
            if len(child.said) < MOST_SAID:
                child.said.append(message)
            else:
                discard(message)

    def _hear(self, child: Child, message: Message) -> None:
        """Take what a worker or a follower says; one that says what it may not, or too much, is ended.

        Nothing depends on what is said by one that leaves: it may know feeds, and versions, that there are no more.
        """
        if child.standing == "leaving" and child.pace.take():
            child.enforcing = from_child(message).get("enforcing", child.enforcing)
            return
        feeds = [feed.name for one in self._jobs.generations for feed in one.settings.feeds]
        fault = fault_in(message, self._jobs.passed_on, feeds) if child.pace.take() else "it has said too much"
        if fault:
            log.error("The %s process %d is ended: %s. Please report it.", child.name, child.pid, fault)
            child.reason, child.is_done = fault, True
            child.send_signal(signal.SIGKILL)
            return
        child.reason = message.get("reason", child.reason)
        child.enforcing = message.get("enforcing", child.enforcing)
        if message.keys().isdisjoint(("reason", "handed_over", "connection")) and child.standing == "serving":
            self.tell_of(child, message)

    def _heed(self, control: Child, message: Message) -> None:
        """Do what the control process says."""
        if self._state.lock is not None and self._state.lock.heeds(message):
            return
        if self._service.heeds(message):
            return
        if "enforce" in message:
            try:
                version = self._state.taken(message)
                self._state.states_of(version).seal()
                self._state.held.hold(version, self._state.versions.ruleset(version))
            except (RulesetError, OSError) as error:
                log.error("Version %s cannot be passed on: %s.", message["enforce"], error)
                return
            self._jobs.enforce(version)
        if "certificates" in message:
            pass_on(message, control, self._jobs, self._family)
            return
        discard(message)
        if "announced" in message:
            self._jobs.is_announced = True
        elif "suspect" in message:
            self._suspicion.suspect(str(message["suspect"]))
        elif "late" in message:
            self._end_late([int(index) for index in message["late"]], int(message["version"]))
        elif "reload" in message:
            self._reload(ReloadRequest.from_message(message["reload"]))
        elif "upgrade" in message:
            self._upgrade(UpgradeRequest.from_message(message["upgrade"]))
        if not message.keys().isdisjoint(("announced", "suspect", "late", "reason", "reload", "upgrade", "ready")):
            return
        if "resolution" in message:
            for generation in self._jobs.generations:
                generation.see(Observation.from_message(message["resolution"]))
        for child in self._family:  # what is to be enforced to all others, the rest to workers
            if child.role.enforces and "enforce" in message:
                child.channel.send(message, self._state.states_of(message["enforce"]).descriptor)
            elif child.kind == "worker":
                child.channel.send(message)

    def _end_late(self, indices: list[int], version: int) -> None:
        """End workers that have not taken a version which others enforce; they are started with it."""
        for index in indices:
            late = self._family.of(Role("worker", index))
            if late is not None and late.enforcing != version:
                late.reason = late.reason or f"it has not taken version {version} in time"
                late.send_signal(signal.SIGKILL)

    def tell_of_new(self, child: Child) -> None:
        """Tell the control process of a child that has taken another's place."""
        self.tell_of(child, {"enforcing": child.enforcing})

    def tell_of(self, child: Child, said: Message) -> None:
        """Tell the control process of another child; what it has said of the same before need not be told any more."""
        refused = said.get("refused_notify", {})
        about = said.get("notified"), refused.get("feed"), refused.get("cause")
        if child.role.follows:
            self._family.tell_control({child.kind: {**said, "pid": child.pid}}, child.role, *sorted(said), *about)
        elif child.kind == "worker":
            told = {**said, "worker": child.role.index, "pid": child.pid}
            self._family.tell_control(told, child.role, *sorted(said), *about)
