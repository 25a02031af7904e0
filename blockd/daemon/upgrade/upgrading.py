"""An upgrade, in the program that is replaced: the other one is tried, and then executed in its place.

Until it is executed, all goes on by this program; if that fails, too. The control process, which alone writes the state
folder, ends first, so that never two of them do. All others go on, and are passed (`blockd.daemon.upgrade.handover`).
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from blockd import __version__
from blockd.daemon.notify.service import ServiceNotices
from blockd.daemon.processes.children import CONTROL, Child, Role, its_end
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.reload.handing import Handing
from blockd.daemon.reload.lasting import Lasting
from blockd.daemon.reload.record import bounded
from blockd.daemon.reload.succession import LEAVES, Succession
from blockd.daemon.reload.trying import Fork
from blockd.daemon.reload.waits import LOOK, Steps, ended, go_on
from blockd.daemon.rights.capabilities import CAP_NET_BIND_SERVICE, give_to_program, keep_only
from blockd.daemon.upgrade import trial
from blockd.daemon.upgrade.handover import FORMAT, Handover
from blockd.daemon.upgrade.record import UpgradeRecord, UpgradeRequest
from blockd.daemon.worker.origins import Origins
from blockd.times import time_text

TRIAL = Role("trial")
MAX_LINKS = 40  # that a path leads by, as Linux has it (path_resolution(7))

log = logging.getLogger(__name__)


class Upgrading:
    """Upgrades a daemon. `tell` is called with the record whenever that changes; `resume` starts a control process."""

    def __init__(
        self,
        jobs: Jobs,
        family: Family,
        lasting: Lasting,
        succession: Succession,
        service: ServiceNotices,
        fork: Fork,
        tell: Callable[[UpgradeRecord], None],
        resume: Callable[[], object],
    ) -> None:
        self._jobs = jobs
        self._family = family
        self._lasting = lasting
        self._handing = Handing(family)
        self._succession = succession
        self._service = service
        self._fork = fork
        self._tell = tell
        self._resume = resume
        self._waiting: UpgradeRecord | None = None
        self._steps: Steps[None] | None = None
        self._begun = 0.0
        self.record: UpgradeRecord | None = None

    @property
    def is_busy(self) -> bool:
        """Whether one is in progress."""
        return self._steps is not None

    def ask(self, request: UpgradeRequest, why_not: str = "") -> None:
        """Have one be begun; it is refused with a sentence if one is in progress, or for the reason `why_not`."""
        begun = UpgradeRecord(
            request.id, request.by, request.reason, request.program, request.dry_run, time_text(time.time()), "trying",
            before=__version__,
        )  # fmt: skip
        if why_not or self.is_busy or self._waiting is not None:
            why = why_not or "an upgrade is in progress; ask again once it has ended"
            self._tell(replace(begun, outcome="refused", problems=(why,)))
            return
        self._waiting = begun

    def seconds(self) -> float | None:
        """Return the seconds until `step` is to be called; None if nothing is to be done."""
        return LOOK if self.is_busy or self._waiting is not None else None

    def step(self, *, may_begin: bool) -> None:
        """Go on as far as nothing has to be waited for, and begin what was asked for if that may be by now.

        Does not return if the other program is executed.
        """
        if may_begin and self._waiting is not None:
            self.record, self._begun, self._waiting = self._waiting, time.monotonic(), None
            self._steps = self._upgrade(self.record)
        if self._steps is not None and not go_on(self._steps):
            self._steps = None

    def _upgrade(self, begun: UpgradeRecord) -> Steps[None]:
        try:
            command = command_of(begun.program)
            verdict = yield from self._tried(command)
            self._note(after=verdict.version)
            if verdict.problems:
                self._end("refused", *verdict.problems)
                return
            if begun.dry_run:
                self._end("tried")
                return
            self._note(outcome="taking")
            self._service.reloading(
                f"Version {verdict.version} takes the place of {__version__}, which goes on until then."
            )
            yield from self._become(command)
        except (OSError, ValueError) as error:
            self._end("failed", str(error))
        except Exception as error:
            log.exception("An internal error in blockd ended an upgrade; this version goes on. Please report it.")
            self._end("failed", f"an internal error, see the log: {error!r}")

    def _tried(self, command: Sequence[str]) -> Steps[trial.TrialResult]:
        """Have the program try itself; raises ValueError if it does not say what it found."""
        settings, sockets = self._jobs.generation.settings, self._jobs.generation.shared.sockets
        where = str(settings.state_dir)
        in_force = trial.WhatRuns(FORMAT, self._jobs.version, where, settings.user, list(sockets.places()))
        child = self._fork(TRIAL, trial.job(command, in_force, dict(os.environ)), None)
        in_time = yield from ended(child, trial.PATIENCE)
        verdict = trial.TrialResult.of(child.said)
        if verdict is None:
            raise ValueError(f"{command[0]} {_silent(child, in_time=in_time)}")
        return verdict

    def _become(self, command: Sequence[str]) -> Steps[None]:
        """Have workers hand over what they have cached, end the control process, and execute the program.

        Raises OSError if that is not possible.
        """
        caches = yield from self._handing.all_of(self._jobs.generation.settings.workers)
        try:
            yield from self._execute(command, caches)
        finally:  # not reached but for an error
            for descriptor in caches.values():
                os.close(descriptor)

    def _execute(self, command: Sequence[str], caches: Mapping[int, int]) -> Steps[None]:
        control = self._family.of(CONTROL)
        if control is not None:
            self._succession.leave(control)
            yield from ended(control, LEAVES)
        record, generation = self.record, self._jobs.generation
        assert record is not None  # noqa: S101 - an upgrade is in progress
        lock = generation.shared.state.lock
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # until the other one handles them
        try:
            handed = Handover.of(
                [sys.executable, "-m", "blockd", *sys.argv[1:]], _told(record), generation.shared.sockets,
                [] if lock is None else lock.descriptors, [one for one in self._family if not one.role.is_passing],
                self._lasting, caches, Origins.of(generation.resolution),
            )  # fmt: skip
            give_to_program(CAP_NET_BIND_SERVICE)
            handed.pass_on(command, {**os.environ, **self._service.variables})
        except Exception:
            if os.geteuid() != 0:
                keep_only([CAP_NET_BIND_SERVICE])
            self._resume()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _note(self, **values: object) -> None:
        assert self.record is not None  # noqa: S101 - an upgrade is in progress
        told = self.record.outcome
        self.record = replace(self.record, **values)  # type: ignore[arg-type]
        if self.record.outcome != told:
            self._tell(self.record)

    def _end(self, outcome: str, *problems: str) -> None:
        seconds = round(time.monotonic() - self._begun, 3)
        self._note(outcome=outcome, problems=bounded(problems), seconds=seconds)
        by = self.record.by if self.record is not None else ""
        if outcome == "tried":
            log.info("Upgrade asked for by %s was a trial, which succeeded; nothing was changed.", by)
        else:
            reasons = "; ".join(problems)
            log.error("Upgrade asked for by %s: %s. Version %s goes on.", by, reasons, __version__)


def command_of(program: str) -> list[str]:
    """Return the command that runs this daemon by a program, or by the one that it was started by.

    Raises ValueError if that cannot be executed.
    """
    arguments = sys.argv[1:]
    if not program:
        program = os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link stays one: it may lead elsewhere by now
        if program.endswith(".py") or not _is_executable(program):
            return [sys.executable, "-m", "blockd", *arguments]
    if not program.startswith("/"):
        raise ValueError(f"{program} is not the whole path of a program")
    if not _is_executable(program):
        raise ValueError(f"{program} is not a program that this user may execute")
    if why := _not_safe(Path(program)):
        raise ValueError(f"{program} is not executed: {why}. Whoever can write it could take the place of blockd")
    return [program, *arguments]


def _is_executable(program: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(program).st_mode) and os.access(program, os.X_OK)  # noqa: PTH116
    except (OSError, ValueError):
        return False


def _not_safe(program: Path) -> str:
    """Say why somebody else than root, and than who has installed the running program, could have written a program.

    All that its path leads by counts, links and the folders that these lie in too: it is executed by its path, later.
    """
    trusted = {0, Path(sys.executable).resolve().stat().st_uid, Path(__file__).stat().st_uid}
    for path, found in _leads_by(program):
        if found.st_uid not in trusted:
            return f"{path} belongs to user {found.st_uid}"
        can_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode)
        if can_write and not found.st_mode & stat.S_ISVTX:
            return f"{path} can be written by others than its owner"
    return ""


def _leads_by(program: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every folder and link that a whole path leads by, and what it leads to; raises OSError."""
    path, rest, links = Path("/"), list(reversed(program.parts[1:])), 0
    yield path, path.lstat()
    while rest:
        part = rest.pop()
        path = path.parent if part == ".." else path / part  # no link any more: what it has led to
        found = path.lstat()
        yield path, found
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(program))
            target = path.readlink()
            rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            path = Path("/") if target.is_absolute() else path.parent


def _told(record: UpgradeRecord) -> dict[str, str]:
    """Return what the other program is told of who asked for it."""
    return {"id": record.id, "by": record.by, "reason": record.reason, "program": record.program, "at": record.at}


def _silent(child: Child, *, in_time: bool) -> str:
    """Say why nothing was heard of a program."""
    if not in_time:
        return f"has not tried itself within {trial.PATIENCE:.0f} seconds"
    how = its_end(child.status, child.last_reason)
    return f"{how} without a word on whether it can take over: it is not a blockd that can; use a restart"
