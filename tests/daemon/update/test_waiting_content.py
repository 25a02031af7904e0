"""Content that waits for a compile is safe from its source, and a file that is gone harms no other feed."""

from __future__ import annotations

import asyncio
import errno
import signal
from itertools import chain
from pathlib import Path

import pytest

from blockd.daemon.update.compile_child import Ended
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.lone_reading import MOST_KILLED
from blockd.daemon.update.managed_feed import HINTS
from blockd.daemon.update.retries import MAX_RETRY, RETRY, retry_after
from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.budget import TOGETHER
from blockd.feeds.fetched import CONTENTS, INCOMING, OFFERED, Fetched, Validators
from blockd.feeds.file import FileSource
from blockd.feeds.kinds import open_source
from blockd.native import is_native
from blockd.ruleset import Gate
from blockd.settings import FEED_TYPES, Feed
from tests.daemon.parts import domains
from tests.daemon.update.test_feed_budgets import digest_of
from tests.daemon.updater_rig import Rig, Run
from tests.feeds.http.server import Visitor, saying, server


def by_url(url: str) -> Feed:
    return FEED_TYPES["domains"].model_validate({"name": "web", "type": "domains", "url": url})


@pytest.mark.parametrize("status", ["304 Not Modified", "503 Service Unavailable", "404 Not Found"])
def test_content_of_a_url_waits_whatever_its_server_says_next(tmp_path: Path, status: str) -> None:
    answers = [saying("200 OK", 'ETag: "1"', body=b"a.example\n"), saying(status, 'ETag: "1"')]

    async def answer(visitor: Visitor) -> None:
        await answers.pop(0)(visitor)

    async def check() -> None:
        async with server(answer) as url:
            state = FeedState.load(tmp_path)
            source = open_source(by_url(f"{url}/list"), tmp_path, state.validators)
            fetched = await source.poll()
            assert fetched is not None
            assert source.validators == Validators(), "the server is asked for it again until it is in safe hands"
            state.offer(fetched)
            source.taken(fetched)
            assert source.validators.etag == '"1"'
            try:
                assert await source.poll() is None
            except FeedRefused:
                assert not status.startswith("304")
            candidate = state.take_candidate()
            assert candidate is not None
            assert candidate.path.read_bytes() == b"a.example\n"

    asyncio.run(check())


def test_content_of_a_file_waits_though_the_file_is_gone(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"a.example\n")
    folder = tmp_path / "feed"
    folder.mkdir()
    source, state = FileSource(listed, 1000, lambda: 0.0, settle=0.0), FeedState.load(folder)
    fetched = source.poll(folder)
    assert fetched is not None
    state.offer(fetched)
    listed.unlink()
    with pytest.raises(FeedRefused):
        source.poll(folder)
    assert state.take_candidate() is not None


def test_no_name_of_a_content_is_that_of_another_and_the_source_has_but_one(tmp_path: Path) -> None:
    assert len({*CONTENTS}) == len(CONTENTS)
    state = FeedState.load(tmp_path)
    (tmp_path / INCOMING).write_bytes(b"a.example\n")
    state.offer(Fetched(tmp_path / INCOMING, "ab", None))
    assert [path.name for path in tmp_path.iterdir()] == [OFFERED]


def test_content_that_cannot_be_taken_over_is_told_and_fetched_again(run: Run) -> None:
    async def check(rig: Rig) -> None:
        source, feed = rig.sources["one"], rig.feeds["one"]
        poll = source.poll

        async def gone() -> Fetched | None:
            fetched = await poll()
            assert fetched is not None
            fetched.path.unlink()
            return fetched

        source.give("a.example")
        source.next_validators = Validators('"v1"', source="there")
        source.poll = gone  # type: ignore[method-assign]
        rig.sources["two"].give("b.example")
        async with rig.running():
            await rig.compiled()
            assert "cannot be kept" in feed.refusal
            assert (rig.refusals("one"), source.validators, feed.schedule.failures) == ({"fault": 1}, Validators(), 1)
            assert rig.blocked("b.example") == ["b.example"]
            source.poll = poll  # type: ignore[method-assign]
            source.give("a.example")
            await rig.next_look()
            assert (rig.blocked("a.example"), feed.refusal) == (["a.example"], "")
            assert source.validators.etag == '"v1"'

    run(check, domains("one"), domains("two"))


