"""A feed whose new content takes too much is refused alone, and no other feed's news wait for it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blockd.compile.build import build, read_alone
from blockd.compile.spending import KILLED_BY, Exhausted, NoWatch
from blockd.daemon.update.compile_child import Compiler, Ended, Job
from blockd.errors import FeedRefused
from blockd.feeds.budget import Budget, Spent
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Gate
from blockd.settings import FEED_TYPES, Limits
from tests.compile.builder import NOW, Builder
from tests.compile.builder import domains as list_feed
from tests.daemon.parts import domains
from tests.daemon.updater_rig import Rig, Run
from tests.places import ROOT

AMPLE = Budget(1000.0, 1 << 40)


class Stopping(NoWatch):
    """Ends the reading of one feed's news with an error, once the names are being added."""

    def __init__(self, feed: str, error: BaseException) -> None:
        self.feed = ""
        self._stopped = feed
        self._error = error
        self._begun = 0

    def begin(self, feed: str, budget: Budget | None) -> None:
        self.feed = feed if budget is not None else ""
        self._begun += feed == self._stopped and budget is not None
        if self._begun == 2 and self.feed == self._stopped:  # the first time it is opened
            raise self._error

    def end(self) -> None:
        self.feed = ""

    def spent(self) -> dict[str, Spent]:
        return {self._stopped: Spent(12.0, 5 << 20)}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Exhausted(), "given up after 12 s of the processor; 1,000 s are allowed"),
        (MemoryError(), r"more memory than the 1024G that are allowed \(5M were in use\)"),
    ],
)
def test_feed_over_its_budget_is_refused_alone(tmp_path: Path, error: BaseException, sentence: str) -> None:
    builder = Builder(tmp_path)
    candidates = [
        Candidate(list_feed("bad"), builder.content("new.example"), builder.content("old.example"), budget=AMPLE),
        Candidate(list_feed("good"), builder.content("good.example"), None, budget=AMPLE),
    ]
    built = build(
        candidates, builder.path, gate=Gate(), in_force=None, created=NOW, randomness=os.urandom,
        watch=Stopping("bad", error),
    )  # fmt: skip
    assert {name: refused.reason for name, refused in built.refused.items()} == {"bad": "budget"}
    with pytest.raises(FeedRefused, match=sentence):
        raise built.refused["bad"]
    assert (built.taken, built.slow) == ({"good"}, set())
    assert [builder.listed(name) for name in ("new.example", "old.example", "good.example")] == [
        "",
        "bad/bad",
        "good/good",
    ]


