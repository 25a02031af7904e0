from __future__ import annotations

import itertools

from blockd.names import key_from_text
from blockd.resolver.forwarding.health import DOUBTFUL, DOWN, FAILING, SILENT, UP, Health
from blockd.resolver.forwarding.probing import Prober, probe_key


class Probes:
    """Upstreams that are probed, each a place in `healths`."""

    def __init__(self, *groups: list[int]) -> None:
        self.healths = [Health(0.0) for _ in range(1 + max(max(group) for group in groups))]
        self.sent: list[tuple[float, int]] = []
        self.now = 0.0
        self.unreachable = -1
        self.prober = Prober(self.healths, groups, self._send)

    def _send(self, index: int) -> None:
        if index == self.unreachable:
            raise OSError
        self.sent.append((self.now, index))

    def run(self, until: float, answering: frozenset[int] = frozenset()) -> list[tuple[float, int]]:
        """Let time pass in quarters of a second; return the probes sent meanwhile."""
        before = len(self.sent)
        while self.now < until:
            self.prober.tick(self.now)
            for moment, index in self.sent[before:]:
                if index in answering and moment == self.now:
                    self.prober.note_answer(self.healths[index], self.now, 0.01, True)
            self.now += 0.25
        return self.sent[before:]


def test_each_is_probed_at_the_start_and_seldom_once_it_is_up() -> None:
    probes = Probes([0, 1])
    sent = probes.run(40.0, frozenset((0, 1)))
    assert [moment for moment, index in sent if index == 0] == [0.0, 1.0, 11.0, 21.0, 31.0]
    assert {health.state for health in probes.healths} == {UP}


def test_one_that_is_silent_is_down_after_some_probes_and_probed_less_often() -> None:
    probes = Probes([0, 1])
    moments = [moment for moment, index in probes.run(40.0, frozenset((1,))) if index == 0]
    assert probes.healths[0].state == DOWN
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert gaps[0] <= 2.0
    assert gaps == sorted(gaps)
    assert gaps[-1] == 5.0


def test_where_none_is_up_they_are_probed_every_second() -> None:
    probes = Probes([0, 1], [2])
    sent = probes.run(30.0, frozenset((2,)))
    for down in (0, 1):
        moments = [moment for moment, index in sent if index == down]
        assert {after - before for before, after in itertools.pairwise(moments)} == {1.0}
    assert probes.run(32.0, frozenset((0, 2)))
    assert probes.healths[0].state == UP


def test_one_that_cannot_be_sent_counts_as_unanswered() -> None:
    probes = Probes([0])
    probes.unreachable = 0
    probes.run(0.25)
    assert probes.healths[0].state == FAILING
    probes.run(0.75)
    assert probes.healths[0].state == DOWN, "nobody is there, which is known at once"


def test_one_that_was_down_and_refuses_its_probes_is_asked_again() -> None:
    """It may resolve other names, as it would be asked for had it never been down."""
    probes = Probes([0])
    probes.run(10.0)
    assert probes.healths[0].state == DOWN
    probes.prober.note_answer(probes.healths[0], 10.0, 0.01, False)
    assert probes.healths[0].state == FAILING
    probes.healths[0].note_resolved(10.0)
    assert probes.healths[0].state == UP


def test_what_clients_ask_makes_an_upstream_doubtful_and_a_probe_decides() -> None:
    for resolves, state in ((True, UP), (False, FAILING)):
        health = Health(0.0)
        health.note_resolved(0.0)
        health.is_probe_due(0.0)
        health.note_failure(SILENT, 1.0)
        assert health.state == DOUBTFUL
        assert health.is_probe_due(1.0), "at once"
        health.note_probe_answer(1.01, 0.01, resolves)
        assert health.state == state


def test_servfail_lifts_a_doubt_but_not_what_probes_say() -> None:
    health = Health(0.0)
    health.note_failure(SILENT, 0.0)
    health.note_tried(0.1)
    assert health.state == UP
    health.note_probe_answer(0.2, 0.01, False)
    health.note_tried(0.3)
    assert health.state == FAILING
    for _ in range(3):
        health.note_probe_silence(0.4)
    health.note_tried(0.5)
    assert health.state == FAILING, "it is heard, so that it is asked again"


def test_the_probe_after_a_refused_one_does_not_wait_long() -> None:
    health = Health(0.0)
    health.note_probe_answer(0.0, 0.01, True)
    assert health.is_probe_due(1.0)
    health.note_probe_answer(1.01, 0.01, False)
    assert health.is_probe_due(1.01)


def test_a_late_answer_counts() -> None:
    probes = Probes([0])
    probes.run(10.0)
    assert probes.healths[0].state == DOWN
    probes.prober.note_answer(probes.healths[0], 10.0, 1.5, True)
    assert probes.healths[0].state == UP


def test_a_zone_is_probed_by_its_own_name() -> None:
    zone = key_from_text("corp.example")
    assert probe_key(zone) == (zone, 6, False, False)
    assert probe_key(b"")[0] == key_from_text("root-servers.net")
