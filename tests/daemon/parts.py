"""What the daemon's parts are handed in tests: a time that passes when it is told to, and sources without a network."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from blockd.audit import AuditLog, AuditRecorder
from blockd.compile.amend import amend
from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.daemon.channel import Message
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Job
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.workers import Workers
from blockd.errors import FeedRefused
from blockd.feeds.budget import Spent
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import INCOMING, Fetched, Validators
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.feeds.source import FeedSource
from blockd.names import key_from_text
from blockd.orders import OrderDocument
from blockd.ruleset import Enforced, Gate, Ruleset
from blockd.ruleset.format import MAX_TIME
from blockd.selftest import SelfTests
from blockd.settings import FEED_TYPES, Feed

NOW = 1_000_000.0  # seconds since the epoch
INTERVAL = 60.0  # seconds between two looks at a feed
TURNS = 50  # of the event loop: more than any chain of tasks here has


class ManualTime:
    """A clock that stands until `advance` is called; whoever sleeps meanwhile is woken at its time, in turn."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self.timing = Timing(self.clock, self.monotonic, self.sleep, lambda low, high: (low + high) / 2)

    def clock(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        until = self._passed + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._pass(at - self._passed)
            if not woken.done():  # else it was cancelled
                woken.set_result(None)
                await self.settle()
        self._pass(until - self._passed)

    async def settle(self) -> None:
        """Let everybody go on until they wait for something."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def has_sleepers(self) -> None:
        """Wait until somebody sleeps, which may need a thread to end first."""
        while not any(not woken.done() for _, _, woken in self._sleepers):  # noqa: ASYNC110 - a thread is waited for
            await asyncio.sleep(0)

    def set_back(self, seconds: float) -> None:
        """Set the clock back, as an administrator does; what has passed is not changed."""
        self.now -= seconds

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self._passed += seconds


class ListSource(FeedSource):
    """The source of a feed: the next poll finds what `give` was told, or raises what `fail` was told."""

    def __init__(self, feed: Feed, folder: Path, clock: Callable[[], float]) -> None:
        super().__init__(feed, folder)
        self.looks: list[float] = []  # when it was looked at
        self.next_validators = Validators()  # of what is given
        self._clock = clock
        self._content: bytes | None = None
        self._error: Exception | None = None
        self._digest = ""  # of a bundle's orders

    @property
    def interval(self) -> float:
        return INTERVAL

    def give(self, *names: str) -> None:
        """Have a list of these names be new."""
        self.give_text("".join(f"{name}\n" for name in names))

    def give_text(self, text: str) -> None:
        """Have a text be new."""
        self.give_bytes(text.encode())

    def give_bytes(self, content: bytes) -> None:
        """Have a content be new."""
        self._content, self._error = content, None

    def give_orders(self, *documents: OrderDocument) -> None:
        """Have a bundle of these orders be new, as feeds have it whose orders are signed or the operator's own."""
        names = [(document.order.id, str(document.order.lifted_on), document.entries) for document in documents]
        digest = hashlib.sha256(repr(names).encode()).hexdigest()
        path = self.folder / "given"
        write_bundle(SignedVersion(1, 1, MAX_TIME, documents, digest), path)
        self._content, self._error, self._digest = path.read_bytes(), None, digest
        path.unlink()

    def fail(self, error: Exception | None) -> None:
        """Have every look fail, or none any more."""
        self._error = error

    async def poll(self) -> Fetched | None:
        self.looks.append(self._clock())
        if self._error is not None:
            raise self._error
        if self._content is None:
            return None
        content, self._content = self._content, None
        path = self.folder / INCOMING
        path.write_bytes(content)
        digest, self._digest = self._digest or hashlib.sha256(content).hexdigest(), ""
        return Fetched(path, digest, None, self.next_validators)


class Sources:
    """Opens a ListSource for each feed; `opened` has the newest of each, by name."""

    def __init__(self, time: ManualTime) -> None:
        self.opened: dict[str, ListSource] = {}
        self._time = time

    def __call__(self, feed: Feed, folder: Path, _: Validators) -> ListSource:
        self.opened[feed.name] = source = ListSource(feed, folder, self._time.clock)
        return source

    def __getitem__(self, name: str) -> ListSource:
        return self.opened[name]


class LocalCompiler:
    """Compiles in this process; `faults` are raised instead, the first one first."""

    def __init__(self, time: ManualTime) -> None:
        self.jobs: list[float] = []  # when something was to be compiled
        self.faults: list[Exception] = []
        self.read_faults: list[Exception] = []  # are raised by what is read by itself, the first one first
        self.seconds: dict[str, float] = {}  # by digest, what reading it by itself takes of the processor
        self.compiled: list[list[str]] = []  # the feeds with news of each job that compiles
        self.is_closed = False
        self.reading = ""
        self.amends = False  # whether a ruleset in force is amended if it can be, as the real one does
        self.slow: dict[str, FeedRefused | None] = {}  # by digest, what must be read by itself, and what comes of that
        self.alone: list[str] = []  # the digests of what was read by itself
        self.reads: asyncio.Event | None = None  # what is read by itself waits for it
        self.held: asyncio.Event | None = None  # what compiles wait for, other than those that amend only
        self._time = time

    def prepare(self) -> None:
        pass

    async def compile(self, job: Job, /) -> Built:
        if not job.amends:
            self.jobs.append(self._time.clock())
            self.compiled.append(sorted(c.feed.name for c in job.candidates if c.incoming))
            if self.held is not None:
                await self.held.wait()
        if self.faults:
            raise self.faults.pop(0)
        slow = [c for c in job.candidates if c.incoming and c.incoming.digest in self.slow and c.budget]
        if apart := {c.feed.name for c in slow if c.budget and c.budget.patience is not None}:
            built = await self.compile(replace(job, candidates=[_without(c, apart) for c in job.candidates]))
            built.slow |= apart
            return built
        in_force = None
        if job.in_force is not None:
            ruleset = Ruleset.open(job.in_force)
            in_force = ruleset.catalogue
            ruleset.close()
        created = int(self._time.clock())
        if job.in_force is not None and (job.amends or self.amends):
            amended = amend(
                job.candidates, job.in_force, job.path, reports=job.reports, held=job.held, gate=job.gate,
                created=created, randomness=os.urandom,
            )  # fmt: skip
            if amended is not None or job.amends:
                return amended or Built()
        return build(job.candidates, job.path, gate=job.gate, in_force=in_force, created=created, randomness=os.urandom)

    async def read(self, job: Job, /) -> Built:
        [candidate] = job.candidates
        content = candidate.incoming
        assert content is not None
        self.alone.append(content.digest)
        if self.reads is not None:
            await self.reads.wait()
        if self.read_faults:
            raise self.read_faults.pop(0)
        refused = self.slow.get(content.digest)
        spent = {candidate.feed.name: Spent(self.seconds[content.digest])} if content.digest in self.seconds else {}
        return Built(refused={candidate.feed.name: refused} if refused else {}, spent=spent)

    async def close(self) -> None:
        self.is_closed = True


def _without(candidate: Candidate, apart: set[str]) -> Candidate:
    return replace(candidate, incoming=None) if candidate.feed.name in apart else candidate


class RecordedLog(AuditLog):
    """Keeps the records in memory: `kinds` in turn, and the newest body of each kind."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        super().__init__(folder, clock)
        self.kinds: list[str] = []
        self.bodies: dict[str, Mapping[str, Any]] = {}

    def write(self, kind: str, body: Mapping[str, Any], *_: object, **__: object) -> None:
        self.kinds.append(kind)
        self.bodies[kind] = body


class WorkerSimulator:
    """The workers behind a channel: each enforces what it is told at once, unless it is `mute` or `broken`."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.sent: list[Message] = []
        self.mute: set[int] = set()
        self.broken: set[int] = set()

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        self.sent.append(message)
        for index, pid in dict(self.workers.pids).items() if "enforce" in message else ():
            if index in self.broken:
                failed = {"worker": index, "pid": pid, "failed": message["enforce"], "why": "its file is gone"}
                asyncio.get_running_loop().call_soon(self.workers.heard, failed)  # who has sent it waits for it then
            elif index not in self.mute:
                self.workers.heard({"worker": index, "pid": pid, "enforcing": message["enforce"]})


class SimulatedTests(SelfTests):
    """Self-tests that find what they are told to, and ask nobody; `asked` are the versions and workers asked for."""

    failure: str | Exception = ""

    async def run(self, enforced: Enforced, _: Enforced | None, workers: Collection[int], *__: object) -> str:
        self.asked = (enforced.version, sorted(workers))
        if isinstance(self.failure, Exception):
            raise self.failure
        return self.failure


def domains(name: str, **more: object) -> Feed:
    """Return the config of a text list."""
    return FEED_TYPES["domains"].model_validate({"name": name, "type": "domains", "path": f"/lists/{name}", **more})


def feed_set(folder: Path, feeds: Sequence[Feed], time: ManualTime, sources: Sources) -> FeedSet:
    """Return feeds whose folders are in `folder`."""
    return FeedSet.load(feeds, lambda name: folder / "feeds" / name, Gate(), time.timing, sources)


def recorded(folder: Path, feeds: Sequence[Feed], time: ManualTime) -> tuple[AuditRecorder, RecordedLog]:
    """Return recorder whose records stay in memory, and those."""
    log = RecordedLog(folder, time.clock)
    return AuditRecorder(log, feeds, time.clock), log


def blocked(enforced: Enforced | None, *names: str) -> list[str]:
    """Return those of the names that are blocked."""
    assert enforced is not None
    return [name for name in names if enforced.verdict(key_from_text(name)).touches]
