from __future__ import annotations

import json

import pytest

from blockd.ruleset.gate.sizes import MAX_SIZES, STEP, WINDOW, Sizes

NOW = 1_800_000_000
DAY = 86400


def sizes(*days: tuple[float, int]) -> Sizes:
    """Return the sizes that a feed had since some days before NOW."""
    found = Sizes()
    for ago, names in days:
        found.note(names, NOW - ago * DAY)
    return found


@pytest.mark.parametrize(
    ("known", "lasting"),
    [
        (sizes(), None),
        (sizes((0, 7)), 7),
        (sizes((6, 100), (1, 81)), 100),
        (sizes((6, 100), (2, 50)), 100),
        (sizes((6, 100), (4, 50)), 50),
        (sizes((100, 100), (2, 50)), 100),
        (sizes((100, 100), (3, 50), (1, 20)), 100),
        (sizes((100, 100), (8, 50), (1, 20)), 50),
        (sizes((7, 100), (3.5, 50)), 50),
    ],
)
def test_the_size_that_lasted_is_the_one_in_force_for_longest_within_the_window(
    known: Sizes, lasting: int | None
) -> None:
    assert known.lasting(NOW) == lasting


def test_versions_of_a_list_that_differ_by_little_last_together() -> None:
    found = Sizes()
    for hour in range(4 * 24):
        found.note(1000 + hour % 20, NOW - 6 * DAY + hour * 3600)
    found.note(500, NOW - 2 * DAY)
    lasting = found.lasting(NOW)
    assert lasting is not None
    assert 1000 <= lasting < 1020


def test_what_is_kept_is_bounded_however_often_a_list_changes() -> None:
    found = Sizes()
    for minute in range(0, 30 * 24 * 60, 10):
        found.note(1000 + minute, NOW + minute * 60)
    assert len(found.known) <= MAX_SIZES
    assert found.known[0][0] <= NOW + 30 * DAY - WINDOW + STEP


def test_a_list_that_comes_and_goes_within_an_hour_does_not_hide_what_lasted() -> None:
    found = sizes((6, 1000))
    for second in range(0, 600, 2):
        found.note(800 if second % 4 else 700, NOW + second)
    assert found.lasting(NOW + 600) == 1000


def test_a_clock_that_was_set_back_leaves_no_size_in_the_future() -> None:
    found = sizes((0, 1000))
    found.note(900, NOW - DAY)
    assert found.known == [(NOW - DAY, 900)]
    assert found.lasting(NOW - 2 * DAY) is None


def test_other_limits_start_anew() -> None:
    found = sizes((6, 1000))
    found.start((0.2, 1.0))
    assert found.known == []
    found.note(10, NOW)
    found.start((0.2, 1.0))
    assert found.lasting(NOW) == 10
    found.start((0.5, 1.0))
    assert found.lasting(NOW) is None


def test_sizes_are_read_back() -> None:
    found = sizes((6, 1000), (2, 1001))
    found.limits = (0.2, 1.0)
    assert Sizes.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert Sizes.from_json({}) == Sizes()


@pytest.mark.parametrize("data", [None, [], 7, {"known": 7}, {"known": [1]}, {"known": [["x", 1]]}, {"limits": 3}])
def test_whatever_is_no_sizes_is_an_error(data: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Sizes.from_json(data)
