"""The state folder: what a restart needs, and nothing about any client.

lock                 held while a blockd runs on this folder
rulesets/            versions (`blockd.ruleset.versions.kept`)
feeds/NAME/          what each feed fetched (`blockd.daemon.update.feed_state`)
overrides.json       local overrides (`blockd.feeds.overrides.file`)
releases.json        entries let through by the operator (`blockd.ruleset.gate.release`)
audit.*              the audit log (`blockd.audit`); node.key and statements/ belong to its statements
reserve              octets that are for enforcement once the disk is full (`blockd.daemon.update.disk_room`)
hit-slots.json       which counter belongs to which order (`blockd.daemon.hit_slots`)
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.expiry import Ends, orders_of
from blockd.errors import CommandError, RulesetError
from blockd.names import WELL_KNOWN_TRANSLATIONS, Network
from blockd.ruleset import Enforced, OrderStates, Ruleset, Versions, write_states
from blockd.ruleset.versions.keeping import spare_one
from blockd.settings.groups import NO_GROUPS, ClientGroups

# Names that `blockd.files` gives to unfinished files.
_UNFINISHED = re.compile(
    r"\.(?:spare|compiled|compiled-amended|compiled-pinned|current|pinned|pinned\.json|incoming|feed\.json|held\.json|hit-slots\.json|"
    r"overrides\.json|releases\.json|audit\.head|node\.key|[0-9]+\.(?:orders|json|held\.json)|"
    r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?\.json)\.[a-z0-9_]{8}",
    re.ASCII,
)

# Where finished files are. Names of feeds and of authorities' roles contain no dot.
_FILE = re.compile(
    r"compiled|compiled-amended|compiled-pinned|audit\.alive|rulesets/(?:current|pinned)"
    r"|feeds/[^/]+/(?:accepted|begun|candidate|incoming|read|waiting)|.+\.(?:json|txt|ruleset|orders)",
    re.ASCII,
)

ORPHANS_END = 5.0  # seconds for the children of a killed blockd to notice, and to release its folder
LOOKS = 0.05  # seconds between two checks of that

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
        self._groups = groups
        self.versions = Versions(folder / "rulesets")
        self.room = DiskRoom(folder, spare=lambda: spare_one(self.versions), ruleset=self._size_in_force)
        try:
            for part in ("rulesets", "feeds"):
                (folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def lock(self) -> int:
        """Lock the folder for this process and its children; raises CommandError if another blockd has locked it.

        If that one was killed, its children are given time to end.
        """
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unusable(error) from error
        deadline = time.monotonic() + ORPHANS_END
        while not _is_locked(descriptor):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            is_alive = not holder.isdecimal() or Path(f"/proc/{holder}").exists()
            if is_alive or time.monotonic() >= deadline:
                os.close(descriptor)
                raise CommandError(
                    f"Another blockd (process {holder or 'unknown'}) is running with the state folder {self.folder}. "
                    "It keeps running; stop it first, or configure another state_dir for this one."
                    if is_alive
                    else f"Children of a blockd that has ended (process {holder}) still hold the state folder "
                    f"{self.folder}. End them first: `fuser {self.folder / 'lock'}` lists them."
                )
            time.sleep(LOOKS)
        with contextlib.suppress(OSError):  # a full disk: then the number of the process is not known
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def check_writable(self) -> None:
        """Raise CommandError if this process may not write all of the folder."""
        for path in (self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())):
            if not os.access(path, os.W_OK | os.X_OK):
                raise CommandError(
                    f"The state folder {self.folder} (state_dir) cannot be used: {path} cannot be written by this "
                    f"user ({os.geteuid()}). Change its owner to the user that blockd runs as."
                )

    def _unusable(self, error: OSError) -> CommandError:
        return CommandError(
            f"The state folder {self.folder} (state_dir) cannot be used: {error.filename}: {error.strerror}."
        )

    def tidy(self) -> None:
        """Remove unfinished files of a killed blockd, and whatever is not a regular file where one belongs.

        Call it only while the folder is locked.
        """
        for path in self.folder.rglob(".*"):
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)
        for path in list(self.folder.rglob("*")):
            if not _FILE.fullmatch(path.relative_to(self.folder).as_posix()):
                continue
            if path.is_symlink() and not path.exists():
                log.error("%s is a broken link where blockd keeps a file. It is removed and created again.", path)
                path.unlink(missing_ok=True)
            elif path.is_dir() and not path.is_symlink():
                log.error("%s is a folder where blockd keeps a file. It is removed and created again.", path)
                shutil.rmtree(path, ignore_errors=True)

    def own(self, uid: int, gid: int) -> None:
        """Make the user that blockd becomes the owner of the folder and of all in it."""
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)

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
    ) -> Ruleset:
        """Write a version's order states as of `now`; then the version is ready to be enforced.

        `ends` says what has expired, see `blockd.daemon.update.expiry`; `like` is a ruleset with nearly the same
        orders.

        The whole file is verified if `verify` is true; it need not be if it has just been written here.
        Raises RulesetError if it cannot be used.
        """
        ruleset = Ruleset.open(self.versions.ruleset(version), verify=verify, like=like)
        orders, stale = orders_of(ruleset.catalogue, ruleset.header.created, ends or {})
        hit_slots = slots.of(ruleset.catalogue, version, self.versions.all())
        write_states(self.versions.states(version), orders, hit_slots, now, stale)
        return ruleset

    def last_good(self, slots: HitSlots, now: float, ends: Ends | None = None) -> int | None:
        """Prepare the version that is pinned, or the one in force if it was made from that one.

        Otherwise the one in force, or if that is damaged the newest good one; None if there is none.
        """
        current, pinned = self.versions.current(), self.versions.pinned()
        kept = self.versions.all()
        record = self.versions.record(current) if current is not None and pinned is not None else None
        is_from_pinned = record is not None and record.base == pinned
        order = (current, pinned) if is_from_pinned else (pinned, current)
        wanted = [version for version in order if version in kept]
        for version in dict.fromkeys([*wanted, *reversed(kept)]):
            try:
                self.prepare(version, slots, now, ends=ends).close()
            except (RulesetError, OSError) as error:
                log.error("Version %d is skipped at the start: %s. An older one is tried.", version, error)
                continue
            if version != current:
                try:
                    self.versions.make_current(version)
                except OSError as error:
                    log.error("Version %d cannot be marked as the current one: %s. It is enforced.", version, error)
            return version
        return None

    def open(self, version: int, like: Ruleset | None = None) -> Enforced:
        """Open a version that was prepared; raises RulesetError. `like` is a ruleset with nearly the same orders."""
        return self.opened(version, Ruleset.open(self.versions.ruleset(version), verify=False, like=like))

    def opened(self, version: int, ruleset: Ruleset) -> Enforced:
        """Put a prepared version's ruleset and order states together; raises RulesetError, and closes the ruleset."""
        try:
            states = OrderStates(self.versions.states(version), len(ruleset.catalogue.orders))
        except RulesetError:
            ruleset.close()
            raise
        return Enforced(version, ruleset, states, self._translations, self._groups)

    def writable_states(self, enforced: Enforced) -> OrderStates:
        """Map the states of what is enforced, for the only process that may change them; raises RulesetError."""
        orders = len(enforced.ruleset.catalogue.orders)
        return OrderStates(self.versions.states(enforced.version), orders, writable=True)


def is_held(folder: Path) -> bool:
    """Return whether a blockd, or children of one that was killed, hold the state folder at `folder`."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_locked(descriptor: int) -> bool:
    """Try to take the lock; return whether it was taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
