"""What the updater does when compiling or enforcing fails for a fault of blockd or of its machine."""

from __future__ import annotations

from itertools import pairwise

import pytest

from blockd.daemon.update.retries import MAX_RETRY, RETRY
from blockd.daemon.update.updater import GATHERING
from blockd.errors import RulesetError
from tests.daemon.updater_rig import Rig, Run


def test_compiling_that_fails_is_tried_again_after_twice_as_long_each_time(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        rig.compiler.faults = [RulesetError("the compiling process ended with -9")] * 9
        async with rig.running():
            await rig.compiled()
            assert rig.feeds["national"].refusal == "the compiling process ended with -9"
            assert rig.rulesets.version is None
            await rig.time.advance(4 * MAX_RETRY)
            gaps = [after - before for before, after in pairwise(rig.compiler.jobs)]
            expected = [min(RETRY * 2**turn, MAX_RETRY) + GATHERING for turn in range(9)]
            assert gaps == pytest.approx(expected)
            assert (rig.blocked("a.example"), rig.feeds["national"].refusal) == (["a.example"], "")
            assert rig.refusals("national") == {"fault": 9}

    run(check)


def test_news_that_come_meanwhile_are_compiled_in_place_of_what_failed(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        rig.compiler.faults = [RulesetError("killed")]
        async with rig.running():
            await rig.compiled()
            rig.sources["national"].give("b.example")
            rig.updater.feeds.hint("national")
            await rig.time.advance(2.0)
            assert rig.blocked("a.example", "b.example") == ["b.example"]
            jobs = len(rig.compiler.jobs)
            await rig.time.advance(RETRY)
            assert len(rig.compiler.jobs) == jobs, "there is nothing left to try again"

    run(check)


def test_version_that_cannot_be_enforced_keeps_the_one_before_and_is_tried_again(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        async with rig.running():
            await rig.compiled()
            rig.rulesets.failure = "the self-test failed"
            rig.sources["national"].give("a.example", "b.example")
            await rig.next_look()
            assert (rig.blocked("a.example", "b.example"), rig.rulesets.version) == (["a.example"], 1)
            assert rig.feeds["national"].refusal == "the self-test failed"
            rig.rulesets.failure = ""
            await rig.time.advance(RETRY + GATHERING)
            assert rig.blocked("a.example", "b.example") == ["a.example", "b.example"]

    run(check)
