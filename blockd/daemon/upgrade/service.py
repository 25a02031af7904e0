"""The control process's side of upgrades: it asks the supervisor for one, records how it ended, and tells of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from blockd.audit import AuditLog
from blockd.daemon.channel import Message
from blockd.daemon.reload.known_records import KnownRecords
from blockd.daemon.reload.succession import LEAVES
from blockd.daemon.switching import ControlChannel
from blockd.daemon.timing import Timing
from blockd.daemon.upgrade import trial
from blockd.daemon.upgrade.record import UpgradeRecord
from blockd.errors import CommandError
from blockd.web.api.bodies import MAX_PROGRAM

PATIENCE = LEAVES + trial.PATIENCE + 20.0  # seconds until a reload has come to its end and a program has been tried


@dataclass(frozen=True, slots=True)
class UpgradeStatus:
    """What is told of upgrades: the newest, that in progress included; None if none was asked for."""

    current: UpgradeRecord | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"current": self.current.to_json() if self.current else None}


class UpgradeService:
    """Upgrades, as the control process knows them."""

    def __init__(self, channel: ControlChannel, audit: AuditLog, timing: Timing) -> None:
        self._channel = channel
        self._audit = audit
        self._known = KnownRecords[UpgradeRecord](timing)

    @property
    def status(self) -> UpgradeStatus:
        """What is told of them."""
        return UpgradeStatus(self._known.current)

    async def upgrade(self, by: str, reason: str, program: str, *, dry_run: bool) -> UpgradeRecord:
        """Have a program take the place of the running one, and return how that stands once it was tried.

        From then on this process is replaced, too: who asked is told of the rest by `status`. Raises CommandError if
        the path is too long or more than a line, or the supervisor does not answer.
        """
        if len(program.encode("utf-8", "surrogatepass")) > MAX_PROGRAM or not program.isprintable():
            raise CommandError(
                f"The path of a program is one line of at most {MAX_PROGRAM} octets; nothing was changed."
            )
        known = secrets.token_hex(8)
        asked = {"id": known, "by": by, "reason": reason, "program": program, "dry_run": dry_run}
        self._channel.send({"upgrade": asked})
        try:
            record = await self._known.settled(known, ("trying",), PATIENCE)
        except TimeoutError as error:
            raise CommandError(
                f"The program was not tried within {PATIENCE:.0f} seconds; the log says more."
            ) from error
        if record is None or record.outcome == "trying":
            raise CommandError(
                "blockd was told to stop, or replaces the process that was asked, before the program had been "
                "tried. `blockd status` shows which version runs, and the log says more."
            )
        return record

    def leave(self) -> None:
        """Have nobody wait any more: this process ends."""
        self._known.end_waiting()

    def heard(self, message: Message) -> None:
        """Take what the supervisor says of an upgrade."""
        record = UpgradeRecord.from_message(message["upgraded"])
        self._known.add(record)
        if record.has_ended and not record.dry_run:
            told = record.to_json()
            self._audit.write("upgrade", {key: told[key] for key in _RECORDED})


_RECORDED = ("by", "reason", "program", "outcome", "before", "after", "problems")
