"""The state of one transfer, fed message by message, without a socket: its changes, and whether it is complete."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from enum import Enum

from blockd.dns.serial import is_newer
from blockd.errors import FeedRefused
from blockd.feeds.transfer.message_reader import MessageReader
from blockd.feeds.transfer.question import IXFR, TransferQuestion
from blockd.feeds.transfer.records import record_lines


class Kind(Enum):
    """The kind of a transfer, as it turns out."""

    UNKNOWN = "not known yet"
    WHOLE = "all records of the zone, its SOA first and last"
    DIFFERENCES = "removed and added records since the serial in the question"
    UP_TO_DATE = "nothing: the primary has nothing newer than what is held here"


class _State(Enum):
    BEGIN = "before the first record"
    OPENED = "behind the first SOA of an answer to IXFR"
    WHOLE = "within the records of the whole zone"
    REMOVING = "within records that went"
    ADDING = "within records that came"
    END = "behind the last SOA"


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """Lines of zone text that were removed, if `removed`, or added."""

    removed: bool
    text: bytes


class ZoneTransfer:
    """One transfer of AXFR (RFC 5936) or IXFR (RFC 1995); `serial` is that of the zone here, None if there is none.

    It ends at the first SOA if that has a serial of `held`, whose zone is not needed again. `soa` is the line of the
    newest SOA, `new_serial` its serial. Every refusal is a FeedRefused whose message is a
    clause that continues `… cannot be taken from …:`.
    """

    def __init__(
        self,
        question: TransferQuestion,
        now: Callable[[], float],
        serial: int | None = None,
        held: Set[int] = frozenset(),
    ) -> None:
        self.kind = Kind.UNKNOWN
        self.soa = b""
        self.new_serial = 0
        self.received = 0  # octets
        self._question = question
        self._reader = MessageReader(question, now)
        self._serial = serial
        self._held = held
        self._current = 0  # the serial that the records of this difference lead from, or to
        self._state = _State.BEGIN
        self._changes: list[ZoneChange] = []

    @property
    def complete(self) -> bool:
        """Whether all of it was received."""
        return self._state is _State.END

    def feed(self, message: bytes) -> list[ZoneChange]:
        """Take the next message and return its changes, which are valid only once the transfer is complete."""
        if self.complete:
            raise FeedRefused("sequence", "a message comes after the transfer's end")
        self.received += len(message)
        position, count = self._reader.open(message)
        text, soas, behind = record_lines(message, position, count, self._question.zone)
        self._reader.verify(message, behind)
        if not count:
            raise FeedRefused("sequence", "a message holds no record: check that the primary has the zone")
        self._changes = []
        at = 0
        for start, end, serial in soas:
            self._records(text[at:start])
            self._take_soa(text[start:end], serial)
            if self.kind is Kind.UP_TO_DATE:
                return []
            at = end
        self._records(text[at:])
        if self._state is _State.OPENED and count == 1 and not is_newer(self.new_serial, self._known):
            self.kind = Kind.UP_TO_DATE
            self._state = _State.END
        if self.complete:
            self._reader.finish()
        return self._changes

    @property
    def _known(self) -> int:
        assert self._serial is not None  # noqa: S101 - an IXFR question has one
        return self._serial

    def _records(self, text: bytes) -> None:
        """Take records between two SOAs."""
        if not text:
            return
        if self._state is _State.BEGIN:
            raise FeedRefused("sequence", "its first record is not an SOA")
        if self._state is _State.END:
            raise FeedRefused("sequence", "records come after the closing SOA")
        if self._state is _State.OPENED:
            self._begin_whole()
        self._changes.append(ZoneChange(self._state is _State.REMOVING, text))

    def _begin_whole(self) -> None:
        """Begin an answer with the whole zone, whatever was asked."""
        if self._serial is not None and not is_newer(self.new_serial, self._serial):
            reason = "serial" if self._question.kind == IXFR else "rollback"
            raise FeedRefused(reason, f"it sends serial {self.new_serial}, which is not newer than {self._serial} here")
        self.kind = Kind.WHOLE
        self._state = _State.WHOLE
        self._changes.append(ZoneChange(False, self.soa))

    def _take_soa(self, line: bytes, serial: int) -> None:
        state = self._state
        if state is _State.BEGIN:
            self.soa, self.new_serial = line, serial
            self._state = _State.OPENED
            if serial in self._held:
                self.kind = Kind.UP_TO_DATE
                self._state = _State.END
            elif self._question.kind != IXFR:
                self._begin_whole()
        elif state is _State.OPENED:
            if serial == self.new_serial:  # a zone that has no other record
                self._begin_whole()
                self._close(line)
            else:
                self._begin_differences(serial)
        elif state is _State.WHOLE:
            self._close(line)
        elif state is _State.REMOVING:
            self._turn(serial)
        elif state is _State.ADDING:
            self._end_difference(line, serial)
        else:
            raise FeedRefused("sequence", "an SOA comes after the closing one")

    def _begin_differences(self, serial: int) -> None:
        if serial != self._serial:
            raise FeedRefused("serial", f"its differences begin at serial {serial}, not at {self._serial}")
        if not is_newer(self.new_serial, self._known):
            raise FeedRefused("serial", f"it sends serial {self.new_serial}, which is not newer than {self._serial}")
        self.kind = Kind.DIFFERENCES
        self._current = serial
        self._state = _State.REMOVING

    def _turn(self, serial: int) -> None:
        """Go from removed to added records."""
        if not is_newer(serial, self._current) or is_newer(serial, self.new_serial):
            raise FeedRefused("serial", f"a difference leads from serial {self._current} to {serial}")
        self._current = serial
        self._state = _State.ADDING

    def _end_difference(self, line: bytes, serial: int) -> None:
        if serial != self._current:
            raise FeedRefused(
                "serial", f"a difference leads to serial {self._current}, and the next begins at {serial}"
            )
        if serial == self.new_serial:
            self._expect_same(line)
            self._state = _State.END
        else:
            self._state = _State.REMOVING

    def _close(self, line: bytes) -> None:
        self._expect_same(line)
        self._changes.append(ZoneChange(False, line))
        self._state = _State.END

    def _expect_same(self, line: bytes) -> None:
        if line != self.soa:
            raise FeedRefused("serial", "its closing SOA differs from its first: the zone may have changed meanwhile")
