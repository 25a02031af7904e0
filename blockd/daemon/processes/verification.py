"""Which version is to be enforced: found in a child, since a file that is cut while it is read ends who reads it.

The child tells each version before it reads it, so that one by which it is ended is known as damaged, and the next
child leaves it out. There are at most as many children as versions kept.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from blockd.daemon.channel import DESCRIPTOR, Channel
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes.children import Child, Role, how_it_ended
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.waiting import readable
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.expiry import ended
from blockd.daemon.update.feed_state import FeedState
from blockd.ruleset import StatesMemory
from blockd.settings import Settings

VERIFIER = Role("verifier")
PATIENCE = 30.0  # seconds for one version: ten million names are read in less than one, from a slow disk in some
LONGEST_STEP = 1.0  # seconds between two looks that count; more if the supervisor did not run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedVersion:
    """The version to be enforced, None for none, and the memory of its orders' states.

    It `has_failed` if nothing could be found out.
    """

    version: int | None
    states: StatesMemory | None
    has_failed: bool = False


class VersionCheck:
    """Finds the last good version. `slots` returns the places of orders' counters, as they are at that moment."""

    def __init__(self, settings: Settings, state: StateDir, family: Family, slots: Callable[[], HitSlots]) -> None:
        self._settings = settings
        self._state = state
        self._family = family
        self._slots = slots
        self._in_force: int | None = None  # None at a start
        self._reading: int | None = None
        self._result: CheckedVersion | None = None
        self.damaged: dict[int, str] = {}  # why, by version; as found since the start
        self._idle = 0.0  # seconds of the supervisor's running time since the child has said something
        self._looked = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a version is looked for."""
        return self._family.of(VERIFIER) is not None

    def start(self, forget: Callable[[], None], in_force: int | None = None) -> None:
        """Begin to look, first at what is `in_force`; `forget` closes in the child what only the supervisor needs.

        Raises OSError.
        """
        self._reading, self._result, self._in_force = None, None, in_force
        self._idle, self._looked = 0.0, time.monotonic()
        self._family.fork(VERIFIER, self._verify, forget)

    def receive(self, child: Child) -> None:
        """Take what the child says."""
        messages = child.channel.receive()
        if messages is None:
            child.is_done = True
        for message in messages or ():
            self._idle = 0.0
            descriptor = message.pop(DESCRIPTOR, None)
            if message.get("why"):
                self.damaged[int(message["reading"])] = str(message["why"])
            elif "reading" in message:
                self._reading = int(message["reading"])
            elif "good" in message:
                states = None if descriptor is None else StatesMemory(descriptor)
                self._result = CheckedVersion(message["good"], states)

    def ended(self, child: Child) -> CheckedVersion | None:
        """Take the child's end; return the result, None if a version has ended it, and another is to be started."""
        self.receive(child)
        status = self._family.bury(child)
        if self._result is None and self._reading is not None and self._reading not in self.damaged:
            why = f"reading it ended the process ({how_it_ended(status)})"
            log.error("Version %d is damaged, and set aside: %s. An older one is tried.", self._reading, why)
            self.damaged[self._reading] = why
            self._state.set_aside(self._reading)
            return None
        if self._result is None and self._reading is not None and child.reason:
            log.error("Version %d is left alone: %s. An older one is tried.", self._reading, child.reason)
            return None
        return self._result or CheckedVersion(None, None, has_failed=True)

    def look(self) -> None:
        """End a child that hangs, as it does if the disk does not answer; what it reads is not tried again.

        Only time in which the supervisor itself runs counts, and a version may take PATIENCE seconds.
        """
        child, now = self._family.of(VERIFIER), time.monotonic()
        self._idle += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        if child is not None and self._idle > PATIENCE and not child.reason:
            child.reason = f"reading it took more than {PATIENCE:.0f} seconds"
            log.error("The process %d that looks for a version to enforce hangs, and is ended.", child.pid)
            if self._reading is not None:
                self.damaged.setdefault(self._reading, child.reason)
            child.send_signal(signal.SIGKILL)

    def wait(self, forget: Callable[[], None]) -> CheckedVersion:
        """Return the last good version; for a start, when there is nothing else to do. Raises OSError."""
        while True:
            self.start(forget)
            child = self._family.of(VERIFIER)
            assert child is not None  # noqa: S101 - it was started
            while child.watch not in readable([child.watch, *self._family.channels], LONGEST_STEP):
                self.receive(child)
                self.look()
            if (found := self.ended(child)) is not None:
                return found

    def _verify(self, channel: Channel) -> None:
        """Look for the version, in the child."""
        with contextlib.suppress(OSError):
            self._state.make_folders()  # which somebody may have removed
        now = time.time()
        known = [(feed, FeedState.load(self._state.feed_folder(feed.name))) for feed in self._settings.feeds]
        slots = self._slots()
        version = self._state.last_good(
            slots, now, ended(known, now), in_force=self._in_force,
            skip=self.damaged, tell=lambda version, why: channel.send({"reading": version, "why": why}),
        )  # fmt: skip
        with contextlib.suppress(OSError):  # a full disk: the places are found anew from what is enforced
            slots.save()
        states = None if version is None else self._state.states_of(version).descriptor
        channel.send({"good": version}, states)


def share(result: CheckedVersion, state: StateDir) -> int | None:
    """Have the children that are forked from now on enforce what was found; return the version."""
    if result.version is None or result.states is None:
        state.held.release()
        return None
    state.take_states(result.version, result.states)
    state.states_of(result.version).seal()
    state.held.hold(result.version, state.versions.ruleset(result.version))
    state.held.release(but=result.version)
    return result.version
