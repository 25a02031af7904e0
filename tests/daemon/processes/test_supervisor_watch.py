"""A supervisor that does not answer is told by the control process, in whose own running time it counts."""

from __future__ import annotations

from blockd.daemon.processes.pulse import PAUSE, SILENT, TICK, Pulse
from blockd.daemon.processes.supervisor_watch import SupervisorWatch


class Watched:
    def __init__(self, pulse: Pulse | None) -> None:
        self.now = 50.0
        self.pulse = pulse
        self.watch = SupervisorWatch(pulse, 77, lambda: self.now)

    def run(self, seconds: float, step: float = TICK, *, beating: bool = False) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += step
            if beating and self.pulse is not None:
                self.pulse.beat()
            self.watch.look()


def test_silence_is_told_with_what_to_do_until_it_beats_again() -> None:
    node = Watched(Pulse())
    node.run(60.0, beating=True)
    assert node.watch.trouble() == ""
    node.run(SILENT - TICK)
    assert not node.watch.is_silent
    node.run(TICK)
    assert node.watch.is_silent
    assert "the supervisor (process 77) does not answer" in node.watch.trouble()
    assert "kill -CONT 77" in node.watch.trouble()
    node.run(TICK, beating=True)
    assert node.watch.trouble() == ""


def test_a_machine_that_pauses_alarms_nobody() -> None:
    node = Watched(Pulse())
    node.run(3600.0, PAUSE + 1.0)
    assert not node.watch.is_silent


def test_a_process_without_a_supervisor_has_none_to_watch() -> None:
    node = Watched(None)
    node.run(60.0)
    assert node.watch.trouble() == ""
