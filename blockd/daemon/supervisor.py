"""The supervisor: binds, drops privileges, starts the last good ruleset, and keeps its children alive.

It forks them without having an event loop or threads, so that a new worker serves within milliseconds.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import secrets
import signal
import time
from functools import partial
from pathlib import Path

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.certificates.relay import HOLDERS, pass_on
from blockd.daemon.channel import Message, discard
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import SharedContext
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.preconditions import lacking
from blockd.daemon.process_name import name_process
from blockd.daemon.processes import signals
from blockd.daemon.processes.children import CONTROL, DECIDE, PAGE, Child, Role, has_met_damage, how_it_ended, was_cut
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.heard import fault_in
from blockd.daemon.processes.jobs import CODE, Jobs
from blockd.daemon.processes.pulse import TICK, PulseWatch
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.restarts import Restarts
from blockd.daemon.processes.signals import Signals
from blockd.daemon.processes.suspicion import Suspicion
from blockd.daemon.processes.verification import VersionCheck
from blockd.daemon.processes.waiting import readable
from blockd.daemon.rights import landlock
from blockd.daemon.rights.account import Account, acting_as, become
from blockd.daemon.rights.capabilities import close_memory
from blockd.daemon.rights.confinement import late_opened
from blockd.daemon.rights.state_folder import make_for
from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.child_process import spare_memory
from blockd.daemon.update.nursery import Nursery
from blockd.daemon.upstreams.news import tell
from blockd.errors import ConfigError, RulesetError
from blockd.files import limit_modes
from blockd.metrics import Counters, Traffic
from blockd.metrics.upstreams import UpstreamTable
from blockd.names import translations
from blockd.resolver import SelfTestKey, engine_name
from blockd.resolver.edge.cookie_secrets import cookie_secrets
from blockd.resolver.engine.choice import why_not_native
from blockd.resolver.machine.loop_token import LoopToken
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.settings import Settings
from blockd.settings.groups import ClientGroups
from blockd.tls.ticket_secrets import ticket_keys
from blockd.transports import descriptors
from blockd.transports.binding import Sockets, bind

log = logging.getLogger(__name__)


class Supervisor:
    """One daemon. `config` is the config file's path, for messages."""

    def __init__(self, settings: Settings, config: Path) -> None:
        self._settings = settings
        running, engine = ConfigWatch(settings, config), engine_name()
        if engine != "native":
            log.warning("The plain Python engine runs, at an eighth of the native one's speed; %s", why_not_native())
        descriptors.raise_limit()
        if reasons := lacking(settings):
            raise ConfigError(str(config), reasons)
        limit_modes()
        account = Account.of(settings.user) if settings.user else None
        make_for(settings.state_dir, account)
        with acting_as(account):  # what lies in the folder is never opened with root's rights
            groups = ClientGroups(settings.groups)
            self._state = StateDir(settings.state_dir, translations(settings.clients.nat64_prefixes), groups)
            self._lock = self._state.take_lock()
        self._sockets: Sockets = bind(settings, str(config))
        # Before the user changes: only the starting user may be able to read its lists.
        self._gate = SharedGate(settings.gate, settings.feeds, account)
        of_cookies = cookie_secrets(settings.clients.cookie_secrets, os.urandom)
        tickets = ticket_keys(settings.tls.ticket_secrets, os.urandom)
        self._certificates = HandedCertificates.checked(settings.certificates, str(config))
        if account is not None:
            for code in CODE.values():
                importlib.import_module(code)  # now, as that user may not be able to read it
        become(account)
        close_memory()
        if not landlock.abi():
            log.warning(
                "The kernel has no Landlock: a process that was broken into has all rights of blockd's user; see "
                "docs/auditor/threat-model.md."
            )
        self._state.secure()
        self._state.tidy()
        self._state.room.look()  # before anything is written: a full disk must not keep it from starting
        resolution = Resolution.of(settings)
        descriptors.tell(descriptors.Shares.of(settings), len(resolution.upstreams))
        tell(None, resolution)
        self._counters = Counters(settings.workers)
        shared = SharedContext(
            settings, self._sockets, self._state, self._counters, Traffic(settings.workers, secrets.token_bytes(16)),
            UpstreamTable(settings.workers), SelfTestKey.make(os.urandom), LoopToken.make(os.urandom), of_cookies,
            tickets,
        )  # fmt: skip
        self._jobs = Jobs(shared, config, running, self._gate, engine, resolution, self._certificates)
        self._reaper = Reaper()
        self._nursery = Nursery(self._reaper, self._forget_in_nursery)  # of the control process
        self._family = Family(self._reaper)
        self._restarts = Restarts()
        self._pulses: PulseWatch[Child] = PulseWatch(time.monotonic)
        self._check = VersionCheck(settings, self._state, self._family, self._current_slots)
        self._suspicion = Suspicion(self._check, self._jobs, self._family, self._state, self._forget)
        self._signals: Signals | None = None  # before there is a child, signals need no waiting for
        self._is_refresh_due = False  # whether a SIGHUP waits for the next control process
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        name_process("supervisor")
        spare_memory()
        self._state.restore_folders(feed.name for feed in self._settings.feeds)  # what workers are left with
        self._suspicion.begin()
        if self._settings.upstream.flood_limit:
            installed_suffixes()  # read once for all workers, while the gate is read
        self._gate.check()
        late_opened()  # found once for all children
        gc.freeze()  # otherwise collections in the children would copy shared memory
        self._signals = Signals()
        for index in range(self._settings.workers):
            self._start(Role("worker", index))
        # By now workers answer. What the others need is loaded once for all that are forked from here on: first what
        # followers need, which are forked without the rest, then what the control process and its children do.
        is_wanted = {PAGE: self._sockets.has_page, DECIDE: bool(self._sockets.decide), CONTROL: True}
        for role, code in CODE.items():
            if is_wanted[role]:
                importlib.import_module(code)
                gc.freeze()
                self._start(role)
        while not self._stopping:
            self._turn(self._signals)
        self._family.end_all(self._nursery)
        self._nursery.close()
        self._sockets.close()
        return 0

    def _current_slots(self) -> HitSlots:
        """Return the places of orders' counters, as the control process has left them; none at a start."""
        path = self._state.folder / "hit-slots.json"
        return HitSlots(path) if self._jobs.version is None else HitSlots.load(path, clear=self._counters.clear_hits)

    def _turn(self, arrived: Signals) -> None:
        """Wait for one event, or for the next look at the pulses, and handle it."""
        self._jobs.pulse.beat()
        self._jobs.shared.tickets.current()  # what earlier keys were made from is given up
        watches, channels, nursery = self._family.watches, self._family.channels, self._nursery.descriptors
        now, holds_up = time.monotonic(), self._suspicion.holds_up
        waits = [None if holds_up else self._restarts.seconds(now), self._suspicion.seconds(now)]
        seconds = min([TICK, *(wait for wait in waits if wait is not None)])
        ready = readable([arrived.fileno(), *watches, *channels, *nursery], seconds, self._family.writing)
        self._family.flush()
        for number in ready:
            if number == arrived.fileno():
                self._signalled(arrived.received())
            elif number in channels:
                self._receive(channels[number])
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
        """Tell who does not answer, and end it; see `blockd.daemon.processes.pulse`."""
        self._suspicion.look()
        found = self._pulses.look([child for child in self._family if child.kind != "verifier"])
        for child in found.silent:
            log.error("The %s process %d does not answer. It is ended and started again.", child.name, child.pid)
            child.reason = "it did not answer"
            self._tell_of(child, {"silent": True})
        for child in found.back:
            log.warning("The %s process %d answers again.", child.name, child.pid)
            child.reason = ""
            self._tell_of(child, {"silent": False})
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
            self._certificates.close()
        self._nursery.forget()
        if self._signals is not None:
            self._signals.close()

    def _forget_in_nursery(self) -> None:
        """In a child of the control process, give up what it must not write, and the keys."""
        self._state.forget_writing()
        self._certificates.close()

    def _forget_all(self, *, keys: bool) -> None:
        """In a child that only reads the order states, give up what it could write them by, too."""
        self._forget(keys=keys)
        self._jobs.pulse.close()
        self._state.forget_writing()

    def _receive(self, child: Child) -> None:
        if child.kind == "verifier":
            self._check.receive(child)
            return
        if child.is_done and child.role != CONTROL:
            return
        messages = child.channel.receive()
        if messages is None:
            child.is_done = True  # its end is seen by its pidfd
        for message in messages or ():
            if child.role == CONTROL:
                self._heed(message)
                continue
            discard(message)
            if not child.is_done:
                self._hear(child, message)
        if all(one.enforcing == self._jobs.version for one in self._family if one.role.enforces):
            self._state.held.release(but=self._jobs.version)

    def _hear(self, child: Child, message: Message) -> None:
        """Take what a worker or a follower says; one that says what it may not, or too much, is ended."""
        feeds = [feed.name for feed in self._settings.feeds]
        fault = fault_in(message, self._jobs.passed_on, feeds) if child.pace.take() else "it has said too much"
        if fault:
            log.error("The %s process %d is ended: %s. Please report it.", child.name, child.pid, fault)
            child.reason, child.is_done = fault, True
            child.send_signal(signal.SIGKILL)
            return
        child.reason = message.get("reason", child.reason)
        child.enforcing = message.get("enforcing", child.enforcing)
        if "reason" not in message:
            self._tell_of(child, message)

    def _heed(self, message: Message) -> None:
        """Do what the control process says."""
        if self._lock.heeds(message):
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
            pass_on(message, self._jobs, self._family)
            return
        discard(message)
        if "suspect" in message:
            self._suspicion.suspect(str(message["suspect"]))
        elif "late" in message:
            self._end_late([int(index) for index in message["late"]], int(message["version"]))
        if not message.keys().isdisjoint(("suspect", "late", "reason")):
            return
        if "resolution" in message:
            self._jobs.see(Observation.from_message(message["resolution"]))
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

    def _died(self, child: Child) -> None:
        if child.kind == "verifier":
            self._suspicion.ended(child)
            return
        self._receive(child)  # its last words
        status = self._family.bury(child)
        if child.role == CONTROL:
            self._nursery.close()
        now = time.monotonic()
        delay = self._restarts.ended(child.role, now - child.started, now)
        how = how_it_ended(status) + (f": {child.reason.removesuffix('.')}" if child.reason else "")
        again = f"in {delay:.1f} seconds" if delay else "again"
        log.error("The %s process %d ended (%s) and is started %s.", child.name, child.pid, how, again)
        row = self._restarts.in_a_row(child.role)
        self._tell_of(child, {"died": True, "how": how, "row": row, "delay": delay})
        self._family.tell_control({"restarts": self._restarts.totals}, "restarts")
        if has_met_damage(status):
            self._suspicion.suspect(f"the {child.name} process {how}", is_evidence=was_cut(status))

    def _tell_of(self, child: Child, said: Message) -> None:
        """Tell the control process of another child; what it has said of the same before need not be told any more."""
        refused = said.get("refused_notify", {})
        about = said.get("notified"), refused.get("feed"), refused.get("cause")
        if child.role.follows:
            self._family.tell_control({child.kind: {**said, "pid": child.pid}}, child.role, *sorted(said), *about)
        elif child.kind == "worker":
            told = {**said, "worker": child.role.index, "pid": child.pid}
            self._family.tell_control(told, child.role, *sorted(said), *about)

    def _signalled(self, numbers: set[int]) -> None:
        if signal.SIGCHLD in numbers:
            self._reaper.collect({*self._family.pids, *self._nursery.pids})
        if signal.SIGHUP in numbers:
            self._refresh()
        if numbers.intersection(signals.ENDING):
            self._stopping = True

    def _refresh(self) -> None:
        """Have the control process fetch every feed; if there is none at the moment, the next one does."""
        self._is_refresh_due = self._family.of(CONTROL) is None
        self._family.tell_control({"refresh": True}, "refresh")
