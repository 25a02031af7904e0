"""One question over a connection of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blockd.dns import types
from blockd.errors import UpstreamFailure
from blockd.resolver.streams import StreamOptions, ask_over_stream, padded
from blockd.settings import Upstream
from blockd.settings.addresses import upstream_from_text
from tests.resolver.streams.certificates import NAME, Authority, Certificate
from tests.resolver.streams.doh import each_transport
from tests.resolver.streams.happenings import Happenings, run
from tests.resolver.streams.servers import StreamServer, answer, question


def test_each_transport_brings_an_answer(loop: str, authority: Authority, certificate: Certificate) -> None:
    async def body() -> None:
        options = replace(StreamOptions(), authorities=authority.path)
        happenings = Happenings()
        async with each_transport(certificate, happenings) as (plain, encrypted, web):
            for text, message in (
                (f"tcp://127.0.0.1:{plain.port}", question(1)),
                (f"tls://127.0.0.1:{encrypted.port}#{NAME}", padded(question(1))),
                (f"https://127.0.0.1:{web.port}#{NAME}", padded(question(1))),
            ):
                got = await ask_over_stream(upstream_from_text(text), question(1), 10.0, options)
                assert got == answer(message)
            await happenings.until(lambda: plain.open == encrypted.open == web.open == 0)

    run(loop, body)


def test_silence_and_failures_are_told_apart(loop: str) -> None:
    async def body() -> None:
        server = StreamServer(Happenings())
        async with server.serving():
            upstream = Upstream("127.0.0.1", server.port, over_tcp=True)
            server.respond = lambda _visit, _message: None
            with pytest.raises(UpstreamFailure, match=f"^{upstream.label} did not answer$") as silence:
                await ask_over_stream(upstream, question(1), 0.05)
            assert silence.value.code == types.EDE_NO_REACHABLE_AUTHORITY
            server.respond = lambda visit, _message: visit.say(b"")
            with pytest.raises(UpstreamFailure, match=f"^{upstream.label} sent a message of 0 octets$") as failure:
                await ask_over_stream(upstream, question(1), 10.0)
            assert failure.value.code == types.EDE_NETWORK_ERROR

    run(loop, body)
