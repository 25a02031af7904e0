"""Encrypted connections: who an upstream must prove to be, sessions that are resumed, and nothing in plain text."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from blockd.resolver.streams import Stream, StreamOptions, padded
from blockd.resolver.streams.tls import RESUMED_FOR
from blockd.settings.addresses import upstream_from_text
from tests.resolver.streams.certificates import DAY, NAME, Authority, Certificate
from tests.resolver.streams.happenings import Happenings, Heard, run
from tests.resolver.streams.servers import StreamServer, Visit, answer, question

QUICK = StreamOptions(tick=0.01, first_backoff=0.01)


class Scene:
    """A stream to an upstream over TLS that shows a certificate."""

    def __init__(self, authority: Authority, context: ssl.SSLContext, proof: str = NAME) -> None:
        self.happenings = Happenings()
        self.server = StreamServer(self.happenings)
        self.heard = Heard(self.happenings)
        self.options = replace(QUICK, authorities=authority.path)
        self.proof = proof
        self.time = 1000.0
        self.has_time = False
        self.stream: Stream
        self._context = context

    @asynccontextmanager
    async def played(self) -> AsyncIterator[Scene]:
        """Serve and connect inside the block."""
        async with self.server.serving(self._context):
            upstream = upstream_from_text(f"tls://127.0.0.1:{self.server.port}#{self.proof}")
            self.stream = Stream(upstream, self.heard, self.options)
            if self.has_time:
                self.stream = Stream(upstream, self.heard, self.options, lambda: self.time)
            try:
                yield self
            finally:
                self.stream.close()

    async def refused(self) -> str:
        """Ask once, expect that nothing is sent, and return the sentence without the upstream's name."""
        self.stream.ask(question(1))
        await self.heard.count(1)
        ((_, kind, why),) = self.heard.failures
        assert (kind, self.server.messages) == ("tls", [])
        assert why.startswith(f"{self.stream.upstream.label} ")
        return why.removeprefix(f"{self.stream.upstream.label} ")

    async def again(self, number: int) -> Visit:
        """Ask a question over a new connection, and return the server's side of it."""
        for visit in self.server.visits:
            visit.transport.abort()
        await self.happenings.until(lambda: self.server.open == 0 and self.stream.connections == 0)
        self.stream.ask(question(number))
        await self.heard.count(number)
        return self.server.visits[-1]


def only(version: ssl.TLSVersion, context: ssl.SSLContext) -> ssl.SSLContext:
    """Return settings for one version of TLS alone."""
    context.minimum_version = context.maximum_version = version
    return context


