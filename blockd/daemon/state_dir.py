"""The state folder: what a restart needs, and nothing about any client.

lock                 held while a blockd runs on this folder
compiling/           a ruleset while it is made, by a child that may write nothing else
rulesets/            versions (`blockd.ruleset.versions.kept`)
feeds/NAME/          what each feed fetched (`blockd.daemon.update.feed_state`)
incidents/           what everybody may know of orders (`blockd.daemon.page.dossier_files`)
overrides.json       local overrides (`blockd.feeds.overrides.file`)
releases.json        entries let through by the operator (`blockd.ruleset.gate.release`)
audit.*              the audit log (`blockd.audit`); node.key and statements/ belong to its statements
tokens.json          who is known at the admin port (`blockd.web.callers`); admin.sock is the admin socket
reserve              octets that are for enforcement once the disk is full (`blockd.daemon.update.disk_room`)
hit-slots.json       which counter belongs to which order (`blockd.daemon.hit_slots`)
figures.db           rates and hits over time (`blockd.daemon.figures.history_file`)
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from blockd.daemon.channel import DESCRIPTOR, Message
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes.file_faults import is_of_the_file, is_of_the_process
from blockd.daemon.processes.folder_lock import FolderLock, take_lock
from blockd.daemon.processes.held_files import HeldFiles
from blockd.daemon.processes.writability import bears_read_only, turns_down, unwritable
from blockd.daemon.rights.account import user_name
from blockd.daemon.rights.confinement import check_in_place
from blockd.daemon.rights.places import make, make_in_place
from blockd.daemon.rights.state_folder import close_to_others, foreign, of_others, unusable
from blockd.daemon.rights.tidying import tidy
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.expiry import Ends, orders_of, removed
from blockd.errors import CommandError, DamagedRuleset, RulesetError
from blockd.names import WELL_KNOWN_TRANSLATIONS, Network
from blockd.ruleset import Enforced, OrderStates, Ruleset, StatesMemory, Versions
from blockd.ruleset.digest import OTHER
from blockd.ruleset.versions.keeping import spare_one
from blockd.settings.groups import NO_GROUPS, ClientGroups

STATES_KEPT = 4  # versions: the one in force, the next, and those that a swap may go back to
log = logging.getLogger(__name__)


class StateDir:
    """The folder at `folder`, created if it is missing; raises CommandError if it cannot be used.

    `translations` and `groups` are those by which what it has is enforced, as `Enforced` takes them.
    """

    def __init__(
        self,
        folder: Path,
        translations: Sequence[Network] = WELL_KNOWN_TRANSLATIONS,
        groups: ClientGroups = NO_GROUPS,
    ) -> None:
        self.folder = folder
        self._translations = translations
        self._states: dict[int, StatesMemory] = {}  # by version, the one taken last at the end
        self.held = HeldFiles()
        self.lock: FolderLock | None = None  # once it is taken
        self._groups = groups
        self.versions = Versions(folder / "rulesets")
        self.compiling = folder / "compiling"
        self.incidents = folder / "incidents"
        self.room = DiskRoom(folder, spare=lambda: spare_one(self.versions), ruleset=self._size_in_force)
        try:
            self.make_folders()
        except OSError as error:
            if not bears_read_only(folder):
                raise self._unusable(error) from error

    def seen_by(self, translations: Sequence[Network], groups: ClientGroups) -> StateDir:
        """Return the same folder, with all that is known of it, as another config has it enforced."""
        seen = copy.copy(self)
        seen._translations, seen._groups = translations, groups
        return seen

    def make_folders(self, feeds: Iterable[str] = ()) -> list[Path]:
        """Make the folder and those in it that are missing, of these feeds too; return which were. Raises OSError."""
        missing = [self.folder] if make(self.folder) else []
        own = (self.versions.folder, self.folder / "feeds", self.compiling, self.incidents)
        parts = (*own, *map(self.feed_folder, feeds))
        return [*missing, *(part for part in parts if make_in_place(part))]

    def restore_folders(self, feeds: Iterable[str]) -> list[Path]:
        """Make what is missing of them as far as that is possible; return which were."""
        with contextlib.suppress(OSError):  # which `unwritable` tells
            return self.make_folders(feeds)
        return []

    def take_lock(self) -> FolderLock:
        """Lock the folder for this process and its children, see `folder_lock.take_lock`; raises CommandError."""
        try:
            self.lock = take_lock(self.folder)
        except OSError as error:
            raise self._unusable(error) from error
        return self.lock

    def unwritable(self, turns_down: Callable[[Path], bool] = turns_down) -> str:
        """Return as a sentence that this process may not write all of the folder; empty if it may."""
        return unwritable(self.folder, turns_down)

    def secure(self) -> None:
        """Close the folder to others; raises CommandError if another user has something in it, or it may not be used.

        Root may write everything, and is not asked who owns it. If nothing can be written but there is something to
        enforce, or the file system is read-only, a start goes on: then nothing new is enforced.
        """
        if (uid := os.geteuid()) != 0:
            try:
                found = foreign(self.folder, uid)
            except OSError as error:
                raise self._unusable(error) from error
            if found is not None:
                raise CommandError(f"state_dir: {of_others(self.folder, found, user_name(uid))}.")
        if why := self.unwritable():
            if not bears_read_only(self.folder):
                raise CommandError(
                    f"The state folder {self.folder} (state_dir) cannot be used: {why}. "
                    "Change its owner to the user that blockd runs as."
                )
            log.error("%s. What is there is enforced; nothing new is until that is mended.", why)
        close_to_others(self.folder)

    def _unusable(self, error: OSError) -> CommandError:
        return CommandError(unusable(self.folder, error))

    def tidy(self) -> None:
        """Remove unfinished files of a killed blockd, and whatever is not a regular file where one belongs.

        Call it only while the folder is locked. What cannot be looked through is left as it is.
        """
        with contextlib.suppress(OSError):
            tidy(self.folder, self.versions.folder)

    def _size_in_force(self) -> int:
        """Return the octets of the ruleset in force; 0 if there is none."""
        current = self.versions.current()
        try:
            return 0 if current is None else self.versions.ruleset(current).stat().st_size
        except OSError:
            return 0

    def feed_folder(self, name: str) -> Path:
        """Return the folder of a feed."""
        return self.folder / "feeds" / name

    def prepare(
        self,
        version: int,
        slots: HitSlots,
        now: float,
        *,
        ends: Ends | None = None,
        verify: bool = True,
        like: Ruleset | None = None,
        kept: Collection[str] | None = None,
    ) -> Ruleset:
        """Make a version's order states as of `now`; then the version is ready to be enforced.

        `ends` says what has expired, and `kept` which feeds the config has, see `blockd.daemon.update.expiry`; `like`
        is a ruleset with nearly the same orders.

        The whole file is verified if `verify` is true; it need not be if it has just been written here.
        Raises RulesetError if it cannot be used.
        """
        ruleset = Ruleset.open(self.versions.ruleset(version), verify=verify, like=like, held=self.held.of(version))
        record = self.versions.record(version) if verify else None
        if record is not None and record.digest != ruleset.digest:
            ruleset.close()
            raise DamagedRuleset(f"{ruleset.path} cannot be used as a ruleset: {OTHER}")
        orders, stale = orders_of(
            ruleset.catalogue, ruleset.header.created, {**(ends or {}), **removed(ruleset.catalogue, kept)}
        )
        hit_slots = slots.of(ruleset.catalogue, version, self._kept())
        try:
            self.take_states(version, StatesMemory.make(orders, hit_slots, now, stale))
        except OSError as error:
            ruleset.close()
            raise RulesetError(f"the memory for its orders' states cannot be had: {error.strerror}") from error
        return ruleset

    def take_states(self, version: int, memory: StatesMemory) -> None:
        """Take over the memory of a version's order states, for who opens it next; the oldest ones are let go."""
        before = self._states.pop(version, None)
        self._states[version] = before if before is not None and before.is_same(memory) else memory
        while len(self._states) > STATES_KEPT:
            del self._states[next(iter(self._states))]

    def taken(self, message: Message) -> int:
        """Return the version that a message wants to be enforced, having taken over the states that came with it."""
        version = int(message["enforce"])
        if (descriptor := message.pop(DESCRIPTOR, None)) is not None:
            self.take_states(version, StatesMemory(descriptor))
        return version

    def states_of(self, version: int) -> StatesMemory:
        """Return the memory of a version's order states; raises RulesetError if there is none."""
        try:
            return self._states[version]
        except KeyError:
            raise RulesetError(f"version {version} was not prepared") from None

    def is_out_of_reach(self) -> bool:
        """Return whether this process cannot read what a start needs: the folder is gone, or closed to it."""
        folders = (self.folder, self.versions.folder, self.folder / "feeds")
        return not all(os.access(folder, os.R_OK | os.X_OK) for folder in folders)

    def _is_only_held(self, version: int) -> bool:
        """Return whether a version is held whose file cannot be seen, and cannot be made anew at its place either."""
        return self.held.of(version) is not None and bool(self.unwritable())

    def _kept(self) -> list[int]:
        """Return the versions kept; none if that cannot be found out."""
        with contextlib.suppress(OSError):
            return self.versions.all()
        return []

    def forget_writing(self) -> None:
        """Unmap, in a process that may only read states, what it could write."""
        for memory in self._states.values():
            memory.forget_writing()

    def last_good(
        self,
        slots: HitSlots,
        now: float,
        ends: Ends | None = None,
        *,
        in_force: int | None = None,
        skip: Collection[int] = (),
        as_is: Collection[int] = (),
        kept: Collection[str] | None = None,
        tell: Callable[[int, str], None] = lambda _version, _why: None,
    ) -> int | None:
        """Prepare the version that is pinned, or the one in force if it was made from that one.

        Otherwise the one in force, or if that is damaged the newest good one; None if there is none. A damaged one is
        set aside. While a daemon runs, `in_force` is what it enforces: that goes first, and nothing is marked, which
        the control process does. Versions to `skip` are known to be damaged; those `as_is` are not read through. `tell`
        is told each version before it is read, with an empty text, and of each that is damaged why. Raises RulesetError
        and OSError if this process has no means to read one: that says nothing of it, and no other is better.
        """
        current, pinned = self.versions.current(), self.versions.pinned()
        held_to = kept if pinned is None else None  # what was pinned stays as it was
        there = [version for version in self._kept() if version not in skip]
        record = self.versions.record(current) if current is not None and pinned is not None else None
        is_from_pinned = record is not None and record.base == pinned
        order = (in_force, current, pinned) if is_from_pinned else (in_force, pinned, current)
        wanted = [version for version in order if version in there]
        if in_force is not None and in_force not in (*there, *skip):
            if self._is_only_held(in_force):
                wanted.insert(0, in_force)
            elif not self.is_out_of_reach() and not os.path.lexists(self.versions.ruleset(in_force)):
                tell(in_force, f"{self.versions.ruleset(in_force)} is gone")
        for version in dict.fromkeys([*wanted, *reversed(there)]):
            tell(version, "")
            try:
                self.prepare(version, slots, now, ends=ends, verify=version not in as_is, kept=held_to).close()
            except DamagedRuleset as error:
                log.error("Version %d is damaged, and set aside: %s. An older one is tried.", version, error)
                self.set_aside(version)
                tell(version, str(error))
                continue
            except (RulesetError, OSError) as error:
                if is_of_the_process(error):
                    raise
                log.error("Version %d is skipped: %s. An older one is tried.", version, error)
                if is_of_the_file(error):
                    tell(version, str(error))
                continue
            if version != current and in_force is None:
                self.mark_current(version)
            return version
        return None

    def mark_current(self, version: int) -> None:
        """Mark a version as the one in force, as far as the folder can be written: it is enforced in any case."""
        try:
            self.versions.make_current(version)
        except (RulesetError, OSError) as error:
            log.error("Version %d cannot be marked as the current one: %s. It is enforced.", version, error)

    def set_aside(self, version: int) -> None:
        """Keep a damaged version from being opened, as far as the folder can be written."""
        with contextlib.suppress(OSError):
            self.versions.set_aside(version)

    def open(self, version: int, like: Ruleset | None = None) -> Enforced:
        """Open a version that was prepared; raises RulesetError. `like` is a ruleset with nearly the same orders.

        A confined process whose folder of rulesets was replaced has to be started again: raises CommandError. What is
        held is let go: a process needs it for what it begins with.
        """
        path = self.versions.ruleset(version)
        try:
            return self.opened(version, Ruleset.open(path, verify=False, like=like, held=self.held.of(version)))
        except RulesetError:
            check_in_place()
            raise
        finally:
            self.held.release()

    def opened(self, version: int, ruleset: Ruleset) -> Enforced:
        """Put a prepared version's ruleset and order states together; raises RulesetError, and closes the ruleset."""
        try:
            states = OrderStates(self.states_of(version), len(ruleset.catalogue.orders))
        except RulesetError:
            ruleset.close()
            raise
        return Enforced(version, ruleset, states, self._translations, self._groups)

    def writable_states(self, enforced: Enforced) -> OrderStates:
        """Map the states of what is enforced, for the only process that may change them; raises RulesetError."""
        orders = len(enforced.ruleset.catalogue.orders)
        return OrderStates(memory_of(enforced), orders, writable=True)


def memory_of(enforced: Enforced) -> StatesMemory:
    """Return the memory of the order states of what was opened here."""
    assert isinstance(enforced.states, OrderStates)  # noqa: S101 - no other is enforced
    return enforced.states.memory
