"""A zone from its primaries: transferred if their serial is newer, and taken whole or not at all.

A feed's content is a journal (`blockd.feeds.transfer.content`). What a primary does not answer in one way is asked in
the next, as by other secondaries: its SOA over UDP, then over TCP; if it tells none, the transfer itself; IXFR from
the accepted content, then the whole zone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence, Set
from pathlib import Path

import dns.tsig

from blockd.dns.serial import is_newer
from blockd.errors import FeedRefused, cause_of
from blockd.feeds.fetched import ACCEPTED, CONTENTS, UNJUDGED, Fetched, Validators
from blockd.feeds.source import FeedSource
from blockd.feeds.transfer.addresses import PrimaryAddresses
from blockd.feeds.transfer.content import BASE, ZoneContent
from blockd.feeds.transfer.keys import read_key
from blockd.feeds.transfer.question import AXFR, IXFR, TransferQuestion
from blockd.feeds.transfer.receiving import Received, Receiver
from blockd.feeds.transfer.serials import AskedPrimary, SerialQuestion
from blockd.feeds.transfer.shortfalls import Shortfall, Shortfalls
from blockd.feeds.transfer.timers import Timers
from blockd.feeds.transfer.tries import IN_VAIN, refused_by
from blockd.settings import TransferFeed, Upstream

TOTAL = 1800.0  # seconds for a poll, if nobody says how long it may take
SHARED = 0.98  # of that time is for the transfers of one poll, so that each ends before the poll is ended
STALL = 30.0  # seconds for one message, or for a connection

log = logging.getLogger(__name__)


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
        self._receiver = Receiver(folder, feed.max_size, now, stall)
        self._shortfalls = Shortfalls(now)
        self._addresses = PrimaryAddresses(feed, folder, now)
        self._offer: Received | None = None  # what was returned last
        self._until = 0.0  # when the transfer from one primary has to be over, by the event loop's clock
        self._failures = 0
        content = self._accepted()
        if content is not None:
            confirmed = (folder / ACCEPTED).stat().st_mtime
            self.expires = int(confirmed + Timers.of(content.soa.encode(), feed.min_refresh).expire)

    @property
    def interval(self) -> float:
        """Seconds until the next poll, from the zone's timers."""
        return self._interval

    @property
    def notes(self) -> Sequence[str]:
        """What the primaries cannot do."""
        return [*self._addresses.notes, *self._shortfalls.sentences()]

    def resolve_with(self, upstreams: Sequence[Upstream]) -> None:
        """Look up the primaries' names at these upstreams."""
        self._addresses.upstreams = upstreams

    async def poll(self) -> Fetched | None:
        """Return a newer zone, or None if there is none; raises FeedRefused.

        If nothing is newer and the accepted content is the newest, its expiry starts anew.
        """
        end = asyncio.get_running_loop().time() + SHARED * (self.fetch_time or self._total)
        content = self._accepted()
        try:
            fetched, soa = await self._look(content, end)
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

    def forget(self, validators: Validators) -> None:
        """Transfer again what was returned last."""
        super().forget(validators)
        self._offer = None

    async def _look(self, content: ZoneContent | None, end: float) -> tuple[Fetched | None, bytes]:
        """Return the new content, if any, and the primaries' newest SOA.

        The time until `end`, by the event loop's clock, is shared among the primaries, so that a slow one leaves some
        for the next.
        """
        key = None if self._feed.tsig is None else await asyncio.to_thread(read_key, self._feed.tsig)
        question = SerialQuestion(self._feed.zone, key, self._shortfalls, self._now, self._stall)
        addresses, missing = await self._addresses.current()
        asked = await asyncio.gather(*(question.ask(primary, called) for primary, called in addresses.items()))
        if not asked:
            raise refused_by(self._feed.zone, missing)
        known = [one for one in asked if one.soa is not None]
        newest = functools.reduce(
            lambda one, other: other if is_newer(other.serial, one.serial) else one, known or asked
        )
        held = self._held(content)
        ahead = []
        if newest.soa is not None and (content is None or is_newer(newest.serial, content.serial)):
            ahead = [one for one in known if one.serial == newest.serial and one.serial not in held]
        silent = [one for one in asked if one.soa is None and one.may_transfer]
        if known and not ahead:  # it is no news, so that those who told no serial need not be asked in vain
            silent = [one for one in silent if not self._shortfalls.has(one.primary, Shortfall.TRANSFER)]
        ordered = [*self._in_order(ahead), *self._in_order(silent)]
        for number, one in enumerate(ordered):
            now = asyncio.get_running_loop().time()
            self._until = now + (end - now) / (len(ordered) - number)
            try:
                received = await self._transfer(one, content, key, held)
            except FeedRefused:
                self._shortfalls.note(one.primary, Shortfall.TRANSFER, str(one.tries))
                continue
            self._shortfalls.forget(one.primary, Shortfall.TRANSFER)
            return received.fetched, received.soa
        if ahead or newest.soa is None:
            raise refused_by(self._feed.zone, [*(one.tries for one in asked), *missing])
        if content is not None:
            self._refuse_older(newest.serial, content.serial)
        return None, newest.soa

    def _held(self, content: ZoneContent | None) -> Set[int]:
        """Return the serials that need not be transferred: what is accepted, and what was returned before.

        What was made from differences and then refused is fetched whole.
        """
        held = {content.serial} if content is not None else set()
        if self._offer is not None and (self._is_waiting() or not self._offer.differences):
            held.add(self._offer.serial)
        return held

    def _in_order(self, asked: Sequence[AskedPrimary]) -> list[AskedPrimary]:
        """Return primaries in their order, but last those whose transfer has failed lately."""
        return sorted(asked, key=lambda one: self._shortfalls.has(one.primary, Shortfall.TRANSFER))

    def _refuse_older(self, serial: int, held: int) -> None:
        """Raise FeedRefused("rollback") if a primary's serial is neither that of what is held nor newer."""
        if serial != held and not is_newer(serial, held):
            raise FeedRefused(
                "rollback",
                f"The zone {self._feed.zone} has serial {serial} at its primary, which is not newer than {held} here: "
                "nothing is taken. Raise the primary's serial beyond the one here.",
            )

    async def _transfer(
        self, asked: AskedPrimary, content: ZoneContent | None, key: dns.tsig.Key | None, held: Set[int]
    ) -> Received:
        """Transfer the changes since `content`, or the whole zone if that is None or fails; raises FeedRefused."""
        self._tidy()
        primary, why = asked.primary, ""
        if self._offer is not None and self._offer.differences and self._offer.serial == asked.serial:
            why = "its differences were not those of its zone"
        elif content is not None and not self._shortfalls.has(primary, Shortfall.IXFR):
            try:
                received = await self._receive(asked, IXFR, content, key, held)
                if received.fetched is not None or asked.soa is None:
                    return received
                raise FeedRefused("serial", f"it has serial {received.serial}, and its SOA said {asked.serial}")
            except FeedRefused as refused:
                asked.tries.note("IXFR", refused)
                if refused.reason in (*IN_VAIN, "unreachable", "rollback"):
                    raise
                why = str(refused)
        try:
            received = await self._receive(asked, AXFR, content, key, held)
        except FeedRefused as refused:
            asked.tries.note("AXFR", refused)
            raise
        if why and self._shortfalls.note(primary, Shortfall.IXFR, why):
            log.warning(
                "The changes of the zone %s cannot be taken from %s: IXFR: %s. The whole zone was requested instead.",
                self._feed.zone, primary.text, why.removesuffix("."),
            )  # fmt: skip
        return received

    async def _receive(
        self, asked: AskedPrimary, kind: int, content: ZoneContent | None, key: dns.tsig.Key | None, held: Set[int]
    ) -> Received:
        """Run one transfer within the primary's share of the time; differences leave half of it for the whole zone."""
        identifier = secrets.randbelow(1 << 16)
        serial = content.serial if content is not None and kind == IXFR else None
        question = TransferQuestion.make(self._feed.zone, kind, identifier, key, serial)
        seconds = max(0.0, self._until - asyncio.get_running_loop().time()) / (2 if kind == IXFR else 1)
        try:
            async with asyncio.timeout(seconds):
                received = await self._receiver.receive(asked.primary, question, content, held)
        except TimeoutError as error:
            why = f"it was not complete in {seconds:,.0f} seconds, its share of the feed's limits.fetch_time"
            raise FeedRefused("stalled", why) from error
        if asked.soa is None:
            if content is not None:
                self._refuse_older(received.serial, content.serial)
            if asked.tries.failed:
                self._shortfalls.note(asked.primary, Shortfall.SOA, str(asked.tries))
        if received.fetched is not None:
            self._offer = received
            self._known = True
        return received

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
        return any((self.folder / name).exists() for name in UNJUDGED)

    def _timers(self, soa: bytes) -> Timers:
        return Timers.of(soa, self._feed.min_refresh)

    def _tidy(self) -> None:
        """Remove bases that no content names any more; there is no await, so nothing is renamed meanwhile."""
        named = set()
        for name in CONTENTS:
            with contextlib.suppress(FeedRefused):
                named.add(ZoneContent.read(self.folder / name).base)
        for path in self.folder.glob(f"{BASE}*"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def _or_expired(self, refused: FeedRefused) -> FeedRefused:
        """Return the refusal, extended if the accepted zone has expired."""
        if self.expires is None or self._now() < self.expires:
            return refused
        return FeedRefused(
            "expired",
            f"The zone {self._feed.zone} has expired: no primary has confirmed it within its expiry time. It stays "
            f"enforced. {refused}",
        )
