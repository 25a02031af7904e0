"""The figures of a running daemon: read while it runs, kept, and told to those who listen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blockd.daemon.figures.blocks import BlockWatch, newest_of
from blockd.daemon.figures.duty import KINDS, MAX_TURNS, duty_clock
from blockd.daemon.figures.ending import (
    EndingToken,
    ending_soon,
    of_certificates,
    of_feeds,
    of_orders,
    of_overrides,
    of_statement,
    of_tokens,
)
from blockd.daemon.figures.history import History
from blockd.daemon.figures.hits import EnforcedOrders, SpanHits
from blockd.daemon.figures.log_reader import LogReader
from blockd.daemon.figures.overview import overview
from blockd.daemon.figures.resolver import ASK_SECONDS, answers_of, failing_names, transports_of
from blockd.daemon.figures.series import SeriesQuery, series_of
from blockd.daemon.figures.timeline import timeline_of
from blockd.daemon.figures.totals import DNS, KEPT, LastMinute, totals_of
from blockd.daemon.report.state_sentence import state_sentence
from blockd.errors import CommandError
from blockd.times import time_text
from blockd.web.api.control import JsonResult
from blockd.web.figures.blocks import RecentBlocks
from blockd.web.figures.duty import DutyClock
from blockd.web.figures.ending import USUAL_WITHIN, EndingSoon
from blockd.web.figures.events import EventName, FeedsChanged, SeriesTick, VersionEnforced
from blockd.web.figures.hits import SPANS, HitsBy, HitTable, Span
from blockd.web.figures.overview import Overview
from blockd.web.figures.resolver import ResolverHealth
from blockd.web.figures.series import SERIES_NAMES, USUAL_POINTS, RateSeries, SeriesName
from blockd.web.figures.timeline import Timeline

if TYPE_CHECKING:
    from blockd.daemon.cache.service import CacheService
    from blockd.daemon.hit_slots import HitSlots
    from blockd.daemon.report.alarms import Alarm
    from blockd.daemon.report.of_enforced import OfEnforced
    from blockd.daemon.report.status import Observed
    from blockd.daemon.timing import Timing
    from blockd.metrics import Counters
    from blockd.ruleset import Enforced
    from blockd.settings import Settings

BLOCKS = 1.0  # seconds from one look for new blocks to the next
TICK = 2  # looks from one tick of rates to the next
ROW = 5  # ticks from one row of the history to the next: 10 seconds, its shortest step
WRITE = 6  # rows from one writing of the history to the next
FRESH = 5.0  # seconds for which the history is read as it was written last

log = logging.getLogger(__name__)


Publish = Callable[[EventName, JsonResult], None]


@dataclass(frozen=True, slots=True)
class FigureSources:
    """What figures are made from; `tokens` returns the tokens of the admin port."""

    settings: Settings
    counters: Counters
    observed: Observed
    slots: HitSlots
    caches: CacheService
    history: History
    log: LogReader
    timing: Timing
    enforced: Callable[[], Enforced | None]
    orders: OfEnforced[EnforcedOrders]
    tokens: Callable[[], Iterable[EndingToken]] = field(default=tuple)


class Figures:
    """Implements `blockd.web.figures.source.FigureSource`; `publish` gets what is new for those who listen.

    `tell_state` gets how all stands in one sentence, at the start and every TICK looks.
    """

    def __init__(self, sources: FigureSources) -> None:
        self._sources = sources
        self._timing = sources.timing
        self._blocks = BlockWatch(sources.counters, sources.enforced)
        self._minute = LastMinute()
        self._written = float("-inf")  # when the history was written last, by the monotonic clock
        self._writing = asyncio.Lock()
        self._spans: dict[Span, tuple[int, SpanHits]] = {}  # with the generation of the history
        self._duty: tuple[int, DutyClock] | None = None  # with the number of the audit log's last record
        self._told: dict[EventName, object] = {}  # what was published last
        self._fault = ""  # the internal error that was logged last
        self.publish: Publish = lambda _name, _told: None
        self.tell_state: Callable[[str], None] = lambda _sentence: None
        self.is_heard: Callable[[], bool] = lambda: True  # what nobody hears is not computed

    async def run(self) -> None:
        """Count, keep and tell, until cancelled; then write what is left."""
        looks = 0
        try:
            while True:
                for work in (self._keep, self._tell):  # what is shown must not end what is kept
                    try:
                        await work(looks)
                    except Exception as error:
                        if (fault := repr(error)) != self._fault:
                            log.exception("Figures failed because of an internal error in blockd. Please report it.")
                        self._fault = fault
                await self._timing.sleep(BLOCKS)
                looks += 1
        finally:
            self._note(is_row=True)
            await self._sources.history.close(self._timing.clock())

    async def _keep(self, looks: int) -> None:
        """Count and write what is due at one of the looks, which are counted from 0, the one at the start."""
        if looks % TICK == 0:
            self._note(is_row=looks % (TICK * ROW) == 0)
        if looks and looks % (TICK * ROW * WRITE) == 0:
            await self._write()

    async def _tell(self, looks: int) -> None:
        """Tell what is due at one of them."""
        if looks % TICK == 0:
            alarms = self._sources.observed.alarms(self._timing.clock())
            self.tell_state(state_sentence(self._sources.enforced(), alarms))
            if self.is_heard():
                self._tell_rates()
                self._tell_changes(alarms)
        self._tell_blocks()

    def overview(self) -> Overview:
        """Return the state in one sentence, with the next step."""
        return self._overview(self._sources.observed.alarms(self._timing.clock()))

    def _overview(self, alarms: Sequence[Alarm]) -> Overview:
        return overview(self._sources.enforced(), alarms, self._sources.observed.since)

    def blocks(self) -> RecentBlocks:
        """Return the newest blocks."""
        self._tell_blocks()
        return self._blocks.recent()

    async def timeline(self, since: float | None = None, until: float | None = None, /) -> Timeline:
        """Return what changed from `since` to `until`."""
        end = self._timing.clock() if until is None else until
        begin = end - 86400.0 if since is None else since
        if not begin < end:
            raise CommandError(f"The time from {time_text(begin)} to {time_text(end)} has no length.")
        return await asyncio.to_thread(timeline_of, self._sources.log.newest, begin, end)

    async def series(
        self,
        names: Sequence[SeriesName] = SERIES_NAMES,
        since: float | None = None,
        until: float | None = None,
        points: int = USUAL_POINTS,
        /,
    ) -> RateSeries:
        """Return rates from `since` to `until`, in at most `points` steps."""
        now = self._timing.clock()
        query = SeriesQuery.of(names, since, until, points, now)
        await self._write_if_old()
        return await self._sources.history.read(lambda file: series_of(file, query, now))

    async def duty(self) -> DutyClock:
        """Return how long orders took to be enforced."""
        sources, head = self._sources, self._sources.observed.audit.head.number
        if self._duty is None or self._duty[0] != head:
            now = self._timing.clock()
            records, _ = await asyncio.to_thread(sources.log.newest, KINDS, 0.0, now, MAX_TURNS)
            self._duty = head, duty_clock(records, sources.settings.duty.deadline)
        return self._duty[1]

    async def hits(self, span: Span = "1d", by: HitsBy = "order", /) -> HitTable:
        """Return the hits over a time that ends now."""
        if span not in SPANS:
            raise CommandError(f"There is no span {span!r}; there are {', '.join(SPANS)}.")
        if by not in ("order", "authority"):
            raise CommandError(f"Hits are by order or by authority, not by {by!r}.")
        await self._write_if_old()
        history, now = self._sources.history, self._timing.clock()
        generation, orders = history.generation, self._sources.orders(self._sources.enforced())
        if self._spans.get(span, (-1,))[0] != generation:
            self._spans[span] = generation, await history.read(lambda file: SpanHits.read(file, span, now))
        return await asyncio.to_thread(self._spans[span][1].table, span, by, orders, now)

    async def resolver(self) -> ResolverHealth:
        """Return how the resolver is; workers are asked for the names that fail."""
        observed, growth = self._sources.observed, self._minute.growth()
        answers, silent = await self._sources.caches.failing(ASK_SECONDS)
        try:
            names, more = failing_names(answers, observed.upstreams.resolution(), self._sources.enforced())
        except (ValueError, TypeError, KeyError) as error:  # of a worker that was broken into
            raise CommandError(
                f"What a worker tells of the names that fail cannot be understood: {error!r}."
            ) from error
        return ResolverHealth(
            transports_of(growth), answers_of(growth), tuple(one.to_json() for one in observed.upstreams.status()),
            tuple(names), more, silent,
        )  # fmt: skip

    def ending(self, within: float = USUAL_WITHIN, /) -> EndingSoon:
        """Return what ends within so many seconds, MAX_WITHIN at most, or has ended and was not renewed."""
        observed, now = self._sources.observed, self._timing.clock()
        orders, more = of_orders(self._sources.enforced(), within, now)
        ends = (
            *of_feeds(observed.feeds),
            *of_certificates(observed.certificates.status(now)),
            *of_overrides(observed.overrides.current()),
            *orders,
            *of_tokens(self._sources.tokens()),
            *of_statement(observed.audit.folder, self._sources.settings.audit.statement, now),
        )
        return ending_soon(ends, within, now, more)

    def _note(self, *, is_row: bool) -> None:
        totals, passed = totals_of(self._sources.counters), self._timing.monotonic()
        self._minute.note(passed, totals)
        if is_row:
            self._sources.history.note(self._timing.clock(), passed, totals)

    async def _write(self) -> None:
        await self._sources.history.write(self._timing.clock())
        self._written = self._timing.monotonic()

    async def _write_if_old(self) -> None:
        """Write what is new, so that it is read; many who ask at once have it written once."""
        async with self._writing:
            if self._timing.monotonic() - self._written > FRESH:
                self._note(is_row=True)
                await self._write()

    def _tell_blocks(self) -> None:
        if found := self._blocks.look(self._timing.clock()):
            self.publish("blocks", newest_of(found))

    def _tell_rates(self) -> None:
        newest = self._minute.newest()
        rates: dict[SeriesName, float] = {"queries": round(newest.rate(*DNS), 3)}
        rates |= {name: round(newest.rate(name), 3) for name in SERIES_NAMES if name in KEPT}
        self.publish("series", SeriesTick(int(self._timing.clock()), round(newest.seconds, 3), rates))

    def _tell_changes(self, alarms: Sequence[Alarm]) -> None:
        """Tell what is another than was told last; `alarms` are those of now."""
        observed = self._sources.observed
        self._tell_if_new("overview", self._overview(alarms))
        pin, enforced = observed.switcher.pin, self._sources.enforced()
        version = VersionEnforced(enforced.version if enforced else None, pin.version if pin else None)
        self._tell_if_new("versions", version)
        feeds = {
            name: (managed.refusal, managed.state.refused, tuple(managed.authority_refusals), managed.state.accepted)
            for name, managed in observed.feeds.configured.items()
        }
        before = self._told.get("feeds")
        self._told["feeds"] = feeds
        if isinstance(before, dict) and before != feeds:
            changed = [name for name in {**before, **feeds} if before.get(name) != feeds.get(name)]
            self.publish("feeds", FeedsChanged(tuple(changed)))

    def _tell_if_new(self, name: EventName, told: JsonResult) -> None:
        if self._told.get(name) != told:
            self._told[name] = told
            self.publish(name, told)
