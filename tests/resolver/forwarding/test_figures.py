"""What is counted of an upstream: each question asked of it is answered, unanswered or waited for, and once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blockd.resolver.forwarding.health import Health
from tests.resolver.forwarding.scene import Scene, play, until
from tests.upstream import Fault, UpstreamSimulator

NAMES = [f"n{number}.example" for number in range(6)]


def counted(scene: Scene, upstream: UpstreamSimulator) -> Health:
    """Return what is counted up to now."""
    assert scene.rig.resolver.load is not None
    return scene.rig.resolver.healths[upstream.upstream]


def questions(upstream: UpstreamSimulator) -> int:
    """Return how many questions have come for the names of clients, which probes do not ask for."""
    return sum(one.name in NAMES for one in upstream.seen)


@pytest.mark.parametrize("fault", [None, Fault.SERVFAIL, Fault.REFUSED, Fault.MALFORMED, Fault.COOKIES_REQUIRED])
def test_whatever_is_heard_answers_a_question_once_and_probes_do_not_count(
    tmp_path: Path, upstream: UpstreamSimulator, fault: Fault | None
) -> None:
    for name in NAMES:
        upstream.plan(name, "A", f"{name}. 300 IN A 192.0.2.1")
    if fault is not None:
        upstream.faults.add(fault)

    async def test(scene: Scene) -> None:
        await until(lambda: counted(scene, upstream).heard > 0)
        assert counted(scene, upstream).answered == 0, "a probe"
        await scene.ask_all(NAMES)
        seen = counted(scene, upstream)
        assert seen.asked >= len(NAMES)
        assert (seen.answered, seen.in_flight) == (seen.asked, 0)

    play(tmp_path, [upstream.upstream], test)


def test_what_nothing_is_heard_of_is_waited_for(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults.add(Fault.SILENCE)

    async def test(scene: Scene) -> None:
        asked = asyncio.create_task(scene.ask_all(NAMES))
        await until(lambda: questions(upstream) >= len(NAMES))
        seen = counted(scene, upstream)
        assert seen.asked >= len(NAMES)
        assert (seen.answered, seen.in_flight) == (0, seen.asked)
        await asked

    play(tmp_path, [upstream.upstream], test)
