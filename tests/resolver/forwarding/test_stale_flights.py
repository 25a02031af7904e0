"""What has expired is given to those who wait for a flight that takes long or fails, by the ruleset in force then."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import dns.message

from blockd.metrics import Transport
from blockd.metrics.counters import _CACHE_STALE
from blockd.names import key_from_text
from blockd.resolver.response import parse
from tests.resolver.forwarding.scene import SHORT, Scene, play, until
from tests.resolver.rig import CLIENT, PATIENT, Answer, Rig, order, question
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
KEY = (key_from_text(NAME), 1, False, False)
STALE = ["30 198.51.100.1"]
FRESH = ["300 198.51.100.2"]
GIVEN = {"stale": 86_400, "stale_after": 0.1, "attempts": 1}


def plan(upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.2")


def keep_expired(rig: Rig) -> None:
    query = question(NAME).to_wire()
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\1"
    response = parse(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + record, len(query) - 12)
    rig.resolver.pipeline._cache.put(KEY, response, time.monotonic() - 100)


async def ask_over_tcp(rig: Rig) -> Answer:
    wire = await rig.resolve(question(NAME, use_edns=0).to_wire(), CLIENT, Transport.TCP)
    assert wire is not None
    return Answer(dns.message.from_wire(wire))


def test_a_flight_that_takes_long_goes_on_behind_the_stale_answer(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    plan(upstream)

    async def test(scene: Scene) -> None:
        keep_expired(scene.rig)
        with upstream.held():
            over_udp, over_tcp = await asyncio.gather(scene.ask(NAME), ask_over_tcp(scene.rig))
            for answer in (over_udp, over_tcp, await scene.ask(NAME)):
                assert (answer.records, answer.error) == (STALE, (3, ""))
            assert scene.rig.row.numbers[_CACHE_STALE] == 3
        await until(lambda: scene.rig.cache.peek(KEY).response.records.endswith(b"\2"))
        assert (await scene.ask(NAME)).records == FRESH
        assert (await ask_over_tcp(scene.rig)).records == FRESH

    play(tmp_path, [upstream.upstream], test, timeout=PATIENT, **GIVEN)


def test_a_flight_that_fails_is_answered_with_what_has_expired(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.SERVFAIL}

    async def test(scene: Scene) -> None:
        keep_expired(scene.rig)
        for _ in range(2):
            answer = await scene.ask(NAME)
            assert (answer.records, answer.error) == (STALE, (3, ""))

    play(tmp_path, [upstream.upstream], test, timeout=PATIENT, **{**GIVEN, "stale_after": PATIENT})


def test_a_name_that_is_blocked_meanwhile_is_not_given_stale(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    plan(upstream)

    async def test(scene: Scene) -> None:
        keep_expired(scene.rig)
        scene.rig.enforce([(order(), ["other.example"])])
        with upstream.held():
            asking = asyncio.create_task(scene.ask(NAME))
            await until(lambda: scene.rig.resolver._forwarder.in_flight > 0)
            scene.rig.enforce([(order(), [NAME])])
            assert (await asking).records == ["60 192.0.2.80"]

    play(tmp_path, [upstream.upstream], test, timeout=PATIENT, **{**GIVEN, "stale_after": 1.0})


def test_a_name_that_is_blocked_meanwhile_is_blocked_if_upstreams_fail(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.SILENCE}

    async def test(scene: Scene) -> None:
        scene.rig.enforce([(order(), ["other.example"])])
        asking = asyncio.gather(scene.ask(NAME), ask_over_tcp(scene.rig))
        await until(lambda: scene.rig.resolver._forwarder.in_flight > 0)
        scene.rig.enforce([(order(), [NAME])])
        for answer in await asking:
            assert (answer.rcode, answer.records) == ("NOERROR", ["60 192.0.2.80"])

    play(tmp_path, [upstream.upstream], test, timeout=SHORT, attempts=1)
