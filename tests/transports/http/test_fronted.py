"""Front ends that hand on DNS over HTTPS with PROXY protocol headers, over TLS or without it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.names import Network
from blockd.transports.fronted_stream import FrontedStream
from tests.resolver.edge.headers import STREAM, header, local
from tests.resolver.rig import Rig, order, question
from tests.transports.connections import LISTED, Client, Serving
from tests.transports.http.clients import NAME, client_context, events, over_https
from tests.transports.loops import Run, until

FRONT = "127.0.0.53"
OTHER = "127.0.0.1"  # who sends no header
CLIENT, STRANGER = "192.0.2.200", "198.51.100.1"
BEFORE, WITHIN, PLAIN = "before tls", "within tls", "without tls"
FRONTS = (Network.from_text(FRONT),)
SERVED = tuple(map(Network.from_text, ("192.0.2.128/25", OTHER)))

everywhere = pytest.mark.parametrize("where", [BEFORE, WITHIN, PLAIN])


@contextlib.asynccontextmanager
async def fronted(folder: Path, proxies: Sequence[Network] = FRONTS) -> AsyncIterator[tuple[Rig, Serving]]:
    """Serve DNS over HTTPS to a front end that may do without TLS, and would be believed by its header of HTTP too."""
    rig = Rig(folder, serving={"networks": SERVED, "proxies": tuple(proxies)})
    rig.enforce([(order(), ["telegram.org"])])
    async with over_https(rig, plain_from=FRONTS, client_header="x-forwarded-for") as served:
        yield rig, served


async def connect(served: Serving, where: str, wrapped: bytes, host: str = FRONT) -> Client:
    """Connect from an address, with a header."""
    client = await served.connect(host)
    if where != WITHIN:
        client.writer.write(wrapped)
    if where != PLAIN:
        await client.writer.start_tls(client_context("http/1.1"), server_hostname=NAME)
    if where == WITHIN:
        client.writer.write(wrapped)
    return client


async def ask(client: Client, *fields: str) -> dns.message.Message:
    """Return the answer to a question by HTTP/1.1."""
    message = question(LISTED).to_wire()
    head = ["POST /dns-query HTTP/1.1", f"Host: {NAME}", "Content-Type: application/dns-message", *fields]
    head += [f"Content-Length: {len(message)}", "", ""]
    client.writer.write("\r\n".join(head).encode() + message)
    said = await client.reader.readuntil(b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 "), said
    size = next(line for line in said.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return dns.message.from_wire(await client.reader.readexactly(int(size.partition(b":")[2])))


async def is_closed(rig: Rig, served: Serving, client: Client, octets: bytes) -> bool:
    """Return whether a connection is closed without an answer, and counted as refused."""
    client.writer.write(octets)
    with contextlib.suppress(ssl.SSLError):
        if not await client.ended():
            return False
    await until(lambda: not served.server.connections)
    return events(rig).get("proxy_refused") == 1


@everywhere
def test_client_in_the_header_is_answered_and_the_connection_is_its_own(tmp_path: Path, run: Run, where: str) -> None:
    async def main() -> None:
        async with fronted(tmp_path) as (rig, served):
            client = await connect(served, where, header(CLIENT, STREAM))
            for _ in range(2):
                assert (await ask(client)).answer[0][0].to_text() == "192.0.2.80"
            (connection,) = served.server.connections
            assert isinstance(connection, FrontedStream)
            assert (connection.host, connection.peer) == (CLIENT, FRONT)
            assert (await ask(await connect(served, where, local()))).answer
            assert rig.counters.queries()[Transport.DOH] == 3

    run(main())


@everywhere
@pytest.mark.parametrize(("host", "rcode"), [(CLIENT, dns.rcode.NOERROR), (STRANGER, dns.rcode.REFUSED)])
def test_what_a_client_behind_the_header_says_of_itself_is_not_believed(
    tmp_path: Path, run: Run, where: str, host: str, rcode: dns.rcode.Rcode
) -> None:
    async def main() -> None:
        async with fronted(tmp_path) as (_, served):
            client = await connect(served, where, header(host))
            other = STRANGER if host == CLIENT else CLIENT
            assert (await ask(client, f"X-Forwarded-For: {other}")).rcode() == rcode

    run(main())


@everywhere
@pytest.mark.parametrize("target", ["/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB", "/", "/dns-query"])
def test_front_end_without_a_header_gets_no_page_either(tmp_path: Path, run: Run, where: str, target: str) -> None:
    async def main() -> None:
        async with fronted(tmp_path) as (rig, served):
            client = await connect(served, where, b"")
            assert await is_closed(rig, served, client, f"GET {target} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())

    run(main())


@pytest.mark.parametrize("where", [BEFORE, WITHIN])
@pytest.mark.parametrize("proxies", [FRONTS, ()])
def test_header_of_anybody_else_is_refused(tmp_path: Path, run: Run, where: str, proxies: Sequence[Network]) -> None:
    async def main() -> None:
        async with fronted(tmp_path, proxies) as (rig, served):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                client = await connect(served, where, header(CLIENT), OTHER)
                await client.ended()
            await until(lambda: not served.server.connections)
            assert events(rig)["proxy_refused"] == 1

    run(main())
