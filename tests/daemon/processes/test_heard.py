"""A worker that was broken into says in its channel what it likes: nothing of it ends the supervisor or control."""

from __future__ import annotations

from typing import Any

import pytest

from blockd.daemon.channel import MAX_AT_ONCE, pair
from blockd.daemon.processes.heard import from_child


def _each(key: str, *values: object) -> list[dict[str, Any]]:
    return [{key: value} for value in values]


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


@pytest.mark.parametrize(
    "message",
    [
        *({key: 1} for key in ("enforce", "resolution", "refresh", "died", "worker", "pid", "page")),
        *_each("enforcing", "7", True, None, -1, 1.5, [], 1 << 64),
        *_each("failed", "7", {}, -1),
        *_each("why", 7, None, []),
        *_each("notified", 7, {}, None),
        *_each("cache", 7, [], "x"),
        *_each("refused_notify", 7, [], "x"),
    ],
)
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
