"""Which version is to be enforced: found in a child, since a file that is cut while it is read ends who reads it.

The child tells each version before it reads it. Only SIGBUS, by which a file that is cut ends who reads it, and the
child's own word say that a version is damaged: the next child leaves it out. Any other end, from outside, for want of
memory or because the disk does not answer, says nothing about the content: the same version is tried again, after a
pause that grows, and no other is preferred meanwhile. What is in force stays then; a start that has failed so `TRIES`
times enforces the version as it is, if it can be opened. That it could not be verified is told until it was.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blockd.daemon.channel import DESCRIPTOR, Channel
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes.children import Child, Role, how_it_ended, was_cut
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.waiting import readable
from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.expiry import ended, kept_feeds
from blockd.daemon.update.feed_state import FeedState
from blockd.ruleset import StatesMemory
from blockd.settings import Feed, Settings
from blockd.settings.feeds import OVERRIDES

VERIFIER = Role("verifier")
PATIENCE = 30.0  # seconds for one version: ten million names are read in less than one, from a slow disk in some
LONGEST_STEP = 1.0  # seconds between two looks that count; more if the supervisor did not run
TRIES = 3  # that end without a result before a start enforces a version as it is
FIRST_PAUSE = 0.25  # seconds between the first two of them; each further pause is twice as long
LAST_PAUSE = 600.0  # seconds, at most
LAST_PAUSE_OF_START = 10.0  # seconds, at most, while nothing is enforced yet

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedVersion:
    """The version to be enforced, None for none, and the memory of its orders' states."""

    version: int | None
    states: StatesMemory | None


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
        self.unverified: dict[int, str] = {}  # why nothing is known of a version that is or was to be enforced
        self.evidence = ""  # what says, beside the child, that the version in force is damaged; empty for nothing
        self.tries = 0  # that ended without a result, one after the other
        self._as_is: set[int] = set()  # the versions that a start opens without having them verified
        self._left: set[int] = set()  # those that cannot even be opened, as the disk does not answer
        self._said = ""  # why the child ends, as it says last
        self._idle = 0.0  # seconds of the supervisor's running time since the child has said something
        self._looked = 0.0

    def follow(self, settings: Settings) -> None:
        """Go by another config from the next child on."""
        self._settings = settings

    @property
    def is_running(self) -> bool:
        """Whether a version is looked for."""
        return self._family.of(VERIFIER) is not None

    @property
    def pause(self) -> float:
        """The seconds until the next child is to be started, after one that ended without a result."""
        return min(FIRST_PAUSE * 2.0 ** min(self.tries - 1, 16), LAST_PAUSE) if self.tries else 0.0

    def start(self, forget: Callable[[], None], in_force: int | None = None) -> None:
        """Begin to look, first at what is `in_force`; `forget` closes in the child what only the supervisor needs.

        Raises OSError.
        """
        self._reading, self._result, self._in_force, self._said = None, None, in_force, ""
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
            elif "reason" in message:
                self._said = str(message["reason"]).removesuffix(".")

    def ended(self, child: Child) -> CheckedVersion | None:
        """Take the child's end; return the result, None if another child is to be started, after a `pause`."""
        self.receive(child)
        status = self._family.bury(child)
        if self._result is not None:
            self.tries = 0
            self._note_verified(self._result.version)
        elif was_cut(status) and self._reading is not None and self._reading not in self.damaged:
            why = f"reading it ended the process ({how_it_ended(status)})"
            log.error("Version %d is damaged, and set aside: %s. An older one is tried.", self._reading, why)
            self.damaged[self._reading] = why
            self._state.set_aside(self._reading)
            self.tries = 0
        else:
            self._note_unknown(child, status)
        return self._result

    def _note_verified(self, version: int | None) -> None:
        as_is = version is not None and version in self._as_is
        self.unverified = {
            one: why for one, why in self.unverified.items() if one in self._left or (as_is and one == version)
        }
        if as_is:
            log.error("Version %d is enforced as it is: it could not be verified.", version)
        self._as_is.clear()  # while it is in force, it is tried again

    def _note_unknown(self, child: Child, status: int) -> None:
        """Note an end that says nothing of the version: that one is tried again."""
        self.tries += 1
        version = self._in_force if self._reading is None else self._reading
        how = how_it_ended(status) + (f": {self._said}" if self._said else "")
        why = child.reason or f"the process that read it ended ({how})"
        if version is None:
            log.error("Nothing is known yet of the versions kept: %s. It is tried again in %.1f s.", why, self.pause)
            return
        self.unverified[version] = why
        if child.reason and (version in self._as_is or (self.evidence and version == self._in_force)):
            if self.evidence and version == self._in_force:
                self.damaged.setdefault(version, f"{self.evidence}, and {why}")
            log.error("Version %d is left alone: %s. An older one is tried.", version, why)
            self._left.add(version)
            self.tries = 0
            return
        if self._in_force is None and (child.reason or self.tries >= TRIES):
            self._as_is.add(version)
        log.error("Version %d could not be verified: %s. It is tried again in %.1f s.", version, why, self.pause)

    def look(self) -> None:
        """End a child that hangs, as it does if the disk does not answer.

        Only time in which the supervisor itself runs counts, and a version may take PATIENCE seconds.
        """
        child, now = self._family.of(VERIFIER), time.monotonic()
        self._idle += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        if child is not None and self._idle > PATIENCE and not child.reason:
            child.reason = f"reading it took more than {PATIENCE:.0f} seconds"
            log.error("The process %d that looks for a version to enforce hangs, and is ended.", child.pid)
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
            time.sleep(min(self.pause, LAST_PAUSE_OF_START))

    def _verify(self, channel: Channel) -> None:
        """Look for the version, in the child."""
        with contextlib.suppress(OSError):
            self._state.make_folders()  # which somebody may have removed
        now = time.time()
        known = [(feed, FeedState.load(self._state.feed_folder(feed.name))) for feed in self._settings.feeds]
        slots = self._slots()
        version = self._state.last_good(
            slots, now, ended(known, now), in_force=self._in_force,
            skip={*self.damaged, *self._left}, as_is=self._as_is, kept=_kept(known),
            tell=lambda version, why: channel.send({"reading": version, "why": why}),
        )  # fmt: skip
        with contextlib.suppress(OSError):  # a full disk: the places are found anew from what is enforced
            slots.save()
        states = None if version is None else self._state.states_of(version).descriptor
        channel.send({"good": version}, states)


def _kept(known: Sequence[tuple[Feed, FeedState]]) -> frozenset[str] | None:
    """Return the feeds that a start enforces orders of: overrides are no feed of the config, and always hold."""
    kept = kept_feeds(known)
    return None if kept is None else kept | {OVERRIDES}


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
