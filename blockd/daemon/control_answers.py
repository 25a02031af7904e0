"""What the control process answers at the admin port, each question by the part that knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

from blockd.daemon.answers.acceptable import AcceptPreview
from blockd.daemon.answers.differences import VersionChanges
from blockd.daemon.answers.held import AwaitingReview, waiting_at
from blockd.daemon.answers.orders import OrderPage, order_page
from blockd.daemon.answers.versions import KeptVersion, VersionsInBrief, VersionsKept, kept_version
from blockd.daemon.cache.service import CacheFlushed, CacheShown
from blockd.daemon.control_parts import ControlParts
from blockd.daemon.figures.service import Figures
from blockd.daemon.lookup.named import NamedOrders, named_orders
from blockd.daemon.lookup.result import LookupResult
from blockd.daemon.operator.accepting import AcceptResult
from blockd.daemon.operator.overrides import OverrideResult
from blockd.daemon.operator.releases import ReleaseResult
from blockd.daemon.reload.record import ReloadRecord
from blockd.daemon.reload.service import ReloadsTold
from blockd.daemon.report.feed_status import FeedStatus
from blockd.daemon.report.statements import StatementResult
from blockd.daemon.report.status import Status
from blockd.daemon.results import HintResult, RefreshResult, ResultList, RollbackResult
from blockd.daemon.upgrade.record import UpgradeRecord
from blockd.daemon.upgrade.service import UpgradeStatus
from blockd.errors import BadName
from blockd.metrics import Sketch
from blockd.metrics.exposition import lines_of
from blockd.ruleset import Versions
from blockd.ruleset.explain import Explanation, explain
from blockd.ruleset.lookup_query import LookupQuery
from blockd.ruleset.versions.keeping import Retention
from blockd.web.api.control import Condition
from blockd.web.api.events import Events
from blockd.web.api.slices import in_slices


class ControlAnswers:
    """Implements `blockd.web.Control`."""

    def __init__(self, parts: ControlParts) -> None:
        self.parts = parts

    @property
    def figures(self) -> Figures:
        """What the console shows."""
        return self.parts.figures

    def health(self) -> Condition:
        """Return whether all processes are running, and all that follow the workers do so."""
        return self.parts.condition

    def readiness(self) -> Condition:
        """Return whether every worker enforces the current version."""
        return self.parts.readiness

    async def metrics(self) -> bytes:
        """Return every series."""
        return await in_slices(lines_of(self.parts.collector.collect()))

    def status(self) -> Status:
        """Return what `blockd status` shows."""
        return self.parts.observed.status(self.parts.timing.clock())

    async def reload(self, by: str, reason: str, config: str, /, *, dry_run: bool) -> ReloadRecord:
        """Have the config on disk taken, or only checked and tried."""
        return await self.parts.reloads.reload(by, reason, config, dry_run=dry_run)

    def reloads(self) -> ReloadsTold:
        """Return how the newest reloads stand, and the last one that was to be taken."""
        return self.parts.reloads.told

    async def upgrade(self, by: str, reason: str, program: str, /, *, dry_run: bool) -> UpgradeRecord:
        """Have a program take the place of the running one, or only tried."""
        return await self.parts.upgrades.upgrade(by, reason, program, dry_run=dry_run)

    def upgrades(self) -> UpgradeStatus:
        """Return how the newest upgrade stands."""
        return self.parts.upgrades.status

    async def refresh(self, names: list[str] | None, by: str = "", /) -> RefreshResult:
        """Poll feeds now and enforce what is new."""
        self.parts.recorder.asked("refresh", {"feeds": names}, by)
        return await self.parts.updater.refresh(names)

    def hint(self, name: str | None, /) -> HintResult:
        """Poll a feed soon, or all signed ones."""
        return self.parts.feeds.hint_signed(name)

    def traffic(self) -> Sketch:
        """Return the sketch of recent traffic."""
        return self.parts.context.shared.traffic.sketch()

    async def rollback(self, version: int, reason: str, by: str = "", /) -> RollbackResult:
        """Enforce a version kept, and pin it."""
        await self.parts.switcher.roll_back(version, reason, by)
        return RollbackResult(self.parts.switcher.version, pinned=version)

    async def release(self, reason: str = "", by: str = "", /) -> RollbackResult:
        """Release the pinned version, and enforce what has waited."""
        await self.parts.switcher.release(reason, by)
        await self.parts.updater.catch_up()
        return RollbackResult(self.parts.switcher.version, pinned=None)

    async def override(self, kind: str, asked: Mapping[str, str], by: str = "", /) -> OverrideResult:
        """Add or end a local override, and enforce that."""
        if kind == "end":
            return await self.parts.overrides.end(asked, by)
        before: Explanation | None = None
        with contextlib.suppress(BadName):  # which `add` refuses with a sentence
            before = explain(self.parts.enforced, asked["name"])
        return replace(await self.parts.overrides.add(asked, by), before=before)

    async def accept(self, asked: Mapping[str, str], by: str = "", /) -> AcceptResult:
        """Take what the gate refused of a feed, and enforce that."""
        return await self.parts.acceptance.accept(asked, by)

    async def acceptable(self, feed: str, /) -> AcceptPreview:
        """Return what accepting a feed's refused content would change."""
        return await self.parts.previews.preview(feed)

    async def held(self, kind: str, asked: Mapping[str, str], by: str = "", /) -> ReleaseResult:
        """Let an entry through that the gate holds back, or end that, and enforce it."""
        releases = self.parts.releases
        return await (releases.release(asked, by) if kind == "release" else releases.hold(asked, by))

    async def statement(self, by: str = "", /) -> StatementResult:
        """Sign a statement of what is enforced now."""
        return await self.parts.statements.state(by)

    async def lookup(self, query: LookupQuery, /) -> LookupResult:
        """Return what happens to a name or an address."""
        return await self.parts.lookups.look_up(query)

    async def cached(self, name: str, /) -> CacheShown:
        """Return what every worker has cached of a name."""
        return await self.parts.caches.show(name)

    async def flush(self, kind: str, name: str, by: str = "", /) -> CacheFlushed:
        """Remove what every worker has cached: of a name, of all below one, or all."""
        flushed = await self.parts.caches.flush(kind, name)
        self.parts.recorder.asked("flush", {"kind": kind, "name": name}, by)
        return flushed

    def orders(self, asked: str, /) -> NamedOrders:
        """Return the orders that a text may name, and how each stands."""
        return named_orders(self.parts.enforced, asked)

    def order_page(self, start: int, limit: int, feed: str, authority: str, state: str, /) -> OrderPage:
        """Return some of the orders that are enforced."""
        return order_page(self.parts.enforced, start, limit, feed, authority, state)

    def feeds(self) -> ResultList:
        """Return the feeds of the config."""
        return ResultList("feeds", self._feeds())

    def _feeds(self) -> tuple[FeedStatus, ...]:
        return self.parts.observed.feed_statuses(self.parts.timing.clock())

    def overrides(self) -> ResultList:
        """Return the overrides, with those that have ended lately."""
        return ResultList("overrides", self.parts.overrides.known())

    async def versions(self) -> VersionsInBrief:
        """Return the versions kept, in brief."""
        return VersionsInBrief(await asyncio.to_thread(VersionsKept.read, *self._kept()))

    async def version(self, version: int, /) -> KeptVersion:
        """Return all that is known of one of them."""
        return await asyncio.to_thread(kept_version, *self._kept(), version)

    def _kept(self) -> tuple[Versions, Retention, float]:
        parts = self.parts
        return parts.state.versions, Retention.of(parts.settings), parts.timing.clock()

    async def diff(self, old: int, new: int, /) -> VersionChanges:
        """Return what changes from one kept version to another."""
        return await self.parts.differ.compare(old, new)

    async def waiting(self, feed: str, /) -> AwaitingReview:
        """Return what waits for an operator's word."""
        refused = {feed.name: feed.acceptable for feed in self._feeds() if feed.acceptable is not None}
        return await asyncio.to_thread(waiting_at, self.parts.settings, refused, feed)

    @property
    def events(self) -> Events:
        """What happens, for those who listen."""
        return self.parts.events
