"""A primary's SOA, asked in one way after the other: over UDP with EDNS, without EDNS, and over TCP."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import dns.tsig

from blockd.errors import FeedRefused
from blockd.feeds.transfer.connection import ask_once, connected
from blockd.feeds.transfer.message_reader import MessageReader, is_truncated
from blockd.feeds.transfer.question import SOA, TransferQuestion
from blockd.feeds.transfer.shortfalls import Shortfall, Shortfalls
from blockd.feeds.transfer.tries import IN_VAIN, Tries
from blockd.settings import SocketAddress

_OF_EDNS = ("answer", "format", "stalled")  # reasons that may be gone without EDNS (RFC 6891 section 7)
_WAYS = ("SOA by UDP with EDNS", "SOA by UDP", "SOA by TCP")
_EDNS, _UDP, _TCP = _WAYS


@dataclass(slots=True)
class AskedPrimary:
    """A primary with its SOA's line and serial, or with the `tries` that failed and whether a transfer may succeed."""

    primary: SocketAddress
    tries: Tries
    soa: bytes | None = None
    serial: int = 0
    may_transfer: bool = True


@dataclass(frozen=True, slots=True)
class SerialQuestion:
    """Asks primaries for the SOA of a zone; `now` returns seconds since the epoch, `stall` is as for a connection."""

    zone: str
    key: dns.tsig.Key | None
    shortfalls: Shortfalls
    now: Callable[[], float]
    stall: float

    async def ask(self, primary: SocketAddress, called: str) -> AskedPrimary:
        """Return the primary's SOA, or why it has none; `called` is what sentences call it."""
        asked = AskedPrimary(primary, Tries(called))
        if self.shortfalls.has(primary, Shortfall.SOA):
            return asked
        refused: FeedRefused | None = None
        for way in _WAYS:
            if not self._is_worth(way, primary, refused):
                continue
            try:
                asked.soa, asked.serial = await self._soa(way, primary)
            except FeedRefused as error:
                refused = error.kept()
                asked.tries.note(way, error)
                if error.reason in IN_VAIN:
                    break
            else:
                self._note(way, primary, refused)
                return asked
        assert refused is not None  # noqa: S101 - TCP is always worth it
        asked.may_transfer = refused.reason not in (*IN_VAIN, "unreachable")
        return asked

    def _is_worth(self, way: str, primary: SocketAddress, refused: FeedRefused | None) -> bool:
        """Return whether to ask in this way, given the refusal of the way before."""
        if way == _TCP:
            return True
        if self.shortfalls.has(primary, Shortfall.UDP):
            return False
        if way == _EDNS:
            return not self.shortfalls.has(primary, Shortfall.EDNS)
        return refused is None or (refused.reason in _OF_EDNS and not isinstance(refused, _Truncated))

    def _note(self, way: str, primary: SocketAddress, refused: FeedRefused | None) -> None:
        """Note what the primary cannot do, since it has answered in this way and not in the one before."""
        if refused is not None:
            self.shortfalls.note(primary, Shortfall.EDNS if way == _UDP else Shortfall.UDP, str(refused))
        elif way == _EDNS:
            self.shortfalls.forget(primary, Shortfall.EDNS)
        if way != _TCP:
            self.shortfalls.forget(primary, Shortfall.UDP)
        self.shortfalls.forget(primary, Shortfall.SOA)

    async def _soa(self, way: str, primary: SocketAddress) -> tuple[bytes, int]:
        identifier = secrets.randbelow(1 << 16)
        question = TransferQuestion.make(self.zone, SOA, identifier, self.key, edns=way == _EDNS)
        if way == _TCP:
            async with connected(primary, self.stall) as connection:
                await connection.send(question.wire)
                message = (await connection.receive())[0]
        else:
            message = await ask_once(primary, question.wire)
            if is_truncated(message):
                raise _Truncated("answer", "its answer is truncated")
        found = MessageReader(question, self.now, is_datagram=way != _TCP).soa(message)
        if found is None:
            raise FeedRefused("no zone", "it has no SOA for the zone: check that it is the zone's primary")
        return found


class _Truncated(FeedRefused):
    """An answer does not fit into a datagram, and has to be asked for over TCP (RFC 2181 section 9)."""
