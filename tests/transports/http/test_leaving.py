"""A server of DNS over HTTPS that drains: its clients are told to ask over other connections, and lose no answer."""

from __future__ import annotations

import asyncio

from blockd.transports.http.http2 import LAST_STREAM
from blockd.transports.listening.draining import drain
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED
from tests.transports.http import raw
from tests.transports.http.clients import LOOPBACK, NAME, Http2Client, client_context, http1, over_https, posted
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator


def test_http2_is_told_first_and_answered_meanwhile(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served)
            with upstream.held():
                first = client.post(question("waits.example").to_wire())
                await asyncio.to_thread(upstream.wait_for, 1)
                draining = asyncio.create_task(drain([served.server], ()))
                while (frame := await client.frame()).kind != raw.GOAWAY:
                    pass
                assert int.from_bytes(frame.payload[:4]) == LAST_STREAM
                second = client.post(question(LISTED).to_wire())  # it has not read that yet
                assert (await client.body())[0] == second
                assert not draining.done()
            assert (await client.body())[0] == first
            assert int.from_bytes((await client.goodbye()).payload[:4]) == second
            assert await draining

    run(main())


def test_http1_is_told_with_the_next_response(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK) as served:
            client = await served.connect()
            octets = posted(question(LISTED).to_wire())
            status, fields, _ = await http1(client, octets)
            assert (status, fields.get("connection")) == (200, None)
            served.server.drain()
            status, fields, _ = await http1(client, octets)
            assert (status, fields.get("connection")) == (200, "close")
            assert await client.ended()
            await until(lambda: served.server.is_drained)

    run(main())


def test_a_connection_that_was_accepted_has_time_for_its_handshake(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            connecting = asyncio.create_task(served.connect(context=client_context("http/1.1"), name=NAME))
            await until(lambda: len(served.server.connections) == 1)
            draining = asyncio.create_task(drain([served.server], ()))
            status, fields, _ = await http1(await connecting, posted(question(LISTED).to_wire()))
            assert (status, fields.get("connection")) == (200, "close")
            assert await draining

    run(main())
