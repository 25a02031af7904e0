"""Who asks for an upgrade is told of that one, whatever is heard of others meanwhile."""

from __future__ import annotations

import asyncio
from typing import cast

from blockd.audit import AuditLog
from blockd.daemon.channel import Message
from blockd.daemon.reload.record import KEPT
from blockd.daemon.switching import ControlChannel
from blockd.daemon.upgrade.record import UpgradeRecord
from blockd.daemon.upgrade.service import UpgradeService
from tests.daemon.parts import ManualTime


class Supervisor:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def send(self, message: Message) -> None:
        self.asked.append(message["upgrade"])


def told(asked: dict[str, str], outcome: str) -> Message:
    record = {"id": asked["id"], "by": "a", "reason": "", "program": "", "dry_run": True, "at": "", "outcome": outcome}
    return {"upgraded": UpgradeRecord.from_message(record).to_json()}


def test_another_who_waits_does_not_miss_what_the_first_has_heard() -> None:
    async def check() -> None:
        supervisor, time = Supervisor(), ManualTime()
        service = UpgradeService(cast(ControlChannel, supervisor), cast(AuditLog, None), time.timing)
        waiting = [asyncio.create_task(service.upgrade("a", "", "", dry_run=True)) for _ in range(3)]
        await time.settle()
        for asked in supervisor.asked:
            service.heard(told(asked, "trying"))
            await time.settle()
        assert not any(task.done() for task in waiting)
        for asked in supervisor.asked:
            service.heard(told(asked, "tried"))
            await time.settle()
        assert {record.outcome for record in await asyncio.wait_for(asyncio.gather(*waiting), 10)} == {"tried"}

    asyncio.run(check())


def test_two_that_are_heard_of_at_once_are_each_told_to_who_asked() -> None:
    async def check() -> None:
        supervisor, time = Supervisor(), ManualTime()
        service = UpgradeService(cast(ControlChannel, supervisor), cast(AuditLog, None), time.timing)
        waiting = [asyncio.create_task(service.upgrade("a", "", "", dry_run=True)) for _ in range(2)]
        await time.settle()
        first, second = supervisor.asked
        service.heard(told(first, "trying"))
        service.heard(told(second, "refused"))
        service.heard(told(first, "tried"))
        outcomes = [record.outcome for record in await asyncio.wait_for(asyncio.gather(*waiting), 10)]
        assert outcomes == ["tried", "refused"]
        current = service.status.current
        assert current is not None
        assert current.outcome == "tried"
        for number in range(KEPT + 5):
            service.heard(told({"id": str(number)}, "refused"))
        assert len(service._known) == KEPT

    asyncio.run(check())