def test_feed_over_its_patience_is_set_aside_to_be_read_by_itself(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    budget = Budget(1000.0, 1 << 40, patience=10.0)
    candidates = [
        Candidate(list_feed("bad"), builder.content("new.example"), None, budget=budget),
        Candidate(list_feed("good"), builder.content("good.example"), None, budget=AMPLE),
    ]
    watch = Stopping("bad", Exhausted())
    built = build(candidates, builder.path, gate=Gate(), in_force=None, created=NOW, randomness=os.urandom, watch=watch)
    assert (built.refused, built.slow, built.taken) == ({}, {"bad"}, {"good"})
    patient = replace(candidates[0], budget=AMPLE)
    assert "Raise the feed's limits.read_time" in str(read_alone(patient, Stopping("bad", Exhausted())).refused["bad"])
    assert read_alone(candidates[0], Stopping("bad", Exhausted())).slow == {"bad"}, "it gets all of its time later"
    assert read_alone(candidates[0], NoWatch()).refused == {}


def test_error_that_is_no_feeds_is_not_taken_for_one(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    candidate = Candidate(list_feed("known"), None, builder.content("old.example"), budget=AMPLE)

    class Failing(Stopping):
        def begin(self, feed: str, budget: Budget | None) -> None:
            raise MemoryError

    with pytest.raises(MemoryError):
        build(
            [candidate], builder.path, gate=Gate(), in_force=None, created=NOW, randomness=os.urandom,
            watch=Failing("known", MemoryError()),
        )  # fmt: skip


READING = """
import itertools, sys
from blockd.compile import spending
from blockd.compile.spending import Exhausted, Spending
from blockd.feeds.budget import Budget
spending.LENIENCY = 0.1
told = []
watch = Spending(told.append)
watch.begin("bad", Budget(0.2, 64 << 20))
try:
    {work}
except (Exhausted, MemoryError) as error:
    feed = watch.feed
    watch.end()
    used = watch.spent()["bad"]
    print(type(error).__name__, feed, told, used.seconds >= 0.1, used.memory >= 32 << 20)
    blocks = [bytearray(1 << 20) for _ in range(200)]  # nothing limits what comes after
"""


@pytest.mark.parametrize(
    ("work", "outcome", "code"),
    [
        ("for _ in itertools.repeat(0): len(told)", "Exhausted bad ['bad', ''] True False", 0),
        (
            "try:\n        for _ in itertools.repeat(0): len(told)\n    except Exception: pass",
            "Exhausted bad ['bad', ''] True False",
            0,
        ),
        ("blocks = [bytearray(1 << 20) for _ in range(1000)]", "MemoryError bad ['bad', ''] False True", 0),
        ("sum(itertools.repeat(0))", "", -KILLED_BY),  # code in C that looks at no signal
    ],
    ids=["time", "no except", "memory", "deaf"],
)
def test_process_is_stopped_when_it_has_taken_its_time_or_memory(work: str, outcome: str, code: int) -> None:
    command = [sys.executable, "-c", READING.format(work=work)]
    done = subprocess.run(  # noqa: S603 - our own program
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.returncode, done.stderr) == (outcome, code, "")


def digest_of(*names: str) -> str:
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def test_news_of_others_go_on_while_a_content_is_read_by_itself_that_is_then_enforced(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.compiler.slow[digest_of("slow.example")] = None
        rig.sources["slow"].give("slow.example")
        rig.sources["quick"].give("quick.example")
        async with rig.running():
            await rig.compiled()
            assert rig.compiler.alone == [digest_of("slow.example")]
            assert rig.blocked("quick.example", "slow.example") == ["quick.example"]
            await rig.compiled()
            assert rig.blocked("quick.example", "slow.example") == ["quick.example", "slow.example"]
            assert rig.feeds["slow"].refusal == ""

    run(check, domains("slow"), domains("quick"))


def test_content_over_its_budget_is_refused_alone_and_not_tried_again_but_a_changed_one_is(run: Run) -> None:
    async def check(rig: Rig) -> None:
        refused = FeedRefused("budget", "Reading it was given up.")
        rig.compiler.slow[digest_of("bad.example")] = refused
        rig.sources["bad"].give("old.example")
        rig.sources["good"].give("good.example")
        async with rig.running():
            await rig.compiled()
            rig.sources["bad"].give("bad.example")
            rig.sources["good"].give("good.example", "new.example")
            await rig.next_look()
            await rig.compiled()
            assert rig.blocked("old.example", "bad.example", "new.example") == ["old.example", "new.example"]
            assert rig.feeds["bad"].refusal == "Reading it was given up."
            assert (rig.refusals("bad"), rig.feeds["good"].refusal) == ({"budget": 1}, "")
            assert rig.log.bodies["refused"]["reason"] == "budget"
            jobs = len(rig.compiler.jobs)
            for _ in range(3):
                rig.sources["bad"].give("bad.example")
                await rig.next_look()
            assert (len(rig.compiler.jobs), len(rig.compiler.alone)) == (jobs, 1), "the same is not read again"
            assert rig.feeds["bad"].refusal == "Reading it was given up."
            rig.compiler.slow[digest_of("mended.example")] = None
            rig.sources["bad"].give("mended.example")
            await rig.next_look()
            await rig.compiled()
            assert rig.blocked("old.example", "mended.example") == ["mended.example"]
            assert rig.feeds["bad"].refusal == ""
            assert len(rig.compiler.alone) == 2, "what follows a slow content is not read beside others first"

    run(check, domains("bad", gate={"max_shrink": "100%"}), domains("good"))


def test_content_that_ends_the_process_is_read_by_itself_and_the_others_are_compiled(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.compiler.slow[digest_of("bad.example")] = FeedRefused("budget", "It ended its process.")
        rig.compiler.faults = [Ended("the compiling process ended with -11", "bad", 11)]
        rig.sources["bad"].give("bad.example")
        rig.sources["good"].give("good.example")
        async with rig.running():
            await rig.compiled()
            await rig.compiled()
            assert rig.blocked("bad.example", "good.example") == ["good.example"]
            assert (rig.feeds["bad"].refusal, rig.feeds["good"].refusal) == ("It ended its process.", "")

    run(check, domains("bad"), domains("good"))


def test_newer_content_takes_the_place_of_one_that_is_being_read(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.compiler.slow[digest_of("slow.example")] = None
        rig.compiler.reads = asyncio.Event()
        rig.sources["slow"].give("slow.example")
        async with rig.running():
            await rig.compiled()
            assert rig.feeds["slow"].state.reading is not None
            rig.compiler.reads.set()
            rig.feeds["slow"].is_slow = False
            rig.sources["slow"].give("newer.example")
            rig.feeds.hint("slow")
            await rig.next_look()
            await rig.compiled()
            assert rig.blocked("slow.example", "newer.example") == ["newer.example"]
            assert rig.feeds["slow"].state.reading is None
            assert not list(rig.feeds["slow"].state.folder.glob("read"))

    run(check, domains("slow"))


def test_feed_over_its_room_on_the_disk_is_refused_alone_and_drops_what_waits_for_an_operator(run: Run) -> None:
    many = [f"n{number:06}.example" for number in range(120_000)]  # 1.9 MB

    async def check(rig: Rig) -> None:
        rig.sources["large"].give("a.example")
        rig.sources["good"].give("good.example")
        async with rig.running():
            await rig.compiled()
            rig.sources["large"].give(*many)
            rig.sources["good"].give("good.example", "new.example")
            await rig.next_look()
            assert rig.blocked("a.example", "new.example", many[0]) == ["a.example", "new.example"]
            assert "would take 1.8M of the disk; 1M are allowed" in rig.feeds["large"].refusal
            assert "limits.disk" in rig.feeds["large"].refusal
            assert rig.refusals("large") == {"budget": 1}
            assert not list(rig.feeds["large"].state.folder.glob("incoming"))
            rig.sources["large"].give("a.example", "b.example")
            await rig.next_look()
            assert (rig.blocked("b.example"), rig.feeds["large"].refusal) == (["b.example"], "")

    run(check, domains("large", limits={"disk": "1M"}), domains("good"))


def test_fetch_that_takes_longer_than_its_time_is_given_up(tmp_path: Path) -> None:
    rig = Rig(
        tmp_path,
        FEED_TYPES["domains"].model_validate({"name": "web", "type": "domains", "url": "http://list.example/"}),
    )

    async def check() -> None:
        managed = rig.feeds["web"]
        managed.limits = Limits().model_copy(update={"fetch_time": 0.0})  # so that no time need pass

        async def drip() -> Fetched | None:
            await asyncio.Event().wait()
            return None

        managed.source.poll = drip  # type: ignore[method-assign]
        with pytest.raises(FeedRefused, match=r"Fetching http://list\.example/ was given up.*limits\.fetch_time"):
            await managed.poll()
        assert managed.source.fetch_time == 0.0, "the source knows, and may share it out"
        assert managed.schedule.failures == 1, "it is tried again as after any other failure"

    asyncio.run(check())


def alone(candidate: Candidate, **more: Any) -> Job:
    """Return the job of reading a content by itself."""
    return Job([candidate], Path("unused"), Gate(), None, {}, {}, **more)


def test_compile_whose_process_ends_says_which_feed_it_read(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    content = builder.octets(b"".join(b"n%d.example\n" % number for number in range(2_000_000)))
    candidate = Candidate(list_feed("large", max_size="1G"), content, None, budget=AMPLE)
    job = Job([candidate], tmp_path / "compiled", Gate(), None, {}, {})

    class Killing(Compiler):
        async def kill(self) -> None:
            while not self.reading:  # noqa: ASYNC110 - what the child tells is read meanwhile
                await asyncio.sleep(0)
            assert self._busy is not None
            self._busy.process.kill()

    compiler = Killing()

    async def killed() -> Ended:
        killing = asyncio.create_task(compiler.kill())
        with pytest.raises(Ended) as ended:
            await compiler.compile(job)
        await killing
        return ended.value

    async def check() -> None:
        ended = await killed()
        for _ in range(10):
            if ended.feed:
                break
            ended = await killed()  # it had read all of it before it was killed
        assert (ended.feed, ended.number, compiler.reading) == ("large", 9, "")
        await compiler.close()

    asyncio.run(check())


def test_child_reads_a_content_by_itself_and_says_what_that_took(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    compiler = Compiler()

    async def check() -> None:
        candidate = Candidate(list_feed("good"), builder.content("good.example"), None, budget=AMPLE)
        built = await compiler.read(alone(candidate))
        assert (built.refused, set(built.spent)) == ({}, {"good"})
        broken = Candidate(list_feed("bad"), builder.octets(b"\0" * 5000), None, budget=AMPLE)
        assert (await compiler.read(alone(broken))).refused["bad"].reason == "binary"
        await compiler.close()

    asyncio.run(check())
