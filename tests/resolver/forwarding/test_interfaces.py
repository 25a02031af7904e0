"""Upstreams at link-local addresses, whose interfaces come and go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blockd.resolver.forwarding.upstream_groups import Group
from blockd.settings import Upstream
from tests.resolver.forwarding.scene import Scene, play, until
from tests.resolver.streams.happenings import Happenings
from tests.resolver.streams.servers import StreamServer, answer
from tests.upstream import UpstreamSimulator

GONE = Upstream("fe80::1%nosuchiface0", 53)


@pytest.mark.parametrize("zone", ["nosuchiface0", "longer-than-any-interface-is-called", "4294967296", "0"])
def test_an_interface_that_is_missing_fails_questions_and_nothing_else(
    tmp_path: Path, upstream: UpstreamSimulator, zone: str
) -> None:
    """A worker that could not follow resolv.conf to such an upstream answered nothing that was not cached, for ever."""
    upstream.plan("www.example", "A", "www.example. 300 IN A 192.0.2.1")

    async def test(scene: Scene) -> None:
        scene.rig.resolver.use([Group(b"", (Upstream(f"fe80::1%{zone}", 53),))])
        found = await scene.ask("www.example")
        assert found.rcode == "SERVFAIL"
        assert found.error == (23, f"[fe80::1%{zone}]:53 cannot be reached: the machine has no interface {zone}")
        scene.rig.resolver.use([Group(b"", (upstream.upstream,))])
        assert (await scene.ask("www.example")).records == ["300 192.0.2.1"]

    play(tmp_path, [upstream.upstream], test)


def test_one_whose_interface_is_missing_at_the_start_is_passed_over(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.plan("www.example", "A", "www.example. 300 IN A 192.0.2.1")

    async def test(scene: Scene) -> None:
        assert (await scene.ask("www.example")).records == ["300 192.0.2.1"]

    play(tmp_path, [GONE, upstream.upstream], test)


def test_what_waits_for_a_stream_is_asked_of_it_anew(tmp_path: Path) -> None:
    """Other upstreams changed meanwhile: their connections are made anew, and no question is lost."""

    async def test(scene: Scene) -> None:
        server = StreamServer(Happenings())
        server.respond = lambda visit, message: visit.say(answer(message)) if len(server.messages) > 1 else None
        async with server.serving():
            upstream = Upstream("127.0.0.1", server.port, over_tcp=True)
            scene.rig.resolver.use([Group(b"", (upstream,))])
            asked = asyncio.create_task(scene.ask("www.example"))
            await until(lambda: len(server.messages) == 1)
            scene.rig.resolver.use([Group(b"", (upstream, GONE))])
            assert (await asked).rcode == "NOERROR"

    play(tmp_path, [GONE], test)
