"""Making statements of enforcement while the daemon runs: on demand, and at the interval of the config."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from blockd import __version__
from blockd.audit import AuditRecorder
from blockd.audit.statement import keep_statement, kept_statements, node_key, sign_statement
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.switching import SelfTest
from blockd.daemon.timing import Timing
from blockd.daemon.update.expiry import end_of
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.workers import Workers
from blockd.errors import AuditError, CommandError
from blockd.orders import State
from blockd.resolver import engine_name
from blockd.selftest import SelfTestReport
from blockd.settings.groups import ClientGroup, GroupSummary, summaries
from blockd.times import moment_text, time_text

LOOK = 60.0  # seconds between two checks of whether a statement is due
AGAIN = 3600.0  # seconds after which a failed one is tried again
WRITING = 5.0  # seconds that a statement waits for the records before it

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StatedFeed:
    """A feed of the version in force."""

    name: str
    type: str
    digest: str
    version: str
    names: int
    expires: str | None


@dataclass(frozen=True, slots=True)
class StatedOrder:
    """An order in force, and since when it has been on this node, as far as the audit log is known."""

    feed: str
    id: str
    role: str
    called: str  # among all orders of the version (`blockd.orders.key`)
    authority: str
    action: str
    since: str | None


@dataclass(frozen=True, slots=True)
class StatedWorker:
    """A worker, and the version that it enforces."""

    index: int
    enforces: int | None


@dataclass(frozen=True, slots=True)
class StatedEnforcement:
    """What is enforced at a moment.

    `pinned` is the version that an operator went back to, `base` the one that `version` was made from by other
    overrides; None if there is none.
    """

    version: int | None
    pinned: int | None
    base: int | None
    digest: str | None
    names: int
    networks: int
    feeds: tuple[StatedFeed, ...]
    groups: tuple[GroupSummary, ...]  # of clients to whom not all of them apply
    orders: tuple[StatedOrder, ...]
    workers: tuple[StatedWorker, ...]
    self_test: SelfTestReport | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = asdict(self)
        return {**values, **{name: list(values[name]) for name in ("feeds", "groups", "orders", "workers")}}


@dataclass(frozen=True, slots=True)
class StatementResult:
    """A statement: its file's name, and its text."""

    file: str
    statement: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a statement is made from."""

    switcher: RulesetSwitcher
    feeds: FeedSet
    workers: Workers
    recorder: AuditRecorder
    tests: SelfTest
    groups: Sequence[ClientGroup] = ()

    def enforcement(self) -> StatedEnforcement:
        """Return what is enforced now."""
        enforced, workers, recorder = self.switcher.enforced, self.workers, self.recorder
        pin = self.switcher.pin
        catalogue = enforced.ruleset.catalogue if enforced else None
        states = enforced.states.states if enforced else ()
        ends = {name: end_of(managed.source.feed, managed.state) for name, managed in self.feeds.items()}
        return StatedEnforcement(
            version=enforced.version if enforced else None,
            pinned=pin.version if pin else None,
            base=self.switcher.base,
            digest=enforced.ruleset.digest if enforced else None,
            names=enforced.ruleset.header.names if enforced else 0,
            networks=enforced.ruleset.header.networks if enforced else 0,
            feeds=tuple(
                StatedFeed(
                    feed.name, feed.type, feed.digest, feed.version, feed.names,
                    None if (end := ends.get(feed.name)) is None else time_text(end),
                )
                for feed in (catalogue.feeds if catalogue else ())
            ),
            groups=tuple(summaries(self.groups, [feed.name for feed in catalogue.feeds] if catalogue else [])),
            orders=tuple(
                StatedOrder(
                    record.feed, record.order.id, record.order.role, record.order.name, record.order.authority,
                    str(record.order.action), recorder.in_force_since(record.key),
                )
                for record, state in zip(catalogue.orders if catalogue else (), states, strict=True)
                if State(state) is State.IN_FORCE
            ),
            workers=tuple(
                StatedWorker(index, workers.enforcing.get(index) or None) for index in range(workers.size)
            ),
            self_test=self.tests.report(),
        )  # fmt: skip


class StatementService:
    """Makes the statements of one node, called `node`, and keeps them beside the audit log."""

    def __init__(self, node: str, sources: Sources, timing: Timing) -> None:
        self._node = node
        self._sources = sources
        self._recorder = sources.recorder
        self._folder = sources.recorder.log.folder
        self._timing = timing

    def begin(self) -> None:
        """Make the node's key at a first start; a failure is logged, and only statements depend on it."""
        try:
            node_key(self._folder)
        except AuditError as error:
            log.error("Statements of enforcement cannot be signed: %s", error)

    async def state(self, by: str = "") -> StatementResult:
        """Make a statement now and keep it; raises CommandError, also if the log lacks records before it.

        `by` is who asked for it; one of the node's own accord is by nobody.
        So what it says of the version in force is what the log says as of the head that it names.
        """
        await asyncio.to_thread(self._recorder.log.wait, WRITING)
        async with self._sources.switcher.swapping:
            if why := self._recorder.log.unwritten():
                raise CommandError(f"No statement was made. {why}")
            now = self._timing.clock()
            values = {
                "node": self._node,
                "time": moment_text(now),
                "blockd": __version__,
                "engine": engine_name(),
                **self._sources.enforcement().to_json(),
                "audit": self._recorder.log.head.to_json(),
            }
        try:
            octets = sign_statement(values, node_key(self._folder))
            stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            path = await asyncio.to_thread(keep_statement, self._folder, stem, octets, asked=bool(by))
        except AuditError as error:
            raise CommandError(f"No statement was made: {error}") from error
        except OSError as error:
            raise CommandError(f"The statement cannot be kept: {error}. None was made.") from error
        self._recorder.stated(path.name, octets, by)
        return StatementResult(path.name, octets.decode("ascii"))

    async def state_forever(self, interval: float | None) -> None:
        """Make a statement whenever the newest is older than `interval` seconds; never if that is None.

        One that somebody asked for does not count: it takes the place of none.

        No statement is made before the first version. A clock that was set
        back puts the newest one into the future; the age of those made since then is the time that has passed.
        """
        failed, made = -AGAIN, -float("inf")
        while interval is not None:
            kept = await asyncio.to_thread(kept_statements, self._folder, asked=False)
            newest = kept[-1].stat().st_mtime if kept else 0.0
            is_due = not newest <= self._timing.clock() < newest + interval
            has_waited = self._timing.monotonic() >= max(failed + AGAIN, made + interval)
            if is_due and has_waited and self._sources.switcher.version is not None:
                try:
                    await self.state()
                    made = self._timing.monotonic()
                except CommandError as error:
                    log.error("%s", error)
                    failed = self._timing.monotonic()
            await self._timing.sleep(LOOK)
