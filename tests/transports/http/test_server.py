"""DNS over HTTPS on loopback: who is answered what, and what ends a connection."""

from __future__ import annotations

import asyncio
import ssl
import struct
from functools import partial

import dns.edns
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Closing, Transport
from blockd.names import Network, key_from_text
from blockd.orders import Scope
from blockd.ruleset import FeedInput, Listing
from blockd.transports import client_stream, stream_server
from blockd.transports.connections import Bounds
from blockd.transports.http import connection as http_connection
from blockd.transports.http.connection import DohConnection
from blockd.transports.http.limits import MAX_STREAMS
from blockd.transports.http.server import DohServer
from tests.resolver.rig import STRANGER, Rig, order, question
from tests.transports.connections import LISTED, Serving
from tests.transports.http import raw
from tests.transports.http.clients import (
    LOOPBACK,
    NAME,
    Http2Client,
    client_context,
    ended,
    events,
    http1,
    over_https,
    posted,
)
from tests.transports.loops import Run, until
from tests.upstream import UpstreamSimulator

LONG = [f'big.example. 300 IN TXT "{"x" * 250}{number}"' for number in range(4)]  # an answer of a thousand octets
KEEPALIVE = dns.edns.OptionType.make(11)  # RFC 7828
SILENT = 0.2  # seconds of idle time where it has to end


async def connection_of(served: Serving) -> DohConnection:
    """Wait for the one connection of a server, and return it."""
    await until(lambda: len(served.server.connections) == 1)
    (one,) = served.server.connections
    assert isinstance(one, DohConnection)
    return one


@pytest.mark.parametrize("plain", [False, True])
def test_questions_over_http2_are_answered_as_they_are_ready(
    rig: Rig, upstream: UpstreamSimulator, run: Run, plain: bool
) -> None:
    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK if plain else ()) as served:
            client = await Http2Client.connect(served, plain=plain)
            with upstream.held():
                slow = client.post(question("slow.example").to_wire())
                listed = [client.post(question(LISTED).to_wire()) for _ in range(2)]
                got = [await client.body() for _ in listed]
                assert {stream for stream, _ in got} == set(listed)
                assert all(dns.message.from_wire(octets).answer for _, octets in got)
            stream, _ = await client.body()
            assert stream == slow

    run(main())
    assert rig.counters.queries()[Transport.DOH] == 3
    assert events(rig) == {"connection": 1, "stream": 3, **({} if plain else {"handshake": 1})}


