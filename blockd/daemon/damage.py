"""What has befallen the state folder and the processes, and whether the file in force is still what was opened.

A file that is written over in place shows other names in every process that has it mapped, and ends nobody. So its size
and time are looked at, and the supervisor is told if they change: it has the file verified. What changes without them
is found when rulesets are read through (`blockd.daemon.processes.scrub`).

A folder of the state that was removed is made again. Then every feed is polled, which finds that its content is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from blockd.daemon.processes.scrub import Scrub
from blockd.daemon.processes.supervisor_watch import SupervisorWatch
from blockd.daemon.processes.writability import Probe
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.switching import Sender
from blockd.daemon.timing import Timing
from blockd.daemon.update.updater import Updater
from blockd.errors import CommandError
from blockd.files import stamp_of
from blockd.printable import some_of

LOOK = 2.0  # seconds between two looks
SHARE = 0.005  # of a processor that looking through the folder takes: with a thousand feeds it takes 50 ms
LONGEST = 60.0  # seconds between two of these
RECENT = 900.0  # seconds
MANY = 5  # processes that end within that time
_NOTHING = object()

log = logging.getLogger(__name__)


class Damage:
    """What is damaged or cannot be written. `found` are versions found damaged since the start, and why."""

    def __init__(
        self,
        state: StateDir,
        switcher: RulesetSwitcher,
        sender: Sender,
        timing: Timing,
        found: Mapping[int, str],
        supervisor: SupervisorWatch,
        updater: Updater,
        unverified: Mapping[int, str] | None = None,
    ) -> None:
        self._updater = updater
        self._restarts: list[tuple[float, Mapping[str, int]]] = []  # the totals, and since when they are so
        self._state = state
        self._switcher = switcher
        self._sender = sender
        self._timing = timing
        self._found = dict(found)
        self.unverified = dict(unverified or {})  # by version, why it is not known whether its content is right
        self.supervisor = supervisor
        self.scrub = Scrub(state.versions, switcher, timing, self._damaged)
        state.versions.note_used(max(found, default=0))  # workers may still enforce it, from what they have mapped
        self._told: object = _NOTHING  # the changed stamp that the supervisor was told, None for a file that is gone
        self._set_aside: list[Path] = []
        self._look_through_at = 0.0
        self._made_again: list[Path] = []  # folders, not told yet
        self._locked_again: list[int] = []  # descriptors, not passed on yet
        self._probe = Probe(timing.monotonic)
        self.unwritable = ""  # why the state folder cannot be written; empty if it can

    async def run(self) -> None:
        """Look, for ever.

        Raises CommandError once a folder can be used that could not when this process began: it has to begin anew,
        with what is there.
        """
        await asyncio.gather(self._look_again_and_again(), self.scrub.run())

    async def _look_again_and_again(self) -> None:
        was_out_of_use = await asyncio.to_thread(self._state.is_out_of_reach)
        await self.look()
        was_out_of_use = was_out_of_use or bool(self.unwritable)
        while True:
            await self._timing.sleep(LOOK)
            await self.look()
            if was_out_of_use and not self.unwritable:
                raise CommandError(f"{self._state.folder} can be used again. This process begins anew with it.")

    async def look(self) -> None:
        """Look at the file in force, at what was set aside, and at whether the folder can be written."""
        enforced = self._switcher.enforced
        before = self.unwritable
        self.unwritable, self._set_aside = await asyncio.to_thread(self._seen)
        self._pass_on_lock()
        if self._made_again:
            folders, self._made_again = self._made_again, []
            log.error(
                "Gone, and made again: %s. What was in there is fetched and made anew. Look who removed it.",
                some_of(list(map(str, folders)), MANY),
            )
            self._updater.make_anew()
        if enforced is None:
            return
        path, opened = enforced.ruleset.path, enforced.ruleset.stamp
        now = await asyncio.to_thread(stamp_of, path)
        if now == opened or (before and not self.unwritable):  # what was found then may be otherwise now
            self._told = _NOTHING
        if now not in (opened, self._told) and enforced is self._switcher.enforced:
            self._told = now
            what = "has changed since it was opened" if now is not None else "is gone, or cannot be reached"
            self._sender.send({"suspect": f"{path} {what}"})

    def _pass_on_lock(self) -> None:
        """Have the supervisor hold what was locked again, as long as this blockd runs."""
        locked, self._locked_again = self._locked_again, []
        for descriptor in locked:
            self._sender.send({"lock": True}, descriptor)
            if self._state.lock is not None:
                self._state.lock.adopt(descriptor)

    def _damaged(self, version: int, why: str) -> None:
        """Have a version replaced if it is in force, by the supervisor; set aside one that is only kept."""
        path = self._state.versions.ruleset(version)
        if version == self._switcher.version:
            self._sender.send({"suspect": f"{path} was read through: {why}"})
            return
        log.error("Version %d, which is not in force, is damaged, and set aside: %s.", version, why)
        self._found[version] = why
        self._state.set_aside(version)

    def _seen(self) -> tuple[str, list[Path]]:
        try:
            return self._unwritable(), self._state.versions.damaged()
        except OSError as error:  # the folder is gone, its disk fails, or this process has no descriptor left
            return f"{self._state.folder} cannot be read: {error.strerror}", self._set_aside

    def _unwritable(self) -> str:
        """Look through the folder, as often as that takes no more than its `SHARE` of a processor."""
        now = self._timing.monotonic()
        if now < self._look_through_at:
            return self.unwritable
        begun = time.thread_time()
        self._made_again += self._state.restore_folders(self._updater.feeds)
        if self._state.lock is not None:
            self._locked_again += self._state.lock.look()
        found = self._state.unwritable(self._probe)
        self._look_through_at = now + min((time.thread_time() - begun) / SHARE, LONGEST)
        return found

    @property
    def count(self) -> int:
        """The number of versions known as damaged: found since the start, or set aside before."""
        return len(self._found.keys() | {int(path.stem) for path in self._set_aside})

    def sentence(self) -> str:
        """Return which versions were found damaged, and why; empty if none was."""
        said = [f"version {version} was found damaged: {why.removesuffix('.')}" for version, why in self._found.items()]
        said += [f"{path} was set aside as damaged" for path in self._set_aside if int(path.stem) not in self._found]
        return "; ".join(said)

    def note_unverified(self, told: Mapping[str, str]) -> None:
        """Note what the supervisor could not have verified, all of it."""
        self.unverified = {int(version): why for version, why in told.items()}

    def still_unverified(self) -> Mapping[int, str]:
        """Return what could not be verified, by version, but for what is not in force and was read through since."""
        in_force = self._switcher.version
        told = self.unverified.items()
        return {version: why for version, why in told if version == in_force or self.scrub.age(version) is None}

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often processes have ended since the start, by their kind."""
        return self._restarts[-1][1] if self._restarts else {}

    def note_restarts(self, totals: Mapping[str, int]) -> None:
        """Note how often processes have ended since the start."""
        now = self._timing.monotonic()
        self._restarts = [one for one in self._restarts if one[0] > now - RECENT][-2 * MANY :]
        self._restarts.append((now, dict(totals)))

    def alarms(self) -> list[Alarm]:
        """Return the alarms in force."""
        found = []
        if said := self.sentence():
            found.append(Alarm(
                "BlockdRulesetDamaged", "critical", "", f"{said[0].upper()}{said[1:]}.",
                "the newest version that could be opened, and what has been made from the feeds since",
                "Check the disk, and who may write the state folder. Remove what was set aside once you have looked; "
                "what was found since the start is told until a restart.",
            ))  # fmt: skip
        if unverified := self.still_unverified():
            said = "; ".join(f"version {version} could not be verified: {why}" for version, why in unverified.items())
            found.append(Alarm(
                "BlockdRulesetUnverified", "warning", "", f"{said[0].upper()}{said[1:]}.",
                f"version {self._switcher.version}, as it is" if self._switcher.version else "nothing",
                "It is tried again by itself, and this ends once it was verified. If a process was killed, see whether "
                "memory is short; if reading took too long, check the disk.",
            ))  # fmt: skip
        if self.unwritable:
            found.append(Alarm(
                "BlockdStateReadOnly", "critical", "", f"{self.unwritable[0].upper()}{self.unwritable[1:]}.",
                "what was in force; dates of orders are followed, and nothing new is enforced",
                "Have the file system mounted for writing, or give the folder to the user that blockd runs as.",
            ))  # fmt: skip
        if self.supervisor.is_silent:
            remedy = self.supervisor.remedy
            found.append(Alarm(
                "BlockdSupervisorSilent", "critical", "", f"The {self.supervisor.what}.",
                "all of it, by the processes that run", f"{remedy[0].upper()}{remedy[1:]}.",
            ))  # fmt: skip
        now = self._timing.monotonic()
        recent = sum(1 for at, _ in self._restarts if at > now - RECENT)
        if recent > MANY:
            found.append(Alarm(
                "BlockdProcessesRestart", "warning", "",
                f"Processes of blockd have ended and were started again {recent} times in 15 minutes.",
                "all of it, but for the questions that a process held when it ended",
                "The log says how each ended. Please report it if the machine is not the cause.",
            ))  # fmt: skip
        return found
