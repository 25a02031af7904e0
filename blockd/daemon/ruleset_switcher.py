"""What is enforced, and how that changes: verify, swap, notify. One change at a time.

A version that an operator went back to is pinned: it stays until it is released, also after restarts, and nothing but
the overrides on top of it changes (`blockd.daemon.pinning`). The pin is written before the swap, so that a process
killed in between leaves a good version in force, and the next continues.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from blockd.audit import AuditRecorder
from blockd.compile.news import News
from blockd.daemon.pinning import NextVersion, Pin, Pinning
from blockd.daemon.state_dir import memory_of
from blockd.daemon.switching import SelfTest, Store, WorkerLink
from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.version_journal import VersionJournal
from blockd.errors import CommandError, FeedRefused, RulesetError
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Enforced, Ruleset
from blockd.ruleset.counts import totals
from blockd.settings.feeds import OVERRIDES

SWAP_TIME = 12.0  # seconds for workers to confirm a version, which takes milliseconds; one that hangs is told sooner

log = logging.getLogger(__name__)


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
        self._link = link
        self._workers = link.workers
        self._sender = link.sender
        self._feeds = feeds
        self._tests = tests
        self._recorder = recorder
        self._timing = timing
        self.journal = VersionJournal(
            store.state.versions, feeds.settings, store.retention, timing.clock, store.compare
        )
        self.swapping = asyncio.Lock()  # held while what is in force may differ from what the audit log was told
        self._base: int | None = None
        self._pinning = Pinning(store.state, feeds, timing)

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
        return self.pin is not None and self.enforced is not None

    @property
    def pin(self) -> Pin | None:
        """The version that an operator has pinned; None if there is none."""
        return self._pinning.pin

    @property
    def base(self) -> int | None:
        """The version that the one in force was made from by other overrides; None if by none."""
        return self._base

    def dates_changed(self) -> None:
        """Have the next date at which an order changes its state computed again."""
        self.flips.set()

    async def begin(self, version: int | None) -> None:
        """Take over at a start, with `version` enforced; complete an unfinished change of an earlier process."""
        if version is not None:
            self.enforced = self._state.open(version)
            base = self._pinning.base_of(self.enforced)
            self._base = base if base != version else None
            if self._versions.current() != version:  # the earlier process ended between swap and mark
                self._state.mark_current(version)
            await self.journal.enforced(self.enforced, None)
            self._recorder.enforced(self.enforced, None, None, "start", "", self._timing.clock(), self._base)
        pin = self.pin
        if pin is None:
            return
        if version is None:
            log.error(
                "Version %d is pinned and cannot be enforced. The next version is, until that is mended.", pin.version
            )
            return
        log.warning(
            "Version %d is pinned: overrides are enforced on top of it; other new content waits until `blockd rollback "
            "--release`.",
            pin.version,
        )
        if pin.version not in self._versions.all():
            log.error("The pinned version %d is not kept any more. Version %d stays in force.", pin.version, version)
        elif pin.version != self._pinning.base_of(self._must_enforce()):
            try:
                async with self.swapping:
                    await self._go_back(pin)
            except (FeedRefused, RulesetError, OSError) as error:
                log.error(
                    "The pinned version %d cannot be enforced: %s. Version %d stays in force.",
                    pin.version, error, version,
                )  # fmt: skip

    async def enforce(self, news: News) -> bool:
        """Enforce a compiled ruleset; false if the one in force is pinned, which then stays.

        Raises RulesetError if it cannot be enforced; the version before stays in force.
        """
        async with self.swapping:
            if self.is_held:
                return False
            if await self._recalled(news.content):
                for name, fetched in news.taken.items():
                    self._recorder.confirmed(name, fetched)
                return True
            before = self.version
            enforced = await self._swap_to(NextVersion(self._versions.add(news.compiled), None, news), "news")
            await self.journal.enforced(enforced, before, news)
            return True

    async def amend(self, fetched: Fetched | None) -> bool:
        """Enforce overrides, `fetched` or those accepted last, on top of the pinned version; false if none is pinned.

        Raises FeedRefused if what was accepted cannot be read, RulesetError and OSError; what was in force stays then.
        """
        async with self.swapping:
            if not self.is_held:
                return False
            amended = await self._pinning.with_overrides(self._pinning.base_of(self._must_enforce()), fetched)
            if fetched is not None and amended.news is None:
                self._recorder.confirmed(OVERRIDES, fetched)
            if amended.version != self.version:
                before = self.version
                enforced = await self._swap_to(amended, "override")
                await self.journal.enforced(enforced, before, amended.news, base=amended.base)
            return True

    async def recall(self, content: str) -> bool:
        """Enforce a version kept that was made from `content`; false if there is none, or one is pinned.

        Raises RulesetError as `enforce` does.
        """
        async with self.swapping:
            return not self.is_held and await self._recalled(content)

    async def roll_back(self, version: int, reason: str, by: str = "") -> None:
        """Enforce a version kept, and pin it until `release`; if that raises CommandError, nothing was changed."""
        if version not in (kept := self._versions.all()):
            listed = ", ".join(map(str, kept)) or "none"
            raise CommandError(f"Version {version} is not kept; nothing was changed. Versions kept: {listed}.")
        async with self.swapping:
            try:
                await self._go_back(Pin(version, int(self._timing.clock()), reason), by)
            except FeedRefused as refused:
                raise CommandError(
                    f"The overrides, which hold over every version, cannot be read: {refused} Version {version} is not "
                    "enforced; what is in force stays."
                ) from refused
            except (RulesetError, OSError) as error:
                raise CommandError(f"Version {version} cannot be enforced: {error}. What is in force stays.") from error

    async def release(self, reason: str = "", by: str = "") -> None:
        """Release the pinned version; raises CommandError if none is pinned."""
        async with self.swapping:
            pin = self.pin
            if pin is None:
                raise CommandError("No version is pinned; nothing was changed.")
            self._pinning.set(None)
            log.warning("Version %d is released: new content is enforced again.", pin.version)
            self._recorder.released(pin.version, reason, by)

    async def close(self) -> None:
        """End the work in the background."""
        await self.journal.close()

    async def _go_back(self, pin: Pin, by: str = "") -> None:
        """Pin a version, and enforce it with the overrides of now; if that raises, nothing was changed."""
        earlier, before = self.pin, self.version
        amended = await self._pinning.with_overrides(pin.version)
        if amended.version != before:
            await self._swap_to(amended, "rollback", pin.reason, lambda: self._pin(pin, earlier))
        else:
            self._pinning.set(pin)
        enforced = self._must_enforce()
        await self.journal.enforced(enforced, before, amended.news, base=amended.base, rollback=True, reason=pin.reason)
        self._recorder.rolled_back(pin.version, enforced.version, pin.reason, by)
        log.warning(
            "Version %d is pinned%s%s. It stays in force until `blockd rollback --release`.",
            pin.version, f" ({pin.reason})" if pin.reason else "",
            f" and enforced as version {enforced.version}, with the overrides of now" if amended.base else "",
        )  # fmt: skip

    @contextlib.contextmanager
    def _pin(self, pin: Pin, earlier: Pin | None) -> Iterator[None]:
        """Pin a version while it is swapped to; if that raises, the one pinned earlier is pinned again."""
        self._pinning.set(pin)
        try:
            yield
        except BaseException:
            self._pinning.set(earlier)
            raise

    async def _swap_to(
        self,
        amended: NextVersion,
        how: str,
        reason: str = "",
        pinned: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> Enforced:
        """Enforce a version kept, within `pinned`; one that is new is deleted if that fails. Raises RulesetError."""
        version, news, before = amended.version, amended.news, self.version
        try:
            prepared = await self._prepared(version, verify=news is None)
            if news is not None:
                await self.journal.added(prepared, news, amended.base)
            with pinned():
                await self._swap(prepared, news, how=how, reason=reason, base=amended.base)
        except (RulesetError, OSError) as error:
            if news is not None and (before is not None or not self._workers.enforces(version)):
                self._versions.drop(version)  # otherwise it is better than none
            raise RulesetError(str(error)) from error
        return prepared

    def _must_enforce(self) -> Enforced:
        assert self.enforced is not None  # noqa: S101 - the callers have looked
        return self.enforced

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
        await self.journal.enforced(prepared, before)
        return True

    async def _swap(
        self, enforced: Enforced, news: News | None = None, *, how: str, reason: str = "", base: int | None = None
    ) -> None:
        """Have every worker enforce a version; if that raises RulesetError, they enforce the one before again."""
        version, before = enforced.version, self.enforced
        self._sender.send({"enforce": version}, memory_of(enforced).descriptor)
        failure = await self._workers.wait_for(version, SWAP_TIME, self._timing)
        swapped = self._timing.clock()
        if not failure:
            if late := self._workers.late(version):  # they are ended, and started with it
                self._sender.send({"late": late, "version": version})
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
                failure += await self._link.go_back(before, self._timing)
            raise RulesetError(failure)
        self._base = base
        self._recorder.enforced(enforced, before, news if how != "rollback" else None, how, reason, swapped, base)
        if before is not None:
            before.close()
        header, catalogue = enforced.ruleset.header, enforced.ruleset.catalogue
        log.info(
            "Version %d is enforced by every worker: %s of %d orders from %d feeds.",
            version, totals(header.names, header.networks), len(catalogue.orders), len(catalogue.feeds),
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
