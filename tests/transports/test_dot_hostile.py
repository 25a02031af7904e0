"""Clients over TLS that do anything at any time cost nobody else an answer, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.transports.admitting_server import READ
from blockd.transports.dot import ALPN
from blockd.transports.tcp_connection import MAX_QUESTION
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, framed
from tests.transports.loops import runner, until
from tests.transports.test_dot import MAX_RECORD, Bare, client_context, over_tls, secured

QUESTION = framed(question(LISTED).to_wire())


@dataclass(frozen=True, slots=True)
class Step:
    """What a client does with the octets that TLS would have it send next."""

    says: str  # plain octets it asks TLS to send, by name
    changes: tuple[tuple[float, int], ...]  # where one is replaced, as a part of all, and by which
    pieces: int  # in which they are sent
    after: str


SAYS: dict[str, bytes] = {
    "nothing": b"",
    "a question": QUESTION,
    "many": QUESTION * 50,
    "half of one": QUESTION[: len(QUESTION) // 2],
    "an answer": framed(b"\0\0\x80" + bytes(9)),
    "a long message": b"\xff\xff" + bytes(3000),
    "no DNS": b"GET / HTTP/1.1\r\n\r\n",
}
AFTER: dict[str, Callable[[Bare], Any]] = {
    "go on": lambda _: None,
    "say the end": lambda client: client.tls.unwrap(),
    "end our half": lambda client: client.sock.shutdown(1),
    "read nothing": lambda _: None,
}
steps = st.builds(
    Step,
    says=st.sampled_from(list(SAYS)),
    changes=st.one_of(st.just(()), st.tuples(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)))),
    pieces=st.integers(1, 5),
    after=st.sampled_from(list(AFTER)),
)


async def play(client: Bare, step: Step) -> None:
    """Do a step; what the client's own TLS refuses is left out."""
    with contextlib.suppress(ssl.SSLError):
        client.tls.do_handshake()
        client.tls.write(SAYS[step.says])
    octets = bytearray(client.outgoing.read())
    for part, value in step.changes:
        if octets:
            octets[int(part * len(octets))] = value
    size = max(1, -(-len(octets) // step.pieces))
    loop = asyncio.get_running_loop()
    for at in range(0, len(octets), size):
        await loop.sock_sendall(client.sock, octets[at : at + size])
        await asyncio.sleep(0)
    with contextlib.suppress(ssl.SSLError):
        AFTER[step.after](client)
    if step.after != "read nothing":
        for _ in range(5):  # turns in which the server may have answered
            await client.carry()
            await asyncio.sleep(0)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=4))
def test_whatever_clients_do_others_are_answered(rig: Rig, plans: list[list[Step]]) -> None:
    async def main() -> None:
        async with over_tls(rig) as served:
            honest = await secured(served)
            hostile = [Bare(served, client_context(*ALPN)) for _ in plans]
            for number in range(max(map(len, plans))):
                for client, plan in zip(hostile, plans, strict=True):
                    if number < len(plan):
                        with contextlib.suppress(ConnectionError, OSError):
                            await play(client, plan[number])
                for connection in list(served.server.connections):
                    assert len(connection._buffer) <= READ + MAX_RECORD + MAX_QUESTION  # type: ignore[attr-defined]
                honest.send(question(LISTED))
                assert (await honest.receive()).answer
            newcomer = await secured(served)
            newcomer.send(question(LISTED))
            assert (await newcomer.receive()).answer
            for client in hostile:
                client.close()
            await until(lambda: len(served.server.connections) == 2)

    runner(uvloop.new_event_loop)(main())