def test_content_that_has_no_room_is_asked_for_again(run: Run) -> None:
    async def check(rig: Rig) -> None:
        source, feed = rig.sources["one"], rig.feeds["one"]
        async with rig.running():
            source.give(*(f"n{number:06}.example" for number in range(120_000)))
            source.next_validators = Validators('"v2"', source="there")
            await rig.next_look()
            assert "limits.disk" in feed.refusal
            assert source.validators == Validators()

    run(check, domains("one", limits={"disk": "1M"}))


@pytest.mark.parametrize("place", ["offered", "candidate"])
def test_new_content_that_is_removed_costs_no_other_feed_its_round(run: Run, place: str) -> None:
    async def check(rig: Rig) -> None:
        for name in ("one", "two"):
            rig.sources[name].give(f"{name}.example")
        await rig.updater.refresh(None)
        rig.compiler.held = asyncio.Event()
        rig.sources["one"].give("one.example", "new.one.example")
        rig.sources["two"].give("two.example", "new.two.example")
        async with rig.running():
            if place == "candidate":
                await rig.compiled()
            (rig.feeds["one"].state.folder / place).unlink()
            await rig.compiled()
            rig.compiler.held.set()
            await rig.time.settle()
            assert rig.blocked("new.one.example", "new.two.example", "one.example") == [
                "new.two.example",
                "one.example",
            ]
            assert rig.refusals("one") == {"fault": 1}
            assert "It is fetched again" in rig.feeds["one"].refusal
            assert rig.feeds["two"].refusal == ""
            rig.sources["one"].give("one.example", "new.one.example")
            await rig.next_look()
            assert (rig.blocked("new.one.example"), rig.feeds["one"].refusal) == (["new.one.example"], "")

    run(check, domains("one"), domains("two"))


@pytest.mark.skipif(not is_native(), reason="only the native engine amends")
def test_new_content_that_is_removed_while_it_waits_to_overtake_ends_nothing(run: Run) -> None:
    async def check(rig: Rig) -> None:
        for name in ("one", "two", "three"):
            rig.sources[name].give(f"{name}.example")
        await rig.updater.refresh(None)
        rig.compiler.held = asyncio.Event()
        rig.sources["two"].give("two.example", "new.two.example")
        async with rig.running():
            await rig.compiled()
            for name in ("one", "three"):
                rig.sources[name].give(f"{name}.example", f"new.{name}.example")
                rig.feeds.hint(name)
            await rig.time.advance(HINTS)
            assert rig.feeds["one"].state.incoming is not None
            (rig.feeds["one"].state.folder / "offered").unlink()
            await rig.time.advance(1.0)
            assert rig.blocked("new.one.example", "new.three.example") == ["new.three.example"]
            assert rig.refusals("one") == {"fault": 1}
            rig.compiler.held.set()
            await rig.time.settle()
            assert rig.blocked("new.two.example", "new.three.example") == ["new.two.example", "new.three.example"]
            rig.sources["one"].give("one.example", "new.one.example")
            await rig.next_look()
            assert rig.blocked("new.one.example") == ["new.one.example"], "the updater goes on"

    run(check, domains("one"), domains("two"), domains("three"))


@pytest.mark.parametrize("place", ["refused", "waiting", "read"])
def test_kept_content_that_is_removed_costs_no_other_feed_anything(run: Run, place: str) -> None:
    async def check(rig: Rig) -> None:
        feed, folder = rig.feeds["one"], rig.feeds["one"].state.folder
        for name in ("one", "two"):
            rig.sources[name].give(f"{name}.example")
        await rig.updater.refresh(None)
        if place == "refused":
            rig.sources["one"].give_text("no name\n" * 9 + "x.example\n")
        else:
            rig.sources["one"].give("one.example", "new.one.example")
        rig.rulesets.is_held = place == "waiting"
        if place == "read":
            feed.is_slow, rig.compiler.reads = True, asyncio.Event()
        async with rig.running():
            await rig.compiled()
            (folder / place).unlink()
            rig.rulesets.is_held = False
            if place == "refused":
                feed.state.waive_refused()
            if rig.compiler.reads is not None:
                rig.compiler.reads.set()
            rig.sources["two"].give("two.example", "new.two.example")
            await rig.next_look()
            assert rig.blocked("one.example", "new.two.example") == ["one.example", "new.two.example"]
            assert rig.refusals("one")["fault"] == 1
            rig.sources["one"].give("one.example", "newer.one.example")
            await rig.next_look()
            feed.is_slow = False
            assert (rig.blocked("newer.one.example"), feed.refusal) == (["newer.one.example"], "")

    run(check, domains("one"), domains("two"))


