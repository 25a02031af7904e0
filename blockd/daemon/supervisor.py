"""The supervisor: binds, drops privileges, starts the last good ruleset, and keeps its children alive.

It forks them without having an event loop or threads, so that a new worker serves within milliseconds.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import resource
import secrets
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from blockd.daemon import worker
from blockd.daemon.channel import Channel, Message, pair
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import ControlContext, PageContext, ProcessState, SharedContext, WorkerContext
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.preconditions import lacking
from blockd.daemon.process_name import name_process
from blockd.daemon.processes.children import CONTROL, PAGE, Child, Role, be_child, how_it_ended
from blockd.daemon.processes.heard import from_child
from blockd.daemon.processes.waiting import readable, signal_socket
from blockd.daemon.rights import landlock
from blockd.daemon.rights.account import Account, acting_as, become
from blockd.daemon.rights.capabilities import close_memory
from blockd.daemon.rights.confinement import late_opened
from blockd.daemon.rights.state_folder import make_for
from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.child_process import spare_memory
from blockd.daemon.update.expiry import ended
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.nursery import Nursery
from blockd.daemon.upstreams.news import tell
from blockd.errors import ConfigError
from blockd.files import limit_modes
from blockd.metrics import Counters, Traffic
from blockd.metrics.upstreams import UpstreamTable
from blockd.names import translations
from blockd.resolver import SelfTestKey, engine_name
from blockd.resolver.engine.choice import why_not_native
from blockd.resolver.machine.loop_token import LoopToken
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.ruleset.gate.lists import installed_suffixes
from blockd.settings import Settings
from blockd.transports.binding import Sockets, bind, descriptors_wanted

STOP_TIME = 5.0  # seconds for children to answer pending questions before they are killed
QUICK_DEATH = 1.0  # seconds; a child that ended sooner is started again only after as long
PAGE_CODE = "blockd.daemon.page.process"  # loaded once the workers have started, as what follows
CONTROL_CODE = "blockd.daemon.control"

log = logging.getLogger(__name__)


class Supervisor:
    """One daemon. `config` is the config file's path, for messages."""

    def __init__(self, settings: Settings, config: Path) -> None:
        self._settings = settings
        self._config = config
        self._running = ConfigWatch(settings, config)
        self._engine = engine_name()
        if self._engine != "native":
            log.warning("The plain Python engine runs, at an eighth of the native one's speed; %s", why_not_native())
        if reasons := lacking(settings):
            raise ConfigError(str(config), reasons)
        limit_modes()
        account = Account.of(settings.user) if settings.user else None
        make_for(settings.state_dir, account)
        with acting_as(account):  # what lies in the folder is never opened with root's rights
            self._state = StateDir(settings.state_dir, translations(settings.clients.nat64_prefixes))
            self._lock = self._state.lock()
        self._sockets: Sockets = bind(settings, str(config))
        # Before the user changes: only the starting user may be able to read its lists.
        self._gate = SharedGate(settings.gate, settings.feeds, account)
        if account is not None:
            for code in (PAGE_CODE, CONTROL_CODE):
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
        self._resolution = Resolution.of(settings)
        _raise_descriptors(descriptors_wanted(len(self._resolution.upstreams)))
        tell(None, self._resolution)
        self._counters = Counters(settings.workers)
        self._traffic = Traffic(settings.workers, secrets.token_bytes(16))
        self._upstreams = UpstreamTable(settings.workers)
        self._loop_token = LoopToken.make(os.urandom)
        self._slots = HitSlots(self._state.folder / "hit-slots.json")
        self._selftest_key = SelfTestKey.make(os.urandom)
        self._version: int | None = None
        self._nursery = Nursery()  # of the control process
        self._children: dict[int, Child] = {}  # by pidfd
        self._due: list[tuple[float, Role]] = []  # children to start again, by the monotonic clock
        self._announced = False  # whether a control process was asked to announce the start-up
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        name_process("supervisor")
        spare_memory()
        now = time.time()
        self._state.make_feed_folders(feed.name for feed in self._settings.feeds)
        known = [(feed, FeedState.load(self._state.feed_folder(feed.name))) for feed in self._settings.feeds]
        self._version = self._state.last_good(self._slots, now, ended(known, now))
        with contextlib.suppress(OSError):  # a full disk: the counters' places are found anew after the next start
            self._slots.save()
        if self._settings.upstream.flood_limit:
            installed_suffixes()  # read once for all workers, while the gate is read
        self._gate.check()
        late_opened()  # found once for all children
        gc.freeze()  # otherwise collections in the children would copy shared memory
        self._signals = signal_socket((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        for index in range(self._settings.workers):
            self._start(Role("worker", index))
        # By now workers answer. What the others need is loaded once for all that are forked from here on: first what
        # the page process needs, which is forked without the rest, then what the control process and its children do.
        if self._sockets.has_page:
            importlib.import_module(PAGE_CODE)
            gc.freeze()
            self._start(PAGE)
        importlib.import_module(CONTROL_CODE)
        gc.freeze()
        self._start(CONTROL)
        while not self._stopping:
            self._turn()
        self._stop()
        return 0

    def _turn(self) -> None:
        """Wait for one event and handle it."""
        channels = {child.channel.fileno(): child for child in self._children.values()}
        seconds = max(0.0, min(at for at, _ in self._due) - time.monotonic()) if self._due else None
        nursery = self._nursery.descriptors
        ready = readable([self._signals.fileno(), *self._children, *channels, *nursery], seconds)
        for number in ready:
            if number == self._signals.fileno():
                self._signalled(self._signals.recv(64))
            elif number in channels:
                self._receive(channels[number])
            elif number in nursery:
                self._nursery.handle(number)
        if self._stopping:
            return
        for number in ready:
            if number in self._children:
                self._died(self._children[number])
        due = [role for at, role in self._due if at <= time.monotonic()]
        self._due = [(at, role) for at, role in self._due if role not in due]
        for role in due:
            self._start(role)

    def _start(self, role: Role) -> None:
        ours, theirs = pair()
        nursery = self._nursery.open() if role == CONTROL else None
        job = self._job(role, nursery)
        try:
            pid = os.fork()
        except OSError as error:
            log.error("A process cannot be started (%s); it is tried again.", error.strerror)
            ours.close()
            theirs.close()
            self._due.append((time.monotonic() + QUICK_DEATH, role))
            return
        if pid == 0:
            self._forget(ours)
            be_child(job, theirs)
        theirs.close()
        if nursery is not None:
            nursery.close()
        watch = os.pidfd_open(pid)
        self._children[watch] = Child(role, pid, watch, ours, time.monotonic())

    def _forget(self, ours: Channel) -> None:
        """In a child, close what only the supervisor needs: a channel ends only when no process holds it."""
        ours.close()
        for child in self._children.values():
            child.channel.close()
            os.close(child.watch)
        self._nursery.forget()
        self._signals.close()

    def _shared(self) -> SharedContext:
        return SharedContext(
            self._settings, self._sockets, self._state, self._counters, self._traffic, self._upstreams,
            self._selftest_key, self._loop_token,
        )  # fmt: skip

    def _job(self, role: Role, nursery: socket.socket | None) -> Callable[[Channel], None]:
        """Return what a child does; `nursery` is for the control process."""
        if role.kind == "worker":
            work = WorkerContext(self._shared(), role.index, self._engine, self._resolution, self._version)
            return lambda channel: worker.run(work, channel)
        if role == PAGE:
            page = PageContext(self._shared(), self._version)
            return lambda channel: _run_page(page, channel)
        control = self._control_context(nursery)
        return lambda channel: _run_control(control, channel)

    def _control_context(self, nursery: socket.socket | None) -> ControlContext:
        states = {child.role: ProcessState(child.pid, child.enforcing) for child in self._children.values()}
        context = ControlContext(
            self._shared(),
            config=self._config,
            running=self._running,
            gate=self._gate,
            version=self._version,
            workers={role.index: state for role, state in states.items() if role.kind == "worker"},
            page=states.get(PAGE),
            announce=not self._announced,
            resolution=self._resolution,
            nursery=nursery,
        )
        self._announced = True
        return context

    def _receive(self, child: Child) -> None:
        for message in child.channel.receive() or ():
            if child.role == CONTROL:
                if "enforce" in message:
                    self._version = int(message["enforce"])
                elif "resolution" in message:
                    observation = Observation.from_message(message["resolution"])
                    if observation != self._resolution.observation:
                        self._resolution = Resolution.by(self._settings, observation)
                self._pass_on(message)
                continue
            message = from_child(message)
            child.enforcing = message.get("enforcing", child.enforcing)
            if child.role == PAGE:
                self._send_to_control({"page": {**message, "pid": child.pid}})
            else:
                self._send_to_control({**message, "worker": child.role.index, "pid": child.pid})

    def _died(self, child: Child) -> None:
        del self._children[child.watch]
        _, status = os.waitpid(child.pid, 0)
        os.close(child.watch)
        child.channel.close()
        if child.role == CONTROL:
            self._nursery.close()
        log.error("The %s process %d ended (%s) and is started again.", child.name, child.pid, how_it_ended(status))
        if child.role == PAGE:
            self._send_to_control({"page": {"died": True}})
        elif child.kind == "worker":
            self._send_to_control({"died": child.role.index})
        lived = time.monotonic() - child.started
        self._due.append((time.monotonic() + (QUICK_DEATH if lived < QUICK_DEATH else 0.0), child.role))

    def _signalled(self, numbers: bytes) -> None:
        if signal.SIGHUP in numbers:
            self._send_to_control({"refresh": True})
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stopping = True

    def _pass_on(self, message: Message) -> None:
        """Pass a message of the control process on: what is to be enforced to all others, the rest to workers."""
        for child in self._children.values():
            if child.kind == "worker" or (child.role.enforces and "enforce" in message):
                child.channel.send(message)

    def _send_to_control(self, message: Message) -> None:
        for child in self._children.values():
            if child.role == CONTROL:
                child.channel.send(message)

    def _stop(self) -> None:
        """End the children: they answer pending questions, and are killed if they take too long."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIME
        for child in list(self._children.values()):
            if not readable([child.watch], max(0.0, deadline - time.monotonic())):
                log.warning("The %s process %d did not end in time and is killed.", child.name, child.pid)
                os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._nursery.close()
        self._sockets.close()


def _run_page(context: PageContext, channel: Channel) -> None:
    """Run the page process; its code, which no worker needs, was imported once the workers had started."""
    from blockd.daemon.page import process

    process.run(context, channel)


def _run_control(context: ControlContext, channel: Channel) -> None:
    """Run the control process; its libraries, which no other child needs, were imported last."""
    from blockd.daemon import control

    control.run(context, channel)


def _raise_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
