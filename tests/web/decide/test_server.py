"""The server of decisions on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blockd.metrics import Closing, Counters, Transport
from blockd.names import Network
from blockd.orders import Action, Verdict
from blockd.resolver.clients import Clients
from blockd.ruleset import NOT_LISTED, Enforced
from blockd.settings.groups import ClientGroup, ClientGroups
from blockd.transports import unix_socket
from blockd.transports.connections import Bounds
from blockd.transports.listening.draining import drain
from blockd.web.decide import connection as connection_module
from blockd.web.decide.answering import Answering
from blockd.web.decide.decider import Decider
from blockd.web.decide.request_stream import MAX_HEAD
from blockd.web.decide.responses import ResponseWriter
from blockd.web.decide.server import DecideServer
from blockd.web.site import Site
from tests.ruleset.lists import NOW, enforced, feed, groups, listing, order

PATIENCE = 20.0


@dataclass
class Server:
    """A server at an address and at a Unix socket, which a test asks in the same loop."""

    folder: Path
    enforced: Enforced | None
    refuses_unready: bool = False
    bounds: Bounds = field(default_factory=lambda: Bounds(50, 50, 100))
    served: str = "127.0.0.0/8"
    fronts: tuple[str, ...] = ()
    idle: float = 60.0
    counted: list[Verdict] = field(default_factory=list)
    requests: int = 0
    clients: list[Client] = field(default_factory=list)
    counters: Counters = field(default_factory=lambda: Counters(0))

    def run(self, check: Callable[[], Awaitable[None]]) -> None:
        """Run a check while it serves."""

        async def serve() -> None:
            site = Site(
                "Example Net", lambda _key, _client: NOT_LISTED, lambda _verdict, _protocol: None,
                lambda _protocol: None, url="https://isp.example/why",
            )  # fmt: skip
            decider = Decider(lambda: self.enforced, refuses_unready=self.refuses_unready)
            writer = ResponseWriter(site, decider.depends_on_client, lambda: NOW)
            server = DecideServer(
                Answering(decider, writer, self.counted.append, self.arrived),
                Clients([Network.from_text(self.served)], map(Network.from_text, self.fronts)),
                self.bounds,
                self.counters.row(0),
                self.idle,
            )
            bound = socket.socket()
            bound.bind(("127.0.0.1", 0))
            self.address = bound.getsockname()
            self.path = self.folder / "decide.sock"
            local = unix_socket.listen(self.path, 10)
            for sock in (bound, local):
                server.start(sock)
            self.server = server
            try:
                async with asyncio.timeout(PATIENCE):
                    await check()
            finally:
                server.close()
                for client in self.clients:
                    client.writer.close()
                    with contextlib.suppress(ConnectionError):
                        await client.writer.wait_closed()
                bound.close()
                unix_socket.close(local)

        asyncio.run(serve())

    def arrived(self) -> None:
        self.requests += 1

    def closings(self, why: Closing) -> int:
        return self.counters.connections_closed(Transport.HTTP)[why]


class Client:
    """A client that keeps its connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, server: Server, source: str = "127.0.0.1", *, local: bool = False) -> Client:
        if local:
            made = cls(*await asyncio.open_unix_connection(str(server.path)))
        else:
            made = cls(*await asyncio.open_connection(*server.address, local_addr=(source, 0)))
        server.clients.append(made)
        return made

    def send(self, target: str, *fields: str, method: str = "GET") -> None:
        self.writer.write("\r\n".join((f"{method} {target} HTTP/1.1", "Host: proxy", *fields, "", "")).encode())

    async def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], str]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(fields.get("content-length", 0)) if has_body else 0
        return int(first.split()[1]), fields, (await self.reader.readexactly(size)).decode()

    async def ask(self, target: str, *fields: str) -> tuple[int, dict[str, str], str]:
        self.send(target, *fields)
        return await self.answer()


@pytest.fixture
def listed(tmp_path: Path) -> Server:
    """A server by a ruleset that blocks one name and one network, counts another name, and leads a third elsewhere."""
    lists = feed(
        "f",
        listing(order("o"), "blocked.example", "203.0.113.0/24"),
        listing(order("m", Action.MONITOR), "counted.example"),
        listing(order("c", Action.CNAME), "led.example", "landing.example"),
        listing(order("t", Action.TCP_ONLY), "tcp.example"),
        listing(order("a", Action.ALLOW), "allowed.blocked.example"),
        listing(order("later", start=NOW + 5), "pending.example"),
        listing(order("ends", expires=NOW + 7), "ending.example"),
    )
    return Server(tmp_path, enforced(tmp_path, lists))


