from __future__ import annotations

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.reasons import REASONS
from blockd.ruleset import FeedRecord, Gate
from blockd.ruleset.gate.gate import GROWTH_FLOOR, SIZE_FLOOR


def record(names: int, rejected: int = 0) -> FeedRecord:
    return FeedRecord("f", "domains", 50, names, "", rejected=rejected)


def refused(gate: Gate, new: FeedRecord, old: FeedRecord | None = None, lasting: int | None = None) -> str:
    """Return the reason for which the gate refuses, empty if it does not."""
    try:
        gate.check(new, old, lasting)
    except FeedRefused as error:
        return error.reason
    return ""


@pytest.mark.parametrize(("names", "reason"), [(0, "empty"), (9, "empty"), (10, ""), (11, "")])
def test_fewer_names_than_the_least_are_refused(names: int, reason: str) -> None:
    assert refused(Gate(min_names=10), record(names)) == reason


def test_no_name_at_all_is_refused_unless_none_is_asked() -> None:
    assert refused(Gate(), record(0)) == "empty"
    assert refused(Gate(min_names=0), record(0)) == ""


@pytest.mark.parametrize(("rejected", "reason"), [(0, ""), (20, ""), (21, "rejects"), (10_000, "rejects")])
def test_more_rejects_than_the_share_are_refused(rejected: int, reason: str) -> None:
    assert refused(Gate(max_rejects=0.20), record(80, rejected)) == reason


@pytest.mark.parametrize(
    ("names", "reason"), [(0, "empty"), (1, "shrunk"), (799, "shrunk"), (800, ""), (1_000, ""), (10_000, "")]
)
def test_a_loss_of_more_than_the_share_is_refused(names: int, reason: str) -> None:
    assert refused(Gate(max_shrink=0.20), record(names), record(SIZE_FLOOR)) == reason


@pytest.mark.parametrize(("names", "reason"), [(20_000, ""), (40_000, ""), (40_001, "grown"), (10_000_000, "grown")])
def test_a_gain_of_more_than_the_share_is_refused(names: int, reason: str) -> None:
    assert refused(Gate(max_growth=1.0), record(names), record(20_000)) == reason


def test_a_small_list_may_grow_as_it_likes() -> None:
    assert refused(Gate(max_growth=0), record(GROWTH_FLOOR), record(1)) == ""
    assert refused(Gate(max_growth=0), record(GROWTH_FLOOR + 1), record(1)) == "grown"
    assert refused(Gate(max_growth=0), record(10_000_000), None) == ""


@pytest.mark.parametrize(
    ("names", "reason"), [(79_999, "shrunk"), (80_000, ""), (100_000, ""), (200_000, ""), (200_001, "grown")]
)
def test_the_size_that_lasted_is_compared_with_too(names: int, reason: str) -> None:
    assert refused(Gate(), record(names), None, 100_000) == reason
    assert refused(Gate(), record(names), record(names), 100_000) == reason


def test_limits_at_their_ends() -> None:
    assert refused(Gate(max_shrink=0), record(999), record(1_000)) == "shrunk"
    assert refused(Gate(max_shrink=0), record(1_000), record(1_000)) == ""
    assert refused(Gate(max_shrink=0), record(1), record(999)) == ""
    assert refused(Gate(max_shrink=1), record(1), record(1_000_000)) == ""
    assert refused(Gate(max_rejects=0), record(100, 1)) == "rejects"
    assert refused(Gate(max_rejects=1), record(1, 1_000_000)) == ""


def test_a_feeds_first_content_is_not_compared() -> None:
    assert refused(Gate(max_shrink=0), record(1), None) == ""


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        (record(0), None, ["0 names", "at least 1", "gate.min_names"]),
        (record(1, 9), None, ["9 of 10", "20%", "gate.max_rejects"]),
        (record(10), record(1_000), ["10 names", "1000 are in force", "20%", "gate.max_shrink"]),
        (record(90_000), record(20_000), ["90000 names", "20000 are in force", "100%", "gate.max_growth"]),
    ],
)
def test_a_refusal_says_what_was_found_and_which_key_allows_it(
    new: FeedRecord, old: FeedRecord | None, words: list[str]
) -> None:
    with pytest.raises(FeedRefused) as error:
        Gate().check(new, old)
    assert error.value.reason in REASONS
    assert all(word in str(error.value) for word in words)


def zone(serial: str, digest: str = "", kind: str = "rpz") -> FeedRecord:
    return FeedRecord("f", kind, 50, 100, digest, serial)


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        ("2", "1", ""),
        ("1", "1", ""),
        ("1", "2", "rollback"),
        ("0", "4294967295", ""),
        ("4294967295", "0", "rollback"),
        ("2147483648", "0", ""),
        ("0", "2147483648", ""),
        ("2147483649", "0", "rollback"),
        ("", "2", ""),
        ("1", "", ""),
    ],
)
def test_a_zone_whose_serial_goes_backwards_is_refused(new: str, old: str, reason: str) -> None:
    assert refused(Gate(), zone(new, "a"), zone(old, "b")) == reason
    assert refused(Gate(), zone(new, "same"), zone(old, "same")) == ""
    assert refused(Gate(), zone(new, "a", "signed"), zone(old, "b", "signed")) == ""
