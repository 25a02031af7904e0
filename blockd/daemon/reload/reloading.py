"""Live reload: the config on disk is checked, tried, and then taken by one process after the other.

Verify, then swap, then notify. Whatever fails goes back to the generation in force, whose processes have never stopped
answering. One reload is done at a time, step by step in the turns of the supervisor.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.reload.changes import ConfigChanges
from blockd.daemon.reload.checking import CheckedConfig
from blockd.daemon.reload.generation import Generation
from blockd.daemon.reload.making import changed_files, content_changed, made_of
from blockd.daemon.reload.record import KEPT, ReloadHistory, ReloadRecord, ReloadRequest, bounded
from blockd.daemon.reload.succession import SuccessionError
from blockd.daemon.reload.taking import Taking, roles_of
from blockd.daemon.reload.trying import Trying
from blockd.daemon.reload.waits import LOOK, Steps, go_on
from blockd.errors import BlockdError, ConfigError
from blockd.settings import settings_from
from blockd.times import time_text
from blockd.transports.binding import tell

MAX_WAITING = 4  # reloads that wait for the one in progress; each takes what is on disk by then

log = logging.getLogger(__name__)


class ReloadRefusedError(Exception):
    """The config cannot be taken, for these reasons."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


class Reloading:
    """Reloads the config of a daemon. `tell` is called with the record of each reload, whenever that changes."""

    def __init__(self, trying: Trying, taking: Taking, tell: Callable[[ReloadRecord], None]) -> None:
        self._trying = trying
        self._taking = taking
        self._jobs = taking.jobs
        self._tell = tell
        self._waiting: deque[ReloadRequest] = deque()
        self._steps: Steps[None] | None = None
        self._ending: list[Steps[None]] = []  # of processes that answer what is pending, while others may be replaced
        self._record: ReloadRecord | None = None
        self._begun = 0.0
        self._total: Counter[str] = Counter()
        self._last: ReloadRecord | None = None
        self._recent: deque[ReloadRecord] = deque(maxlen=KEPT)  # that have ended

    @property
    def is_busy(self) -> bool:
        """Whether a reload is in progress, or waits."""
        return self._steps is not None or bool(self._waiting)

    @property
    def is_under_way(self) -> bool:
        """Whether a reload is in progress; what waits for it to end goes before the reloads that wait."""
        return self._steps is not None

    @property
    def is_told(self) -> bool:
        """Whether it is told what came of the reload, so that replaced processes end at most, and none waits."""
        return self._record is not None and self._record.has_ended and not self._waiting

    @property
    def history(self) -> ReloadHistory:
        """What is known of reloads since the start."""
        return ReloadHistory(self._record, self._last, dict(self._total), tuple(self._recent))

    @property
    def record(self) -> ReloadRecord | None:
        """The reload in progress, else the last one."""
        return self._record

    def ask(self, request: ReloadRequest) -> None:
        """Have the config reloaded; one that comes while others wait is refused with a sentence."""
        if len(self._waiting) >= MAX_WAITING:
            why = "other reloads wait already; ask again once they have ended. The config in force stays."
            self._ended(replace(_begun(request), outcome="refused", problems=(why,)))
            return
        self._waiting.append(request)

    def seconds(self) -> float | None:
        """Return the seconds until `step` is to be called; None if nothing is to be done."""
        return LOOK if self.is_busy or self._ending else None

    def step(self) -> None:
        """Go on as far as nothing has to be waited for."""
        self._ending = [steps for steps in self._ending if go_on(steps)]
        if self._steps is None:
            if not self._waiting:
                return
            request = self._waiting.popleft()
            self._begun, self._record = time.monotonic(), _begun(request)
            self._steps = self._reload(request)
        if not go_on(self._steps):
            self._steps = None

    def _reload(self, request: ReloadRequest) -> Steps[None]:
        checked: CheckedConfig | None = None
        try:
            checked = yield from self._trying.checked(self._jobs.generation)
            yield from self._checked(request, checked)
        except ReloadRefusedError as refused:
            self._end("refused", problems=bounded(refused.problems))
        except ConfigError as error:
            self._end("refused", problems=bounded(error.problems))
        except (BlockdError, OSError, SuccessionError) as error:
            self._end("failed", problems=bounded([f"{error}"]))
        except Exception as error:
            log.exception("An internal error in blockd ended a reload; the config in force stays. Please report it.")
            self._end("failed", problems=bounded([f"an internal error, see the log: {error!r}"]))
        finally:
            if checked is not None:
                checked.close()

    def _checked(self, request: ReloadRequest, checked: CheckedConfig) -> Steps[None]:
        """Take a config that was read and checked, if nothing is wrong with it."""
        before = self._jobs.generation
        self._note(before=before.running.digest, after=checked.digest)
        if checked.problems:
            raise ReloadRefusedError(*checked.problems)
        try:
            # Which takes a part of the time that reading the file does.
            settings = settings_from(checked.data, (), before.config)
        except ConfigError as error:
            raise ReloadRefusedError(*error.problems) from error
        running = ConfigWatch(settings, before.config, files=checked.files)
        changes = ConfigChanges.between(before.settings, settings, changed_files(before.running, running, settings))
        taken = content_changed(before.settings, settings)
        served = {role.kind for role in roles_of(before)}
        replaced = tuple(kind for kind in changes.replaced if kind in served)
        self._note(changes=bounded(list(map(str, changes.changes))), replaced=replaced, restart=changes.restart)
        if not changes.replaced:
            if not request.dry_run:
                before.running = running  # only comments may be others
            self._end("unchanged")
            return
        made, listening = made_of(before, taken, running, checked, self._taking.lasting)
        self._jobs.coming, is_taken = made, False
        try:
            yield from self._try(made, changes)
            if not request.dry_run:
                self._note(outcome="taking")
                yield from self._taking.take(made, changes.replaced, listening)
                is_taken = True
                tell(listening.sockets, listening.before.left_out)
        finally:
            if not is_taken:
                self._jobs.coming = None
                self._jobs.taken.clear()
                listening.take_back()
                made.forget(but=before)
        self._end("taken")
        if is_taken and made.shared.sockets.leaving:
            yield from self._taking.end()  # only then they may be named anew
        elif is_taken:
            self._ending.append(self._taking.end())

    def _try(self, made: Generation, changes: ConfigChanges) -> Steps[None]:
        """Have a worker of a new generation tried, if the changes concern workers; raises ReloadRefusedError."""
        if "worker" in changes.replaced:
            self._note(outcome="trying")
            if failure := (yield from self._trying.tried(made, self._jobs.generation)):
                raise ReloadRefusedError(f"a worker that tried the config failed: {failure}")

    def _note(self, **values: object) -> None:
        assert self._record is not None  # noqa: S101 - a reload is in progress
        told = self._record.outcome
        self._record = replace(self._record, **values)  # type: ignore[arg-type]
        if self._record.outcome != told and not self._record.has_ended:
            self._tell(self._record)

    def _end(self, outcome: str, problems: tuple[str, ...] = ()) -> None:
        self._note(outcome=outcome, problems=problems, seconds=round(time.monotonic() - self._begun, 3))
        record = self._record
        assert record is not None  # noqa: S101 - a reload is in progress
        if not record.dry_run:
            self._last = record
        self._ended(record)

    def _ended(self, record: ReloadRecord) -> None:
        """Count and tell of a reload that has ended, or that was not begun."""
        if not record.dry_run:
            self._total[record.outcome] += 1
        self._recent.append(record)
        _log(record)
        self._tell(record)


