"""Names and upstreams that fail: who is asked how often, what is remembered, and what clients are told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.resolver.forwarding.health import PROBES_TO_DOWN
from tests.resolver.forwarding.scene import SHORT, Scene, play
from tests.upstream import Fault, UpstreamSimulator, closed_port

NAME = "www.example"
ADDRESS = "300 198.51.100.1"


@pytest.fixture
def upstream(upstream: UpstreamSimulator) -> UpstreamSimulator:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    return upstream


@pytest.fixture
def first() -> Iterator[UpstreamSimulator]:
    """An upstream that is configured before the other."""
    with UpstreamSimulator() as simulator:
        simulator.plan(NAME, "A", f"{NAME}. 300 IN A 192.0.2.66")
        yield simulator


def test_many_questions_for_a_name_that_nobody_answers_are_few_upstream(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.make = lambda query: None if b"silent" in query.lower() else query[:2] + b"\x81\x83" + query[4:]

    async def test(scene: Scene) -> None:
        await scene.ask("other.example", use_edns=False)
        for _ in range(3):
            answers = await scene.ask_all(["silent.example"] * 50)
            assert {answer.rcode for answer in answers} == {"SERVFAIL"}
        assert 1 <= sum(seen.name == "silent.example" for seen in upstream.seen) <= 3

    play(tmp_path, [upstream.upstream], test, timeout=SHORT)


def test_a_name_that_fails_is_asked_again_after_times_that_double(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}

    async def test(scene: Scene) -> None:
        for count, kept in enumerate((5, 10, 20, 40, 80, 160, 300, 300), 1):
            assert (await scene.ask(NAME)).rcode == "SERVFAIL"
            assert len(upstream.seen) == count
            scene.rig.clock.now += kept - 2
            assert (await scene.ask(NAME)).rcode == "SERVFAIL"
            assert len(upstream.seen) == count, f"remembered for {kept} seconds"
            scene.rig.clock.now += 2.01
        upstream.faults = set()
        assert (await scene.ask(NAME)).records == [ADDRESS]

    play(tmp_path, [upstream.upstream], test)


def test_a_remembered_failure_is_told_as_the_first_time(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL, Fault.EDE}

    async def test(scene: Scene) -> None:
        told = [(await scene.ask(NAME)).error for _ in range(2)]
        assert told == [(9, "DNSKEY missing")] * 2
        assert len(upstream.seen) == 1

    play(tmp_path, [upstream.upstream], test)


def test_that_nobody_answered_is_forgotten_as_soon_as_one_is_heard(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SILENCE}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).tells_of_silence(upstream.address, SHORT)
        asked = len(upstream.seen)
        assert (await scene.ask(NAME)).rcode == "SERVFAIL"
        assert len(upstream.seen) == asked
        upstream.faults = set()
        number = 0
        while (await scene.ask(f"{number}.example")).rcode != "NXDOMAIN":
            number += 1
        assert (await scene.ask(NAME)).records == [ADDRESS]

    play(tmp_path, [upstream.upstream], test, timeout=SHORT)


def test_a_late_answer_is_heard_and_cached(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    async def test(scene: Scene) -> None:
        with upstream.held():
            assert (await scene.ask(NAME)).rcode == "SERVFAIL"
        while (await scene.ask(NAME)).records[:1] != [ADDRESS]:
            pass
        assert len(upstream.seen) <= 2, "once more if a probe was answered before: then the failure is forgotten"

    play(tmp_path, [upstream.upstream], test, timeout=SHORT)


def test_a_silent_upstream_is_left_for_the_next_one(
    tmp_path: Path, first: UpstreamSimulator, upstream: UpstreamSimulator
) -> None:
    first.faults = {Fault.SILENCE}

    async def test(scene: Scene) -> None:
        for number in range(30):
            assert (await scene.ask(f"{number}.example")).rcode == "NXDOMAIN"
        assert len(first.seen) <= 2, "questions of clients do not find out whether it is back"

    play(tmp_path, [first.upstream, upstream.upstream], test)


def test_an_upstream_that_is_gone_is_left_at_once(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    async def test(scene: Scene) -> None:
        answers = await scene.ask_all([f"{number}.example" for number in range(50)])
        assert {answer.rcode for answer in answers} == {"NXDOMAIN"}

    play(tmp_path, [closed_port(), upstream.upstream], test)


def test_one_that_fails_is_asked_once_and_then_the_next(
    tmp_path: Path, first: UpstreamSimulator, upstream: UpstreamSimulator
) -> None:
    first.faults = {Fault.SERVFAIL}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).records == [ADDRESS]
        assert len(first.seen) <= 1

    play(tmp_path, [first.upstream, upstream.upstream], test)


def test_what_all_upstreams_said_is_told(tmp_path: Path, first: UpstreamSimulator, upstream: UpstreamSimulator) -> None:
    first.faults, upstream.faults = {Fault.REFUSED}, {Fault.SERVFAIL}
    said = {f"{first.address} answered REFUSED", f"{upstream.address} answered SERVFAIL"}

    async def test(scene: Scene) -> None:
        answer = await scene.ask(NAME)
        assert answer.rcode == "SERVFAIL"
        assert answer.error is not None
        assert answer.error[0] == 23
        assert set(answer.error[1].split("; ")) == said
        assert (len(first.seen), len(upstream.seen)) == (1, 1)

    play(tmp_path, [first.upstream, upstream.upstream], test)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.NOTIMP, Fault.NOTAUTH, Fault.FORMERR, Fault.SERVFAIL])
@pytest.mark.parametrize("is_alone", [False, True])
def test_an_error_becomes_servfail_with_its_reason(
    tmp_path: Path, upstream: UpstreamSimulator, fault: Fault, is_alone: bool
) -> None:
    upstream.faults = {fault} | ({Fault.HEADER_ONLY} if is_alone else set())

    async def test(scene: Scene) -> None:
        answer = await scene.ask(NAME)
        assert answer.rcode == "SERVFAIL"
        assert answer.error == (23, f"{upstream.address} answered {fault.name}")

    play(tmp_path, [upstream.upstream], test)


def test_a_header_alone_says_nothing_of_the_name(
    tmp_path: Path, first: UpstreamSimulator, upstream: UpstreamSimulator
) -> None:
    first.faults = upstream.faults = {Fault.REFUSED, Fault.HEADER_ONLY}

    async def test(scene: Scene) -> None:
        for _ in range(3):
            assert (await scene.ask(NAME)).rcode == "SERVFAIL"
            scene.rig.clock.now += 5.01  # it does not double
        upstream.faults = set()
        assert (await scene.ask(NAME)).records == [ADDRESS]

    play(tmp_path, [first.upstream, upstream.upstream], test)


def test_a_header_alone_that_denies_the_name_is_not_taken(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.make = lambda query: query[:2] + b"\x81\x83" + bytes(8)

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).rcode == "SERVFAIL"

    play(tmp_path, [upstream.upstream], test, timeout=SHORT)


def test_while_no_upstream_answers_questions_fail_at_once_and_a_probe_finds_the_first_that_is_back(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.SILENCE}

    async def test(scene: Scene) -> None:
        number = asked = 0
        while asked != len(upstream.seen) or not asked:
            asked = len(upstream.seen)
            answer = await scene.ask(f"{number}.example")
            assert (answer.rcode, answer.error and answer.error[0]) == ("SERVFAIL", 22)
            number += 1
        assert len(upstream.probes) >= 3
        await scene.ask_all([f"{number}.{n}.example" for n in range(20)])
        assert len(upstream.seen) == asked, "no client's question finds out whether it is back"
        upstream.faults = set()
        while (await scene.ask(f"{number}.example")).rcode != "NXDOMAIN":
            number += 1

    play(tmp_path, [upstream.upstream], test, timeout=SHORT)


def test_clients_are_told_for_how_long_nobody_was_heard(tmp_path: Path) -> None:
    gone = closed_port()

    async def test(scene: Scene) -> None:
        health = scene.rig.resolver.healths[gone]
        now = time.monotonic()
        heard = now / 2  # the machine may have started a minute ago
        health.note_probe_answer(heard, 0.01, True)
        for _ in range(PROBES_TO_DOWN):
            health.note_probe_silence(now)
        answer = await scene.ask(NAME)
        assert answer.error is not None
        code, text = answer.error
        assert code == 22
        told = re.fullmatch(rf"no upstream has answered for (\d+(?:\.\d)?) s: {gone.label}", text)
        assert told is not None, text
        assert now - heard - 1 <= float(told[1]) <= time.monotonic() - heard + 1

    play(tmp_path, [gone], test)
