"""What the control process knows of changes that go on after they were asked for: reloads, and upgrades."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from blockd.daemon.reload.record import KEPT
from blockd.daemon.timing import Timing


class ChangeRecord(Protocol):
    """How a change stands or has ended."""

    @property
    def id(self) -> str:
        """Which change it is."""

    @property
    def outcome(self) -> str:
        """How it stands."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""


RecordType = TypeVar("RecordType", bound=ChangeRecord)


class KnownRecords(Generic[RecordType]):
    """The newest records, at most KEPT of them; that which was told of last is the last one."""

    def __init__(self, timing: Timing, records: Iterable[RecordType] = ()) -> None:
        self._timing = timing
        self._records = {record.id: record for record in records}
        self._changed = asyncio.Event()
        self._is_over = False

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[RecordType]:
        return iter(self._records.values())

    @property
    def current(self) -> RecordType | None:
        """The newest one in progress, else the newest; None if there is none."""
        newest = list(reversed(self._records.values()))
        return next((record for record in newest if not record.has_ended), newest[0] if newest else None)

    def add(self, record: RecordType) -> None:
        """Take what is told of a change."""
        self._records.pop(record.id, None)
        self._records[record.id] = record
        while len(self._records) > KEPT:
            del self._records[next(iter(self._records))]
        self._changed.set()

    def end_waiting(self) -> None:
        """Have nobody wait any more: this process ends."""
        self._is_over = True
        self._changed.set()

    async def settled(self, known: str, under_way: Collection[str], seconds: float) -> RecordType | None:
        """Return the record of a change once its outcome is none of `under_way`.

        If waiting ends before, it is what is known of it, None if nothing is. Raises TimeoutError after `seconds`.
        """
        deadline = self._timing.monotonic() + seconds
        while (record := self._records.get(known)) is None or record.outcome in under_way:
            if self._is_over:
                return record
            self._changed.clear()
            left = deadline - self._timing.monotonic()
            if left <= 0 or not await self._timing.wait(self._changed, left):
                raise TimeoutError
        return record
