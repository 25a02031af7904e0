"""A process takes the place of another: both serve for a moment, and who was there before stays if it does not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from blockd.daemon.processes.children import Child, Role, Standing
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.reload.succession import BESIDE, Succession, SuccessionError
from blockd.daemon.reload.waits import Steps

WORKER = Role("worker", 0)


class Rig:
    """A worker that serves, and the steps by which another one takes its place; time passes by `now` alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.family = Family(Reaper())
        self.left: list[tuple[Child, Child | None]] = []
        self.before = self.start(WORKER, "serving")
        self.steps: Steps[None] = Succession(self.family, self.start).replace(WORKER, lambda *of: self.left.append(of))
        next(self.steps)
        [self.successor] = [child for child in self.family if child is not self.before]

    def start(self, role: Role, standing: Standing) -> Child:
        """Fork one that waits for its end."""
        child = self.family.fork(role, lambda _: signal.pause(), lambda: None, standing)
        child.enforcing = 1 if standing == "serving" else None
        return child

    def pass_time(self, seconds: float) -> bool:
        """Let time pass; return whether the steps have ended."""
        self.now += seconds
        return next(self.steps, self) is self

    def end(self, child: Child) -> None:
        """Kill one, and see its end."""
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.family.bury(child)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made: list[Rig] = []
    monkeypatch.setattr("blockd.daemon.reload.waits.time.monotonic", lambda: made[0].now if made else 100.0)
    made.append(Rig())
    yield made[0]
    for child in made[0].family:
        made[0].end(child)


def test_both_serve_for_a_moment_before_the_one_before_leaves(rig: Rig) -> None:
    rig.successor.enforcing = 1
    assert not rig.pass_time(0)
    assert not rig.pass_time(BESIDE * 0.9)
    assert rig.left == []
    assert rig.family.of(WORKER) is rig.before
    assert rig.pass_time(BESIDE * 0.2)
    assert rig.left == [(rig.successor, rig.before)]
    assert rig.successor.standing == "serving"


def test_one_that_ends_in_that_moment_leaves_the_place_to_the_one_before(rig: Rig) -> None:
    rig.successor.enforcing = 1
    rig.pass_time(0)
    rig.end(rig.successor)
    with pytest.raises(SuccessionError, match=r"the new worker 0 process ended \(killed by SIGKILL\)"):
        rig.pass_time(0)
    assert rig.left == []
    assert rig.family.of(WORKER) is rig.before