def _begun(request: ReloadRequest) -> ReloadRecord:
    at = time_text(time.time())
    return ReloadRecord(request.id, request.by, request.reason, request.dry_run, at, "checking")


def _log(record: ReloadRecord) -> None:
    """Say how a reload has ended."""
    by = f"Reload by {record.by}" + (f" ({record.reason})" if record.reason else "")
    if record.dry_run:
        log.info("%s was a dry run: %s; nothing was changed.", by, record.outcome)
    elif not record.was_begun:
        log.warning("%s was not begun: %s", by, "; ".join(record.problems))
    elif record.outcome == "unchanged" and record.restart:
        log.info("%s: nothing of the config on disk is new but what needs a restart.", by)
    elif record.outcome == "unchanged":
        log.info("%s: the config on disk is the one in force (SHA-256 %s).", by, record.after[:12])
    elif record.outcome == "taken":
        log.warning(
            "%s: the config is taken after %.1f seconds (SHA-256 %s, before %s). Changed: %s.",
            by, record.seconds, record.after[:12], record.before[:12], "; ".join(record.changes),
        )  # fmt: skip
    else:
        reasons = "; ".join(record.problems)
        log.error("%s: the config on disk is not taken. The one in force stays, and goes on. %s.", by, reasons)
    if record.restart:
        log.warning("Only a restart takes what is new of %s.", ", ".join(record.restart))
