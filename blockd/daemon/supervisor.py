"""The supervisor: binds, drops privileges, starts the last good ruleset, and keeps its children alive.

It forks them without having an event loop or threads, so that a new worker serves within milliseconds.
"""

from __future__ import annotations

import contextlib
import gc
import grp
import importlib
import logging
import os
import pwd
import resource
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blockd.daemon import worker
from blockd.daemon.channel import Channel, Message, pair
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import ControlContext, SharedContext, WorkerContext, WorkerState
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.preconditions import lacking
from blockd.daemon.process_name import name_process
from blockd.daemon.shared_gate import SharedGate
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.child_process import spare_memory
from blockd.daemon.update.expiry import ended
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.nursery import Nursery, reset_signals
from blockd.daemon.upstreams.news import tell
from blockd.errors import BlockdError, CommandError, ConfigError
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
from blockd.transports.binding import Sockets, bind, descriptors_wanted

STOP_TIME = 5.0  # seconds for children to answer pending questions before they are killed
QUICK_DEATH = 1.0  # seconds; a child that ended sooner is started again only after as long

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """A process that the supervisor keeps alive; `index` is a worker's, None for the control process."""

    index: int | None
    pid: int
    watch: int  # a pidfd: readable when the process has ended
    channel: Channel
    started: float
    enforcing: int | None = None  # the version that a worker reports to enforce, 0 for none

    @property
    def name(self) -> str:
        """Its name in log lines."""
        return "control" if self.index is None else f"worker {self.index}"


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
        self._state = StateDir(settings.state_dir, translations(settings.clients.nat64_prefixes))
        self._lock = self._state.lock()
        self._sockets: Sockets = bind(settings, str(config))
        # Before the user changes: only the starting user may be able to read its lists.
        self._gate = SharedGate(settings.gate, settings.feeds)
        self._cookie_secrets = cookie_secrets(settings.clients.cookie_secrets, os.urandom)
        self._become(settings.user)
        self._state.check_writable()
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
        self._due: list[tuple[float, int | None]] = []  # children to start again, by the monotonic clock
        self._announced = False  # whether a control process was asked to announce the start-up
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        name_process("supervisor")
        spare_memory()
        now = time.time()
        known = [(feed, FeedState.load(self._state.feed_folder(feed.name))) for feed in self._settings.feeds]
        self._version = self._state.last_good(self._slots, now, ended(known, now))
        with contextlib.suppress(OSError):  # a full disk: the counters' places are found anew after the next start
            self._slots.save()
        if self._settings.upstream.flood_limit:
            installed_suffixes()  # read once for all workers, while the gate is read
        self._gate.check()
        gc.freeze()  # otherwise collections in the children would copy shared memory
        self._signals = _signal_socket((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        for index in range(self._settings.workers):
            self._start(index)
        # By now workers answer. What only the control process and its children need is loaded once for all of them.
        importlib.import_module("blockd.daemon.control")
        gc.freeze()
        self._start(None)
        while not self._stopping:
            self._turn()
        self._stop()
        return 0

    def _turn(self) -> None:
        """Wait for one event and handle it."""
        channels = {child.channel.fileno(): child for child in self._children.values()}
        seconds = max(0.0, min(at for at, _ in self._due) - time.monotonic()) if self._due else None
        nursery = self._nursery.descriptors
        readable = _readable([self._signals.fileno(), *self._children, *channels, *nursery], seconds)
        for number in readable:
            if number == self._signals.fileno():
                self._signalled(self._signals.recv(64))
            elif number in channels:
                self._receive(channels[number])
            elif number in nursery:
                self._nursery.handle(number)
        if self._stopping:
            return
        for number in readable:
            if number in self._children:
                self._died(self._children[number])
        due = [index for at, index in self._due if at <= time.monotonic()]
        self._due = [(at, index) for at, index in self._due if index not in due]
        for index in due:
            self._start(index)

    def _start(self, index: int | None) -> None:
        ours, theirs = pair()
        nursery = self._nursery.open() if index is None else None
        job = self._worker_job(index) if index is not None else self._control_job(nursery)
        try:
            pid = os.fork()
        except OSError as error:
            log.error("A process cannot be started (%s); it is tried again.", error.strerror)
            ours.close()
            theirs.close()
            self._due.append((time.monotonic() + QUICK_DEATH, index))
            return
        if pid == 0:
            self._forget(ours)
            _be_child(job, theirs)
        theirs.close()
        if nursery is not None:
            nursery.close()
        watch = os.pidfd_open(pid)
        self._children[watch] = Child(index, pid, watch, ours, time.monotonic())

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
            self._selftest_key, self._loop_token, self._cookie_secrets,
        )  # fmt: skip

    def _worker_job(self, index: int) -> Callable[[Channel], None]:
        context = WorkerContext(self._shared(), index, self._engine, self._resolution, self._version)
        return lambda channel: worker.run(context, channel)

    def _control_job(self, nursery: socket.socket | None) -> Callable[[Channel], None]:
        context = ControlContext(
            self._shared(),
            config=self._config,
            running=self._running,
            gate=self._gate,
            version=self._version,
            workers={
                child.index: WorkerState(child.pid, child.enforcing)
                for child in self._children.values()
                if child.index is not None
            },
            announce=not self._announced,
            resolution=self._resolution,
            nursery=nursery,
        )
        self._announced = True
        return lambda channel: _run_control(context, channel)

    def _receive(self, child: Child) -> None:
        for message in child.channel.receive() or ():
            if child.index is None:
                if "enforce" in message:
                    self._version = int(message["enforce"])
                elif "resolution" in message:
                    observation = Observation.from_message(message["resolution"])
                    if observation != self._resolution.observation:
                        self._resolution = Resolution.by(self._settings, observation)
                self._send_to_workers(message)
            else:
                child.enforcing = message.get("enforcing", child.enforcing)
                self._send_to_control({**message, "worker": child.index, "pid": child.pid})

    def _died(self, child: Child) -> None:
        del self._children[child.watch]
        _, status = os.waitpid(child.pid, 0)
        os.close(child.watch)
        child.channel.close()
        if child.index is None:
            self._nursery.close()
        log.error("The %s process %d ended (%s) and is started again.", child.name, child.pid, _how(status))
        if child.index is not None:
            self._send_to_control({"died": child.index})
        lived = time.monotonic() - child.started
        self._due.append((time.monotonic() + (QUICK_DEATH if lived < QUICK_DEATH else 0.0), child.index))

    def _signalled(self, numbers: bytes) -> None:
        if signal.SIGHUP in numbers:
            self._send_to_control({"refresh": True})
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stopping = True

    def _send_to_workers(self, message: Message) -> None:
        for child in self._children.values():
            if child.index is not None:
                child.channel.send(message)

    def _send_to_control(self, message: Message) -> None:
        for child in self._children.values():
            if child.index is None:
                child.channel.send(message)

    def _stop(self) -> None:
        """End the children: they answer pending questions, and are killed if they take too long."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIME
        for child in list(self._children.values()):
            if not _readable([child.watch], max(0.0, deadline - time.monotonic())):
                log.warning("The %s process %d did not end in time and is killed.", child.name, child.pid)
                os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._nursery.close()
        self._sockets.close()

    def _become(self, user: str) -> None:
        """Drop privileges to `user`, for good."""
        if not user:
            return
        entry = pwd.getpwnam(user)
        importlib.import_module("blockd.daemon.control")  # now, as that user may not be able to read the code
        try:
            self._state.own(entry.pw_uid, entry.pw_gid)
            os.setgroups([group.gr_gid for group in grp.getgrall() if user in group.gr_mem])
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        except PermissionError as error:
            raise CommandError(
                f"user: this process may not become {user!r}: start it as root, or remove the key."
            ) from error


def _run_control(context: ControlContext, channel: Channel) -> None:
    """Run the control process; its libraries, which no worker needs, were imported once the workers had started."""
    from blockd.daemon import control

    control.run(context, channel)


def _be_child(job: Callable[[Channel], None], channel: Channel) -> None:
    """Run as a child; never return into the supervisor's code, whatever happens."""
    code = 1
    try:
        reset_signals()
        job(channel)
        code = 0
    except BlockdError as error:
        log.error("%s", error)
    except Exception:
        log.exception("An internal error in blockd ended this process; it is started again. Please report it.")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _signal_socket(numbers: tuple[signal.Signals, ...]) -> socket.socket:
    """Return a socket that receives the number of each signal as one octet."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return ours


def _readable(descriptors: list[int], seconds: float | None) -> list[int]:
    """Wait for at most `seconds`, or without limit if None, and return the descriptors that are readable."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]


def _raise_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _how(status: int) -> str:
    """Describe how a process ended."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.WEXITSTATUS(status)}"
