"""Who does not answer is told, then ended, one at a time; only while the supervisor itself runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from blockd.daemon.processes.children import Role
from blockd.daemon.processes.pulse import AGAIN, BEGIN, END, PAUSE, SILENT, TICK, Pulse, PulseWatch
from blockd.daemon.processes.restarts import FIRST_DELAY, LAST_DELAY, QUICK_DEATH, Restarts


@dataclass
class Child:
    name: str
    pulse: Pulse = field(default_factory=Pulse)


class Watched:
    """Children, and a supervisor that looks every second."""

    def __init__(self, *names: str, begun: bool = True) -> None:
        self.now = 100.0
        self.watch: PulseWatch[Child] = PulseWatch(lambda: self.now)
        self.children = {name: Child(name) for name in names}
        self.told: list[tuple[float, str]] = []
        self.back: list[str] = []
        self.ended: list[tuple[float, str]] = []
        if begun:
            self.beat(*names)
            self.look()

    def beat(self, *names: str) -> None:
        for name in names:
            self.children[name].pulse.beat()

    def look(self) -> None:
        found = self.watch.look(self.children.values())
        self.told += [(self.now, child.name) for child in found.silent]
        self.back += [child.name for child in found.back]
        if found.end is not None:
            self.ended.append((self.now, found.end.name))
            self.children[found.end.name] = Child(found.end.name)  # it is started again

    def run(self, seconds: float, *beating: str) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += TICK
            self.beat(*beating)
            self.look()


def test_silent_one_is_told_and_then_ended_and_no_other() -> None:
    node = Watched("worker 0", "worker 1")
    node.run(60.0, "worker 0")
    assert node.told[0] == (100.0 + SILENT, "worker 1")
    assert node.ended[0] == (100.0 + END, "worker 1")
    assert {name for _, name in node.told + node.ended} == {"worker 1"}


def test_one_that_answers_again_is_left_alone() -> None:
    node = Watched("worker 0")
    node.run(SILENT)
    assert node.told
    node.run(300.0, "worker 0")
    assert (node.back, node.ended) == (["worker 0"], [])


def test_several_are_ended_one_at_a_time() -> None:
    node = Watched("worker 0", "worker 1", "control")
    node.run(END)
    assert len(node.ended) == 1
    (first,) = (name for _, name in node.ended)
    node.run(AGAIN - 2 * TICK)
    assert len(node.ended) == 1, "the next waits until the first one beats"
    node.run(2 * TICK, first)
    assert len(node.ended) == 2


def test_a_stuck_start_holds_no_other_back_for_ever() -> None:
    node = Watched("worker 0", "worker 1")
    node.run(END + AGAIN)
    assert [name for _, name in node.ended] == ["worker 0", "worker 1"]


@pytest.mark.parametrize("pause", [PAUSE + 0.1, SILENT, 3600.0])
def test_pause_of_the_machine_ends_nobody(pause: float) -> None:
    node = Watched("worker 0", "control")
    for _ in range(20):
        node.now += pause
        node.look()
        node.beat("worker 0", "control")  # they run again a little later than the supervisor
        node.run(TICK, "worker 0", "control")
    assert (node.told, node.ended) == ([], [])


def test_time_before_a_pause_counts_on_behind_it() -> None:
    node = Watched("worker 0")
    node.run(SILENT - 2 * TICK)
    node.now += 3600.0
    node.look()
    assert node.told == []
    node.run(2 * TICK)
    assert [name for _, name in node.told] == ["worker 0"]


def test_a_start_may_take_longer() -> None:
    node = Watched("control", begun=False)
    node.run(BEGIN - TICK)
    assert node.told == []
    node.run(10.0)
    assert [name for _, name in node.told] == ["control"]
    assert [name for _, name in node.ended] == ["control"]


def test_child_that_ends_after_a_while_is_started_at_once() -> None:
    restarts, role = Restarts(), Role("worker", 1)
    for _ in range(100):
        assert restarts.ended(role, QUICK_DEATH, 0.0) == 0.0
    assert restarts.totals == {"worker": 100}
    assert restarts.seconds(0.0) == 0.0
    assert set(restarts.due(0.0)) == {role}
    assert restarts.seconds(0.0) is None


def test_child_that_ends_at_once_again_and_again_is_started_ever_later() -> None:
    restarts, role, other = Restarts(), Role("worker", 1), Role("worker", 0)
    delays = [restarts.ended(role, 0.01, 0.0) for _ in range(100)]
    assert delays[:4] == [0.0, FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LAST_DELAY
    assert restarts.in_a_row(role) == 100
    assert restarts.ended(other, 0.01, 0.0) == 0.0
    assert restarts.ended(role, QUICK_DEATH, 0.0) == 0.0
    assert restarts.ended(role, 0.01, 0.0) == 0.0
