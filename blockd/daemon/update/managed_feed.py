"""A feed while the daemon runs: when it is polled, its content, and why it is refused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blockd.audit import AuditRecorder
from blockd.audit.refusals import Part
from blockd.audit.refused_parts import tell_parts
from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.known_refusals import Basis, KnownRefusals, basis_of
from blockd.daemon.update.poll_schedule import PollSchedule
from blockd.errors import FeedRefused, GateRefused, cause_of
from blockd.feeds.budget import TOGETHER, Budget, Spent, over_disk, over_fetch_time
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.signed.bundle import RefusedOrder
from blockd.feeds.source import FeedSource
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed, Limits

SAVED_AGE = 0.05  # share of `max_age` after which a successful poll is saved, for a restart
NOTHING = "nothing of it"  # what is in force of a feed that the ruleset does not have
BROKEN = ("cut", "format", "html")  # reasons of content that is not what its source means to give: it is fetched again
HINTS = 1.0  # seconds between two polls caused by hints, so that hints cannot cause a flood of polls

log = logging.getLogger(__name__)


OpenSource = Callable[[Feed, Path, Validators], FeedSource]
"""Opens a feed's source, with its folder and the validators of the content accepted last."""


@dataclass(slots=True)
class ManagedFeed:
    """A feed while the daemon runs; `open_source` opens its source again."""

    source: FeedSource
    state: FeedState
    open_source: OpenSource
    authority_refusals: dict[str, str] = field(default_factory=dict)  # by role, the sentences told
    refused_orders: tuple[RefusedOrder, ...] = ()  # by the last poll, each alone
    refused: Counter[str] = field(default_factory=Counter)
    look_refusal: str = ""  # why the last poll was refused; empty if it succeeded
    content_refusal: str = ""  # why the content compiled last was refused; empty if it was not
    saved: float = 0.0  # when the time of the last poll was saved, if the feed's expiry depends on it
    held: str = ""  # the digest of the waiting content logged last
    looked: bool = False  # whether it was polled since the start
    is_compiling: bool = False  # whether new content of it is being compiled
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    limits: Limits = field(default_factory=Limits)
    fetch_seconds: float | None = None  # that the last poll took
    room: int = 0  # octets of all that is kept of it, as of the last poll
    spent: Spent | None = None  # on reading its newest content; None before any was read
    is_slow: bool = False  # whether its last content took long to be read, or too much
    known: KnownRefusals = field(default_factory=KnownRefusals)
    basis: Basis = ()  # what the content that is compiled or read now is judged by
    news_hinted: asyncio.Event = field(default_factory=asyncio.Event)  # set by a hint
    schedule: PollSchedule = field(default_factory=PollSchedule)
    is_rescheduled: bool = False  # whether the pause until the next poll begins anew, since content was broken

    @property
    def refusal(self) -> str:
        """Why the feed is refused at this moment; empty if it is not."""
        return self.look_refusal or self.content_refusal

    @property
    def seconds(self) -> float:
        """What reading its newest content took of the processor; 0 if that is not known."""
        return self.spent.seconds if self.spent is not None else 0.0

    @property
    def is_lost(self) -> bool:
        """Whether there is no content of it: none was accepted, or it cannot be read, and neither can its source."""
        return not self.state.accepted_digest and not self.state.incoming and bool(self.look_refusal)

    async def due(self, timing: Timing) -> None:
        """Wait until the next poll, as the feed's schedule says, or less if there is a hint meanwhile."""
        self.is_rescheduled = True
        while self.is_rescheduled:
            self.is_rescheduled = False
            seconds = self.schedule.pause(self.source.interval, timing)
            quiet = min(HINTS, seconds)
            await timing.sleep(quiet)
            if seconds > quiet:
                await timing.wait(self.news_hinted, seconds - quiet)
            self.news_hinted.clear()

    async def poll(self) -> Fetched | None:
        """Poll the source within the feed's limits, and note whether it succeeded; raises as `FeedSource.poll` does."""
        try:
            fetched = await self._poll_within_limits()
        except Exception as error:
            self.schedule.failed(error)
            raise
        self.schedule.succeeded()
        return fetched

    def in_force(self, catalogue: Catalogue | None) -> str:
        """Say what of the feed is in force, given the catalogue that is."""
        record = catalogue.feed(self.source.feed.name) if catalogue else None
        if record is None:
            return NOTHING
        return "its last accepted content" if record.digest == self.state.accepted_digest else "its earlier content"

    def stays(self, catalogue: Catalogue | None) -> str:
        """Say what stays in force of the feed, since something new of it does not come into force."""
        kept = self.in_force(catalogue)
        return f"{kept} is in force" if kept == NOTHING else f"{kept} stays in force"

    def accept(self, fetched: Fetched, now: float) -> None:
        """Accept content of the operator's own, which has no reports."""
        self.content_refusal = ""
        with self.own_trouble():
            self.state.accept(fetched, None, now, held=self.state.held)

    def offer(self, fetched: Fetched) -> None:
        """Take over what a poll has found, to be compiled; raises FeedRefused if that is not possible."""
        try:
            self.state.offer(fetched)
        except OSError as error:
            self.source.forget(self.state.validators)
            refused = FeedRefused("fault", f"What was fetched cannot be kept ({_told(error)}). It is fetched again.")
            self.schedule.failed(refused)
            raise refused from error
        self.source.taken(fetched)

    def take_candidate(self) -> Fetched | None:
        """Return new content to be compiled; None if there is none, or if its file is gone, which is told."""
        with self.own_trouble():
            return self.state.take_candidate()
        return None

    def put_back(self, fetched: Fetched) -> None:
        """Offer a candidate again, as the state does; if its file is gone, that is told."""
        with self.own_trouble():
            self.state.put_back(fetched)

    def has_lost(self, fetched: Fetched) -> bool:
        """Return whether the file of a content is gone, and tell it then."""
        with self.own_trouble():
            fetched.path.stat()
            return False
        return True

    @contextlib.contextmanager
    def own_trouble(self) -> Iterator[None]:
        """Keep what fails in the block because of the feed's own files from all other feeds: tell it, and fetch again.

        What was fetched and not accepted is gone then.
        """
        try:
            yield
        except OSError as error:
            self.note_failure(f"Its new content cannot be used ({_told(error)}). It is fetched again.")
            self.source.forget(self.state.validators)
            self.news_hinted.set()

    def failed(self, fetched: Fetched | None, why: str) -> None:
        """Note that content could not be compiled or enforced by a fault of this machine; it is offered again.

        What is known to be refused or taken stays so.
        """
        if fetched is not None and not self.state.owns(fetched):
            return
        self.refused["fault"] += 1
        self.content_refusal = why
        if fetched is not None:
            self.put_back(fetched)

    def note_failure(self, why: str) -> None:
        """Tell that new content could not be read or kept by a fault of this machine, and of no other feed."""
        log.error("Feed %s: %s", self.source.feed.name, why)
        self.refused["fault"] += 1
        self.content_refusal = why

    async def _poll_within_limits(self) -> Fetched | None:
        """Poll the source, within the feed's limits of time and room; raises as `FeedSource.poll` does."""
        feed = self.source.feed
        # A thread that reads a file goes on when it is no longer waited for, and signed feeds have an end of their own.
        seconds = None if feed.local_path is not None or feed.is_signed else self.limits.fetch_time
        self.source.fetch_time = seconds
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                fetched = await self.source.poll()
        except TimeoutError as error:  # sources say themselves which of their own is over
            raise over_fetch_time(feed.shown_place, self.limits.fetch_time) from error
        finally:
            self.fetch_seconds = round(asyncio.get_running_loop().time() - begun, 2)
        self.room = await self._measured()
        if fetched is not None and self.room > self.limits.disk:
            self.state.drop_refused()  # what waits for an operator takes room that news need
            self.room = await self._measured()
            if self.room > self.limits.disk:
                fetched.path.unlink(missing_ok=True)
                self.source.forget(self.state.validators)
                raise over_disk(feed.shown_place, self.room, self.limits.disk)
        return fetched

    async def _measured(self) -> int:
        """Return the octets of all that is kept of it."""
        return await asyncio.to_thread(self.state.room) if self.source.has_many_files else self.state.room()

    def budget(self, fetched: Fetched | None, patience: float = TOGETHER) -> Budget | None:
        """Return what reading new content may take; None if there is none, or if it is the operator's own.

        Beside others it is read for `patience` seconds.
        """
        if fetched is None or self.source.feed.is_own:
            return None
        return Budget(self.limits.read_time, self.limits.read_memory, None if fetched.read_alone else patience)

    def note_spent(self, spent: Spent | None, *, is_refused: bool) -> None:
        """Note what reading its newest content took, if that is known, and whether it was refused."""
        if spent is not None:
            self.spent = spent
            self.is_slow = spent.is_slow(is_refused=is_refused)

    def forget_accepted(self) -> None:
        """Forget the feed's content, so that it is fetched again."""
        self.state.accepted_digest = ""
        self.state.validators = Validators()
        self.source = self.open_source(self.source.feed, self.state.folder, Validators())

    def save(self) -> None:
        """Write the state; a failure is logged, and the feed goes on."""
        try:
            self.state.save()
        except OSError as error:
            log.error("The state of feed %s cannot be written: %s.", self.source.feed.name, error)

    def renew(self) -> bool:
        """Take over the expiry of the feed and its authorities as seen last; return whether it has changed.

        The caller saves it.
        """
        source, state = self.source, self.state
        if source.expires is None or (source.expires, source.authorities) == (state.expires, state.authorities):
            return False
        state.expires, state.authorities = source.expires, source.authorities
        return True

    def tell_parts(self, recorder: AuditRecorder) -> None:
        """Count, log and record what of the feed is refused alone, and what is no longer."""
        name, source = self.source.feed.name, self.source
        self.refused += tell_parts(name, source, self.authority_refusals, self.refused_orders, recorder)
        self.authority_refusals = {part.role: part.refusal for part in source.authorities if part.refusal}
        self.refused_orders = source.refused_orders

    def note_refusal(self, refused: FeedRefused, in_force: Catalogue | None, recorder: AuditRecorder) -> str:
        """Count a refusal, record it and log it unless it is the same as before, and return its sentence.

        `in_force` is the catalogue that is.
        """
        self.refused[refused.reason] += 1
        name, sentence = self.source.feed.name, str(refused)
        if recorder.refused(Part(name), refused.reason, sentence):
            kept = self.stays(in_force)
            kept += f"; `blockd accept {name}` takes it nevertheless" if isinstance(refused, GateRefused) else ""
            log.error("Feed %s is refused (%s): %s (%s)", name, refused.reason, sentence, kept)
        return sentence

    def basis_now(self, gate: Gate, in_force: Catalogue | None, now: float) -> Basis:
        """Return what content is judged by now; `in_force` is the catalogue that is."""
        record = in_force.feed(self.source.feed.name) if in_force else None
        return basis_of(self.source.feed, gate, record, self.state.sizes.lasting(now))

    def put_aside(self, fetched: Fetched, refused: FeedRefused, names: int | None, *, keeps: bool) -> None:
        """Keep refused content if an operator may accept it and there is room; else remove it.

        It would have had so many `names`, None if it was not read to its end. It is not read again for the same answer.

        What was refused before is no longer kept. Differences that do not fit are followed by a poll at once, broken
        content by one in some seconds, which asks for more than what is newer than it.
        """
        self.state.drop_refused()
        self.state.waived_digest = ""
        if refused.reason == "differences":
            self.news_hinted.set()
        if refused.reason == "budget":
            self.is_slow = True
        if not self.source.feed.is_signed:  # whose refusals may depend on the orders of others
            self.known.note(fetched.digest, self.basis, refused, names)
        if isinstance(refused, GateRefused) and names is not None and keeps:
            with self.own_trouble():
                self.state.keep_refused(fetched, refused, names)
        else:
            self.state.drop(fetched)
        if refused.reason not in BROKEN:
            self.schedule.broken = 0
            return
        self.source.validators = self.state.validators
        if not self.schedule.broken:  # else the pause that has begun is as long as it should be
            self.schedule.broken = 1
            self.is_rescheduled = True
            self.news_hinted.set()

    def found_again(self) -> bool:
        """Return whether a poll without news was about the accepted content, not about refused one fetched after it."""
        accepted = self.state.validators
        return accepted != Validators() and self.source.validators == accepted

    def hold(self, fetched: Fetched) -> None:
        """Keep new content that passed the gate until the pinned version is released; log it once."""
        self.content_refusal = ""
        self.state.drop_refused()
        with self.own_trouble():
            self.state.hold(fetched)
        if fetched.digest != self.held:
            log.info(
                "Feed %s has new content, which waits because an operator has pinned the version in force.",
                self.source.feed.name,
            )
        self.held = fetched.digest

    def confirm(self, now: float) -> None:
        """Note that the accepted content is still the feed's current content."""
        self.schedule.broken = 0
        self.state.checked = now
        max_age = self.source.feed.max_silence
        if max_age and not self.saved <= now < self.saved + max_age * SAVED_AGE:
            self.save()
            self.saved = now

    def keep_held(self, report: GuardReport) -> None:
        """Replace the report of held entries of the accepted content."""
        if report != self.state.held:
            self.tell_held(report)
            self.state.held = report
            self.save()

    def tell_held(self, report: GuardReport | None) -> None:
        """Log once what is held back."""
        if report is not None and report.total:
            level = logging.WARNING if report.held or report.enforced else logging.INFO
            log.log(level, "Feed %s: %s.", self.source.feed.name, report.sentence())


def _told(error: OSError) -> str:
    """Return what failed of which file."""
    return f"{error.filename}: {cause_of(error)}" if error.filename else cause_of(error)
