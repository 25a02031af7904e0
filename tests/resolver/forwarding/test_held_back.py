"""Which questions a flood of names that fail holds back, with upstreams that are asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.message
import pytest

from blockd.metrics import Transport
from blockd.resolver.forwarding.floods import ASKED, FloodLimit
from tests.resolver.forwarding.scene import SHORT, Scene, play, until
from tests.resolver.rig import CLIENT, Answer, question
from tests.upstream import Fault, UpstreamSimulator

NEVER_CALM = FloodLimit(0.1)  # one failure is a flood


def test_names_that_are_slow_but_answered_are_no_flood(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    slow = [f"n{number}.slow.example" for number in range(20)]
    for name in (*slow, "new.slow.example", "fast.example"):
        upstream.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")

    async def test(scene: Scene) -> None:
        async def ask(name: str) -> Answer:
            wire = await scene.rig.resolve(question(name, use_edns=0).to_wire(), CLIENT, Transport.TCP)
            assert wire is not None
            return Answer(dns.message.from_wire(wire))

        with upstream.held(below="slow.example"):
            waiting = asyncio.create_task(scene.ask_all(slow))
            await until(lambda: {seen.name for seen in upstream.seen} == set(slow))
            assert (await ask("fast.example")).rcode == "NOERROR", "the upstream is heard"
            await until(lambda: len(upstream.seen) > len(slow) + 2)  # patience is over, and some are asked again
            new = asyncio.create_task(ask("new.slow.example"))
            await until(lambda: new.done() or upstream.seen[-1].name == "new.slow.example")
            assert not new.done()
        assert {answer.rcode for answer in [*await waiting, await new]} == {"NOERROR"}
        assert scene.rig.resolver.load.held_back == 0

    play(tmp_path, [upstream.upstream], test, floods=FloodLimit(1.0))


def test_who_floods_takes_no_new_names_from_others(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    real = [f"w{number}.bad.example" for number in range(10)]
    for name in real:
        upstream.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")

    async def test(scene: Scene) -> None:
        with scene.client_at("127.0.1.1") as attacker:
            number = 0
            while scene.rig.resolver.load.held_back < 2 * ASKED:
                await attacker.ask_all([f"n{number + each}.bad.example" for each in range(100)])
                number += 100
        assert {answer.rcode for answer in await scene.ask_all(real)} == {"NOERROR"}
        typed = [f"x{number}.bad.example" for number in range(3)]
        assert {answer.rcode for answer in await scene.ask_all(typed)} == {"NXDOMAIN"}

    play(tmp_path, [upstream.upstream], test, floods=FloodLimit(20.0))


@pytest.mark.parametrize("faults", [set(), {Fault.SERVFAIL}], ids=["NXDOMAIN", "SERVFAIL"])
def test_new_names_below_a_domain_that_fails_are_held_back(
    tmp_path: Path, upstream: UpstreamSimulator, faults: set[Fault]
) -> None:
    upstream.plan("www.good.example", "A", "www.good.example. 300 IN A 198.51.100.1")
    upstream.plan("www.bad.example", "A", "www.bad.example. 300 IN A 198.51.100.1")

    async def test(scene: Scene) -> None:
        assert (await scene.ask("www.bad.example")).rcode == "NOERROR"
        upstream.faults = faults
        held_back = []
        for number in range(100):
            answer = await scene.ask(f"n{number}.bad.example")
            if answer.error and answer.error[0] == 0:
                assert answer.error[1] == "most new names below bad.example fail: at most one in 10 is asked"
                assert answer.rcode == "SERVFAIL"
                held_back.append(f"n{number}.bad.example")
        assert held_back
        assert not set(held_back) & {seen.name for seen in upstream.seen}
        assert scene.rig.resolver.load.held_back == len(held_back)
        assert (await scene.ask("www.bad.example")).rcode == "NOERROR", "it is cached"
        upstream.faults = set()
        assert (await scene.ask("www.good.example")).rcode == "NOERROR"

    play(tmp_path, [upstream.upstream], test, floods=NEVER_CALM)


def test_an_upstream_that_is_silent_for_all_is_no_flood(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SILENCE}

    async def test(scene: Scene) -> None:
        answers = await scene.ask_all([f"n{number}.example" for number in range(20)])
        assert {answer.error and answer.error[0] for answer in answers} == {22}
        assert scene.rig.resolver.load.held_back == 0

    play(tmp_path, [upstream.upstream], test, timeout=SHORT, floods=NEVER_CALM)
