"""The updater with a time, sources, a compiler and an enforcement that are handed in: nothing here sleeps or forks."""

from __future__ import annotations

import asyncio
import gzip
import logging
from itertools import pairwise
from pathlib import Path

import pytest

from blockd.daemon.results import FeedOutcome, HintResult
from blockd.daemon.update.managed_feed import HINTS
from blockd.daemon.update.poll_schedule import FIRST_RETRY, JITTER
from blockd.daemon.update.updater import GATHERING
from blockd.errors import CommandError, FeedRefused, FeedUnreachable
from blockd.feeds.fetched import Validators
from blockd.settings import SignedFeed
from tests.daemon.parts import INTERVAL, NOW, domains
from tests.daemon.updater_rig import Rig, Run

ENOUGH = [f"n{number}.example" for number in range(1_000)]


def test_what_is_new_is_compiled_and_enforced(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        async with rig.running():
            assert rig.updater.is_busy
            await rig.compiled()
            assert not rig.updater.is_busy
            assert (rig.blocked("a.example", "b.example"), rig.rulesets.version) == (["a.example"], 1)
            rig.sources["national"].give("a.example", "b.example")
            await rig.next_look()
            assert (rig.blocked("a.example", "b.example"), rig.rulesets.version) == (["a.example", "b.example"], 2)
        state = rig.feeds["national"].state
        assert state.accepted is not None
        assert state.accepted.path.read_text() == "a.example\nb.example\n"
        assert state.checked == rig.sources["national"].looks[-1] + GATHERING
        assert rig.compiler.is_closed

    run(check)


def test_news_of_several_feeds_are_compiled_together(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["one"].give("a.example")
        rig.sources["two"].give("b.example")
        async with rig.running():
            await rig.compiled()
        assert (len(rig.compiler.jobs), rig.blocked("a.example", "b.example")) == (1, ["a.example", "b.example"])

    run(check, domains("one"), domains("two"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("# only\n# comments\n", "empty"),
        ("\0\1\2\3" * 5000, "binary"),
        ("a.example\nb.example\n" + 90 * "\0", "binary"),
        ("a.example\n", "shrunk"),
        ("<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "html"),
        ("".join(f"{name}\n" for name in ENOUGH) + "?!\n" * 999, "rejects"),
    ],
)
def test_refused_content_changes_nothing_and_is_counted_by_reason(run: Run, text: str, reason: str) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give(*ENOUGH)
        async with rig.running():
            await rig.compiled()
            rig.sources["national"].give_text(text)
            await rig.next_look()
            assert (rig.blocked(*ENOUGH), rig.rulesets.version) == (ENOUGH, 1)
            assert rig.refusals("national") == {reason: 1}
            assert rig.feeds["national"].refusal
            assert rig.log.bodies["refused"]["reason"] == reason
            rig.sources["national"].give(*ENOUGH, "f.example")
            await rig.next_look()
            assert (rig.blocked("f.example"), rig.feeds["national"].refusal) == (["f.example"], "")
            assert rig.refusals("national") == {reason: 1}

    run(check)


def test_refused_feed_among_several_costs_only_its_own_news(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["good"].give("good.example")
        rig.sources["bad"].give(*ENOUGH)
        async with rig.running():
            await rig.compiled()
            rig.sources["good"].give("good.example", "new.example")
            rig.sources["bad"].give_text("")
            await rig.next_look()
        assert rig.blocked("new.example", *ENOUGH) == ["new.example", *ENOUGH]
        assert (rig.feeds["good"].refusal, rig.refusals("bad")) == ("", {"empty": 1})

    run(check, domains("good"), domains("bad"))


def test_look_that_is_refused_is_told_once_until_it_is_good_again(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        async with rig.running():
            await rig.compiled()
            rig.sources["national"].fail(FeedRefused("unreachable", "Nobody answers."))
            for _ in range(3):
                await rig.next_look()
            assert rig.blocked("a.example") == ["a.example"]
            assert rig.refusals("national")["unreachable"] > 3
            assert caplog.text.count("Nobody answers.") == 1
            assert rig.log.kinds.count("refused") == 1
            assert "good-again" not in rig.log.kinds
            rig.sources["national"].fail(None)
            await rig.next_look()
            assert rig.feeds["national"].refusal == ""
            assert rig.log.kinds.count("good-again") == 1

    run(check)


def test_fault_of_ours_in_a_look_is_counted_and_the_next_look_is_taken(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].fail(ZeroDivisionError("ours"))
        async with rig.running():
            assert "blockd had an internal error" in rig.feeds["national"].refusal
            assert rig.refusals("national") == {"fault": 1}
            assert rig.feeds["national"].schedule.failures == 1
            rig.sources["national"].give("a.example")
            await rig.next_look()
            assert (rig.blocked("a.example"), rig.feeds["national"].refusal) == (["a.example"], "")

    run(check)
    assert "ZeroDivisionError" in caplog.text


def test_feed_is_looked_at_in_its_interval(run: Run) -> None:
    async def check(rig: Rig) -> None:
        async with rig.running():
            await rig.time.advance(3 * INTERVAL)
        assert rig.sources["national"].looks == [NOW + turn * INTERVAL for turn in range(4)]

    run(check)


@pytest.mark.parametrize("reason", ["html", "cut", "format"])
def test_broken_content_is_fetched_whole_again_soon_and_then_less_often(run: Run, reason: str) -> None:
    whole = gzip.compress(b"a.example\nb.example\n")
    broken = {"html": b"<html>Back soon", "cut": whole[:-9], "format": whole[:-8] + b"\1" + whole[-7:]}[reason]

    async def check(rig: Rig) -> None:
        source, feed = rig.sources["national"], rig.feeds["national"]
        async with rig.running():
            source.give("a.example")
            source.next_validators = accepted = Validators('"v1"', source="there")
            await rig.next_look()
            polls = len(source.looks)
            for _ in range(9):
                source.give_bytes(broken)
                source.next_validators = Validators('"v2"', source="there")
                await rig.until_polled("national")
                await rig.time.advance(HINTS)
                assert feed.refusal
                assert source.validators == accepted, "the broken version is not asked about again"
            gaps = [after - before for before, after in pairwise(source.looks[polls:])]
            assert gaps[0] == pytest.approx(HINTS + FIRST_RETRY)
            assert gaps[1:] == pytest.approx([4.0, 8.0, 16.0, 32.0, INTERVAL, INTERVAL, INTERVAL])
            source.give_bytes(whole)
            await rig.until_polled("national")
            await rig.compiled()
            assert (rig.blocked("b.example"), feed.refusal) == (["b.example"], "")
            await rig.until_polled("national")
            assert feed.schedule.next_poll == pytest.approx(source.looks[-1] + INTERVAL)
            source.give_bytes(broken)
            await rig.until_polled("national")
            await rig.time.advance(HINTS)
            assert feed.schedule.next_poll == pytest.approx(source.looks[-1] + HINTS + FIRST_RETRY)

    run(check)


def test_accepted_content_that_is_found_again_after_a_broken_one_ends_its_refusal(run: Run) -> None:
    async def check(rig: Rig) -> None:
        source, feed = rig.sources["national"], rig.feeds["national"]
        async with rig.running():
            source.give("a.example")
            source.next_validators = Validators('"v1"', source="there")
            await rig.next_look()
            source.give_text("<html>Back soon")
            source.next_validators = Validators('"v2"', source="there")
            await rig.until_polled("national")
            await rig.time.advance(HINTS)
            assert feed.refusal
            await rig.until_polled("national")  # "not modified" since the accepted content
            assert feed.refusal == ""
            assert "good-again" in rig.log.kinds

    run(check)


def test_feed_that_fails_is_tried_again_soon_and_then_less_often(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].fail(FeedRefused("unreachable", "Nobody answers."))
        async with rig.running():
            assert rig.feeds["national"].schedule.next_poll == NOW + FIRST_RETRY
            await rig.time.advance(4 * INTERVAL)
            gaps = [after - before for before, after in pairwise(rig.sources["national"].looks)]
            assert gaps == [2.0, 4.0, 8.0, 16.0, 32.0, INTERVAL, INTERVAL]
            rig.sources["national"].give("a.example")
            await rig.next_look()
            assert rig.blocked("a.example") == ["a.example"]
            assert rig.feeds["national"].schedule.next_poll == pytest.approx(
                rig.sources["national"].looks[-1] + INTERVAL
            )

    run(check)


@pytest.mark.parametrize("wait", [7.0, 10 * INTERVAL])
def test_feed_whose_server_asks_to_be_left_alone_is(run: Run, wait: float) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].fail(FeedUnreachable("It was asked too often.", wait))
        async with rig.running():
            await rig.time.advance(wait)
            assert rig.sources["national"].looks == [NOW]
            await rig.time.advance(wait * JITTER)
            assert len(rig.sources["national"].looks) == 2

    run(check)


def test_hints_wake_the_next_look_and_at_most_one_a_second(run: Run) -> None:
    async def check(rig: Rig) -> None:
        async with rig.running():
            rig.updater.feeds.hint("nobody")
            for _ in range(30):
                rig.updater.feeds.hint("national")
                await rig.time.advance(0.1)
            await rig.time.advance(5.0)
            looks = rig.sources["national"].looks
            assert looks[:4] == pytest.approx([NOW, NOW + 1, NOW + 2, NOW + 3])
            assert len(looks) <= 5, "hints that are over wake nothing"
            before = len(looks)
            rig.updater.feeds.hint("national")
            await rig.time.settle()
            assert len(looks) == before + 1

    run(check)


def test_hint_without_a_name_wakes_the_signed_feeds(run: Run) -> None:
    signed = SignedFeed.model_validate({"name": "ministry", "type": "signed", "url": "file:/lists", "root": "/r.json"})

    async def check(rig: Rig) -> None:
        assert rig.updater.feeds.hint_signed(None) == HintResult(("ministry",))
        assert rig.updater.feeds.hint_signed("national") == HintResult(("national",))
        assert [name for name, tracked in rig.feeds.items() if tracked.news_hinted.is_set()] == ["ministry", "national"]
        with pytest.raises(CommandError, match="There is no feed 'others'; configured are: ministry, national"):
            rig.updater.feeds.hint_signed("others")

    run(check, signed, domains("national"))


def test_news_wait_while_a_version_is_pinned_and_are_enforced_after_the_release(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        assert (await rig.updater.refresh(None)).feeds == {"national": FeedOutcome("enforced")}
        rig.rulesets.is_held = True
        rig.sources["national"].give("a.example", "b.example")
        found = await rig.updater.refresh(None)
        assert found.feeds["national"].outcome == "waiting"
        assert (found.version, rig.blocked("b.example")) == (1, [])
        rig.sources["national"].give_text("")
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused"
        rig.rulesets.is_held = False
        await rig.updater.catch_up()
        assert rig.blocked("a.example", "b.example") == ["a.example", "b.example"]

    run(check)


def test_news_that_are_taken_back_while_they_wait_are_never_enforced(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.rulesets.is_held = True
        rig.sources["national"].give("a.example", "b.example")
        await rig.updater.refresh(None)
        rig.sources["national"].give("a.example")
        assert (await rig.updater.refresh(None)).feeds == {"national": FeedOutcome("unchanged")}
        rig.rulesets.is_held = False
        await rig.updater.catch_up()
        assert (rig.blocked("b.example"), rig.rulesets.version) == ([], 1)

    run(check)


def test_refresh_says_what_came_of_each_feed(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["one"].give("a.example")
        rig.sources["two"].fail(FeedRefused("unreachable", "Nobody answers."))
        found = await rig.updater.refresh(None)
        assert found.to_json() == {
            "feeds": {"one": {"outcome": "enforced"}, "two": {"outcome": "refused", "why": "Nobody answers."}},
            "version": 1,
        }
        rig.sources["one"].give("a.example")  # the same as before
        found = await rig.updater.refresh(["one"])
        assert found.to_json() == {"feeds": {"one": {"outcome": "unchanged"}}, "version": 1}
        assert not list((rig.folder / "feeds" / "one").glob("incoming"))
        with pytest.raises(CommandError, match="There is no feed 'three'"):
            await rig.updater.refresh(["three"])

    run(check, domains("one"), domains("two"))


def test_what_a_feed_gave_before_is_enforced_again_without_compiling(run: Run) -> None:
    async def check(rig: Rig) -> None:
        for names in (["a.example"], ["a.example", "b.example"]):
            rig.sources["national"].give(*names)
            await rig.updater.refresh(None)
        first, second = rig.rulesets.kept
        rig.rulesets.ruleset = first  # as a rollback does
        await rig.updater.catch_up()
        assert rig.rulesets.ruleset is second
        assert len(rig.compiler.jobs) == 2

    run(check)


@pytest.mark.parametrize("is_gone", [False, True], ids=["damaged", "gone"])
def test_content_that_was_lost_is_fetched_anew_and_its_names_stay_meanwhile(run: Run, is_gone: bool) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["one"].give("a.example")
        rig.sources["two"].give("b.example")
        await rig.updater.refresh(None)
        lost, before = rig.sources["one"], rig.feeds["one"].state.accepted
        assert before is not None
        if is_gone:
            before.path.unlink()
        else:
            before.path.write_bytes(b"\0" * 10)
        rig.sources["two"].give("b.example", "c.example")
        await rig.updater.refresh(["two"])
        assert rig.blocked("a.example", "b.example", "c.example") == ["a.example", "b.example"]
        assert rig.sources["one"] is not lost, "its source is opened as if it had never been seen"
        rig.sources["one"].give("a.example")
        await rig.updater.refresh(["one"])
        assert rig.blocked("a.example", "b.example", "c.example") == ["a.example", "b.example", "c.example"]

    run(check, domains("one"), domains("two"))


def test_changed_config_is_compiled_anew_from_what_was_accepted(tmp_path: Path) -> None:
    async def first() -> None:
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)

    rig = Rig(tmp_path, domains("national"))
    asyncio.run(first())

    async def second() -> None:
        async with again.running():
            await again.compiled()
        assert again.rulesets.ruleset is not before
        assert again.rulesets.ruleset is not None
        assert [record.order.authority for record in again.rulesets.ruleset.catalogue.orders] == ["Ministry"]
        assert again.blocked("a.example") == ["a.example"]

    again = Rig(tmp_path, domains("national", authority="Ministry"))
    before = again.rulesets.ruleset = rig.rulesets.ruleset
    assert before is not None
    again.rulesets.kept = [before]
    try:
        asyncio.run(second())
    finally:
        again.rulesets.close()
