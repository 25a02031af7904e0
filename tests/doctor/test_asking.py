"""The doctor's question to upstreams that are asked over TCP, TLS or HTTPS."""

from __future__ import annotations

import asyncio
from pathlib import Path

from blockd.doctor.machine import Machine
from blockd.doctor.upstream_question import UpstreamQuestion
from blockd.settings.addresses import upstream_from_text
from tests.resolver.streams.certificates import Authority
from tests.resolver.streams.doh import each_transport
from tests.resolver.streams.happenings import Happenings, run
from tests.resolver.streams.servers import StreamServer, answer

PATIENCE = 10.0  # seconds: the machine may be busy with other tests


def test_an_upstream_is_asked_over_the_transport_that_it_names(tmp_path: Path) -> None:
    async def body() -> None:
        authority = Authority(tmp_path)
        certificate, other = authority.certificate("server"), authority.certificate("other")
        async with each_transport(certificate, Happenings()) as (plain, encrypted, web):
            texts = [
                f"tcp://127.0.0.1:{plain.port}",
                f"tls://127.0.0.1:{encrypted.port}#;{certificate.pin_text}",
                f"https://127.0.0.1:{web.port}#;{certificate.pin_text}",
                f"tls://127.0.0.1:{encrypted.port}#;{other.pin_text}",
            ]
            questions = [UpstreamQuestion(upstream_from_text(text)) for text in texts]
            asked = await asyncio.to_thread(Machine().ask, questions, PATIENCE)
            assert [one.failure for one in asked[:3]] == ["", "", ""]
            assert all(0 < one.seconds < 10 for one in asked[:3])
            assert asked[3].failure.endswith(f" has a key that is not pinned ({certificate.pin_text})")
            assert asked[3].kind == "tls"
            assert [len(server.messages) for server in (plain, encrypted, web)] == [1, 1, 1]

    run("asyncio", body)


def test_an_answer_to_another_question_is_a_failure() -> None:
    async def body() -> None:
        server = StreamServer(Happenings())
        server.respond = lambda visit, message: visit.say(answer(message[:13] + b"\0\1" + message[15:]))
        async with server.serving():
            upstream = upstream_from_text(f"tcp://127.0.0.1:{server.port}")
            (asked,) = await asyncio.to_thread(Machine().ask, [UpstreamQuestion(upstream)], PATIENCE)
            assert asked.failure == f"tcp://127.0.0.1:{server.port} answered another question"

    run("asyncio", body)
