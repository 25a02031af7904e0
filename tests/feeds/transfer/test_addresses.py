"""Primaries by name: looked up at each poll, remembered, and all asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from blockd.feeds.transfer.addresses import FILE, REMEMBERED, PrimaryAddresses, remembered
from blockd.feeds.transfer.lookup import MAX_ADDRESSES, addresses_of
from blockd.settings import SocketAddress, TransferFeed, Upstream
from tests.feeds.transfer.messages import soa, text
from tests.feeds.transfer.primary import Primary, serving
from tests.feeds.transfer.test_source import NAMES, WHOLE, Secondary, run


class Machine:
    """What the machine's resolver knows, and how often it was asked."""

    def __init__(self) -> None:
        self.addresses: list[str] = ["127.0.0.1"]
        self.asked = 0

    def getaddrinfo(self, name: str, *_args: object, **_more: object) -> list[tuple[object, ...]]:
        self.asked += 1
        assert name == "ns1.example"
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.addresses]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr("blockd.feeds.transfer.lookup.socket.getaddrinfo", made.getaddrinfo)
    return made


def by_name(primary: Primary) -> str:
    return f"ns1.example:{primary.port}"


def test_a_primary_by_name_is_looked_up_and_its_addresses_are_remembered(tmp_path: Path, machine: Machine) -> None:
    async def test() -> None:
        async with serving(Primary(5, axfr=WHOLE)) as primary:
            secondary = Secondary(tmp_path, primary, primary=by_name(primary))
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            assert remembered(secondary.folder)["ns1.example"].addresses == ["127.0.0.1"]
            assert list(secondary.source.notes) == []
            machine.addresses = []
            secondary.restart()  # without a resolver
            assert await secondary.look() is None
            assert "cannot be looked up; those looked up last are asked: 127.0.0.1" in secondary.source.notes[0]
            assert machine.asked == 2
            secondary.clock.ahead = REMEMBERED + 60
            refused = await secondary.refusal()
            assert "ns1.example" in str(refused)
            assert "its addresses: none was found" in str(refused)

    run(test)


def test_a_name_without_an_address_is_told(tmp_path: Path, machine: Machine) -> None:
    async def test() -> None:
        machine.addresses = []
        refused = await Secondary(tmp_path, Primary(port=53), primary="ns1.example").refusal()
        assert refused.reason == "unreachable"
        assert "cannot be taken from ns1.example:53: its addresses: none was found" in str(refused)

    run(test)


def test_all_addresses_of_a_name_are_asked(tmp_path: Path, machine: Machine) -> None:
    async def test() -> None:
        machine.addresses = ["127.0.0.9", "::1", "127.0.0.1"]
        async with serving(Primary(5, axfr=WHOLE)) as primary:
            secondary = Secondary(tmp_path, primary, primary=by_name(primary))
            assert await secondary.taken()
        refused = await secondary.refusal()
        assert all(f"ns1.example ({address}:" in str(refused) for address in ("127.0.0.9", "[::1]", "127.0.0.1"))

    run(test)


def test_no_more_addresses_are_taken_than_a_server_has(machine: Machine) -> None:
    machine.addresses = [
        "ff02::1", "224.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "169.254.1.1",  # noqa: S104
        *(f"192.0.2.{number}" for number in range(1, 100)),
    ]  # fmt: skip
    found = asyncio.run(addresses_of("ns1.example"))
    assert found == [f"192.0.2.{number}" for number in range(1, MAX_ADDRESSES + 1)]


class _Upstream(asyncio.DatagramProtocol):
    """Answers with an alias and an address of its own for each type."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].name.to_text())
        kind = query.question[0].rdtype.name
        answer = dns.message.make_response(query)
        answer.answer = [
            dns.rrset.from_text("ns1.example.", 60, "IN", "CNAME", "host.example."),
            dns.rrset.from_text("host.example.", 60, "IN", kind, "2001:db8::53" if kind == "AAAA" else "192.0.2.53"),
        ]
        self._transport.sendto(answer.to_wire(), address)  # type: ignore[attr-defined]


def test_the_upstreams_are_asked_rather_than_the_machine_which_may_be_this_daemon(machine: Machine) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        transport, asked = await loop.create_datagram_endpoint(_Upstream, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        try:
            upstreams = [Upstream("192.0.2.1", 853, "dns.example"), Upstream("127.0.0.1", port)]
            assert await addresses_of("ns1.example", upstreams) == ["2001:db8::53", "192.0.2.53"]
            assert len(asked.asked) == 2
            assert machine.asked == 0
        finally:
            transport.close()

    run(test)


@pytest.mark.usefixtures("machine")
def test_the_machine_is_asked_where_no_upstream_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.feeds.transfer.connection.UDP_TIME", 0.05)
    with _silent() as port:
        assert asyncio.run(addresses_of("ns1.example", [Upstream("127.0.0.1", port)])) == ["127.0.0.1"]


@contextmanager
def _silent() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    "octets", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {"addresses": 5, "seen": 0}}', b"x" * 70_000]
)
def test_a_file_of_addresses_that_is_none_is_looked_up_anew(tmp_path: Path, octets: bytes) -> None:
    feed = TransferFeed.model_validate(
        {"name": "live", "type": "rpz-transfer", "primary": ["ns1.example", "192.0.2.9"], "zone": "rpz.example"}
    )
    (tmp_path / FILE).write_bytes(octets)
    found, missing = asyncio.run(PrimaryAddresses(feed, tmp_path, lambda: 1e9).current())
    assert list(found) == [SocketAddress("127.0.0.1", 53), SocketAddress("192.0.2.9", 53)]
    assert missing == []
    assert remembered(tmp_path)["ns1.example"].addresses == ["127.0.0.1"]
