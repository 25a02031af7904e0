"""One transfer from a primary to the disk: the whole zone, or its changes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import ACCEPTED, INCOMING, Fetched, Validators
from blockd.feeds.transfer.base_file import BaseFile, base_in, too_large
from blockd.feeds.transfer.connection import connected
from blockd.feeds.transfer.content import Differences, ZoneContent, write_journal
from blockd.feeds.transfer.question import IXFR, TransferQuestion
from blockd.feeds.transfer.zone_transfer import Kind, ZoneTransfer
from blockd.files import open_kept
from blockd.settings import SocketAddress

SLOW_TIME = 300.0  # seconds in which at least SLOW_SIZE must come: a primary that drips must not hold up the others
SLOW_SIZE = 10_240  # octets
# Octets of text for each one received, and in all whatever was received. An ordinary zone has up to seven; with
# pointers to long names it could have thirty, and fill a disk by few octets.
MAX_GROWTH, ALWAYS_TAKEN = 16, 64 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a transfer: the newest SOA's line, its serial, and new content if there is any."""

    soa: bytes
    serial: int
    fetched: Fetched | None = None
    differences: bool = False  # whether the content was made from differences


@dataclass(frozen=True, slots=True)
class Receiver:
    """Receives transfers into `folder`, whose `accepted` content IXFR starts from."""

    folder: Path
    max_size: int  # octets of zone text, and of a transfer
    now: Callable[[], float]  # returns seconds since the epoch
    stall: float  # seconds for one message

    async def receive(
        self, primary: SocketAddress, question: TransferQuestion, content: ZoneContent | None, held: Set[int]
    ) -> Received:
        """Run one transfer to its end; raises FeedRefused, and OSError if the disk fails.

        `content` is what is accepted; zones with a serial of `held` are not needed again.
        """
        transfer = ZoneTransfer(question, self.now, content.serial if content else None, held)
        differences = Differences()
        if question.kind == IXFR:
            differences = await asyncio.to_thread(Differences.read, self.folder / ACCEPTED)
        base: BaseFile | None = None
        pace = _Pace()
        with contextlib.ExitStack() as stack:
            async with connected(primary, self.stall) as connection:
                await connection.send(question.wire)
                while not transfer.complete:
                    for message in await connection.receive():
                        changes = transfer.feed(message)
                        if base is None and transfer.kind is Kind.WHOLE:
                            base = stack.enter_context(base_in(self.folder, self.max_size))
                        for change in changes:
                            if base is not None:
                                base.write(change.text)
                            else:
                                differences.take(change.removed, change.text)
                        if transfer.received > self.max_size:
                            raise too_large(self.max_size)
                        if base is not None and base.octets > MAX_GROWTH * transfer.received + ALWAYS_TAKEN:
                            raise FeedRefused(
                                "too large", f"{transfer.received:,} octets are {base.octets:,} octets of zone text"
                            )
                        if transfer.complete:
                            break  # what comes behind its end is not read
                    if not transfer.complete:
                        pace.check(transfer.received)
            if transfer.kind is Kind.UP_TO_DATE:
                return Received(transfer.soa[:-1], transfer.new_serial)
            if base is not None:
                await asyncio.to_thread(base.sync)
        soa = transfer.soa[:-1].decode()
        if base is not None:
            content, differences = base.content(soa, transfer.new_serial), Differences()
        assert content is not None  # noqa: S101 - differences are asked for from it
        content = replace(content, soa=soa, serial=transfer.new_serial)
        incoming = self.folder / INCOMING
        await asyncio.to_thread(write_journal, incoming, content, differences)
        digest = await asyncio.to_thread(_digest_of, incoming)
        fetched = Fetched(incoming, digest, None, Validators(etag=str(transfer.new_serial)))
        return Received(transfer.soa[:-1], transfer.new_serial, fetched, differences=base is None)


class _Pace:
    """Watches that a transfer is not slower than SLOW_SIZE in SLOW_TIME."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._since = self._clock()
        self._received = 0

    def check(self, received: int) -> None:
        """Take the octets received so far; raises FeedRefused("stalled")."""
        elapsed, came = self._clock() - self._since, received - self._received
        if elapsed < SLOW_TIME:
            return
        if came < SLOW_SIZE:
            raise FeedRefused("stalled", f"only {came:,} octets came in {elapsed:,.0f} seconds")
        self._since, self._received = self._clock(), received


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex; it takes a while, so call it from a thread."""
    with open_kept(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
