"""Overrides and signed orders do not wait for a list that is being compiled, and are in what that makes."""

from __future__ import annotations

import asyncio
from itertools import permutations
from pathlib import Path

import pytest

from blockd.daemon.results import FeedOutcome
from blockd.daemon.update.ruleset_maker import PATIENCE
from blockd.daemon.update.updater import GATHERING
from blockd.errors import RulesetError
from blockd.names import key_from_text
from blockd.native import is_native
from blockd.orders import OrderDocument, parse_document
from blockd.settings import Feed, OverridesFeed, SignedFeed
from blockd.settings.feeds import OVERRIDES
from tests.daemon.parts import domains
from tests.daemon.updater_rig import Rig, Run

pytestmark = pytest.mark.skipif(not is_native(), reason="only the native engine amends")


def order(identifier: str, *names: str, action: str = "sinkhole", lifted: bool = False) -> OrderDocument:
    values: dict[str, object] = {
        "schema": "1.0",
        "id": identifier,
        "authority": "Sample Authority",
        "platform": "Example Messenger",
        "in_force_from": "1970-01-02",
        "action": action,
        "names": list(names),
    }
    if lifted:
        values |= {"lifted_on": "1970-01-03", "lifted_reason": "over"}
    return parse_document(values, identifier)


def ministry() -> SignedFeed:
    return SignedFeed.model_validate(
        {"name": "ministry", "type": "signed", "url": "https://lists.example.net/", "root": "/srv/root.json"}
    )


def feeds() -> list[Feed]:
    return [domains("national"), domains("other"), ministry(), OverridesFeed(path=Path("/overrides.json"))]


async def begun(rig: Rig) -> None:
    """Have something of every feed enforced, and a compile of news of `national` in progress."""
    rig.compiler.amends = True
    rig.sources["national"].give("a.example", "b.example")
    rig.sources["other"].give("o.example")
    rig.sources["ministry"].give_orders(order("first", "m.example"))
    rig.sources[OVERRIDES].give_orders(order("own", "own.example", action="allow"))
    await rig.updater.refresh([*rig.feeds])
    assert rig.blocked("a.example", "m.example", "own.example") == ["a.example", "m.example", "own.example"]
    rig.compiler.held, rig.compiler.amends = asyncio.Event(), False
    rig.sources["national"].give("a.example", "b.example", "c.example")


async def end(rig: Rig, *running: asyncio.Task[object]) -> None:
    assert rig.compiler.held is not None
    rig.compiler.held.set()
    await asyncio.gather(*running)
    await rig.updater.refresh([*rig.feeds])


async def hurried(rig: Rig) -> None:
    """Let the time pass that news of others wait for a compile."""
    await rig.time.advance(GATHERING + PATIENCE)


def lists(rig: Rig, name: str) -> list[str]:
    """Return the orders of the ruleset in force that list a name."""
    ruleset = rig.rulesets.ruleset
    assert ruleset is not None
    return sorted(ruleset.catalogue.orders[index].order.id for index, _ in ruleset.claims(key_from_text(name)))


@pytest.mark.parametrize("feed", ["ministry", OVERRIDES])
def test_order_that_comes_during_a_compile_is_enforced_at_once_and_stays(run: Run, feed: str) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        bulk = asyncio.create_task(rig.updater.refresh(["national"]))
        await rig.time.settle()
        before = rig.rulesets.version
        known = {"ministry": order("first", "m.example"), OVERRIDES: order("own", "own.example", action="allow")}[feed]
        action = "allow" if feed == OVERRIDES else "sinkhole"
        rig.sources[feed].give_orders(known, order("urgent", "urgent.example", action=action))
        refresh = asyncio.create_task(rig.updater.refresh([feed]))
        await hurried(rig)
        assert (await refresh).feeds == {feed: FeedOutcome("enforced")}, "it does not wait for the compile"
        assert not bulk.done()
        assert (rig.rulesets.version, lists(rig, "urgent.example")) == ((before or 0) + 1, ["urgent"])
        assert lists(rig, "c.example") == []
        await end(rig, bulk)
        assert (lists(rig, "urgent.example"), lists(rig, "c.example")) == (["urgent"], ["national"])
        assert len(rig.compiler.jobs) == 2, "the first, and that of the list: nothing was compiled twice"

    run(check, *feeds())


