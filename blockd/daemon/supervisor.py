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
from functools import partial
from pathlib import Path

from blockd.daemon.certificates.relay import HOLDERS
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.notify.datagrams import ServiceManager
from blockd.daemon.notify.service import ServiceNotices
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import signals
from blockd.daemon.processes.children import CONTROL, DECIDE, PAGE, Child, Role, has_met_damage, how_it_ended, was_cut
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
from blockd.daemon.rights.capabilities import adopt_orphans
from blockd.daemon.rights.confinement import late_opened
from blockd.daemon.update.child_process import spare_memory
from blockd.daemon.update.nursery import Nursery
from blockd.resolver import engine_name
from blockd.resolver.engine.choice import why_not_native
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.settings import Settings
from blockd.transports.given.sockets import GivenSockets

log = logging.getLogger(__name__)


class Supervisor:
    """One daemon. `config` is the config file's path, for messages."""

    def __init__(self, settings: Settings, config: Path) -> None:
        engine = engine_name()
        if engine != "native":
            log.warning("The plain Python engine runs, at an eighth of the native one's speed; %s", why_not_native())
        self._service = ServiceNotices(ServiceManager.of(os.environ, os.getpid()))
        given = GivenSockets.of(os.environ, os.getpid())
        self._service.starting("Starting: addresses and lists of the gate are read.")
        generation, self._lasting, self._gate = first(settings, config, given)
        self._service.keep(generation.shared.sockets, given.names)
        self._state = generation.shared.state
        self._jobs = Jobs(generation, engine)
        self._reaper = Reaper()
        self._nursery = Nursery(self._reaper, self._forget_in_nursery)  # of the control process
        self._family = Family(self._reaper)
        self._restarts = Restarts()
        self._pulses: PulseWatch[Child] = PulseWatch(time.monotonic)
        self._check = VersionCheck(settings, self._state, self._family, self._current_slots)
        self._suspicion = Suspicion(self._check, self._jobs, self._family, self._state, self._forget)
        self._talk = Talk(self._jobs, self._family, self._state, self._check, self._suspicion, self._service)
        self._signals: Signals | None = None  # before there is a child, signals need no waiting for
        self._is_refresh_due = False  # whether a SIGHUP waits for the next control process
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        name_process("supervisor")
        adopt_orphans()  # who is a process of blockd's is known by that, see `blockd.web.callers.local`
        spare_memory()
        settings, sockets = self._jobs.generation.settings, self._jobs.generation.shared.sockets
        self._state.restore_folders(feed.name for feed in settings.feeds)  # what workers are left with
        self._service.starting("Starting: the ruleset that was in force last is verified.")
        self._suspicion.begin()
        if settings.upstream.flood_limit:
            installed_suffixes()  # read once for all workers, while the gate is read
        self._gate.check()
        late_opened()  # found once for all children
        gc.freeze()  # otherwise collections in the children would copy shared memory
        self._signals = Signals()
        for index in range(settings.workers):
            self._start(Role("worker", index))
        # By now workers answer. What the others need is loaded once for all that are forked from here on: first what
        # followers need, which are forked without the rest, then what the control process and its children do.
        is_wanted = {PAGE: sockets.has_page, DECIDE: bool(sockets.decide), CONTROL: True}
        for role, code in CODE.items():
            if is_wanted[role]:
                importlib.import_module(code)
                gc.freeze()
                self._start(role)
        while not self._stopping:
            self._turn(self._signals)
        self._service.stopping()
        self._family.end_all(self._nursery)
        self._nursery.close()
        self._jobs.generation.shared.sockets.close()
        return 0

    def _current_slots(self) -> HitSlots:
        """Return the places of orders' counters, as the control process has left them; none at a start."""
        path = self._state.folder / "hit-slots.json"
        return (
            HitSlots(path)
            if self._jobs.version is None
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
                self._start(role)

    def _look(self) -> None:
        """Tell who does not answer, and end it; see `blockd.daemon.processes.pulse`. Tell who has started blockd."""
        self._service.look(is_ready=self._family.answers(self._jobs.generation.settings.workers))
        self._suspicion.look()
        found = self._pulses.look([child for child in self._family if child.kind != "verifier"])
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

    def _start(self, role: Role) -> None:
        try:
            nursery = self._nursery.open() if role == CONTROL else None
            job = self._jobs.of(role, self._family, nursery, self._check, self._restarts.totals)
            forget = self._forget_all if role.enforces else self._forget
            child = self._family.fork(role, job, partial(forget, keys=role.kind not in HOLDERS))
        except OSError as error:
            self._restarts.later(role, time.monotonic(), error)
            return
        if nursery is not None:
            nursery.close()
        if child.role == CONTROL and self._is_refresh_due:
            self._refresh()

    def _forget(self, *, keys: bool = True) -> None:
        """In a child, close what only the supervisor needs, and the `keys` of certificates."""
        if keys:
            self._jobs.generation.certificates.close()
        self._service.forget()
        self._nursery.forget()
        if self._signals is not None:
            self._signals.close()

    def _forget_in_nursery(self) -> None:
        """In a child of the control process, give up what it must not write, and the keys."""
        self._state.forget_writing()
        self._service.forget()
        self._jobs.generation.certificates.close()

    def _forget_all(self, *, keys: bool) -> None:
        """In a child that only reads the order states, give up what it could write them by, too."""
        self._forget(keys=keys)
        self._jobs.pulse.close()
        self._state.forget_writing()

    def _died(self, child: Child) -> None:
        if child.kind == "verifier":
            self._suspicion.ended(child)
            return
        self._talk.receive(child)  # its last words
        status = self._family.bury(child)
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
            self._service.reloading()
            self._refresh()
            self._service.reloaded()
        if numbers.intersection(signals.ENDING):
            self._stopping = True

    def _refresh(self) -> None:
        """Have the control process fetch every feed; if there is none at the moment, the next one does."""
        self._is_refresh_due = self._family.of(CONTROL) is None
        self._family.tell_control({"refresh": True}, "refresh")
