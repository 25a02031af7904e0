"""Rows of numbers that processes share, and that another program may take over."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable

from blockd.metrics.shared_rows import SharedRows


def in_a_child(work: Callable[[], bool]) -> bool:
    """Return what a child that does this finds."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_rows_can_be_passed_on_and_count_on() -> None:
    rows = SharedRows(4, "Q", 2)
    rows[1][3] = 7
    rows.grow(3)
    rows[2][0] = 8
    others = SharedRows(4, "Q", 1)
    others.adopt([(os.dup(descriptor), count) for descriptor, count in rows.parts])
    assert [row.tolist() for row in others] == [[0, 0, 0, 0], [0, 0, 0, 7], [8, 0, 0, 0]]


def test_where_files_must_be_small_rows_are_shared_and_none_is_passed_in_the_place_of_another() -> None:
    def work() -> bool:
        rows = SharedRows(4, "Q", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        rows.grow(2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
        rows.grow(3)

        def count() -> bool:
            rows[1][0], rows[2][0] = 5, 6
            return True

        is_shared = in_a_child(count) and (rows[1][0], rows[2][0]) == (5, 6)
        return is_shared and [count for _, count in rows.parts] == [1] and len(rows) == 3

    assert in_a_child(work)