def test_lifting_that_comes_during_a_compile_is_not_undone_by_it(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        bulk = asyncio.create_task(rig.updater.refresh(["national"]))
        await rig.time.settle()
        rig.sources["ministry"].give_orders(order("first", "m.example", lifted=True))
        refresh = asyncio.create_task(rig.updater.refresh(["ministry"]))
        await hurried(rig)
        await refresh

        def lifted() -> list[int | None]:
            assert rig.rulesets.ruleset is not None
            orders = rig.rulesets.ruleset.catalogue.orders
            return [record.order.lifted_on for record in orders if record.order.id == "first"]

        assert lifted() == [2 * 86400]
        await end(rig, bulk)
        assert (lifted(), lists(rig, "c.example")) == ([2 * 86400], ["national"])

    run(check, *feeds())


@pytest.mark.parametrize("turns", [*permutations(["ministry", OVERRIDES, "other"])], ids="-".join)
def test_whatever_comes_meanwhile_and_in_whatever_order_all_of_it_is_in_force_at_the_end(
    run: Run, turns: tuple[str, ...]
) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        async with rig.running():
            await rig.time.advance(GATHERING)
            for turn in turns:
                if turn == "ministry":
                    rig.sources[turn].give_orders(order("second", "second.example"))
                elif turn == OVERRIDES:
                    rig.sources[turn].give_orders(order("mine", "mine.example", action="allow"))
                else:
                    rig.sources[turn].give("o.example", "p.example")
                rig.updater.feeds.hint(turn)
                await rig.time.advance(2.0)
                await hurried(rig)
                assert lists(rig, {"ministry": "second.example", OVERRIDES: "mine.example"}.get(turn, "p.example"))
            assert lists(rig, "c.example") == []
            assert rig.compiler.held is not None
            rig.compiler.held.set()
            await rig.time.advance(2.0)
            for name in ("second.example", "mine.example", "p.example", "c.example", "a.example", "o.example"):
                assert lists(rig, name), name
            assert (lists(rig, "m.example"), lists(rig, "own.example")) == ([], []), "what was removed stays removed"
            assert rig.rulesets.version == 2 + len(turns)
            await rig.time.advance(60.0)
            assert rig.rulesets.version == 2 + len(turns), "there is nothing left to do"

    run(check, *feeds())


def test_news_that_come_together_are_enforced_one_after_the_other_the_urgent_ones_first(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        rig.sources["ministry"].give_orders(order("second", "second.example"))
        bulk = asyncio.create_task(rig.updater.refresh([*rig.feeds]))
        await rig.time.settle()
        assert (lists(rig, "second.example"), lists(rig, "c.example")) == (["second"], [])
        await end(rig, bulk)
        assert (lists(rig, "second.example"), lists(rig, "c.example")) == (["second"], ["national"])

    run(check, *feeds())


def test_compile_that_fails_leaves_in_force_what_has_overtaken_it(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        bulk = asyncio.create_task(rig.updater.refresh(["national"]))
        await rig.time.settle()
        rig.sources["ministry"].give_orders(order("second", "second.example"))
        refresh = asyncio.create_task(rig.updater.refresh(["ministry"]))
        await hurried(rig)
        await refresh
        rig.compiler.faults = [RulesetError("the compiling process ended with -9")] * 2
        assert rig.compiler.held is not None
        rig.compiler.held.set()
        assert (await bulk).feeds["national"].outcome == "refused"
        assert lists(rig, "second.example") == ["second"]
        await rig.updater.catch_up()
        assert (lists(rig, "second.example"), lists(rig, "c.example")) == (["second"], ["national"])

    run(check, *feeds())


def test_override_is_not_held_up_by_an_order_that_cannot_be_amended(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        async with rig.running():
            await rig.time.advance(GATHERING)
            many = [f"n{number}.example" for number in range(1_200)]
            large = [order(f"large-{turn}", *(f"{turn}.{name}" for name in many)) for turn in range(100)]
            rig.sources["ministry"].give_orders(*large)
            rig.sources[OVERRIDES].give_orders(order("mine", "mine.example", action="allow"))
            rig.updater.feeds.hint("ministry")
            rig.updater.feeds.hint(OVERRIDES)
            await rig.time.advance(2.0)
            await hurried(rig)
            assert (lists(rig, "mine.example"), lists(rig, "0.n1.example")) == (["mine"], [])
            assert rig.compiler.held is not None
            rig.compiler.held.set()
            await rig.time.advance(2.0)
            assert (lists(rig, "mine.example"), lists(rig, "0.n1.example")) == (["mine"], ["large-0"])
            assert lists(rig, "c.example") == ["national"]

    run(check, *feeds())


def test_compile_that_ends_at_once_is_not_overtaken(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await begun(rig)
        bulk = asyncio.create_task(rig.updater.refresh(["national"]))
        await rig.time.settle()
        rig.sources["ministry"].give_orders(order("second", "second.example"))
        refresh = asyncio.create_task(rig.updater.refresh(["ministry"]))
        await rig.time.advance(PATIENCE / 2)
        before = rig.rulesets.version or 0
        await end(rig, bulk, refresh)
        assert rig.rulesets.version == before + 2
        assert (lists(rig, "second.example"), lists(rig, "c.example")) == (["second"], ["national"])

    run(check, *feeds())
