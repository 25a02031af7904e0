"""What is counted of an upstream whose connection fails: each failure as what it is, in both engines."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from blockd.resolver.forwarding.health import DISCONNECTED, KINDS, OF_STREAM, SILENT, UNPROVEN, UNREACHABLE
from blockd.settings import Upstream
from tests.resolver.forwarding.scene import Scene, play


def at(transport: str, port: int) -> Upstream:
    name = None if transport == "tcp" else "dns.example"
    path = "/dns-query" if transport == "https" else ""
    return Upstream("127.0.0.1", port, name, path, over_tcp=transport == "tcp")


def counted(kind: int) -> list[int]:
    return [int(kind == one) for one in range(KINDS)]


@pytest.mark.parametrize(
    ("transport", "sent", "kind", "said"),
    [
        ("tls", b"HTTP/1.1 400 Bad Request\r\n\r\n", UNPROVEN, "does not speak TLS at that port"),
        ("https", b"SSH-2.0-OpenSSH_9.2\r\n", UNPROVEN, "does not speak TLS at that port"),
        ("tcp", b"", DISCONNECTED, "ended the connection"),
    ],
)
def test_a_failed_handshake_is_no_lost_connection(
    tmp_path: Path, transport: str, sent: bytes, kind: int, said: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 12)
        writer.write(sent)
        writer.close()

    listening = socket.create_server(("127.0.0.1", 0))
    upstream = at(transport, listening.getsockname()[1])

    async def test(scene: Scene) -> None:
        async with await asyncio.start_server(serve, sock=listening):
            answer = await scene.ask("www.example")
            assert answer.rcode == "SERVFAIL"
            assert said in str(answer.error)
        failures = list(scene.rig.resolver.healths[upstream].failures)
        failures[SILENT] = 0  # a busy machine may take longer than the patience with an upstream that is alone
        assert failures == counted(kind)

    play(tmp_path, [upstream], test)


@pytest.mark.parametrize("transport", ["tcp", "tls", "https"])
def test_a_connection_that_cannot_be_made_counts_as_unreachable(tmp_path: Path, transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    upstream = at(transport, port)

    async def test(scene: Scene) -> None:
        assert "cannot be connected to" in str((await scene.ask("www.example")).error)
        assert list(scene.rig.resolver.healths[upstream].failures) == counted(UNREACHABLE)

    play(tmp_path, [upstream], test)


def test_every_kind_of_a_stream_is_counted_as_one_of_an_upstream() -> None:
    assert set(OF_STREAM.values()) <= set(range(KINDS))
