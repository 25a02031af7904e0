"""A client's EDNS client subnet (RFC 7871) does not reach upstreams over TCP, TLS and HTTPS either."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.edns
import dns.message

from blockd.metrics import Transport
from blockd.resolver import QueryContext
from blockd.settings.addresses import upstream_from_text
from tests.resolver.rig import Rig
from tests.resolver.rig import question as asked
from tests.resolver.streams.certificates import Certificate
from tests.resolver.streams.doh import each_transport
from tests.resolver.streams.happenings import Happenings, run

SUBNET = dns.edns.ECSOption("198.51.100.0", 24)


def test_it_is_not_forwarded(loop: str, certificate: Certificate, tmp_path: Path) -> None:
    async def body() -> None:
        async with each_transport(certificate, Happenings()) as (plain, encrypted, web):
            for server, text in (
                (plain, f"tcp://127.0.0.1:{plain.port}"),
                (encrypted, f"tls://127.0.0.1:{encrypted.port}#;{certificate.pin_text}"),
                (web, f"https://127.0.0.1:{web.port}/#;{certificate.pin_text}"),
            ):
                folder = tmp_path / text.partition(":")[0]
                folder.mkdir()
                rig = Rig(folder, upstream_from_text(text), is_tidy=False)
                rig.resolver.ask_upstreams(lambda _: None)
                wire = asked("www.example", use_edns=0, options=[SUBNET]).to_wire()
                begun = rig.resolver.begin(wire, "127.0.0.1", Transport.TCP)
                assert isinstance(begun, QueryContext)
                answer = await asyncio.wait_for(rig.resolver.finish(begun), 10.0)
                rig.resolver.close()
                assert answer is not None
                assert SUBNET.otype not in [option.otype for option in dns.message.from_wire(answer).options]
                sent = [dns.message.from_wire(message) for message in server.messages]
                assert any(str(one.question[0].name) == "www.example." for one in sent)
                assert all(SUBNET.otype not in [option.otype for option in one.options] for one in sent)

    run(loop, body)