def test_requests_over_one_connection_are_answered_in_their_order(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        for name in ("blocked.example", "free.example", "sub.blocked.example", "allowed.blocked.example"):
            client.send(f"/decide/url?host={name}")
        answers = [await client.answer() for _ in range(4)]
        assert [status for status, _, _ in answers] == [451, 204, 451, 204]
        assert "blocked.example" in answers[0][2]
        assert "sub.blocked.example" in answers[2][2]

    listed.run(check)
    assert listed.requests == 4
    assert len(listed.counted) == 3, "an allow entry is counted as DNS counts it"


def test_a_block_names_its_order_who_blocks_and_how_long_it_may_be_kept(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed, local=True)
        status, fields, body = await client.ask("/decide/url?host=blocked.example", "Accept-Language: id")
        assert status == 451
        assert fields["link"] == '<https://isp.example/why>; rel="blocked-by"'
        assert (fields["blockd-order"], fields["blockd-status"]) == ("o", "451")
        assert fields["cache-control"] == "max-age=60"
        assert fields["content-language"] == "id"
        assert fields["content-type"] == "text/html; charset=utf-8"
        assert "connection" not in fields
        assert body.startswith("<!DOCTYPE html>")
        status, fields, body = await client.ask("/decide/url?host=blocked.example", "Accept: application/json")
        assert fields["content-type"] == "application/json"
        assert '"blocked": true' in body

    listed.run(check)


def test_a_parameter_sets_the_status_that_nginx_hands_on(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        status, fields, _ = await client.ask("/decide/url?host=blocked.example&status=403&counts=no")
        assert (status, fields["blockd-status"]) == (403, "451")
        for asked in (401, 451, 499):
            assert (await client.ask(f"/decide/url?host=blocked.example&status={asked}&counts=no"))[0] == asked
        assert (await client.ask("/decide/url?host=free.example&status=403"))[0] == 204

    listed.run(check)
    assert not listed.counted


def test_head_is_answered_without_the_page(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        client.send("/decide/url?host=blocked.example", method="HEAD")
        status, fields, _ = await client.answer(has_body=False)
        assert (status, int(fields["content-length"]) > 1000) == (451, True)
        assert (await client.ask("/decide/url?host=free.example"))[0] == 204

    listed.run(check)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("203.0.113.9", 451),
        ("203.0.113.9:443", 451),
        ("3405803785", 451),
        ("[::ffff:203.0.113.9]", 451),
        ("192.0.2.9", 204),
        ("counted.example", 204),
        ("led.example", 451),
        ("landing.example", 204),  # where the order leads to
        ("tcp.example", 204),
        ("pending.example", 204),
        ("ending.example", 451),
        ("b%6cocked.example", 451),
        ("blocked.example%00.good.example", 400),
    ],
)
def test_hosts_are_decided_as_dns_decides(listed: Server, host: str, status: int) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        assert (await client.ask(f"/decide/url?host={host}"))[0] == status

    listed.run(check)


def test_an_order_that_is_known_to_begin_or_end_shortens_what_may_be_kept(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        for name, seconds in (("pending.example", 5), ("ending.example", 7), ("free.example", 60)):
            _, fields, _ = await client.ask(f"/decide/url?host={name}")
            assert fields["cache-control"] == f"max-age={seconds}"

    listed.run(check)


def test_of_several_sources_the_strictest_counts(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        for fields in (
            ("X-Forwarded-Host: free.example", "X-Original-URL: https://blocked.example/x"),
            ("X-Forwarded-Host: blocked.example", "X-Original-URL: https://free.example/x"),
            ("X-Forwarded-Host: free.example, blocked.example",),
        ):
            assert (await client.ask("/decide", *fields))[0] == 451
        assert (await client.ask("/decide", "X-Forwarded-Host: free.example"))[0] == 204
        assert (await client.ask("/decide"))[0] == 400
        assert (await client.ask("/decide", "X-Forwarded-Host: free.example", "X-Original-URL: :"))[0] == 400

    listed.run(check)


def test_envoy_is_answered_by_host_in_the_clients_method_with_200(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        for host, status in (("free.example", 200), ("blocked.example:8080", 451)):
            client.writer.write(
                f"POST /decide/envoy/path?status=404&host=free.example HTTP/1.1\r\nHost: {host}\r\n"
                "Content-Length: 3\r\n\r\nabc".encode()
            )
            found, fields, _ = await client.answer()
            assert found == status
            assert fields["cache-control"] == "max-age=60"

    listed.run(check)


def test_another_method_or_path_is_refused_and_the_connection_kept(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        client.send("/decide/url?host=free.example", method="POST")
        assert (await client.answer())[0] == 405
        assert (await client.ask("/"))[0] == 404
        assert (await client.ask("/decide/url?host=free.example"))[0] == 204

    listed.run(check)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"a" * (MAX_HEAD + 1), 431),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_told_so_and_the_connection_ends(
    listed: Server, octets: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "LINGER", 0.0)

    async def check() -> None:
        client = await Client.of(listed)
        client.writer.write(octets + b"more" * 100_000)
        found, fields, _ = await client.answer()
        assert (found, fields["connection"]) == (status, "close")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(1)

    listed.run(check)


def test_a_client_that_asks_for_the_end_gets_it_behind_its_answer(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed)
        status, fields, _ = await client.ask("/decide/url?host=free.example", "Connection: close")
        assert (status, fields["connection"]) == (204, "close")
        assert await client.reader.read() == b""
        client = await Client.of(listed)
        client.send("/decide/url?host=free.example")
        client.writer.write_eof()
        assert (await client.answer())[0] == 204
        assert await client.reader.read() == b""

    listed.run(check)


def test_before_there_is_a_list_the_config_says_whether_requests_pass(tmp_path: Path) -> None:
    for refuses, status in ((False, 204), (True, 503)):
        server = Server(tmp_path, None, refuses)

        async def check(server: Server = server, status: int = status) -> None:
            client = await Client.of(server)
            found, fields, _ = await client.ask("/decide/url?host=blocked.example")
            assert found == status
            if status == 503:
                assert fields["cache-control"] == "no-store"
                assert "blockd-order" not in fields

        server.run(check)
        assert not server.counted


def test_strangers_are_closed_at_once(listed: Server) -> None:
    listed.served = "127.0.0.1/32"

    async def check() -> None:
        stranger = await Client.of(listed, "127.0.9.1")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await stranger.ask("/decide/url?host=free.example")
        assert (await (await Client.of(listed)).ask("/decide/url?host=free.example"))[0] == 204

    listed.run(check)
    assert listed.closings(Closing.STRANGER) == 1


def test_only_a_front_end_says_for_whom_it_asks_and_only_its_last_word_counts(tmp_path: Path) -> None:
    lists = (feed("adult", listing(order("o"), "adult.example")), feed("law", listing(order("l"), "law.example")))
    server = Server(tmp_path, enforced(tmp_path, *lists, groups=groups(offices=["law"])))
    server.fronts = ("127.0.5.5/32",)

    async def decided(client: Client, *fields: str) -> tuple[int, str]:
        status, told, _ = await client.ask("/decide/url?host=adult.example", *fields)
        return status, told["cache-control"]

    async def check() -> None:
        blocked, free = (451, "private, max-age=60"), (204, "private, max-age=60")
        for front in (await Client.of(server, "127.0.5.5"), await Client.of(server, local=True)):
            assert await decided(front) == blocked
            assert await decided(front, "X-Forwarded-For: 127.0.1.9") == free
            assert await decided(front, "X-Forwarded-For: 127.0.1.9:5000") == free
            assert await decided(front, "X-Forwarded-For: ::ffff:127.0.1.9") == free
            assert await decided(front, "X-Forwarded-For: 127.0.1.9, 192.0.2.1") == blocked
            assert await decided(front, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: ::1, 127.0.1.9") == free
            assert await decided(front, "X-Forwarded-For: [::1]:80") == blocked
            assert (await front.ask("/decide/url?host=a.example", "X-Forwarded-For: unknown"))[0] == 400
        other = await Client.of(server, "127.0.0.1")
        assert await decided(other, "X-Forwarded-For: 127.0.1.9") == blocked
        member = await Client.of(server, "127.0.1.7")
        assert await decided(member, "X-Forwarded-For: 127.0.0.1") == free

    server.run(check)


def test_a_state_that_changes_shows_in_the_very_next_answer(tmp_path: Path) -> None:
    first = enforced(tmp_path, feed("f", listing(order("o"), "blocked.example")))
    (tmp_path / "b").mkdir()
    other = enforced(tmp_path / "b", feed("f", listing(order("o"), "other.example")))
    server = Server(tmp_path, first)

    async def check() -> None:
        client = await Client.of(server)
        assert (await client.ask("/decide/url?host=blocked.example"))[0] == 451
        assert (await client.ask("/decide/url?host=other.example"))[0] == 204
        server.enforced = other
        assert (await client.ask("/decide/url?host=blocked.example"))[0] == 204
        assert (await client.ask("/decide/url?host=other.example"))[0] == 451

    server.run(check)


def test_a_proxy_at_a_unix_socket_that_names_no_client_is_not_counted_among_any_network(tmp_path: Path) -> None:
    everybody = ClientGroup.model_validate({"name": "all", "networks": ["0.0.0.0/0"], "feeds": ()})
    lists = feed("adult", listing(order("o"), "adult.example"))
    server = Server(tmp_path, enforced(tmp_path, lists, groups=ClientGroups([everybody])))

    async def check() -> None:
        assert (await (await Client.of(server, local=True)).ask("/decide/url?host=adult.example"))[0] == 451
        assert (await (await Client.of(server)).ask("/decide/url?host=adult.example"))[0] == 204

    server.run(check)


def test_a_client_that_reads_no_answers_is_asked_no_more_until_it_does(listed: Server) -> None:
    async def check() -> None:
        client = await Client.of(listed, local=True)
        client.writer.transport.set_write_buffer_limits(high=1 << 30)
        request = b"GET /decide/url?host=blocked.example HTTP/1.1\r\nHost: a\r\n\r\n"
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(request * 5000)
        other = await Client.of(listed, local=True)
        while not any(one.unsent for one in listed.server.connections_of(is_front=True)):
            assert (await other.ask("/decide/url?host=free.example"))[0] == 204
        answered = listed.requests
        for _ in range(50):
            assert (await other.ask("/decide/url?host=free.example"))[0] == 204
        assert listed.requests == answered + 50
        assert max(one.unsent for one in listed.server.connections_of(is_front=True)) < 1 << 18
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(5000):
            assert (await client.answer())[0] == 451

    listed.run(check)


def test_idle_connections_and_heads_that_never_end_are_closed_in_time(listed: Server) -> None:
    listed.idle = 0.3

    async def check() -> None:
        idle, slow = await Client.of(listed), await Client.of(listed)
        slow.writer.write(b"GET /decide HTTP/1.1\r\nHo")
        assert await idle.reader.read() == b""
        assert await slow.reader.read() == b""

    listed.run(check)


def test_of_too_many_connections_the_longest_idle_one_of_who_has_most_is_closed(listed: Server) -> None:
    listed.bounds = Bounds(2, 3, 4)

    async def check() -> None:
        clients = []
        for _ in range(3):
            clients.append(await Client.of(listed))
            assert (await clients[-1].ask("/decide/url?host=free.example"))[0] == 204
        assert await clients[0].reader.read() == b""
        assert (await clients[2].ask("/decide/url?host=free.example"))[0] == 204

    listed.run(check)
    assert listed.closings(Closing.ADDRESS) == 1


def test_however_many_connections_clients_have_those_of_front_ends_are_kept(listed: Server) -> None:
    listed.bounds = Bounds(4, 4, 4)

    async def check() -> None:
        fronts = [await Client.of(listed, local=True) for _ in range(3)]
        for front in fronts:
            assert (await front.ask("/decide/url?host=free.example"))[0] == 204
        for _ in range(9):
            client = await Client.of(listed)
            assert (await client.ask("/decide/url?host=free.example"))[0] == 204
        for front in fronts:
            assert (await front.ask("/decide/url?host=blocked.example"))[0] == 451
        more = [await Client.of(listed, local=True) for _ in range(2)]
        for front in more:
            assert (await front.ask("/decide/url?host=free.example"))[0] == 204
        assert await fronts[0].reader.read() == b"", "they have a bound of their own"
        assert (await client.ask("/decide/url?host=free.example"))[0] == 204

    listed.run(check)
    assert listed.closings(Closing.ADDRESS) == 5
    assert listed.closings(Closing.ALL) == 1


def test_a_server_that_drains_answers_what_is_asked_and_ends_connections(listed: Server) -> None:
    async def check() -> None:
        asking, quiet = await Client.of(listed), await Client.of(listed, local=True)
        for client in (asking, quiet):
            assert (await client.ask("/decide/url?host=blocked.example"))[0] == 451
        draining = asyncio.create_task(drain([listed.server], ()))
        await asyncio.sleep(0)  # it begins at once
        assert listed.server.is_draining
        status, fields, _ = await asking.ask("/decide/url?host=blocked.example")
        assert (status, fields["connection"]) == (451, "close")
        assert not await asking.reader.read()
        assert not await quiet.reader.read()
        assert await draining
        late = await Client.of(listed)  # it waits for the successor
        late.send("/decide/url?host=blocked.example")
        assert not len(listed.server.connections)

    listed.run(check)
