"""Makes rulesets of what the feeds have given, and has them enforced: one at a time, with the urgent ones first.

Overrides and signed orders never wait for a list that is being compiled: the ruleset in force is amended by them at
once, and so is what the compile makes, before it is enforced. So are the news of other feeds, if that is possible.
News that take long to be compiled are compiled by themselves, and let all others go first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from blockd.compile.build import fingerprint
from blockd.compile.built import Built
from blockd.compile.turns import Overtaking, SlowTurns
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiling, Ended, Job
from blockd.daemon.update.content_taker import ContentTaker
from blockd.daemon.update.enforcement import Enforcement
from blockd.daemon.update.spare_ruleset import SpareRuleset
from blockd.errors import BlockdError, FeedRefused
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import Fetched
from blockd.feeds.kinds import kind_of
from blockd.ruleset import Gate

PATIENCE = 0.5  # seconds that urgent news wait for a compile in progress before the ruleset in force is amended
LARGE = 16 << 20  # octets of other news, before which urgent ones are compiled first where nothing is enforced yet
SLOW = 60.0  # seconds after which a compile raises an alarm
AMENDED = "-amended"  # behind the name of the compiled file: what is amended beside a compile

log = logging.getLogger(__name__)


class RulesetMaker:
    """Makes rulesets of the contents that `taker` then takes."""

    def __init__(self, compiling: Compiling, enforcement: Enforcement, taker: ContentTaker, timing: Timing) -> None:
        self.feeds = taker.feeds
        self._gate = compiling.gate
        self._compiled = compiling.path
        self._compiler = compiling.compiler
        self._enforcement = enforcement
        self._timing = timing
        self._taker = taker
        self._fresh: set[str] = set()  # feeds whose news are being compiled
        self._job: Job | None = None  # in progress, if it may be overtaken
        self._job_ended = asyncio.Event()
        self._begun: float | None = None  # when the job in progress began, by the monotonic clock
        self.urgent = asyncio.Event()  # set by news that may overtake a job in progress
        self._turns = SlowTurns()
        self._overtaking = Overtaking()  # of the job in progress
        self._changing = asyncio.Lock()  # held by what has the ruleset in force replaced
        self._spare = SpareRuleset(compiling.path.parent, compiling.room)

    @property
    def gate(self) -> Gate:
        """The gate of what is compiled next."""
        return self._gate.now

    @property
    def seconds(self) -> float:
        """How long the compile in progress has taken so far; 0 if there is none."""
        return 0.0 if self._begun is None else self._timing.monotonic() - self._begun

    @property
    def reading(self) -> str:
        """The feed whose new content the compile in progress reads; empty if it reads none."""
        return self._compiler.reading

    def is_compiling(self, name: str) -> bool:
        """Return whether news of a feed are being compiled."""
        return name in self._fresh

    def prepare(self) -> None:
        """Get ready for news."""
        self._compiler.prepare()
        self._spare.prepare(self._enforcement.ruleset)

    async def close(self) -> None:
        """End what is in progress."""
        await self._taker.close()
        await self._spare.close()
        await self._compiler.close()

    async def make(self) -> None:
        """Compile what is new, and have it enforced; a failure is logged, and tried again."""
        fresh: dict[str, Fetched] = {}
        try:
            self.feeds.must_know_own(self._taker.catalogue())
            is_held = await self._amended_pinned()
            fresh |= {
                name: fetched
                for name, managed in self.feeds.items()
                if not (is_held and managed.source.feed.is_own) and (fetched := managed.take_candidate())
            }
            self._set_apart(fresh)
            self._note_compiling(set(fresh))
            await self._urgent_first(fresh)
            self._take_turns(fresh)
            self._note_compiling(set(fresh))
            candidates = [self.feeds.candidate(name, fresh.get(name)) for name in self.feeds]
            if fresh or not (is_held or await self._is_kept(candidates)):
                await self._compile(candidates, fresh)
            self._taker.retries.succeeded()
        except Ended as ended:
            self._note_ended(ended, fresh)
        except (BlockdError, OSError) as error:
            self._taker.note_failure(error, fresh)
        finally:
            self._note_compiling(set())
            self._taker.settle(fresh)
            with contextlib.suppress(OSError):  # it is replaced by the next one
                self._compiled.unlink(missing_ok=True)
            self.prepare()  # now, since what that takes of the processor would delay the news

    async def hurry(self) -> None:
        """Have enforced what is urgent, and what else can be, if a compile is in progress that does not end at once."""
        job = self._job
        if job is None or await self._timing.wait(self._job_ended, PATIENCE):
            return
        async with self._changing:
            if self._job is not job:
                return
            if any(candidate.feed.is_own and candidate.incoming for candidate in job.candidates):
                return  # the operator's own are compiled with all else
            try:
                is_held = await self._amended_pinned()
            except (BlockdError, OSError) as error:
                self._taker.note_failure(error, {})
                is_held = True
        while not is_held:
            async with self._changing:  # in turn, so that the job can end between two of them
                hasty = self._next_hasty(job) if self._job is job else None
                if hasty is None:
                    return
                await self._overtake(job, *hasty)

    def _set_apart(self, fresh: dict[str, Fetched]) -> None:
        """Have read by themselves what is of feeds that took long last time, instead of beside the others."""
        for name, fetched in list(fresh.items()):
            if self.feeds[name].is_slow and not fetched.read_alone:
                self._taker.alone.begin(name, fresh.pop(name))

    async def _urgent_first(self, fresh: dict[str, Fetched]) -> None:
        """Have urgent news enforced before others are read; what is done is removed from `fresh`."""
        urgent = {
            name: fetched
            for name, fetched in fresh.items()
            if self.feeds[name].source.feed.is_urgent and not fetched.read_alone
        }
        if not urgent or len(urgent) == len(fresh):
            return
        candidates = [self.feeds.candidate(name, urgent.get(name)) for name in self.feeds]
        if self._enforcement.ruleset is not None:
            is_done = await self._amend(candidates, urgent)
            if not is_done:
                await self._compile(candidates, urgent)
                is_done = True
        else:
            others = sum(self.feeds[name].room for name in fresh if name not in urgent)
            is_done = others > LARGE and not any(candidate.accepted for candidate in candidates)
            if is_done:
                await self._compile(candidates, urgent)
        if is_done:
            self._taker.settle(urgent)
            for name in urgent:
                del fresh[name]
                if self.feeds[name].state.incoming and (again := self.feeds[name].take_candidate()):
                    fresh[name] = again  # it could not be compiled without the others

    def _take_turns(self, fresh: dict[str, Fetched]) -> None:
        """Leave in `fresh` either news that are quick or slow ones, and offer the rest again."""
        slow = {name: self.feeds[name].seconds for name, fetched in fresh.items() if fetched.read_alone}
        urgent = {name for name in fresh if self.feeds[name].source.feed.is_urgent}
        for name in fresh.keys() - self._turns.choose(slow, fresh.keys() - slow.keys(), urgent):
            self.feeds[name].put_back(fresh.pop(name))
            self._taker.news.set()
            self.urgent.set()

    def _next_hasty(self, job: Job) -> tuple[list[str], float] | None:
        """Return feeds whose news may overtake a job, and for how many seconds each may be read."""
        own = {candidate.feed.name for candidate in job.candidates if candidate.incoming}
        waiting = {
            name: managed
            for name, managed in self.feeds.items()
            if managed.state.incoming and name not in own and (managed.source.feed.is_urgent or not managed.is_slow)
        }
        urgent = {name for name, managed in waiting.items() if managed.source.feed.is_urgent}
        digests = {name: managed.state.incoming.digest for name, managed in waiting.items() if managed.state.incoming}
        return self._overtaking.next(digests, urgent)

    async def _overtake(self, job: Job, names: Sequence[str], patience: float) -> bool:
        """Amend the ruleset in force by the news of feeds; false if it must be compiled, and then they wait."""
        fresh = {name: fetched for name in names if (fetched := self.feeds[name].take_candidate())}
        if not fresh:
            return True
        candidates = [self.feeds.candidate(name, fresh.get(name), patience) for name in self.feeds]
        self._fresh |= set(fresh)
        try:
            if not all(kind_of(c.feed).can_amend(c.feed, c) for c in candidates if c.incoming):
                is_done = False
            else:
                is_done = await self._amend(candidates, fresh, job)
            if not is_done:
                self.feeds.put_back(fresh)
        except (BlockdError, OSError) as error:
            self._taker.note_failure(error, fresh)
            is_done = True
        finally:
            self._fresh -= set(fresh)
            self._taker.settle(fresh)
        return is_done

    async def _amend(self, candidates: Sequence[Candidate], fresh: dict[str, Fetched], job: Job | None = None) -> bool:
        """Amend the ruleset in force, and have that enforced; false if that is not possible, and nothing changed."""
        path = self._compiled.with_name(self._compiled.name + AMENDED)
        gate = self.gate if job is None else job.gate
        try:
            built = await self._compiled_of(replace(self._taker.job(candidates), path=path, gate=gate, amends=True))
            if built.header is None:
                return False
            await self._taker.take(built, fresh, path)
            return True
        except Ended:
            return False  # what compiles it with all else finds out why
        finally:
            path.unlink(missing_ok=True)

    async def _compile(self, candidates: Sequence[Candidate], fresh: dict[str, Fetched]) -> None:
        """Compile the candidates, and have the result enforced, with what has overtaken it meanwhile."""
        try:
            begun = [self.feeds[c.feed.name].state.begin_with(c) for c in candidates]
            job, can_be_overtaken = self._taker.job(begun), True
        except OSError:
            job, can_be_overtaken = self._taker.job(candidates), False
        self._begun, self._job_ended = self._timing.monotonic(), asyncio.Event()
        self._job = job if can_be_overtaken else None
        self._overtaking = Overtaking()
        slowness = asyncio.create_task(self._tell_if_slow())
        try:
            built = await self._compiled_of(job)
            async with self._changing:
                self._end_job(slowness)
                path = await self._caught_up(job, built)
                if path is None:
                    self.feeds.put_back(fresh)
                    self._taker.news.set()
                    return
                await self._taker.take(built, fresh, path)
        finally:
            self._end_job(slowness)
            for managed in self.feeds.values():
                managed.state.end_begun()

    async def _compiled_of(self, job: Job) -> Built:
        """Have a job done with the spare copy of the ruleset in force, if there is one."""
        spare = await self._spare.take(job.in_force)
        try:
            return await self._compiler.compile(replace(job, spare=spare))
        finally:
            if spare is not None:
                spare.path.unlink(missing_ok=True)

    async def _caught_up(self, job: Job, built: Built) -> Path | None:
        """Return the file with what was built, amended by what has overtaken it; None if it must be compiled again."""
        accepted = {name: managed.state.accepted for name, managed in self.feeds.items()}
        overtaking = {
            c.feed.name
            for c in job.candidates
            if (now := accepted[c.feed.name]) is not None and now.digest != (c.accepted.digest if c.accepted else "")
        }
        if built.header is None or not overtaking:
            return job.path
        candidates = []
        for c in job.candidates:
            name = c.feed.name
            incoming = accepted[name] if name in overtaking else None
            candidates.append(replace(c, incoming=incoming, accepted=c.incoming if name in built.taken else c.accepted))
        path = job.path.with_name(job.path.name + AMENDED)
        reports = {**job.reports, **{name: found for name, found in built.rejects.items() if name in built.taken}}
        held = {**job.held, **built.held}
        amended = await self._compiler.compile(Job(candidates, path, job.gate, job.path, reports, held, amends=True))
        if amended.header is None:
            return None
        path.replace(job.path)
        built.header, built.made_from, built.changes = amended.header, amended.made_from, None
        built.rejects |= amended.rejects
        built.held = amended.held
        built.news += amended.news
        return job.path

    def _end_job(self, slowness: asyncio.Task[None]) -> None:
        slowness.cancel()
        self._job = self._begun = None
        self._job_ended.set()

    async def _tell_if_slow(self) -> None:
        """Log once that a compile takes long."""
        await self._timing.sleep(SLOW)
        feed = f" It reads the new content of feed {self.reading}." if self.reading else ""
        log.warning(
            "Compiling has taken more than %.0f seconds.%s Overrides and signed orders are enforced meanwhile. %s",
            SLOW, feed, self._taker.in_force(),
        )  # fmt: skip

    async def _amended_pinned(self) -> bool:
        """Have the overrides of now enforced on top of the pinned version, for they never wait; false if none is."""
        own = self.feeds.own
        if own is None or not self._enforcement.is_held:
            return self._enforcement.is_held
        fetched = own.take_candidate()
        try:
            is_held = await self._enforcement.amend(fetched)
        except FeedRefused:  # what was accepted cannot be read
            await self._taker.fetch_anew(own)
            return True
        except (BlockdError, OSError) as error:
            own.failed(fetched, str(error))
            raise
        if fetched is not None and is_held:
            own.accept(fetched, self._timing.clock())
        elif fetched is not None:
            own.put_back(fetched)  # it was released meanwhile
        return is_held

    async def _is_kept(self, candidates: Sequence[Candidate]) -> bool:
        """Return whether the content accepted before is in force, or was just put in force again."""
        content = fingerprint(candidates, self.gate)
        catalogue = self._taker.catalogue()
        return (catalogue is not None and catalogue.made_from == content) or await self._enforcement.recall(content)

    def _note_compiling(self, names: set[str]) -> None:
        self._fresh = names
        for name, managed in self.feeds.items():
            managed.is_compiling = name in names

    def _note_ended(self, ended: Ended, fresh: dict[str, Fetched]) -> None:
        """Have read by itself the content that may have ended a compile, and the others compiled again."""
        if ended.feed not in fresh or fresh[ended.feed].read_alone:
            self._taker.note_failure(ended, fresh)
            return
        log.error("%s, while it read the new content of feed %s. That is read by itself now.", ended, ended.feed)
        self._taker.alone.begin(ended.feed, fresh[ended.feed])
        self.feeds.put_back(fresh, but={ended.feed})
        self._taker.news.set()
