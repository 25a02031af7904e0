"""Visits of the page about orders over TLS, and bad ones: each is bounded, and none keeps another waiting."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest

from blockd.metrics import StreamEvent
from blockd.tls import CertificatePair
from blockd.transports.connections import Bounds
from blockd.transports.pace import Pace, PaceBounds
from blockd.web.serving import ServingLimits
from tests.tls.certificates import pair
from tests.web.public.public_page import Page, exchange, parsed, trusting

ASKED = b"GET /orders/2026-17 HTTP/1.1\r\nHost: block.example\r\n\r\n"


@pytest.fixture(scope="module")
def certificate() -> CertificatePair:
    return pair("block.example")


@pytest.fixture
def page() -> Page:
    return Page()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the kernel sets no event
        await asyncio.sleep(0.001)


def test_a_page_is_the_same_over_tls(page: Page, certificate: CertificatePair) -> None:
    plain = page.ask("/orders/2026-17")
    over_tls = page.ask("/orders/2026-17", pair=certificate)
    assert (over_tls[0], over_tls[2]) == (plain[0], plain[2])
    assert page.events[StreamEvent.CONNECTION] == 2
    assert page.events[StreamEvent.HANDSHAKE] == 1
    assert page.events[StreamEvent.HANDSHAKE_FAILED] == 0
    assert page.sinkhole.requests == ["public", "public"]


def test_a_name_is_followed_over_tls_too(page: Page, certificate: CertificatePair) -> None:
    assert page.ask("/?name=free.example", pair=certificate)[0] == 200
    assert page.sinkhole.visitors == [bytes((127, 0, 0, 1))]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", bytes(100), b"\x16"])
def test_what_is_no_handshake_ends_without_an_answer(page: Page, certificate: CertificatePair, sent: bytes) -> None:
    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        assert b"HTTP" not in await reader.read()
        writer.close()
        await until(lambda: page.events[StreamEvent.HANDSHAKE_FAILED] == 1)

    page.serve(use, certificate)
    assert page.sinkhole.requests == []


def test_a_client_that_speaks_another_protocol_is_refused_in_the_handshake(
    page: Page, certificate: CertificatePair
) -> None:
    async def use(port: int) -> None:
        secured = {"ssl": trusting(certificate, "h2"), "server_hostname": "block.example"}
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, **secured)  # type: ignore[arg-type]

    page.serve(use, certificate)
    assert page.events[StreamEvent.HANDSHAKE] == 0


def test_a_request_in_single_octets_is_answered(page: Page, certificate: CertificatePair) -> None:
    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting(certificate), server_hostname="block.example"
        )
        for octet in ASKED:
            writer.write(bytes((octet,)))
            await writer.drain()
        assert parsed(await reader.read())[0] == 200
        writer.close()

    page.serve(use, certificate)


def test_half_open_handshakes_keep_nobody_waiting(page: Page, certificate: CertificatePair) -> None:
    """Those of one network make room for others, and a visit is answered while hundreds wait for nothing."""

    async def use(port: int) -> None:
        hung = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.3.0.1", 0)) for _ in range(100)]
        for _, writer in hung:
            writer.write(b"\x16\x03\x01")
        for number in range(5):
            assert parsed(await exchange(port, ASKED, f"127.4.{number}.1", certificate))[0] == 200
        for _, writer in hung:
            writer.close()

    page.serve(use, certificate, ServingLimits(Bounds(address=10, prefix=20, all=40)))
    assert page.events[StreamEvent.HANDSHAKE] == 5


def test_one_address_that_visits_without_end_is_held_to_its_pace(page: Page) -> None:
    now = [0.0]
    limits = ServingLimits(pace=Pace(PaceBounds(address=3, prefix=10), lambda: now[0]))

    async def answered(port: int, source: str) -> bool:
        try:
            return bool(await exchange(port, ASKED, source))
        except ConnectionError:
            return False

    async def use(port: int) -> None:
        assert [await answered(port, "127.0.0.9") for _ in range(5)] == [True] * 3 + [False] * 2
        assert await answered(port, "127.0.0.10")
        now[0] = 1.0
        assert await answered(port, "127.0.0.9")

    page.serve(use, limits=limits)


def test_a_client_that_asks_for_http2_is_told_to_use_http1(page: Page) -> None:
    got: list[bytes] = []

    async def use(port: int) -> None:
        got.append(await exchange(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))

    page.serve(use)
    assert got[0].endswith(bytes.fromhex("0000000d")), "GOAWAY with HTTP_1_1_REQUIRED"
