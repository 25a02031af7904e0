"""A zone from its primaries: transferred if their serial is newer, and taken whole or not at all.

A feed's content is a journal (`blockd.feeds.transfer.content`). IXFR starts from the accepted content; if it fails, or
its result is refused, the zone is fetched whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import dns.tsig

from blockd.dns.serial import is_newer
from blockd.errors import FeedRefused, FeedUnreachable, cause_of
from blockd.feeds.fetched import ACCEPTED, BEGUN, CANDIDATE, INCOMING, READ, REFUSED, WAITING, Fetched, Validators
from blockd.feeds.source import FeedSource
from blockd.feeds.transfer.base_file import BaseFile, base_in, too_large
from blockd.feeds.transfer.connection import ask_once, connected
from blockd.feeds.transfer.content import BASE, Differences, ZoneContent, write_journal
from blockd.feeds.transfer.keys import read_key
from blockd.feeds.transfer.message_reader import MessageReader
from blockd.feeds.transfer.question import AXFR, IXFR, SOA, TransferQuestion
from blockd.feeds.transfer.records import record_lines
from blockd.feeds.transfer.timers import Timers
from blockd.feeds.transfer.zone_transfer import Kind, ZoneTransfer
from blockd.settings import SocketAddress, TransferFeed

TOTAL = 1800.0  # seconds for one transfer: a national zone over a slow line
STALL = 30.0  # seconds for one message, or for a connection
JOURNALS = (
    INCOMING,
    CANDIDATE,
    READ,
    WAITING,
    REFUSED,
    BEGUN,
    ACCEPTED,
)  # the names of contents
_IN_VAIN = ("unreachable", "key", "clock", "not allowed")  # refusals of IXFR that AXFR would run into as well

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What was returned last: its serial, and whether it was made from differences."""

    serial: int
    differences: bool


