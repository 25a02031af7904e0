"""What accepting a refused content would change is shown before: of that very content, and nothing is changed by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blockd.compile.built import Built
from blockd.daemon.answers.acceptable import AcceptPreviews
from blockd.daemon.update.compile_child import Job
from blockd.daemon.update.disk_room import DiskRoom
from blockd.errors import CommandError, FeedRefused, RulesetError
from blockd.ruleset import Ruleset
from blockd.ruleset.versions.changes import PopularNames, changes
from blockd.ruleset.versions.diff import Comparison
from tests.daemon.parts import domains
from tests.daemon.updater_rig import Rig, Run, runner

MANY = [f"n{number}.example" for number in range(1_000)]
AMPLE = (1 << 40, 1 << 39)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


async def differ(old: Path, new: Path, limit: int, popular: Path | None) -> dict[str, Any]:
    comparison = Comparison(Ruleset.open(old), Ruleset.open(new))
    try:
        return changes(comparison, PopularNames.of(popular), limit)
    finally:
        comparison.old.close()
        comparison.new.close()


def previews(rig: Rig, usage: tuple[int, int] = AMPLE) -> AcceptPreviews:
    room = DiskRoom(rig.folder, lambda _: usage)
    tools = (rig.compiler, differ)
    return AcceptPreviews(rig.feeds, rig.gate, lambda: rig.rulesets.ruleset, tools, rig.folder, room, None)


async def refuse(rig: Rig) -> None:
    """Have a list enforced, and one refused that has half of its names and a new one."""
    rig.sources["national"].give(*MANY)
    await rig.updater.refresh(None)
    await rig.time.advance(86400.0)
    rig.sources["national"].give(*MANY[:500], "new.example")
    assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused"


def test_names_that_come_and_go_are_told_and_nothing_is_changed(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await refuse(rig)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        told = (await previews(rig).preview("national")).to_json()
        assert (told["digest"], told["names_before"], told["names"]) == (kept.fetched.digest, 1_000, 501)
        assert told["refused"] == {"reason": "shrunk", "sentence": kept.sentence}
        found: Any = told["changes"]
        assert (found["added"], found["removed"], found["added_names"]) == (1, 500, ["new.example"])
        assert len(found["removed_names"]) == 200, "the first ones"
        assert rig.blocked(MANY[999], "new.example") == [MANY[999]]
        assert rig.feeds["national"].state.refused is kept
        assert not list(rig.folder.rglob("preview*")), "what it was found with is removed"

    run(check)


def test_the_same_is_compiled_once_and_another_content_anew(run: Run) -> None:
    async def check(rig: Rig) -> None:
        await refuse(rig)
        shown = previews(rig)
        first, compiled = await shown.preview("national"), len(rig.compiler.jobs)
        assert await shown.preview("national") is first
        assert len(rig.compiler.jobs) == compiled
        rig.sources["national"].give(*MANY[:400])
        await rig.updater.refresh(None)
        assert (await shown.preview("national")).names == 400

    run(check)


def test_several_feeds_asked_for_in_turn_are_compiled_once_each_until_another_version_is_in_force(run: Run) -> None:
    async def check(rig: Rig) -> None:
        names = ("national", "other")
        for name in names:
            rig.sources[name].give(*(f"{name}-{number}.example" for number in range(1_000)))
        await rig.updater.refresh(None)
        await rig.time.advance(86400.0)
        for name in names:
            rig.sources[name].give(f"{name}-1.example")
        await rig.updater.refresh(None)
        shown = previews(rig)
        compiled = len(rig.compiler.jobs)
        for _ in range(3):
            for name in names:
                assert (await shown.preview(name)).names == 1
        assert len(rig.compiler.jobs) == compiled + 2
        refused = rig.feeds["other"].state.refused
        assert refused is not None
        before = rig.rulesets.ruleset
        await rig.updater.accept("other", lambda managed: managed.state.waive_refused())
        assert rig.rulesets.ruleset is not before
        compiled = len(rig.compiler.jobs)
        assert (await shown.preview("national")).names == 1
        assert len(rig.compiler.jobs) == compiled + 1, "it is compared with what is in force"

    run(check, domains("national"), domains("other"))


def test_one_that_would_be_refused_nevertheless_is_compiled_once_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(rig: Rig) -> None:
        await refuse(rig)
        shown = previews(rig)
        compiled: list[Job] = []

        async def compiles(job: Job, /) -> Built:
            compiled.append(job)
            return Built(refused={"national": FeedRefused("format", "It is not a list.")})

        monkeypatch.setattr(rig.compiler, "compile", compiles)
        for _ in range(3):
            with pytest.raises(CommandError, match=r"would be refused nevertheless: It is not a list\."):
                await shown.preview("national")
        assert len(compiled) == 1

    run(check)


def test_nothing_to_accept_a_failure_and_a_short_disk_are_sentences(run: Run) -> None:
    async def check(rig: Rig) -> None:
        with pytest.raises(CommandError, match="There is no feed 'others'"):
            await previews(rig).preview("others")
        with pytest.raises(CommandError, match="no content that the gate has refused"):
            await previews(rig).preview("national")
        await refuse(rig)
        with pytest.raises(CommandError, match="too little room on the disk"):
            await previews(rig, (1 << 40, 1 << 20)).preview("national")
        rig.compiler.faults = [RulesetError("the compiling process ended")]
        with pytest.raises(
            CommandError, match=r"could not be found: the compiling process ended\. Nothing was changed"
        ):
            await previews(rig).preview("national")
        assert (await previews(rig).preview("national")).names == 501, "it is found when it is asked for again"
        rig.sources["national"].fail(FeedRefused("missing", "It is not there."))
        await rig.updater.refresh(None)
        assert rig.blocked(MANY[999]) == [MANY[999]]

    run(check)
