"""The same questions over HTTPS have the answers that they have over TLS."""

from __future__ import annotations

import dns.message

from blockd.dns import types
from blockd.transports import DotServer
from tests.resolver.rig import Rig
from tests.transports.http import raw
from tests.transports.http.clients import Http2Client, over_https
from tests.transports.loops import Run
from tests.transports.same_questions import essence, is_cut, prepare, questions
from tests.transports.test_same_answers import AT_ONCE, COUNT, over_stream
from tests.upstream import UpstreamSimulator

MAX_WINDOW = (1 << 31) - 1  # octets, RFC 9113 section 6.9.1


async def over_http2(rig: Rig, asked: list[bytes]) -> dict[int, bytes]:
    """Ask over HTTP/2 and TLS, on one connection; return the answers by their ID."""
    answers: dict[int, bytes] = {}
    async with over_https(rig) as served:
        client = await Http2Client.connect(served, s4=MAX_WINDOW)
        client.send(raw.frame(raw.WINDOW_UPDATE, payload=(MAX_WINDOW - 65535).to_bytes(4)))
        for at in range(0, len(asked), AT_ONCE):
            part = asked[at : at + AT_ONCE]
            bodies = {client.post(octets): b"" for octets in part}
            left = set(bodies)
            while left:
                frame = await client.frame()
                if frame.kind == raw.DATA:
                    bodies[frame.stream] += frame.payload
                    if frame.flags & raw.END_STREAM:
                        left.remove(frame.stream)
            answers |= {int.from_bytes(body[:2]): body for body in bodies.values()}
    return answers


def test_two_thousand_questions_have_the_same_answers_over_tls_and_https(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    prepare(rig, upstream)
    asked = [octets for octets in questions(rig, COUNT) if len(octets) >= types.HEADER_SIZE and not octets[2] & 0x80]
    assert len(asked) > COUNT * 0.9

    async def main() -> None:
        dot, doh = await over_stream(rig, asked, DotServer), await over_http2(rig, asked)
        assert len(dot) == len(doh) == len(asked)
        differing = [number for number in dot if essence(dot[number]) != essence(doh[number])]
        assert [dns.message.from_wire(doh[number], ignore_trailing=True) for number in differing] == []
        assert not any(map(is_cut, doh.values()))

    run(main())