class TransferSource(FeedSource):
    """One zone; the updater keeps its content in `folder` as `accepted`.

    `now` returns seconds since the epoch; `known` says whether the content of the folder may be built upon.
    """

    def __init__(
        self,
        feed: TransferFeed,
        folder: Path,
        *,
        known: bool,
        now: Callable[[], float] = time.time,
        total: float = TOTAL,
        stall: float = STALL,
    ) -> None:
        super().__init__(feed, folder)
        self._feed = feed
        self._interval = feed.min_refresh
        self._known = known
        self._now = now
        self._total = total
        self._stall = stall
        self._offer: _Offer | None = None
        self._failures = 0
        content = self._accepted()
        if content is not None:
            confirmed = (folder / ACCEPTED).stat().st_mtime
            self.expires = int(confirmed + Timers.of(content.soa.encode(), feed.min_refresh).expire)

    @property
    def interval(self) -> float:
        """Seconds until the next poll, from the zone's timers."""
        return self._interval

    async def poll(self) -> Fetched | None:
        """Return a newer zone, or None if there is none; raises FeedRefused.

        If nothing is newer and the accepted content is the newest, its expiry starts anew.
        """
        content = self._accepted()
        try:
            fetched, soa = await self._look(content)
        except FeedRefused as refused:
            self._failures += 1
            soa = content.soa.encode() if content else b""
            if soa:
                self._interval = self._timers(soa).after_failures(self._failures)
            raise self._or_expired(refused) from refused
        except OSError as error:
            raise FeedRefused("fault", f"The zone cannot be written ({cause_of(error)}): nothing is taken.") from error
        timers = self._timers(soa)
        self._failures = 0
        self._interval = timers.refresh
        confirmed = fetched is None and content is not None and str(content.serial).encode() == soa.split()[-5]
        if confirmed:
            os.utime(self.folder / ACCEPTED, (self._now(), self._now()))  # so that it is known after a restart
        if confirmed or self.expires is None:  # new content has yet to be accepted
            self.expires = int(self._now() + timers.expire)
        return fetched

    async def _look(self, content: ZoneContent | None) -> tuple[Fetched | None, bytes]:
        """Return the new content, if any, and the primaries' newest SOA."""
        key = None if self._feed.tsig is None else await asyncio.to_thread(read_key, self._feed.tsig)
        results = await asyncio.gather(*(self._ask_soa(primary, key) for primary in self._feed.primary))
        answers = [answer for answer in results if not isinstance(answer, FeedRefused)]
        refusals = [answer for answer in results if isinstance(answer, FeedRefused)]
        if not answers:
            raise next((refused for refused in refusals if refused.reason != "unreachable"), refusals[0])
        newest = functools.reduce(lambda one, other: other if is_newer(other[1], one[1]) else one, answers)
        soa, serial, _ = newest
        whole = content is None
        if content is not None and serial == content.serial:
            return None, soa
        if content is not None and not is_newer(serial, content.serial):
            raise FeedRefused(
                "rollback",
                f"The zone {self._feed.zone} has serial {serial} at its primary, which is not newer than "
                f"{content.serial} here: nothing is taken. Raise the primary's serial beyond the one here.",
            )
        if self._offer is not None and serial == self._offer.serial:
            if self._is_waiting() or not self._offer.differences:
                return None, soa
            whole = True  # content made from differences was refused
        refused: FeedRefused | None = None
        for _, _, primary in (answer for answer in answers if answer[1] == serial):
            try:
                return await self._transfer(primary, None if whole else content, key), soa
            except FeedRefused as error:
                refused = refused or error
        assert refused is not None  # noqa: S101 - one has the newest serial
        raise refused

    async def _ask_soa(
        self, primary: SocketAddress, key: dns.tsig.Key | None
    ) -> tuple[bytes, int, SocketAddress] | FeedRefused:
        """Return a primary's SOA line and serial, asked over UDP, or over TCP if that fails."""
        question = self._question(SOA, key)
        try:
            message = await ask_once(primary, question.wire)
            if message is None:
                async with connected(primary, self._stall) as connection:
                    await connection.send(question.wire)
                    message = await connection.receive()
            reader = MessageReader(question, self._now)
            position, count = reader.open(message)
            text, soas, behind = record_lines(message, position, count, question.zone)
            reader.verify(message, behind)
            if not soas:
                raise FeedRefused("no zone", "it has no SOA for the zone: check that it is the zone's primary")
        except FeedRefused as refused:
            return self._refusal(refused, primary)
        start, end, serial = soas[0]
        return text[start : end - 1], serial, primary

    async def _transfer(
        self, primary: SocketAddress, content: ZoneContent | None, key: dns.tsig.Key | None
    ) -> Fetched | None:
        """Transfer the changes since `content`, or the whole zone if that is None or fails."""
        self._tidy()
        if content is not None:
            try:
                return await self._bounded(self._run(primary, content, key))
            except FeedRefused as refused:
                refusal = self._refusal(refused, primary)
                if refused.reason in _IN_VAIN:
                    raise refusal from refused
                log.warning("%s The whole zone is requested instead.", refusal)
        try:
            return await self._bounded(self._run(primary, None, key))
        except FeedRefused as refused:
            raise self._refusal(refused, primary) from refused

    async def _bounded(self, run: Awaitable[Fetched | None]) -> Fetched | None:
        try:
            async with asyncio.timeout(self._total):
                return await run
        except TimeoutError as error:
            raise FeedRefused("stalled", f"it was not complete in {self._total:g} seconds") from error

    async def _run(
        self, primary: SocketAddress, content: ZoneContent | None, key: dns.tsig.Key | None
    ) -> Fetched | None:
        """Run one transfer to its end."""
        serial = content.serial if content else None
        question = self._question(IXFR if content else AXFR, key, serial)
        transfer = ZoneTransfer(question, self._now, serial)
        differences = await asyncio.to_thread(Differences.read, self.folder / ACCEPTED) if content else Differences()
        base: BaseFile | None = None
        with contextlib.ExitStack() as stack:
            async with connected(primary, self._stall) as connection:
                await connection.send(question.wire)
                while not transfer.complete:
                    changes = transfer.feed(await connection.receive())
                    if base is None and transfer.kind is Kind.WHOLE:
                        base = stack.enter_context(base_in(self.folder, self._feed.max_size))
                    for change in changes:
                        if base is not None:
                            base.write(change.text)
                        else:
                            differences.take(change.removed, change.text)
                    if transfer.received > self._feed.max_size:
                        raise too_large(self._feed.max_size)
            if transfer.kind is Kind.UP_TO_DATE:
                return None
            if base is not None:
                await asyncio.to_thread(base.sync)
        soa = transfer.soa[:-1].decode()
        if base is not None:
            content = base.content(soa, transfer.new_serial)
            differences = Differences()
        assert content is not None  # noqa: S101 - differences are asked for from it
        content = replace(content, soa=soa, serial=transfer.new_serial)
        incoming = self.folder / INCOMING
        await asyncio.to_thread(write_journal, incoming, content, differences)
        self._offer = _Offer(transfer.new_serial, differences=base is None)
        self._known = True
        digest = await asyncio.to_thread(_digest_of, incoming)
        return Fetched(incoming, digest, None, Validators(etag=str(transfer.new_serial)))

    def _question(self, kind: int, key: dns.tsig.Key | None, serial: int | None = None) -> TransferQuestion:
        return TransferQuestion.make(self._feed.zone, kind, secrets.randbelow(1 << 16), key, serial)

    def _accepted(self) -> ZoneContent | None:
        """Return the accepted content; None if there is none that IXFR can start from."""
        if not self._known:
            return None
        try:
            return ZoneContent.read(self.folder / ACCEPTED)
        except FeedRefused:
            return None

    def _is_waiting(self) -> bool:
        """Return whether the content returned last has not been judged yet."""
        return any((self.folder / name).exists() for name in JOURNALS[:4])

    def _timers(self, soa: bytes) -> Timers:
        return Timers.of(soa, self._feed.min_refresh)

    def _tidy(self) -> None:
        """Remove bases that no content names any more; there is no await, so nothing is renamed meanwhile."""
        named = set()
        for name in JOURNALS:
            with contextlib.suppress(FeedRefused):
                named.add(ZoneContent.read(self.folder / name).base)
        for path in self.folder.glob(f"{BASE}*"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def _refusal(self, refused: FeedRefused, primary: SocketAddress) -> FeedRefused:
        """Return a refusal with a whole sentence, from one with a clause."""
        sentence = f"The zone {self._feed.zone} cannot be taken from {primary.text}: {refused}."
        return FeedUnreachable(sentence) if refused.reason == "unreachable" else FeedRefused(refused.reason, sentence)

    def _or_expired(self, refused: FeedRefused) -> FeedRefused:
        """Return the refusal, extended if the accepted zone has expired."""
        if self.expires is None or self._now() < self.expires:
            return refused
        return FeedRefused(
            "expired",
            f"The zone {self._feed.zone} has expired: no primary has confirmed it within its expiry time. It stays "
            f"enforced. {refused}",
        )


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex; it takes a while, so call it from a thread."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
