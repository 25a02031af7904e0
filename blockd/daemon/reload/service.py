"""The control process's side of reloads: it asks the supervisor for one, records how it ended, and tells of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from blockd.audit import AuditLog
from blockd.daemon.channel import Message
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.reload.known_records import KnownRecords
from blockd.daemon.reload.record import ReloadHistory, ReloadRecord
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.switching import ControlChannel
from blockd.daemon.timing import Timing
from blockd.errors import CommandError
from blockd.metrics.reloads import ReloadsSample
from blockd.times import time_from_text, time_text

PATIENCE = 120.0  # seconds until a config has been checked and tried
TOLD_TO_READERS = "the errors are told to those who may read: `blockd status`, or a token"


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """What is told of reloads: the one in progress, else the newest, and the last one that was to be taken."""

    current: ReloadRecord | None
    last: ReloadRecord | None

    def for_strangers(self) -> Self:
        """Return it without what was found in a config: that may quote what somebody has typed in a wrong place."""
        return replace(self, current=_without_quotes(self.current), last=_without_quotes(self.last))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "current": self.current.to_json() if self.current else None,
            "last": self.last.to_json() if self.last else None,
        }


@dataclass(frozen=True, slots=True)
class ReloadsTold(ReloadStatus):
    """What is told to who looks for a reload by its id, too: `recent` are the newest, the last one last."""

    recent: tuple[ReloadRecord, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**ReloadStatus.to_json(self), "recent": [record.to_json() for record in self.recent]}


def _without_quotes(record: ReloadRecord | None) -> ReloadRecord | None:
    if record is None or not (record.problems or record.changes):
        return record
    return replace(record, changes=(), problems=(TOLD_TO_READERS,) if record.problems else ())


class ReloadService:
    """Reloads, as the control process knows them; `running` is the config that it runs by."""

    def __init__(
        self, channel: ControlChannel, audit: AuditLog, history: ReloadHistory, running: ConfigWatch, timing: Timing
    ) -> None:
        self._channel = channel
        self._audit = audit
        self._running = running
        self._timing = timing
        self._last = history.last
        self._total = dict(history.total)
        newest = () if history.current is None else (history.current,)
        self._known = KnownRecords(timing, (*history.recent, *newest))

    @property
    def status(self) -> ReloadStatus:
        """What is told of them."""
        return ReloadStatus(self._known.current, self._last)

    @property
    def told(self) -> ReloadsTold:
        """What is told to who looks for one."""
        return ReloadsTold(self._known.current, self._last, tuple(self._known))

    async def reload(self, by: str, reason: str, config: str = "", *, dry_run: bool) -> ReloadRecord:
        """Have the config taken that is on disk, and return how that stands once it was checked and tried.

        From then on processes are replaced, this one among them: who asked is told of the rest by `told`. So it is if
        this process is replaced before, by the reload that this one waits for.
        `config` is the file that is meant, empty for whichever blockd runs by. Raises CommandError if that is another,
        or if the supervisor does not answer.
        """
        if config and not self._running.is_of(config):
            raise CommandError(
                f"This blockd runs by {self._running.files[0].path}, and not by {config}; nothing was read or changed. "
                "Name that file with --config; a start is what takes another one."
            )
        known = secrets.token_hex(8)
        self._channel.send({"reload": {"id": known, "by": by, "reason": reason, "dry_run": dry_run}})
        try:
            record = await self._known.settled(known, ("checking", "trying"), PATIENCE)
        except TimeoutError as error:
            raise CommandError(
                f"The config was not checked within {PATIENCE:.0f} seconds. The one in force stays until "
                "`blockd status` tells of another; the log says more."
            ) from error
        return record or ReloadRecord(known, by, reason, dry_run, time_text(self._timing.clock()), "checking")

    def leave(self) -> None:
        """Have nobody wait for a reload any more: this process ends, and the next one is told how it has ended."""
        self._known.end_waiting()

    def heard(self, message: Message) -> None:
        """Take what the supervisor says of a reload."""
        record = ReloadRecord.from_message(message["reloaded"])
        self._known.add(record)
        if record.has_ended and not record.dry_run:
            self._note(record)

    def _note(self, record: ReloadRecord) -> None:
        """Record a reload that has ended, or was not begun."""
        if record.was_begun:
            self._last = record
        self._total[record.outcome] = self._total.get(record.outcome, 0) + 1
        if record.outcome == "unchanged":
            self._running.read_again(record.after)
            if record.after == record.before and not record.restart:
                return  # nothing was asked for but to look
        self._audit.write(
            "reload",
            {
                "by": record.by,
                "reason": record.reason,
                "outcome": record.outcome,
                "before": record.before,
                "after": record.after,
                "changes": list(record.changes),
                "restart": list(record.restart),
                "problems": list(record.problems),
            },
        )

    def sample(self) -> ReloadsSample:
        """Return what a scrape shows."""
        last = self._last
        return ReloadsSample(
            dict(self._total),
            last is None or last.is_good,
            self._running.read_at if last is None or not last.is_good else float(time_from_text(last.at)),
            last is not None and bool(last.restart),
            bool(self._running.status().changed),
            self._running.digest,
        )

    def alarms(self) -> Iterator[Alarm]:
        """Yield the alarms about the config."""
        last, changed = self._last, self._running.status().changed
        if last is not None and not last.is_good:
            errors = "1 error" if len(last.problems) == 1 else f"{len(last.problems)} errors"
            yield Alarm(
                "BlockdReloadFailed", "warning", "", f"The config on disk was not taken at {last.at}: {errors}.",
                f"all of it, by the config read before (SHA-256 {self._running.digest[:12]})",
                "`blockd reload --dry-run` tells every error. Mend the file, then `blockd reload`.",
            )  # fmt: skip
        elif changed:
            named = ", ".join(file.path for file in changed)
            yield Alarm(
                "BlockdConfigChanged", "info", "", f"{named}: another on disk than in force.",
                "all of it, by what was read before",
                "`blockd reload --dry-run` shows what would change, `blockd reload` takes it.",
            )  # fmt: skip
        elif last is not None and last.restart:
            yield Alarm(
                "BlockdRestartNeeded", "info", "", f"Only a restart takes what is new of {', '.join(last.restart)}.",
                "all of it, with these settings as they were", "Restart blockd when that suits.",
            )  # fmt: skip
