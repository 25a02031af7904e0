"""What is enforced, and how that changes: verify, swap, notify. One change at a time.

A version that an operator went back to is pinned: it stays until it is released, also after restarts. The pin is
written before the swap, so that a process killed in between leaves a good version in force, and the next continues.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from blockd.audit import AuditRecorder
from blockd.compile.news import News
from blockd.daemon.channel import Message
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.daemon.update.diff_child import compared
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.version_journal import Compare, VersionJournal
from blockd.daemon.workers import Workers
from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Enforced, Ruleset
from blockd.selftest import Examples, SelfTestReport
from blockd.times import time_text

SWAP_TIME = 10.0  # seconds for workers to confirm that they enforce a version; a swap takes milliseconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that an operator went back to, since when (seconds since the epoch, if that is known), and why."""

    version: int
    since: int | None = None
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        since = time_text(self.since) if self.since is not None else None
        return {"version": self.version, "since": since, "reason": self.reason}


class Sender(Protocol):
    """The channel to the workers, see `blockd.daemon.channel.Channel`."""

    def send(self, message: Message, /) -> None:
        """Send a message, which may be lost."""


class SelfTest(Protocol):
    """Test of whether the workers enforce what they report, see `blockd.selftest.SelfTests`."""

    async def run(
        self,
        enforced: Enforced,
        before: Enforced | None,
        workers: Collection[int],
        news: Iterable[bytes],
        examples: Examples,
        /,
    ) -> str:
        """Return the failure as a sentence, empty if there is none; raises RulesetError."""

    def report(self) -> SelfTestReport | None:
        """Return the report of the last test."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where versions are kept, `keep` of them, and compared; `slots` maps orders to counters."""

    state: StateDir
    slots: HitSlots
    keep: int
    compare: Compare = compared


@dataclass(frozen=True, slots=True)
class WorkerLink:
    """The workers, as known from their messages, and the channel to them."""

    workers: Workers
    sender: Sender