def test_questions_are_encrypted_pipelined_and_padded(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        async with Scene(authority, certificate.context("dot")).played() as scene:
            for number in range(100):
                scene.stream.ask(question(number))
            await scene.heard.count(100)
            assert sorted(scene.heard.ids) == list(range(100))
            assert len(scene.server.visits) == 1
            assert scene.server.messages[0] == padded(question(0))
            assert len(scene.server.messages[0]) == 128
            tls = scene.server.visits[0].transport.get_extra_info("ssl_object")
            assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.3", "dot")

    run(loop, body)


def test_an_upstream_without_alpn_is_asked_over_tls(loop: str, authority: Authority, certificate: Certificate) -> None:
    async def body() -> None:
        async with Scene(authority, certificate.context()).played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.ids == [1]

    run(loop, body)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(
    loop: str, version: ssl.TLSVersion, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        async with Scene(authority, only(version, certificate.context("dot"))).played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert not scene.server.visits[0].resumed
            for number in range(2, 5):
                assert (await scene.again(number)).resumed  # as the server says, and with a ticket of the one before
            assert scene.stream.counts.resumed == 3
            assert scene.heard.failures == []

    run(loop, body)


def test_after_an_hour_the_certificate_is_looked_at_again(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene.has_time = True
        async with scene.played():
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            scene.time += RESUMED_FOR - 1
            assert (await scene.again(2)).resumed
            scene.time += 1
            assert not (await scene.again(3)).resumed
            scene.time += 1
            assert (await scene.again(4)).resumed

    run(loop, body)


@pytest.mark.parametrize(
    ("name", "begin", "end", "sentence"),
    [
        ("other.example", -DAY, DAY, "has shown a certificate which is for another name"),
        (NAME, -2 * DAY, -DAY, "has shown a certificate which has expired"),
        (NAME, DAY, 2 * DAY, "has shown a certificate which is not valid yet"),
    ],
)
def test_a_wrong_certificate_is_refused(
    loop: str, name: str, begin: datetime.timedelta, end: datetime.timedelta, sentence: str, authority: Authority
) -> None:
    async def body() -> None:
        wrong = authority.certificate("wrong", name, begin, end)
        async with Scene(authority, wrong.context("dot")).played() as scene:
            assert await scene.refused() == sentence

    run(loop, body)


def test_a_self_signed_certificate_is_refused(loop: str, authority: Authority) -> None:
    async def body() -> None:
        own = authority.certificate("own", self_signed=True)
        async with Scene(authority, own.context("dot")).played() as scene:
            assert await scene.refused() == "has shown a certificate which it has signed itself"

    run(loop, body)


def test_the_machines_own_authorities_are_the_default(certificate: Certificate, authority: Authority) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene.options = QUICK
        async with scene.played():
            expected = "has shown a certificate which leads to an authority that this machine does not trust"
            assert await scene.refused() == expected

    run("uvloop", body)


def test_a_certificate_may_be_for_the_address(loop: str, authority: Authority) -> None:
    async def body() -> None:
        local = authority.certificate("local", "127.0.0.1")
        async with Scene(authority, local.context("dot"), "127.0.0.1").played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.ids == [1]
        other = authority.certificate("other", "127.0.0.2")
        async with Scene(authority, other.context("dot"), "127.0.0.1").played() as scene:
            assert await scene.refused() == "has shown a certificate which is for another address"

    run(loop, body)


def test_one_of_several_pins_is_enough(loop: str, authority: Authority, certificate: Certificate) -> None:
    async def body() -> None:
        next_one = authority.certificate("next")
        proof = f"{NAME};{next_one.pin_text};{certificate.pin_text}"
        async with Scene(authority, certificate.context("dot"), proof).played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert (await scene.again(2)).resumed  # the key is compared then, too
            assert scene.heard.ids == [1, 2]

    run(loop, body)


def test_another_key_than_the_pinned_one_is_refused_though_an_authority_has_signed_it(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        pinned = authority.certificate("pinned")
        async with Scene(authority, certificate.context("dot"), f"{NAME};{pinned.pin_text}").played() as scene:
            assert await scene.refused() == f"has a key that is not pinned ({certificate.pin_text})"

    run(loop, body)


def test_a_pin_does_not_replace_the_name(loop: str, authority: Authority) -> None:
    async def body() -> None:
        other = authority.certificate("elsewhere", "other.example")
        async with Scene(authority, other.context("dot"), f"{NAME};{other.pin_text}").played() as scene:
            assert await scene.refused() == "has shown a certificate which is for another name"

    run(loop, body)


def test_without_a_name_the_key_alone_proves_an_upstream(loop: str, authority: Authority) -> None:
    async def body() -> None:
        own = authority.certificate("alone", "other.example", -2 * DAY, -DAY, self_signed=True)
        async with Scene(authority, own.context("dot"), f";{own.pin_text}").played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert (await scene.again(2)).resumed
            assert scene.heard.ids == [1, 2]
        stranger = authority.certificate("stranger", self_signed=True)
        async with Scene(authority, stranger.context("dot"), f";{own.pin_text}").played() as scene:
            assert await scene.refused() == f"has a key that is not pinned ({stranger.pin_text})"

    run(loop, body)


@pytest.mark.parametrize(
    ("alert", "sentence"),
    [
        (70, "speaks only versions of TLS before 1.2"),
        (120, "refuses the protocol that it is asked for by ALPN"),
        (40, "refuses the TLS handshake"),
        (112, "does not know the name that it is asked for"),
        (80, "failed the TLS handshake (tlsv1 alert internal error)"),
    ],
)
def test_an_alert_is_told_in_words(
    loop: str, alert: int, sentence: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene._context = None  # type: ignore[assignment]
        scene.server.greet = lambda visit: visit.transport.write(b"\x15\3\1\0\2\2" + bytes((alert,)))
        async with scene.played():
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.failures == [(1, "tls", f"{scene.stream.upstream.label} {sentence}")]

    run(loop, body)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\x0c" + bytes(12), bytes(4096)])
def test_an_upstream_without_tls_gets_no_question(
    loop: str, greeting: bytes, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene._context = None  # type: ignore[assignment]
        scene.server.greet = lambda visit: visit.transport.write(greeting)
        async with scene.played():
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            ((_, kind, why),) = scene.heard.failures
            assert kind == "tls"
            assert why == f"{scene.stream.upstream.label} does not speak TLS at that port"
            await scene.happenings.until(lambda: scene.server.open == 0)
            assert scene.heard.answers == []

    run(loop, body)


def test_an_upstream_that_ends_the_handshake_is_named(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene._context = None  # type: ignore[assignment]
        scene.server.greet = lambda visit: visit.transport.close()
        async with scene.played():
            assert await scene.refused() == "ended the connection during the TLS handshake"

    run(loop, body)


def test_an_upstream_that_is_silent_in_the_handshake_is_left(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene.options = replace(scene.options, connect_time=0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            upstream = upstream_from_text(f"tls://127.0.0.1:{silent.getsockname()[1]}#{NAME}")
            scene.stream = Stream(upstream, scene.heard, scene.options)
            assert await scene.refused() == "took longer than 0.05 seconds for TLS"
            scene.stream.close()

    run(loop, body)


def test_an_end_without_notice_is_reported(loop: str, authority: Authority, certificate: Certificate) -> None:
    async def body() -> None:
        async with Scene(authority, certificate.context("dot")).played() as scene:
            scene.server.respond = lambda visit, _message: visit.transport.abort()
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            ((_, kind, why),) = scene.heard.failures
            assert kind == "closed"
            assert "ended the connection" in why

    run(loop, body)


def test_three_hundred_questions_over_connections_that_serve_fifty_each(
    loop: str, authority: Authority, certificate: Certificate
) -> None:
    async def body() -> None:
        async with Scene(authority, certificate.context("dot")).played() as scene:

            def respond(visit: Visit, message: bytes) -> None:
                if len(visit.messages) <= 50:
                    visit.say(answer(message))
                if len(visit.messages) == 50:
                    visit.transport.close()

            scene.server.respond = respond
            for number in range(300):
                scene.stream.ask(question(number))
                if number % 10 == 9:
                    await scene.heard.count(number + 1)
            assert (sorted(scene.heard.ids), scene.heard.failures) == (list(range(300)), [])
            assert len(scene.server.visits) == 6
            assert scene.server.most_at_once <= 2
            assert scene.stream.counts.resumed == 5

    run(loop, body)


def test_the_end_cancels_a_handshake(loop: str, authority: Authority, certificate: Certificate) -> None:
    async def body() -> None:
        scene = Scene(authority, certificate.context("dot"))
        scene._context = None  # type: ignore[assignment]
        async with scene.played():
            scene.stream.ask(question(1))
            await scene.happenings.until(lambda: scene.server.open == 1)
            scene.stream.close()
            await scene.happenings.until(lambda: scene.server.open == 0)
            await asyncio.sleep(0)
            assert scene.heard.failures == []

    run(loop, body)
