"""An override holds over every version, pinned or not: at once, over restarts, and never one that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.report.feed_phase import FeedPhase, feed_line
from blockd.errors import CommandError, RulesetError
from blockd.feeds.overrides.file import FILE
from blockd.names import key_from_text
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.held_file import write_reports
from tests.daemon.parts import blocked
from tests.daemon.pinned_rig import DAY, Node, run

A, B, C = "a.example", "b.example", "c.example"


async def with_two(node: Node) -> None:
    """Have version 1 block A and B, and version 2 C too."""
    await node.publish(A, B)
    await node.publish(A, B, C)
    assert (node.switcher.version, node.blocked(A, B, C)) == (2, [A, B, C])


def test_override_made_before_a_rollback_holds_over_the_older_version(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        assert await node.override(A) == "enforced"
        await node.switcher.roll_back(1, "The list is wrong.")
        assert node.blocked(A, B, C) == [B]
        assert node.holding() == {A: True}
        assert (node.state.versions.pinned(), node.switcher.version, node.state.versions.current()) == (1, 4, 4)
        assert node.log.bodies["rollback"] == {"version": 1, "enforced": 4, "reason": "The list is wrong."}
        told = node.log.bodies["enforced"]
        assert (told["version"], told["base"], told["how"]) == (4, 1, "rollback")
        record = node.state.versions.record(4)
        assert record is not None
        assert record.difference is not None
        assert (record.base, record.difference.against, record.periods[0].rollback) == (1, 1, True)
        assert {feed.name: feed.names for feed in record.feeds} == {"national": 2, "overrides": 1}

    run(tmp_path, check)


def test_override_added_or_ended_while_a_version_is_pinned_is_enforced_at_once(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.switcher.roll_back(1, "")
        assert node.switcher.version == 1, "there is no override: it is enforced as it is"
        assert await node.override(A) == "enforced"
        assert (node.blocked(A, B, C), node.holding()) == ([B], {A: True})
        assert node.log.bodies["enforced"]["how"] == "override"
        assert await node.override(B) == "enforced"
        assert node.blocked(A, B, C) == []
        assert await node.end(A) == "enforced"
        assert (node.blocked(A, B, C), node.holding()) == ([A], {B: True})
        assert node.switcher.pin is not None
        assert node.switcher.pin.version == node.state.versions.pinned() == 1

    run(tmp_path, check)


def test_override_that_a_version_has_and_that_ended_since_does_not_come_back(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.publish(A, B)
        await node.override(A)
        with_override = node.switcher.version
        await node.end(A)
        await node.publish(A, B, C)
        assert with_override is not None
        await node.switcher.roll_back(with_override, "")
        assert (node.blocked(A, B, C), node.holding()) == ([A, B], {})
        await node.forget()
        await node.override(C)  # which drops what ended long ago from the file
        assert node.blocked(A, B, C) == [A, B]

    run(tmp_path, check)


def test_overrides_hold_over_restarts_and_after_the_release(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.switcher.roll_back(1, "The list is wrong.")
        await node.restart()
        assert (node.blocked(A, B, C), node.holding(), node.switcher.version) == ([B], {A: True}, 4)
        assert node.switcher.pin is not None
        assert (node.switcher.pin.version, node.switcher.pin.reason) == (1, "The list is wrong.")
        await node.override(B)
        await node.restart()
        assert node.blocked(A, B, C) == []
        await node.switcher.release()
        await node.updater.catch_up()
        assert (node.blocked(A, B, C), node.holding()) == ([C], {A: True, B: True})
        await node.restart()
        assert node.blocked(A, B, C) == [C]

    run(tmp_path, check)


def test_other_news_wait_while_overrides_do_not(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.switcher.roll_back(1, "")
        await node.publish(A, B, "new.example")
        await node.override(A)
        assert node.blocked(A, B, "new.example") == [B]
        assert node.feeds["national"].state.waiting is not None
        await node.switcher.release()
        await node.updater.catch_up()
        assert node.blocked(A, B, "new.example") == [B, "new.example"]

    run(tmp_path, check)


def test_version_with_overrides_that_is_damaged_is_made_anew_at_the_start(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.switcher.roll_back(1, "")
        assert node.switcher.version == 4
        path = node.state.versions.ruleset(4)
        path.write_bytes(path.read_bytes()[:-1])
        await node.restart()
        assert (node.blocked(A, B, C), node.holding(), node.state.versions.pinned()) == ([B], {A: True}, 1)

    run(tmp_path, check)


def test_going_back_twice_makes_no_second_version(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.switcher.roll_back(1, "")
        await node.switcher.roll_back(2, "")
        assert (node.blocked(A, B, C), node.switcher.version) == ([B, C], 5)
        kept = node.state.versions.all()
        await node.switcher.roll_back(1, "")
        assert (node.switcher.version, node.state.versions.all()) == (4, kept)

    run(tmp_path, check)


def test_edited_file_is_enforced_and_a_damaged_one_changes_nothing(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.switcher.roll_back(1, "")
        path = tmp_path / FILE
        whole = path.read_bytes()
        path.write_bytes(b"damaged")
        await node.updater.refresh(["overrides"])
        assert (node.blocked(A, B), node.holding()) == ([B], {A: True}), "what was accepted holds, and is shown"
        await node.restart()
        assert node.blocked(A, B) == [B]
        path.write_bytes(whole.replace(b'"a.example"', b'"b.example"'))
        await node.updater.refresh(["overrides"])
        assert (node.blocked(A, B), node.holding()) == ([A], {B: True})

    run(tmp_path, check)


def test_overrides_that_can_be_read_from_nowhere_do_not_drop_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        (tmp_path / FILE).write_bytes(b"damaged")
        (tmp_path / "feeds" / "overrides" / "accepted").write_bytes(b"damaged")
        await node.restart()
        await node.publish(A, B, "new.example")
        assert node.blocked(A, B, "new.example") == [B], "nothing new is enforced without them"
        with pytest.raises(CommandError, match="cannot be read"):
            await node.switcher.roll_back(1, "")
        assert node.blocked(A, B) == [B]

    run(tmp_path, check)
    assert "can be read from nowhere" in caplog.text


@pytest.mark.parametrize("is_pinned", [False, True])
def test_accepted_overrides_that_cannot_be_read_are_read_from_the_operators_file(
    tmp_path: Path, *, is_pinned: bool
) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        if is_pinned:
            await node.switcher.roll_back(1, "")
        (tmp_path / "feeds" / "overrides" / "accepted").write_bytes(b"of a later format")
        await node.restart()
        await node.override(B)
        assert node.blocked(A, B, C) == ([] if is_pinned else [C])

    run(tmp_path, check)


@pytest.mark.parametrize("is_accepted_readable", [False, True])
def test_overrides_hold_where_no_ruleset_can_be_read(tmp_path: Path, *, is_accepted_readable: bool) -> None:
    """As after an upgrade that changes the format of rulesets, and perhaps of bundles."""

    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.switcher.roll_back(1, "")
        for version in node.state.versions.all():
            node.state.versions.ruleset(version).write_bytes(b"another format")
        if not is_accepted_readable:
            (tmp_path / "feeds" / "overrides" / "accepted").write_bytes(b"another format")
        await node.restart()
        assert (node.blocked(A, B, C), node.holding()) == ([B, C], {A: True})

    run(tmp_path, check)


def test_override_that_comes_before_the_first_list_is_enforced_with_it(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        assert await node.override(A) == "unchanged"
        assert node.holding() == {A: False}, "nothing is in force"
        await node.publish(A, B)
        assert (node.blocked(A, B), node.holding()) == ([B], {A: True})

    run(tmp_path, check)


def test_what_stays_in_force_of_a_feed_is_what_the_version_has_of_it(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        national, ruleset = node.feeds["national"], node.switcher.ruleset
        assert national.stays(ruleset.catalogue if ruleset else None) == "nothing of it is in force"
        await with_two(node)
        for version, sentence in ((2, "its last accepted content"), (1, "its earlier content")):
            await node.switcher.roll_back(version, "")
            assert node.switcher.ruleset is not None
            assert national.stays(node.switcher.ruleset.catalogue) == f"{sentence} stays in force"

    run(tmp_path, check)


def test_override_holds_and_one_that_ended_does_not_where_the_clock_runs_back(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        await node.override(B)
        await node.end(B)
        node.time.set_back(7200)
        await node.restart()
        assert (node.blocked(A, B, C), node.holding()) == ([B, C], {A: True})
        await node.override(C)
        await node.end(A)
        assert (node.blocked(A, B, C), node.holding()) == ([A, B], {C: True})

    run(tmp_path, check)


def test_rollback_that_fails_leaves_no_half_made_version(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A)
        kept = node.state.versions.all()
        node.channel.broken = {0}
        with pytest.raises(CommandError, match="Version 1 cannot be enforced"):
            await node.switcher.roll_back(1, "")
        assert (node.state.versions.all(), node.state.versions.pinned(), node.blocked(A, B, C)) == (kept, None, [B, C])

    run(tmp_path, check)


def test_override_that_cannot_be_enforced_on_top_is_told_and_tried_again(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.switcher.roll_back(1, "")
        node.tests.failure = RulesetError("the answer of worker 0 is wrong")
        assert await node.override(A) == "refused"
        assert (node.blocked(A, B), node.holding(), node.switcher.version) == ([A, B], {A: False}, 1)
        node.tests.failure = ""
        await node.updater.catch_up()
        assert (node.blocked(A, B), node.holding()) == ([B], {A: True})

    run(tmp_path, check)


def test_override_ends_on_its_second_over_a_pinned_version(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.override(A, DAY)
        await node.switcher.roll_back(1, "")
        assert node.blocked(A) == []
        node.time.now += DAY
        await node.restart()
        assert (node.blocked(A), node.holding()) == ([A], {})
        assert blocked(node.switcher.enforced, B) == [B]

    run(tmp_path, check)


def test_what_is_held_back_of_a_version_is_held_back_with_overrides_on_top_too(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        report = GuardReport()
        report.add("public suffix", key_from_text("co.id"))
        versions = node.state.versions
        write_reports(versions.held_path(1), {"national": report})
        await node.override(A)
        await node.switcher.roll_back(1, "")
        assert node.switcher.version == 4
        assert {name: found.to_json() for name, found in (versions.held(4) or {}).items()} == {
            "national": report.to_json()
        }

    run(tmp_path, check)


def test_what_is_held_back_is_recorded_before_a_version_is_enforced(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        recorded: list[bool] = []
        send = node.channel.send

        def sent(message: dict[str, Any], descriptor: int | None = None) -> None:
            recorded.append(node.state.versions.held(message["enforce"]) is not None)
            send(message, descriptor)

        node.channel.send = sent  # type: ignore[method-assign]
        await node.publish(A, "co.id")
        await node.publish(A, B, "co.id")
        assert recorded == [True, True]

    run(tmp_path, check)


def test_feed_that_the_pinned_version_does_not_have_is_told_to_wait(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await with_two(node)
        await node.switcher.roll_back(1, "")
        national = node.feeds["national"]
        assert FeedPhase.of(national, None, is_pinned=True) == FeedPhase.WAITING
        assert FeedPhase.of(national, None, is_pinned=False) == FeedPhase.COMPILING
        assert "until the pinned version is released" in feed_line(national, None, is_pinned=True)

    run(tmp_path, check)
