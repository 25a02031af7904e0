"""The supervisor: binds, drops privileges, starts the last good ruleset, and keeps its children alive.

It forks them without having an event loop or threads, so that a new worker serves within milliseconds.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from blockd.daemon.certificates.relay import HOLDERS
from blockd.daemon.channel import Channel
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.notify.datagrams import ServiceManager
from blockd.daemon.notify.service import ServiceNotices
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import signals
from blockd.daemon.processes.children import (
    CONTROL,
    Child,
    Role,
    Standing,
    has_met_damage,
    how_it_ended,
    its_end,
    was_cut,
)
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import CODE, Jobs
from blockd.daemon.processes.pulse import TICK, PulseWatch
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.restarts import Restarts
from blockd.daemon.processes.signals import Signals
from blockd.daemon.processes.suspicion import Suspicion
from blockd.daemon.processes.talk import Talk
from blockd.daemon.processes.verification import VersionCheck
from blockd.daemon.processes.waiting import readable
from blockd.daemon.reload.first import first
from blockd.daemon.reload.generation import Generation
from blockd.daemon.reload.record import BY_SIGNAL, ReloadRecord, ReloadRequest
from blockd.daemon.reload.reloading import Reloading
from blockd.daemon.reload.succession import Succession
from blockd.daemon.reload.taking import Taking, roles_of
from blockd.daemon.reload.trying import Trying
from blockd.daemon.rights.capabilities import adopt_orphans
from blockd.daemon.rights.confinement import late_opened
from blockd.daemon.update.child_process import CHILD, be_nicer, spare_memory
from blockd.daemon.update.nursery import Nursery
from blockd.daemon.upgrade.handover import Handover
from blockd.daemon.upgrade.record import UpgradeRecord, UpgradeRequest
from blockd.daemon.upgrade.takeover import Takeover
from blockd.daemon.upgrade.upgrading import Upgrading
from blockd.resolver import engine_name
from blockd.resolver.engine.choice import why_not_native
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.settings import Settings
from blockd.transports.binding import Sockets
from blockd.transports.given.sockets import GivenSockets

log = logging.getLogger(__name__)


class Supervisor:
    """One daemon. `config` is the config file's path, for messages; `handed` is what the program before has left."""

    def __init__(self, settings: Settings, config: Path, handed: Handover | None = None) -> None:
        engine = engine_name()
        if engine != "native":
            log.warning("The plain Python engine runs, at an eighth of the native one's speed; %s", why_not_native())
        self._service = ServiceNotices(ServiceManager.of(os.environ, os.getpid()))
        given = GivenSockets.of(os.environ, os.getpid()) if handed is None else handed.given
        self._before = "" if handed is None else handed.version
        self._starting("addresses and lists of the gate are read")
        generation, self._lasting, self._gate = first(settings, config, given, handed)
        self._service.keep(generation.shared.sockets, given.names)
        self._are_counters_kept = handed is not None and handed.fill(self._lasting)
        self._state = generation.shared.state
        self._jobs = Jobs(generation, engine)
        if handed is not None:
            cached = handed.cached(range(generation.settings.workers))
            self._jobs.handed.update((Role("worker", index), one) for index, one in cached.items())
        self._reaper = Reaper()
        self._nursery = Nursery(self._reaper, self._forget_in_nursery)  # of the control process
        self._family = Family(self._reaper)
        for child in () if handed is None else handed.children:
            self._family.adopt(child.child())
        self._restarts = Restarts()
        self._pulses: PulseWatch[Child] = PulseWatch(time.monotonic)
        self._check = VersionCheck(settings, self._state, self._family, self._current_slots)
        self._suspicion = Suspicion(self._check, self._jobs, self._family, self._state, self._forget)
        tellers = self._service, self._reload, self._upgrade
        self._talk = Talk(self._jobs, self._family, self._state, self._check, self._suspicion, *tellers)
        succession = Succession(self._family, self._fork)
        taking = Taking(self._jobs, self._family, self._lasting, succession, self._talk.tell_of_new, self._taken)
        trying = Trying(self._jobs, self._fork_passing, lambda: self._family.free_row)
        self._reloading = Reloading(trying, taking, self._tell_of_reload)
        self._takeover = Takeover(handed, self._jobs, self._family, succession, self._tell_of_upgrade)
        self._upgrading = Upgrading(
            self._jobs, self._family, self._lasting, succession, self._service, self._fork_passing,
            self._tell_of_upgrade, lambda: self._fork(CONTROL),
        )  # fmt: skip
        self._signals: Signals | None = None  # before there is a child, signals need no waiting for
        self._is_refresh_due = False  # whether a SIGHUP waits for the next control process
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        name_process("supervisor")
        adopt_orphans()  # who is a process of blockd's is known by that, see `blockd.web.callers.local`
        spare_memory()
        settings, roles = self._jobs.generation.settings, roles_of(self._jobs.generation)
        self._state.restore_folders(feed.name for feed in settings.feeds)  # what workers are left with
        self._starting("the ruleset that was in force last is verified")
        self._suspicion.begin()
        if settings.upstream.flood_limit:
            installed_suffixes()  # read once for all workers, while the gate is read
        self._gate.check()
        late_opened()  # found once for all children
        gc.freeze()  # otherwise collections in the children would copy shared memory
        self._signals = Signals()
        for index in range(settings.workers):
            self._fork(Role("worker", index))
        # By now workers answer. What the others need is loaded once for all that are forked from here on: first what
        # followers need, which are forked without the rest, then what the control process and its children do.
        for role, code in CODE.items():
            if role in roles:
                importlib.import_module(code)
                gc.freeze()
                self._fork(role)
        while not self._stopping:
            self._turn(self._signals)
        self._service.stopping()
        self._family.end_all(self._nursery, drains=self._service.keeps)
        self._nursery.close()
        self._jobs.generation.shared.sockets.close()
        return 0

    def _starting(self, what: str) -> None:
        """Tell the service manager how far a start is, or an upgrade: then the version before answers meanwhile."""
        begun = f"Version {self._before} answers, whose place another one takes" if self._before else "Starting"
        self._service.starting(f"{begun}: {what}.")

    def _current_slots(self) -> HitSlots:
        """Return the places of orders' counters, as the control process has left them; none at a start."""
        path = self._state.folder / "hit-slots.json"
        return (
            HitSlots(path)
            if self._jobs.version is None and not self._are_counters_kept
            else HitSlots.load(path, clear=self._lasting.counters.clear_hits)
        )

    def _turn(self, arrived: Signals) -> None:
        """Wait for one event, or for the next look at the pulses, and handle it."""
        self._jobs.pulse.beat()
        for tickets in (self._lasting.tickets, self._jobs.generation.shared.tickets):
            tickets.current()  # what earlier keys were made from is given up
        watches, channels, nursery = self._family.watches, self._family.channels, self._nursery.descriptors
        now, holds_up = time.monotonic(), self._suspicion.holds_up
        restart = None if holds_up else self._restarts.seconds(now)
        waits = [restart, self._suspicion.seconds(now), self._service.seconds(now)]
        waits += [one.seconds() for one in (self._reloading, self._takeover, self._upgrading)]
        seconds = min([TICK, *(wait for wait in waits if wait is not None)])
        ready = readable([arrived.fileno(), *watches, *channels, *nursery], seconds, self._family.writing)
        self._family.flush()
        for number in ready:
            if number == arrived.fileno():
                self._signalled(arrived.received())
            elif number in channels:
                self._talk.receive(channels[number])
            elif number in nursery:
                self._nursery.handle(number)
        if self._stopping:
            return
        for number in ready:
            if number in watches:
                self._died(watches[number])
        self._look()
        if not self._suspicion.holds_up:  # else they would be ended by what they are to enforce
            for role in self._restarts.due(time.monotonic()):
                if self._family.of(role) is None and role in roles_of(self._jobs.generation_of(role)):
                    self._fork(role)
            self._takeover.step()
            if not self._upgrading.is_busy:
                self._reloading.step()
        self._upgrading.step(may_begin=not self._reloading.is_under_way)

    def _look(self) -> None:
        """Tell who does not answer, and end it; see `blockd.daemon.processes.pulse`. Tell who has started blockd."""
        is_busy = self._reloading.is_busy or self._upgrading.is_busy or self._takeover.is_taking
        self._service.look(is_ready=self._family.answers(self._jobs.generation.settings.workers), is_busy=is_busy)
        self._suspicion.look()
        found = self._pulses.look([child for child in self._family if not child.role.is_passing])
        for child in found.silent:
            log.error("The %s process %d does not answer. It is ended and started again.", child.name, child.pid)
            child.reason = "it did not answer"
            self._talk.tell_of(child, {"silent": True})
        for child in found.back:
            log.warning("The %s process %d answers again.", child.name, child.pid)
            child.reason = ""
            self._talk.tell_of(child, {"silent": False})
        if found.end is not None:
            found.end.send_signal(signal.SIGKILL)

    def _fork(self, role: Role, standing: Standing = "serving") -> Child | None:
        """Start a child in a role; if that fails, it is tried again, unless it was to take another's place."""
        generation, row = self._jobs.generation_of(role), self._family.free_row
        try:
            nursery = self._nursery.open() if role == CONTROL else None
            known = self._check, self._restarts.totals, self._reloading.history
            job = self._jobs.of(role, row, self._family, nursery, *known)
            forget = self._forget_all if role.enforces else self._forget
            forget = partial(forget, generation, keys=role.kind not in HOLDERS, role=role)
            child = self._family.fork(role, job, forget, standing, None if role == CONTROL else row)
        except OSError as error:
            if standing == "serving":
                self._restarts.later(role, time.monotonic(), error)
            return None
        child.generation = generation
        if nursery is not None:
            nursery.close()
        if child.role == CONTROL and self._is_refresh_due:
            self._refresh()
        return child

    def _fork_passing(self, role: Role, job: Callable[[Channel], None], row: int | None) -> Child:
        """Start a child for one task of a reload, which has none of the sockets; raises OSError."""

        def forget() -> None:
            be_nicer(CHILD)
            self._forget_all(None, keys=False)
            for generation in self._jobs.generations:
                generation.shared.sockets.close_but(Sockets())

        return self._family.fork(role, job, forget, row=row)

    def _forget(self, own: Generation | None = None, *, keys: bool = True, role: Role | None = None) -> None:
        """In a child, close what only the supervisor needs, and the `keys` of certificates.

        Of generations that are not the child's `own` the keys and sockets go as well, unless that is None. `role` is
        its own, None for a child without any.
        """
        self._jobs.forget_handed(role)
        for generation in self._jobs.generations:
            if keys or (own is not None and generation.certificates is not own.certificates):
                generation.certificates.close()
            if own is not None and generation is not own:
                generation.shared.sockets.close_but(own.shared.sockets)
        self._service.forget()
        self._nursery.forget()
        if self._signals is not None:
            self._signals.close()

    def _forget_in_nursery(self) -> None:
        """In a child of the control process, give up what it must not write, and the keys."""
        self._state.forget_writing()
        self._service.forget()
        self._jobs.forget_handed()
        for generation in self._jobs.generations:
            generation.certificates.close()

    def _forget_all(self, own: Generation | None, *, keys: bool, role: Role | None = None) -> None:
        """In a child that only reads the order states, give up what it could write them by, too."""
        self._forget(own, keys=keys, role=role)
        self._jobs.pulse.close()
        self._state.forget_writing()

    def _died(self, child: Child) -> None:
        if child.kind == "verifier":
            self._suspicion.ended(child)
            return
        self._talk.receive(child)  # its last words
        status = self._family.bury(child)
        self._lasting.forget(child.row)
        if child.role.is_passing or child.standing != "serving":
            if child.standing == "leaving" and status:
                log.error("The %s process %d that left %s.", child.name, child.pid, its_end(status))
            return
        if child.role == CONTROL:
            self._nursery.close()
        now = time.monotonic()
        delay = self._restarts.ended(child.role, now - child.started, now)
        how = how_it_ended(status) + (f": {child.reason.removesuffix('.')}" if child.reason else "")
        again = f"in {delay:.1f} seconds" if delay else "again"
        log.error("The %s process %d ended (%s) and is started %s.", child.name, child.pid, how, again)
        row = self._restarts.in_a_row(child.role)
        self._talk.tell_of(child, {"died": True, "how": how, "row": row, "delay": delay})
        self._family.tell_control({"restarts": self._restarts.totals}, "restarts")
        if has_met_damage(status):
            self._suspicion.suspect(f"the {child.name} process {how}", is_evidence=was_cut(status))

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self._reaper.collect({*self._family.pids, *self._nursery.pids})
        if signal.SIGHUP in numbers:
            self._service.reloading("The config on disk is read and tried; the one in force goes on.")
            self._reload(ReloadRequest(f"signal-{time.time_ns()}", BY_SIGNAL))
        if numbers.intersection(signals.ENDING):
            self._stopping = True

    def _reload(self, request: ReloadRequest) -> None:
        self._reloading.ask(request)

    def _upgrade(self, request: UpgradeRequest) -> None:
        """Begin an upgrade, unless something else is in progress that has to come to its end first."""
        busy = {
            "a reload is in progress": self._reloading.is_busy and not self._reloading.is_told,
            "an upgrade has not come to its end": self._takeover.is_busy,
            "the ruleset in force is being verified": self._check.is_running,
        }
        whys = [f"{why}; ask again in a moment" for why, is_so in busy.items() if is_so]
        self._upgrading.ask(request, "; ".join(whys))

    def _tell_of_upgrade(self, record: UpgradeRecord) -> None:
        self._family.tell_control({"upgraded": record.to_json()}, "upgraded", record.id)

    def _taken(self, generation: Generation) -> None:
        """Go on by another generation, which all processes have taken."""
        self._check.follow(generation.settings)
        self._service.keep(generation.shared.sockets)

    def _tell_of_reload(self, record: ReloadRecord) -> None:
        """Tell how a reload stands, and have every feed fetched after one by a signal."""
        self._family.tell_control({"reloaded": record.to_json()}, "reloaded", record.id)
        if record.outcome == "taking":
            self._service.reloading("The config on disk is taken by one process after the other.")
        if record.has_ended and record.by == BY_SIGNAL:
            self._refresh()

    def _refresh(self) -> None:
        """Have the control process fetch every feed; if there is none at the moment, the next one does."""
        self._is_refresh_due = self._family.of(CONTROL) is None
        self._family.tell_control({"refresh": True}, "refresh")
