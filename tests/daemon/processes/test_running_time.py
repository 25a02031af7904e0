"""Only time in which the process ran is counted."""

from __future__ import annotations

from blockd.daemon.processes.running_time import RunningTime


def test_a_step_that_is_too_long_counts_nothing_and_the_next_one_counts_again() -> None:
    now = [10.0]
    running = RunningTime(2.5, lambda: now[0])
    steps = []
    for seconds in (1.0, 2.5, 2.6, 3600.0, 0.0, 2.0):
        now[0] += seconds
        steps.append(round(running.step(), 6))
    assert steps == [1.0, 2.5, 0.0, 0.0, 0.0, 2.0]
