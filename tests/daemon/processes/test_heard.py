"""A worker that was broken into says in its channel what it likes: nothing of it ends the supervisor or control."""

from __future__ import annotations

from typing import Any

import pytest

from blockd.daemon.channel import MAX_AT_ONCE, pair
from blockd.daemon.processes.heard import from_child


@pytest.mark.parametrize(
    "message",
    [
        {"enforcing": 7},
        {"reason": "because"},
        {"failed": 7, "why": "because"},
        {"notified": "zone"},
        {"refused_notify": {"feed": "zone"}},
        {"cache": {"id": 1}},
    ],
)
def test_what_a_worker_says_is_passed_on(message: dict[str, Any]) -> None:
    assert from_child(message) == message


WRONG: dict[str, list[Any]] = {
    "enforcing": ["7", True, None, -1, 1.5, [], 1 << 64],
    "failed": ["7", {}, -1],
    "why": [7, None, []],
    "notified": [7, {}, None],
    "cache": [7, [], "x"],
    "refused_notify": [7, [], "x"],
    "reason": [7, None, []],
    **{key: [1] for key in ("enforce", "resolution", "refresh", "died", "worker", "pid", "page")},
}


@pytest.mark.parametrize("message", [{key: value} for key, values in WRONG.items() for value in values])
def test_what_others_say_and_what_has_another_type_is_not(message: dict[str, Any]) -> None:
    assert from_child(message) == {}


def test_one_that_talks_without_end_leaves_time_for_the_others() -> None:
    ours, theirs = pair()
    for _ in range(MAX_AT_ONCE + 5):
        theirs.send({"enforcing": 1})
    assert [len(ours.receive() or ()) for _ in range(2)] == [MAX_AT_ONCE, 5]
    theirs.close()
    assert ours.receive() is None
    ours.close()
