"""The upstreams change while questions wait for the ones before: none of them is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from blockd.names import key_from_text
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings, Upstream
from tests.resolver.forwarding.scene import Scene, play, until
from tests.upstream import Fault, UpstreamSimulator, closed_port

NAMES = [f"n{number}.example" for number in range(40)]


def planned(simulator: UpstreamSimulator, address: str) -> None:
    for name in NAMES:
        simulator.plan(name, "A", f"{name}. 300 IN A {address}")


def test_what_waits_is_asked_of_the_new_upstreams(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults.add(Fault.SILENCE)
    with UpstreamSimulator() as other:
        planned(other, "192.0.2.9")

        async def test(scene: Scene) -> None:
            asked = asyncio.create_task(scene.ask_all(NAMES))
            await until(lambda: len({one.name for one in upstream.seen}) >= len(NAMES))
            scene.rig.resolver.use([Group(b"", (other.upstream,))])
            answers = await asked
            assert [answer.records for answer in answers] == [["300 192.0.2.9"]] * len(NAMES)
            assert list(scene.rig.resolver.healths) == [other.upstream]

        play(tmp_path, [upstream.upstream], test)


def test_if_nobody_is_there_it_is_answered_at_once(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults.add(Fault.SILENCE)

    async def test(scene: Scene) -> None:
        asked = asyncio.create_task(scene.ask_all(NAMES[:3]))
        await until(lambda: len({one.name for one in upstream.seen}) >= 3)
        scene.rig.resolver.use([Group(b"", ())])
        assert [answer.rcode for answer in await asked] == ["SERVFAIL"] * 3
        scene.rig.resolver.use([Group(b"", (closed_port(),))])
        assert (await scene.ask(NAMES[3])).rcode == "SERVFAIL"
        upstream.faults.clear()
        planned(upstream, "192.0.2.1")
        scene.rig.resolver.use([Group(b"", (upstream.upstream,))])
        assert (await scene.ask(NAMES[4])).records == ["300 192.0.2.1"]

    play(tmp_path, [upstream.upstream], test)


def test_what_is_known_of_upstreams_that_stay_is_kept(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    planned(upstream, "192.0.2.1")
    with UpstreamSimulator() as other:

        async def test(scene: Scene) -> None:
            resolver = scene.rig.resolver
            await scene.ask(NAMES[0])
            before = resolver.healths[upstream.upstream]
            resolver.use([Group(b"", (upstream.upstream,)), Group(key_from_text("corp.example"), (other.upstream,))])
            assert resolver.healths[upstream.upstream] is before
            assert before.answered >= 1
            assert set(resolver.healths) == {upstream.upstream, other.upstream}
            await scene.ask("www.corp.example")
            assert "www.corp.example" in {one.name.rstrip(".") for one in other.seen}

        play(tmp_path, [upstream.upstream], test)


def test_what_is_cached_names_its_upstream_also_when_others_are_asked(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    planned(upstream, "192.0.2.1")
    with UpstreamSimulator() as other:
        planned(other, "192.0.2.9")

        async def test(scene: Scene) -> None:
            def source(name: str) -> str:
                return str(scene.rig.cache.peek((key_from_text(name), 1, False, False)).response.source)

            await scene.ask(NAMES[0])
            scene.rig.resolver.use([Group(b"", (other.upstream,))])
            await scene.ask(NAMES[1])
            assert source(NAMES[1]) == other.upstream.label
            for number in range(1, 300):  # more than are told apart
                scene.rig.resolver.use([Group(b"", (Upstream("127.0.0.1", number),))])
            scene.rig.resolver.use([Group(b"", (upstream.upstream, other.upstream))])
            await scene.ask(NAMES[2])
            assert [source(name) for name in NAMES[:3:2]] == [upstream.upstream.label] * 2

        play(tmp_path, [upstream.upstream], test)


def test_other_local_zones_are_answered_from_then_on(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    def resolution(host: str) -> Resolution:
        return Resolution.of(Settings.model_validate({"upstreams": [host]}, context={"folder": None}))

    upstream.plan("nas.home.arpa", "A", "nas.home.arpa. 300 IN A 192.168.0.9")
    router, public = resolution("192.168.0.1"), resolution("192.0.2.1")

    async def test(scene: Scene) -> None:
        assert (await scene.ask("nas.home.arpa")).records == ["300 192.168.0.9"], "the router knows it"
        scene.rig.resolver.use([Group(b"", (upstream.upstream,))], public.local)
        removed = await scene.rig.resolver.inspector.flush(key_from_text("home.arpa"), below=True)
        assert removed.entries >= 1
        assert (await scene.ask("nas.home.arpa")).rcode == "NXDOMAIN"

    play(tmp_path, [upstream.upstream], test, local=router.local)