def test_what_leads_to_no_answer_yet_is_acknowledged_at_once(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends a request in parts may wait for that before it sends the rest."""
    acknowledged: list[int] = []

    class Noted(DohConnection):
        def acknowledge(self) -> None:
            acknowledged.append(len(acknowledged) + 1)
            super().acknowledge()

    monkeypatch.setattr(DohServer, "connect", lambda server, host, sock: Noted(server, host, sock))

    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK) as served:
            client = await served.connect()
            octets = posted(question(LISTED).to_wire())
            for count, part in enumerate((octets[:20], octets[20:-5]), 1):
                client.writer.write(part)
                await until(partial(acknowledged.__contains__, count))
            client.writer.write(octets[-5:])
            await client.reader.readuntil(b"\r\n\r\n")
            assert acknowledged == [1, 2], "the answer acknowledges the rest"

    run(main())


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_questions_over_http1_are_answered_in_turn(rig: Rig, run: Run, alpn: tuple[str, ...]) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await served.connect(context=client_context(*alpn), name=NAME)
            for _ in range(3):
                query = question(LISTED)
                status, fields, body = await http1(client, posted(query.to_wire()))
                assert query.is_response(dns.message.from_wire(body))
                assert (status, fields["content-type"]) == (200, "application/dns-message")
                assert fields["cache-control"] == "max-age=60"
            status, _, body = await http1(client, f"GET / HTTP/1.1\r\nhost: {NAME}\r\n\r\n".encode())
            assert status == 404
            assert b"/dns-query" in body

    run(main())
    assert rig.counters.queries()[Transport.DOH] == 3


def test_a_client_without_alpn_may_speak_http2(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = Http2Client(await served.connect(context=client_context(), name=NAME))
            for octet in raw.PREFACE + raw.settings():
                client.send(bytes((octet,)))
            stream = client.post(question(LISTED).to_wire())
            assert (await client.body())[0] == stream

    run(main())


def test_many_requests_in_one_piece_are_all_answered(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served, s4=1 << 20)
            client.send(raw.frame(raw.WINDOW_UPDATE, payload=(1 << 30).to_bytes(4)))
            message = question(LISTED).to_wire()
            waiting = {client.post(message) for _ in range(MAX_STREAMS)}
            while waiting:
                waiting.remove((await client.body())[0])
            status = await http1(
                await served.connect(context=client_context("http/1.1"), name=NAME), posted(message) * 1
            )
            assert status[0] == 200

    run(main())


def test_an_answer_that_depends_on_the_client_is_private(rig: Rig, run: Run) -> None:
    listings = [Listing(order(), Scope.BOTH, [key_from_text("telegram.org")])]
    rig.enforce_feeds([FeedInput("zone", "rpz", 50, "", [order()], listings, asks_client=True)])

    async def main() -> None:
        async with over_https(rig) as served:
            client = await served.connect(context=client_context(), name=NAME)
            _, fields, _ = await http1(client, posted(question(LISTED).to_wire()))
            assert fields["cache-control"] == "private, max-age=60"

    run(main())


def test_the_path_is_a_setting(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, path="/") as served:
            client = await served.connect(context=client_context(), name=NAME)
            assert (await http1(client, posted(question(LISTED).to_wire(), path="/")))[0] == 200
            assert (await http1(client, posted(question(LISTED).to_wire())))[0] == 404

    run(main())


def test_answers_have_no_keepalive_option(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await served.connect(context=client_context(), name=NAME)
            query = dns.message.make_query(LISTED, "A", use_edns=0, options=[dns.edns.GenericOption(KEEPALIVE, b"")])
            _, _, body = await http1(client, posted(query.to_wire()))
            assert KEEPALIVE not in [option.otype for option in dns.message.from_wire(body).options]

    run(main())


def test_a_front_end_asks_for_the_client_in_its_header(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK, client_header="x-forwarded-for") as served:
            client = await served.connect()
            message = question(LISTED).to_wire()

            async def rcode(*fields: str) -> dns.rcode.Rcode:
                status, _, body = await http1(client, posted(message, *fields))
                assert status == 200
                return dns.message.from_wire(body).rcode()

            assert await rcode() == dns.rcode.NOERROR, "a front end that names nobody asks for itself"
            assert await rcode(f"x-forwarded-for: {STRANGER}, 127.0.0.9") == dns.rcode.NOERROR
            assert await rcode(f"x-forwarded-for: 127.0.0.9, {STRANGER}") == dns.rcode.REFUSED
            assert await rcode("x-forwarded-for: 127.0.0.9", f"x-forwarded-for: {STRANGER}") == dns.rcode.REFUSED
            assert await rcode(f"forwarded: for={STRANGER}") == dns.rcode.NOERROR, "it is not the header that is read"
            assert (await http1(client, posted(message, "x-forwarded-for: unknown")))[0] == 400

    run(main())


def test_a_front_end_may_have_more_connections_than_a_client(rig: Rig, run: Run) -> None:
    bounds = Bounds(address=2, prefix=2, all=100)

    async def main() -> None:
        async with over_https(rig, bounds=bounds, plain_from=LOOPBACK, client_header="x-forwarded-for") as served:
            clients = [await served.connect() for _ in range(5)]
            for client in clients:
                assert (await http1(client, posted(question(LISTED).to_wire())))[0] == 200
            assert len(served.server.connections) == len(clients)

    run(main())


def test_who_is_no_front_end_cannot_ask_for_another(rig: Rig, run: Run) -> None:
    elsewhere = (Network.from_text("192.0.2.0/24"),)

    async def main() -> None:
        async with over_https(rig, plain_from=elsewhere, client_header="x-forwarded-for") as served:
            client = await served.connect(context=client_context(), name=NAME)
            octets = posted(question(LISTED).to_wire(), f"x-forwarded-for: {STRANGER}")
            _, _, body = await http1(client, octets)
            assert dns.message.from_wire(body).rcode() == dns.rcode.NOERROR

    run(main())


def test_plain_http_is_taken_from_front_ends_alone(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await served.connect()
            client.writer.write(posted(question(LISTED).to_wire()))
            assert not (await client.reader.read()).startswith(b"HTTP")
        async with over_https(rig, plain_from=(Network.from_text("127.0.0.2/32"),), has_tls=False) as served:
            front = await served.connect("127.0.0.2")
            assert (await http1(front, posted(question(LISTED).to_wire())))[0] == 200

    run(main())
    assert events(rig)["handshake_failed"] == 1


def test_a_client_that_speaks_another_protocol_is_refused_with_an_alert(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                await served.connect(context=client_context("dot"), name=NAME)

    run(main())


def test_a_flood_ends_the_connection_and_is_counted(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served)
            client.send(raw.frame(raw.PING, payload=bytes(8)) * 1000)
            assert (await client.goodbye()).code == raw.CALM

    run(main())
    assert events(rig)["flood"] == 1


def test_resets_are_counted_and_do_not_make_room_for_more_questions(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 30

    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served)
            with upstream.held():
                for number in range(most + 10):
                    stream = client.post(question(f"{number}.example").to_wire())
                    client.send(raw.frame(raw.RST_STREAM, stream, (8).to_bytes(4)))
                await asyncio.to_thread(upstream.wait_for, most)
                other = await Http2Client.connect(served)
                other.post(question(LISTED).to_wire())
                await other.body()
                assert events(rig)["stream"] == most + 1, "those that were taken back wait as well"
            stream = client.post(question(LISTED).to_wire())
            while (await client.body())[0] != stream:
                pass
            await until(lambda: not served.server.connections._all.waits)

    monkeypatch.setattr(client_stream, "MAX_PIPELINED", most)
    run(main())
    assert events(rig)["reset"] == most + 10


def test_windows_that_are_never_opened_bound_what_is_held(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "MAX_UNSENT", 10_000)
    upstream.plan("big.example", "TXT", *LONG)

    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served, s4=0)
            for _ in range(MAX_STREAMS):
                client.post(question("big.example", "TXT").to_wire())
            assert (await client.goodbye()).code == raw.CALM

    run(main())
    assert events(rig)["flood"] == 1


def test_connections_whose_windows_stay_closed_are_bounded_as_those_that_leave_answers_unread(
    rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_server, "MAX_UNREAD", 2)

    async def main() -> None:
        async with over_https(rig) as served:
            clients = []
            for count in range(1, 4):
                client = await Http2Client.connect(served, s4=0)
                clients.append((client, client.post(question(LISTED).to_wire())))
                await until(lambda count=count: served.server.unread.members == min(count, 2))  # type: ignore[misc]
            await ended(clients[0][0].client)
            assert len(served.server.connections) == 2, "the one that has held back for longest is gone"
            for client, stream in clients[1:]:
                client.send(raw.frame(raw.WINDOW_UPDATE, stream, (1000).to_bytes(4)))
                assert (await client.body())[0] == stream
            await until(lambda: not served.server.unread.members)

    run(main())


def test_a_client_that_reads_slowly_gets_everything(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan("big.example", "TXT", *LONG)

    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served, s4=100)
            stream = client.post(question("big.example", "TXT").to_wire())
            body = b""
            while True:
                frame = await client.frame()
                if frame.kind == raw.DATA:
                    body += frame.payload
                    if frame.flags & raw.END_STREAM:
                        break
                    client.send(raw.frame(raw.WINDOW_UPDATE, stream, struct.pack("!I", len(frame.payload))))
            assert len(dns.message.from_wire(body).answer[0]) == len(LONG)

    run(main())


def test_an_idle_connection_is_told_goodbye(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, idle=SILENT) as served:
            client = await Http2Client.connect(served)
            stream = client.post(question(LISTED).to_wire())
            goodbye = await client.goodbye()
            assert (goodbye.code, int.from_bytes(goodbye.payload[:4])) == (0, stream)

    run(main())
    assert "flood" not in events(rig)


def test_frames_that_ask_nothing_do_not_keep_a_connection(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, idle=SILENT) as served:
            client = await Http2Client.connect(served)
            one = await connection_of(served)
            deadline = one._deadline
            for _ in range(3):
                client.send(raw.frame(raw.PING, payload=bytes(8)))
                while (await client.frame()).kind != raw.PING:
                    pass
            assert one._deadline == deadline
            await client.goodbye()

    run(main())


def test_a_request_that_never_ends_ends_the_connection(rig: Rig, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "MAX_UNFINISHED", 0.0)

    async def main() -> None:
        async with over_https(rig, idle=SILENT) as served:
            client = await Http2Client.connect(served)
            block = client.encoder.encode(raw.post_fields(None))
            client.send(raw.frame(raw.HEADERS, 1, block, raw.END_HEADERS))
            assert (await client.goodbye()).code == raw.CALM
            slow = await served.connect(context=client_context("http/1.1"), name=NAME)
            slow.writer.write(b"GET / HT")
            await ended(slow)

    run(main())
    assert events(rig)["flood"] == 2


def test_what_ends_in_the_middle_leaves_nothing(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            for octets in (b"", raw.PREFACE[:10], raw.PREFACE + b"\0\0", posted(b"")[:-10], b"\x16\x03\x01"):
                client = await served.connect(context=client_context(), name=NAME)
                client.writer.write(octets)
                client.writer.close()
            await until(lambda: not served.server.connections)

    run(main())


def test_a_client_that_sends_no_more_gets_its_answers(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK) as served:
            client = await Http2Client.connect(served, plain=True)
            with upstream.held():
                stream = client.post(question("slow.example").to_wire())
                client.client.writer.write_eof()
                await asyncio.to_thread(upstream.wait_for, 1)
            assert (await client.body())[0] == stream
            await client.goodbye()

    run(main())


def test_the_server_closes_its_connections(rig: Rig, run: Run) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            client = await Http2Client.connect(served)
            client.post(question(LISTED).to_wire())
            await client.body()
            served.server.close()
            assert (await client.goodbye()).code == 0

    run(main())


def test_strangers_are_closed_at_once(rig: Rig, run: Run) -> None:
    rig.resolver.pipeline.clients = type(rig.resolver.clients)((Network.from_text("192.0.2.0/24"),))

    async def main() -> None:
        async with over_https(rig, plain_from=(Network.from_text("127.0.0.2/32"),)) as served:
            served.server._refusal("198.51.100.1")
            assert served.server._refusal("198.51.100.1") is Closing.STRANGER
            assert served.server._refusal("127.0.0.2") is None

    run(main())