def test_content_that_was_refused_is_not_read_again_until_what_it_is_judged_by_has_changed(run: Run) -> None:
    refused = ["no name"] * 9 + ["x.example"]

    async def check(rig: Rig) -> None:
        feed = rig.feeds["one"]
        rig.sources["one"].give("one.example")
        await rig.updater.refresh(None)
        async with rig.running():
            rig.sources["one"].give(*refused)
            await rig.next_look()
            assert rig.refusals("one") == {"rejects": 1}
            jobs = len(rig.compiler.jobs)
            for other in ("y.example", "z.example"):  # it alternates with others
                rig.sources["one"].give(*refused[:-1], other)
                await rig.next_look()
            assert len(rig.compiler.jobs) == jobs + 2
            for names in (refused, [*refused[:-1], "y.example"], [*refused[:-1], "z.example"], refused):
                rig.sources["one"].give(*names)
                await rig.next_look()
                assert feed.refusal
                assert feed.state.refused is not None
                assert feed.state.refused.fetched.path.read_text().split("\n")[-2] == names[-1], "it can be accepted"
            assert len(rig.compiler.jobs) == jobs + 2
            rig.gate.now = Gate(max_rejects=1.0)
            rig.sources["one"].give(*refused)
            await rig.next_look()
            assert (rig.blocked("x.example"), feed.refusal) == (["x.example"], "")

    run(check, domains("one"))


def test_refused_content_that_comes_back_displaces_what_waits_and_is_told(run: Run) -> None:
    refused = ["no name"] * 9 + ["x.example"]

    async def check(rig: Rig) -> None:
        feed, source = rig.feeds["one"], rig.sources["one"]
        source.give("good.example")
        await rig.updater.refresh(None)
        source.give(*refused)
        await rig.updater.refresh(None)
        source.give("good.example")
        await rig.updater.refresh(None)
        assert feed.refusal == ""
        source.give("good.example", "newer.example")
        await rig.updater._poll(feed)
        assert feed.state.incoming is not None
        source.give(*refused)
        await rig.updater.refresh(None)
        assert rig.blocked("newer.example") == []
        assert not (feed.state.folder / "offered").exists()
        assert "lines are not valid" in feed.refusal
        assert rig.compiler.compiled[:2] == [["one"], ["one"]]
        assert not any(rig.compiler.compiled[2:])

    run(check, domains("one"))


def test_reading_that_stands_still_is_told_as_that_and_tried_again_ever_later(run: Run) -> None:
    stuck = [Ended("the compiling process stood still", "slow", 9, is_stuck=True) for _ in range(3)]

    async def check(rig: Rig) -> None:
        feed = rig.feeds["slow"]
        feed.is_slow, rig.compiler.read_faults = True, list(stuck)
        rig.sources["slow"].give("slow.example")
        rig.sources["quick"].give("quick.example")
        async with rig.running():
            await rig.compiled()
            assert rig.blocked("slow.example", "quick.example") == ["quick.example"]
            assert (
                "stood still for 60 s and was ended. Nothing of it is taken; it is tried again in 30 s" in feed.refusal
            )
            assert "signal" not in feed.refusal
            for failures in (1, 2):
                await rig.time.advance(retry_after(failures - 1) - 1)
                assert len(rig.compiler.alone) == failures
                await rig.time.advance(1)
                assert len(rig.compiler.alone) == failures + 1
            assert rig.refusals("slow") == {"fault": 3}
            rig.sources["slow"].give("slow.example")  # the same is not begun anew by a poll
            await rig.time.advance(retry_after(2) - 1)
            assert len(rig.compiler.alone) == 3
            await rig.time.advance(1)
            await rig.compiled()
            assert (rig.blocked("slow.example"), feed.refusal) == (["slow.example"], "")

    run(check, domains("slow"), domains("quick"))
    assert [retry_after(number) for number in (0, 1, 2, 99)] == [RETRY, 2 * RETRY, 4 * RETRY, MAX_RETRY]


