"""Every list of a national blocklist that was published in five months, by its size: the enforced one is good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate
from blockd.ruleset import FeedRecord, Gate
from blockd.ruleset.gate.gate import GROWTH_FLOOR
from blockd.ruleset.gate.sizes import Sizes
from tests.compile.builder import Builder, domains
from tests.effort import some
from tests.places import SHARED

COUNTS = SHARED / "data" / "publish-counts.txt"
SCALE = 2000  # names of the real list for one of the test's

pytestmark = pytest.mark.skipif(not COUNTS.exists(), reason="the counts of the real list are not on this machine")


def publications() -> list[tuple[float, int]]:
    """Return the times of publication with the number of names, the oldest first."""
    lines = [line.split() for line in COUNTS.read_text("ascii").splitlines()]
    return [(datetime.fromisoformat(when).timestamp(), int(count)) for when, count in reversed(lines)]


def test_the_gate_lets_no_bad_list_of_the_real_ones_through() -> None:
    gate, sizes = Gate(), Sizes()
    enforced: FeedRecord | None = None
    best = refused = 0
    for now, count in publications():
        record = FeedRecord("national", "domains", 50, count, "")
        lasting = sizes.lasting(now)
        try:
            gate.check(record, enforced, lasting)
        except FeedRefused:
            refused += 1
        else:
            assert count > 0
            assert enforced is None or 0.8 * enforced.names <= count <= 2 * enforced.names
            assert lasting is None or 0.8 * lasting <= count <= 2 * lasting
            enforced = record
            sizes.note(count, now)
        best = max(best, count)
        assert enforced is not None
        assert enforced.names > best / 2
    assert enforced is not None
    assert enforced.names == publications()[-1][1]
    assert refused > 1000  # most of them are parts of a list


def test_lists_of_those_sizes_leave_a_good_one_enforced(tmp_path: Path) -> None:
    builder, sizes = Builder(tmp_path), Sizes()
    feed = domains(max_size="1M")
    candidate = Candidate(feed, None, None)
    names: int | None = None
    for now, count in some(publications(), 300):
        size = count // SCALE
        lines = builder.octets("".join(f"n{number}.example\n" for number in range(size)).encode())
        if names is not None and size == names:
            continue
        fresh = replace(candidate, incoming=lines, lasting=sizes.lasting(now))
        built = builder.build(fresh, in_force=builder.catalogue() if names is not None else None)
        enforced = builder.catalogue().feeds[0].names
        if built.refused:
            assert enforced == names
            assert size < 0.81 * max(names or 0, sizes.lasting(now) or 0)
        else:
            assert enforced == size
            candidate = replace(candidate, accepted=lines)
            sizes.note(size, now)
        names = enforced
        assert builder.listed(f"n{names - 1}.example")
        assert not builder.listed(f"n{names}.example")
    assert names == publications()[-1][1] // SCALE


class Replay:
    """A feed with lists of given sizes, an hour apart, after a month of `names`."""

    def __init__(self, names: int) -> None:
        self.names, self.now, self.sizes, self.reasons = names, 30 * 86400.0, Sizes(), set[str]()
        self.sizes.note(names, 0)

    def give(self, names: int) -> None:
        record, enforced = (FeedRecord("f", "domains", 50, size, "") for size in (names, self.names))
        try:
            Gate().check(record, enforced, self.sizes.lasting(self.now))
        except FeedRefused as refused:
            self.reasons.add(refused.reason)
        else:
            self.names = names
            self.sizes.note(names, self.now)
        self.now += 3600


def test_a_list_cannot_shrink_to_nothing_step_by_step() -> None:
    feed = Replay(1_000_000)
    for _ in range(24):
        feed.give(int(feed.names * 0.81))
    assert feed.names == 810_000
    assert feed.reasons == {"shrunk"}


def test_a_list_cannot_be_flooded_step_by_step() -> None:
    feed = Replay(2 * GROWTH_FLOOR)
    for _ in range(24):
        feed.give(int(feed.names * 1.9))
    assert feed.names == int(2 * GROWTH_FLOOR * 1.9)
    assert feed.reasons == {"grown"}


def test_a_list_that_stays_smaller_is_what_later_ones_are_compared_with() -> None:
    feed = Replay(1_000_000)
    for _ in range(24 * 7):
        feed.give(810_000)
    feed.give(700_000)
    assert feed.names == 700_000
