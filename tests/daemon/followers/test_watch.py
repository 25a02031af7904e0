from __future__ import annotations

from blockd.daemon.contexts import ProcessState
from blockd.daemon.followers.watch import FOLLOWS, PAGE_WORDS, Followers, FollowerWatch
from tests.daemon.parts import ManualTime


def watch(time: ManualTime, state: ProcessState | None = None, *, is_wanted: bool = True) -> FollowerWatch:
    return FollowerWatch(PAGE_WORDS, state, time.monotonic, is_wanted=is_wanted)


def test_without_a_block_page_nothing_is_missing() -> None:
    nobody = watch(ManualTime(), is_wanted=False)
    assert (nobody.trouble(7), nobody.status(7)) == ("", None)


def test_one_that_does_not_run_is_told_until_it_is_heard_again() -> None:
    page = watch(ManualTime(), ProcessState(10, 7))
    assert page.trouble(7) == ""
    page.heard({"died": True})
    assert page.trouble(7) == "the block page's process is not running; it is being started again"
    page.heard({"enforcing": 7, "pid": 20})
    assert page.trouble(7) == ""
    shown = page.status(7)
    assert shown is not None
    assert shown.to_json() == {"pid": 20, "enforcing": 7, "trouble": ""}


def test_one_that_never_follows_is_told_once_it_had_the_time_to() -> None:
    time = ManualTime()
    page = watch(time, ProcessState(10, 7))
    time._passed += 100.0
    page.worker_enforces(8)
    assert page.trouble(8) == "", "a moment of disagreement harms nobody"
    time._passed += FOLLOWS - 0.1
    page.worker_enforces(8)  # the next worker
    assert page.trouble(8) == ""
    time._passed += 0.1
    assert page.trouble(8) == "the block page tells of version 7, while workers enforce version 8"
    page.heard({"enforcing": 8, "pid": 10})
    assert page.trouble(8) == ""


def test_one_that_cannot_follow_says_why_at_once() -> None:
    page = watch(ManualTime(), ProcessState(10, 0))
    page.worker_enforces(8)
    page.heard({"failed": 8, "why": "its file is gone", "pid": 10})
    assert page.trouble(8) == (
        "the block page tells of no version, while workers enforce version 8; "
        "it cannot enforce version 8: its file is gone"
    )
    page.worker_enforces(9)
    page.heard({"enforcing": 9, "pid": 10})
    assert page.trouble(9) == ""
    assert page.trouble(None) == ""


def test_what_is_said_of_one_is_not_held_against_the_other() -> None:
    time = ManualTime()
    followers = Followers.of({"page": ProcessState(10, 7)}, time.monotonic, has_page=True, decides=True)
    assert followers.heard({"decide": {"enforcing": 7, "pid": 20}})
    assert followers.trouble(7) == []
    assert followers.heard({"decide": {"died": True, "pid": 20}})
    assert followers.trouble(7) == ["the decision server's process is not running; it is being started again"]
    assert followers.heard({"decide": {"enforcing": 6, "pid": 21}})
    time._passed += FOLLOWS
    assert followers.trouble(7) == ["the decision server decides by version 6, while workers enforce version 7"]
    assert followers.page.trouble(7) == ""
    assert not followers.heard({"enforcing": 7, "worker": 0, "pid": 5})