@pytest.mark.parametrize("often", [1, MOST_KILLED - 1, MOST_KILLED])
def test_reading_that_is_ended_from_outside_says_nothing_of_the_content(run: Run, often: int) -> None:
    killed = [Ended("the compiling process ended with -9", "slow", signal.SIGKILL) for _ in range(often)]

    async def check(rig: Rig) -> None:
        feed = rig.feeds["slow"]
        feed.is_slow, rig.compiler.read_faults = True, list(killed)
        rig.sources["slow"].give("slow.example")
        async with rig.running():
            await rig.compiled()
            assert "was ended by signal 9. Nothing of it is taken; it is tried again in 30 s" in feed.refusal
            for failures in range(often):
                await rig.time.advance(retry_after(failures))
            if often < MOST_KILLED:
                await rig.compiled()
                assert (rig.blocked("slow.example"), feed.refusal) == (["slow.example"], "")
            else:
                assert "nothing of it is taken. The log of the kernel says whether memory was short" in feed.refusal
                assert rig.blocked("slow.example") == []

    run(check, domains("slow"), domains("quick"))


def test_refresh_does_not_wait_until_a_reading_that_failed_is_tried_again(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.feeds["slow"].is_slow = True
        rig.compiler.read_faults = [Ended("it stood still", "slow", 9, is_stuck=True)]
        rig.sources["slow"].give("slow.example")
        found = await rig.updater.refresh(["slow"])
        assert (found.feeds["slow"].outcome, "stood still" in (found.feeds["slow"].why or "")) == ("refused", True)
        await rig.updater.maker.close()

    run(check, domains("slow"))


def test_slow_news_of_any_number_of_feeds_let_those_of_others_go_first(run: Run) -> None:
    slow = [f"slow-{number:02}" for number in range(20)]

    async def check(rig: Rig) -> None:
        for name in slow:
            rig.feeds[name].is_slow = True
            rig.sources[name].give(f"{name}.example")
            rig.compiler.seconds[digest_of(f"{name}.example")] = 2 * TOGETHER
        rig.compiler.held = asyncio.Event()
        async with rig.running():
            await rig.compiled()  # the first are compiled
            assert len(rig.compiler.compiled) == 1
            rig.sources["quick"].give("quick.example")
            rig.feeds.hint("quick")
            await rig.time.advance(HINTS)
            rig.compiler.held.set()
            for _ in range(20):
                await rig.compiled()
            assert rig.blocked("quick.example", *(f"{name}.example" for name in slow)) == [
                "quick.example", *(f"{name}.example" for name in slow),
            ]  # fmt: skip
            at = rig.compiler.compiled.index(["quick"])
            assert at == 1, "they waited for one compile of slow ones, and were compiled without slow ones"
            assert all(len(feeds) <= 3 for feeds in rig.compiler.compiled), "60 s for 20 s each"
            assert sorted(chain(*rig.compiler.compiled)) == sorted([*slow, "quick"])

    run(check, *(domains(name) for name in slow), domains("quick"))


def test_feed_whose_refused_content_was_costly_is_slow(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.feeds["one"].is_slow = True
        rig.compiler.slow[digest_of("bad.example")] = FeedRefused("shrunk", "It has lost too much.")
        rig.compiler.seconds = {digest_of("bad.example"): 1.5, digest_of("good.example"): 1.5}
        rig.sources["one"].give("bad.example")
        await rig.updater.refresh(None)
        assert (rig.feeds["one"].is_slow, rig.refusals("one"), rig.compiler.compiled) == (True, {"shrunk": 1}, [[]])
        rig.sources["one"].give("good.example")
        await rig.updater.refresh(None)
        assert (rig.feeds["one"].is_slow, rig.blocked("good.example")) == (False, ["good.example"])

    run(check, domains("one"))


def test_error_of_the_disk_during_a_poll_is_the_feeds_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = FeedState.offer

    def fails(state: FeedState, fetched: Fetched) -> None:
        if state.folder.name == "one":
            raise OSError(errno.EROFS, "Read-only file system")
        offer(state, fetched)

    monkeypatch.setattr(FeedState, "offer", fails)

    async def check(rig: Rig) -> None:
        rig.sources["one"].give("one.example")
        rig.sources["two"].give("two.example")
        async with rig.running():
            await rig.compiled()
            assert rig.blocked("one.example", "two.example") == ["two.example"]
            assert "read-only" in rig.feeds["one"].refusal.lower()

    run(check, domains("one"), domains("two"))


def test_what_is_unreachable_is_never_remembered(run: Run) -> None:
    async def check(rig: Rig) -> None:
        feed = rig.feeds["one"]
        feed.known.note("ab", (), FeedUnreachable("Nobody answers."), None)
        feed.known.note("cd", (), FeedRefused("fault", "The disk failed."), None)
        assert (feed.known.of("ab", ()), feed.known.of("cd", ())) == (None, None)

    run(check, domains("one"))
