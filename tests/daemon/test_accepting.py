"""What the gate refused is kept, and taken on an operator's word: once, and only what was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.daemon.operator.accepting import AcceptService
from blockd.errors import CommandError, FeedRefused
from blockd.feeds.contents import RefusedContent
from blockd.settings import FEED_TYPES
from tests.daemon.updater_rig import Rig, Run, runner


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


MANY = [f"n{number}.example" for number in range(1_000)]


def test_refused_content_is_kept_and_taken_once_on_an_operators_word(run: Run) -> None:
    async def check(rig: Rig) -> None:
        national = rig.feeds["national"]
        service = AcceptService(rig.recorder, rig.updater)
        rig.sources["national"].give(*MANY)
        await rig.updater.refresh(None)
        await rig.time.advance(86400.0)
        rig.sources["national"].give(*MANY[:500])
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused"
        kept = national.state.refused
        assert kept is not None
        assert (kept.reason, kept.names) == ("shrunk", 500)
        asked = {"feed": "national", "digest": kept.fetched.digest, "reason": "it was cleaned up", "as": "Budi"}
        with pytest.raises(CommandError, match="no longer the one that was shown"):
            await service.accept({**asked, "digest": "0" * 64})
        with pytest.raises(CommandError, match="reason"):
            await service.accept({**asked, "reason": " "})
        with pytest.raises(CommandError, match="There is no feed 'others'"):
            await service.accept({**asked, "feed": "others"})
        rig.sources["national"].fail(FeedRefused("missing", "It is not there."))
        await rig.updater.refresh(None)
        with pytest.raises(CommandError, match=r"last poll of feed national failed.*It is not there\."):
            await service.accept(asked)
        rig.sources["national"].fail(None)
        await rig.updater.refresh(None)
        assert "accept" not in rig.log.kinds
        taken = await service.accept(asked)
        assert (taken.outcome.outcome, rig.blocked(MANY[499], MANY[500])) == ("enforced", [MANY[499]])
        assert rig.log.bodies["accept"] == {**asked_record(kept), "why": "it was cleaned up", "officer": "Budi"}
        assert (national.refusal, national.state.refused) == ("", None)
        assert not (national.state.folder / "refused").exists()
        with pytest.raises(CommandError, match="no content that the gate has refused"):
            await service.accept(asked)
        rig.sources["national"].give(*MANY[:501])
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "enforced", (
            "sizes from before are forgotten"
        )
        rig.sources["national"].give_text("")
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused", (
            "the next one needs a word again"
        )

    run(check)


def asked_record(kept: RefusedContent) -> dict[str, object]:
    return {"feed": "national", **kept.to_json()}


@pytest.mark.parametrize("text", ["", "# nothing\n", "a.example\nno name\n"])
def test_empty_and_damaged_lists_are_taken_on_an_operators_word(run: Run, text: str) -> None:
    async def check(rig: Rig) -> None:
        service = AcceptService(rig.recorder, rig.updater)
        rig.sources["national"].give("old.example")
        await rig.updater.refresh(None)
        rig.sources["national"].give_text(text)
        await rig.updater.refresh(None)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        taken = await service.accept({"feed": "national", "digest": kept.fetched.digest, "reason": "right"})
        assert taken.outcome.outcome == "enforced"
        assert rig.blocked("old.example") == []

    run(check)


@pytest.mark.parametrize("text", ["<html>", "\0\1\2\3" * 5000])
def test_content_that_is_refused_for_its_form_is_never_taken(run: Run, text: str) -> None:
    async def check(rig: Rig) -> None:
        service = AcceptService(rig.recorder, rig.updater)
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.sources["national"].give_text("")
        await rig.updater.refresh(None)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        rig.sources["national"].give_text(text)
        await rig.updater.refresh(None)
        kept_files = {path.name for path in rig.feeds["national"].state.folder.iterdir()}
        assert kept_files == {"feed.json", "accepted", "held.json"}
        with pytest.raises(CommandError, match="cannot be waived"):
            await service.accept({"feed": "national", "digest": kept.fetched.digest, "reason": "right"})

    run(check)


def test_accepted_content_waits_while_a_version_is_pinned(run: Run) -> None:
    async def check(rig: Rig) -> None:
        service = AcceptService(rig.recorder, rig.updater)
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.rulesets.is_held = True
        rig.sources["national"].give_text("")
        await rig.updater.refresh(None)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        taken = await service.accept({"feed": "national", "digest": kept.fetched.digest, "reason": "right"})
        assert (taken.outcome.outcome, rig.blocked("a.example")) == ("waiting", ["a.example"])
        assert rig.feeds["national"].refusal == ""
        rig.rulesets.is_held = False
        await rig.updater.catch_up()
        assert rig.blocked("a.example") == []

    run(check)


def test_a_refusal_names_the_feeds_own_place_and_not_a_file_of_the_state_folder(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give_text("<html>")
        found = (await rig.updater.refresh(None)).feeds["national"]
        assert found.why.startswith("https://lists.example.net/list?… is a web page, not a list")

    url = "https://lists.example.net/list?token=secret"
    run(check, FEED_TYPES["domains"].model_validate({"name": "national", "type": "domains", "url": url}))


@pytest.mark.parametrize("is_pinned", [True, False])
def test_accepted_content_that_is_not_in_force_yet_stays_accepted_over_a_restart(
    run: Run, tmp_path: Path, *, is_pinned: bool
) -> None:
    async def before(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.rulesets.is_held = is_pinned
        rig.sources["national"].give_text("")
        await rig.updater.refresh(None)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        rig.rulesets.failure = "" if is_pinned else "The process ended here."
        await AcceptService(rig.recorder, rig.updater).accept(
            {"feed": "national", "digest": kept.fetched.digest, "reason": "right"}
        )
        assert rig.blocked("a.example") == ["a.example"]

    async def after(rig: Rig) -> None:
        rig.sources["national"].give_text("")
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "enforced"
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.sources["national"].give_text("")
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused", "only once"

    run(before)
    runner(tmp_path)(after)


def test_what_the_source_has_withdrawn_is_no_longer_accepted(run: Run) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.rulesets.is_held = True
        rig.sources["national"].give_text("")
        await rig.updater.refresh(None)
        kept = rig.feeds["national"].state.refused
        assert kept is not None
        service = AcceptService(rig.recorder, rig.updater)
        await service.accept({"feed": "national", "digest": kept.fetched.digest, "reason": "right"})
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.rulesets.is_held = False
        rig.sources["national"].give_text("")
        assert (await rig.updater.refresh(None)).feeds["national"].outcome == "refused"

    run(check)


def test_acceptance_that_cannot_be_written_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(rig: Rig) -> None:
        rig.sources["national"].give("a.example")
        await rig.updater.refresh(None)
        rig.sources["national"].give_text("")
        await rig.updater.refresh(None)
        managed = rig.feeds["national"]
        kept = managed.state.refused
        assert kept is not None

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        service = AcceptService(rig.recorder, rig.updater)
        asked = {"feed": "national", "digest": kept.fetched.digest, "reason": "right"}
        with monkeypatch.context() as patch:
            patch.setattr("blockd.daemon.update.feed_state.replace_file", full)
            with pytest.raises(CommandError, match=r"no space left on device\. Nothing was changed\."):
                await service.accept(asked)
        assert managed.state.refused == kept
        assert managed.refusal
        assert "accept" not in rig.log.kinds
        assert (await service.accept(asked)).outcome.outcome == "enforced"

    run(check)