class RulesetSwitcher:
    """What the workers enforce. `flips` is set when the next date to wait for has changed.

    Implements `blockd.daemon.update.enforcement.Enforcement` for the updater.
    """

    def __init__(
        self,
        store: Store,
        link: WorkerLink,
        feeds: FeedSet,
        tests: SelfTest,
        recorder: AuditRecorder,
        timing: Timing,
    ) -> None:
        self.enforced: Enforced | None = None
        self.flips = asyncio.Event()
        self._state = store.state
        self._versions = store.state.versions
        self._slots = store.slots
        self._keep = store.keep
        self._workers = link.workers
        self._sender = link.sender
        self._feeds = feeds
        self._tests = tests
        self._recorder = recorder
        self._timing = timing
        self._journal = VersionJournal(store.state.versions, feeds.settings, timing.clock, store.compare)
        self._swapping = asyncio.Lock()
        self._pinned = store.state.versions.pinned()
        self._pin = Pin(self._pinned) if self._pinned is not None else None

    @property
    def ruleset(self) -> Ruleset | None:
        """The ruleset in force."""
        return self.enforced.ruleset if self.enforced else None

    @property
    def version(self) -> int | None:
        """The version in force."""
        return self.enforced.version if self.enforced else None

    @property
    def is_held(self) -> bool:
        """Whether the version in force is pinned."""
        return self._pinned is not None and self.enforced is not None

    @property
    def pin(self) -> Pin | None:
        """The version that an operator has pinned; None if there is none."""
        return self._pin

    def dates_changed(self) -> None:
        """Have the next date at which an order changes its state computed again."""
        self.flips.set()

    async def begin(self, version: int | None) -> None:
        """Take over at a start, with `version` enforced; complete an unfinished change of an earlier process."""
        if version is not None:
            self.enforced = self._state.open(version)
            if self._versions.current() != version:  # the earlier process ended between swap and mark
                self._versions.make_current(version)
            await self._journal.enforced(self.enforced, None)
            self._recorder.enforced(self.enforced, None, None, "start", "", self._timing.clock())
        if self._pinned is None:
            return
        await self._read_pin()
        log.warning("Version %d is pinned: new content waits until `blockd rollback --release`.", self._pinned)
        if self._pinned != version and self._pinned in self._versions.all():
            try:
                async with self._swapping:
                    await self._go_back(self._pinned, "")
            except (RulesetError, OSError) as error:
                log.error("The pinned version %d cannot be enforced: %s. What is in force stays.", self._pinned, error)

    async def enforce(self, news: News) -> bool:
        """Enforce a compiled ruleset; false if the one in force is pinned, which then stays.

        Raises RulesetError if it cannot be enforced; the version before stays in force.
        """
        async with self._swapping:
            if self.is_held:
                return False
            if await self._recalled(news.content):
                for name, fetched in news.taken.items():
                    self._recorder.confirmed(name, fetched)
                return True
            version = self._versions.add(news.compiled)
            before = self.version
            try:
                await self._swap(await self._prepared(version, verify=False), news)
            except (RulesetError, OSError) as error:
                if before is not None or not self._workers.enforces(version):  # otherwise it is better than none
                    self._versions.drop(version)
                raise RulesetError(str(error)) from error
            assert self.enforced is not None  # noqa: S101 - the swap went well
            await self._journal.enforced(self.enforced, before, news)
            self._versions.prune(self._keep)
            return True

    async def recall(self, content: str) -> bool:
        """Enforce a version kept that was made from `content`; false if there is none, or one is pinned.

        Raises RulesetError as `enforce` does.
        """
        async with self._swapping:
            return not self.is_held and await self._recalled(content)

    async def roll_back(self, version: int, reason: str) -> None:
        """Enforce a version kept, and pin it until `release`; if that raises CommandError, nothing was changed."""
        if version not in (kept := self._versions.all()):
            raise CommandError(f"Version {version} is not kept; nothing was changed. Versions kept: {_listed(kept)}.")
        async with self._swapping:
            try:
                await self._go_back(version, reason)
            except (RulesetError, OSError) as error:
                raise CommandError(f"Version {version} cannot be enforced: {error}. What is in force stays.") from error

    async def release(self, reason: str = "") -> None:
        """Release the pinned version; raises CommandError if none is pinned."""
        async with self._swapping:
            if self._pinned is None:
                raise CommandError("No version is pinned; nothing was changed.")
            self._versions.release()
            log.warning("Version %d is released: new content is enforced again.", self._pinned)
            self._recorder.released(self._pinned, reason)
            self._pinned = self._pin = None

    async def close(self) -> None:
        """End the work in the background."""
        await self._journal.close()

    async def _go_back(self, version: int, reason: str) -> None:
        pinned, before = self._pinned, self.version
        prepared = await self._prepared(version, verify=True) if version != before else None
        self._pin_to(version)
        if prepared is not None:
            try:
                await self._swap(prepared, how="rollback", reason=reason)
            except BaseException:
                self._pin_to(pinned)
                raise
        assert self.enforced is not None  # noqa: S101 - the swap went well
        await self._journal.enforced(self.enforced, before, rollback=True, reason=reason)
        self._recorder.rolled_back(version, reason)
        await self._read_pin()
        log.warning(
            "Version %d is pinned%s. It stays in force until `blockd rollback --release`.",
            version, f" ({reason})" if reason else "",
        )  # fmt: skip

    async def _recalled(self, content: str) -> bool:
        """Enforce a version kept with this content, if there is a good one that is not in force."""
        before = self.version
        version = await asyncio.to_thread(self._versions.with_content, content)
        if version is None or version == before:
            return False
        try:
            prepared = await self._prepared(version, verify=True)
        except (RulesetError, OSError) as error:
            log.warning("Version %d has the content to be enforced, but cannot be used: %s.", version, error)
            return False
        await self._swap(prepared, how="recall")
        await self._journal.enforced(prepared, before)
        return True

    async def _swap(self, enforced: Enforced, news: News | None = None, *, how: str = "news", reason: str = "") -> None:
        """Have every worker enforce a version; if that raises RulesetError, they enforce the one before again."""
        version, before = enforced.version, self.enforced
        self._sender.send({"enforce": version})
        failure = await self._workers.wait_for(version, SWAP_TIME, self._timing)
        swapped = self._timing.clock()
        if not failure:
            self.enforced = enforced  # at once: the block page and the lookup must agree with the workers
            self.flips.set()
            failure = await self._test(enforced, before, news)
        try:
            if not failure:
                await asyncio.to_thread(self._versions.make_current, version)  # which waits for the disk
        except OSError as error:
            failure = f"version {version} cannot be marked as the current one: {error}"
        if failure:
            self._recorder.taken_back(version, failure)
            self.enforced = before
            self.flips.set()
            enforced.close()
            if before is not None:
                self._sender.send({"enforce": before.version})
            raise RulesetError(failure)
        catalogue = enforced.ruleset.catalogue
        self._recorder.enforced(enforced, before, news, how, reason, swapped)
        if before is not None:
            before.close()
        log.info(
            "Version %d is enforced by every worker: %d names of %d orders from %d feeds.",
            version, enforced.ruleset.header.names, len(catalogue.orders), len(catalogue.feeds),
        )  # fmt: skip

    async def _test(self, enforced: Enforced, before: Enforced | None, news: News | None) -> str:
        """Test every worker; return the failure if there is a version to go back to, else an empty string."""
        taken = news.taken if news else {}
        workers = set(self._workers.pids) - set(self._workers.behind(enforced.version))
        try:
            failure = await self._tests.run(
                enforced,
                before,
                workers,
                tuple(news.names) if news else (),
                lambda name: self._feeds.examples(name, taken.get(name)),
            )
        except RulesetError as error:
            failure = str(error)
        except Exception:
            log.exception("The self-test had an internal error; the version stays in force. Please report it.")
            return ""
        report = self._tests.report()
        self._recorder.tested(report.to_json() if report else {})
        if failure and before is None:
            log.error("In the first version, %s. It stays in force, as there is none to go back to.", failure)
            return ""
        if failure and before is not None:
            log.error("Version %d is taken back, and %d enforced again: %s.", enforced.version, before.version, failure)
        return failure

    async def _prepared(self, version: int, *, verify: bool) -> Enforced:
        """Open a version with its orders' states as they are now; in a thread, since that waits for the disk."""

        def prepared() -> Enforced:
            now = self._timing.clock()
            ends, like = self._feeds.ends(now), self.ruleset
            ruleset = self._state.prepare(version, self._slots, now, ends=ends, verify=verify, like=like)
            try:
                self._slots.save()
            except OSError:
                ruleset.close()
                raise
            return self._state.opened(version, ruleset)

        return await asyncio.to_thread(prepared)

    def _pin_to(self, version: int | None) -> None:
        if version is None:
            self._versions.release()
        else:
            self._versions.pin(version)
        self._pinned = version
        self._pin = None if version is None else Pin(version)

    async def _read_pin(self) -> None:
        """Read since when and why a version is pinned, for the status."""
        assert self._pinned is not None  # noqa: S101 - the callers have looked
        record = await asyncio.to_thread(self._versions.record, self._pinned)
        period = record.periods[-1] if record and record.periods else None
        if period is not None and period.rollback:
            self._pin = Pin(self._pinned, period.since, period.reason)


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
