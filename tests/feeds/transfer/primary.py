"""A primary for tests, over UDP and TCP on loopback, honest or lying as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import dns.tsig

from blockd.feeds.transfer.question import AXFR, IXFR, TransferQuestion
from tests.feeds.transfer.messages import message, soa, wires
from tests.upstream import bound

Send = Callable[[bytes], Awaitable[None]]
RpzAction = Callable[[TransferQuestion, Send], Awaitable[None]]


@dataclass
class Primary:
    """Answers an SOA question with `serial`, and AXFR and IXFR as their answers say; counts the questions."""

    serial: int = 1
    key: dns.tsig.Key | None = None
    axfr: RpzAction | Sequence[Sequence[str]] = ()
    ixfr: RpzAction | Sequence[Sequence[str]] = ()
    rcode: int = 0
    rcodes: Mapping[str, int] = field(default_factory=dict)  # of some questions only: AXFR, IXFR, SOA/UDP, SOA/TCP
    edns_rcode: int = 0  # for a question with EDNS
    truncates: bool = False  # every answer over UDP
    asks_back: bool = True  # whether an answer repeats the question
    more: Sequence[dns.rrset.RRset] = ()  # in the additional section of an answer to an SOA question
    silent_on_udp: bool = False
    silent_about_soa: bool = False
    asked: list[str] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)  # that IXFR was asked with
    port: int = 0

    def question(self, wire: bytes) -> TransferQuestion:
        """Parse a question of blockd."""
        keyring = {self.key.name: self.key} if self.key else None
        query = dns.message.from_wire(wire, keyring=keyring)
        [asked] = query.question
        kind = int(asked.rdtype)
        self.asked.append(dns.rdatatype.to_text(asked.rdtype))
        if kind == IXFR:
            self.serials.append(query.authority[0][0].serial)
        mac = query.mac or b""
        return TransferQuestion(asked.name.canonicalize().to_wire() or b"", kind, query.id, wire, self.key, mac)

    async def serve(self, wire: bytes, send: Send, *, tcp: bool) -> None:
        """Answer one question."""
        question = self.question(wire)
        name = {AXFR: "AXFR", IXFR: "IXFR"}.get(question.kind, "SOA/TCP" if tcp else "SOA/UDP")
        has_edns = dns.message.from_wire(wire, keyring={self.key.name: self.key} if self.key else None).edns >= 0
        if rcode := self.rcode or self.rcodes.get(name, 0) or (self.edns_rcode if has_edns else 0):
            await send(message(question, [], rcode=rcode).to_wire())
            return
        if question.kind not in (AXFR, IXFR):
            if not self.silent_about_soa:
                await send(self._soa(question, tcp=tcp))
            return
        answer = self.axfr if question.kind == AXFR else self.ixfr
        if callable(answer):
            await answer(question, send)
            return
        for made in wires(question, *answer, asks_back=self.asks_back):
            await send(made)

    def _soa(self, question: TransferQuestion, *, tcp: bool) -> bytes:
        """Return the answer to an SOA question."""
        if not self.more and self.asks_back and not self.truncates:
            return wires(question, [soa(self.serial)])[0]
        made = message(question, [soa(self.serial)], asked=self.asks_back)
        made.additional.extend(self.more)
        if self.truncates and not tcp:
            made.flags |= dns.flags.TC
        if question.key is not None:
            made.use_tsig(question.key)
            made.request_mac = question.mac
        return made.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, primary: Primary, tasks: set[asyncio.Task[None]]) -> None:
        self._primary = primary
        self._tasks = tasks
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is none by inheritance

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        async def send(wire: bytes) -> None:
            assert self._transport is not None
            self._transport.sendto(wire, address)

        if not self._primary.silent_on_udp:
            task = asyncio.get_running_loop().create_task(self._primary.serve(data, send, tcp=False))
            self._tasks.add(task)


@asynccontextmanager
async def serving(primary: Primary) -> AsyncIterator[Primary]:
    """Serve on a free port of 127.0.0.1."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(wire: bytes) -> None:
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()

        primary.writer = writer  # type: ignore[attr-defined]
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    size = int.from_bytes(await reader.readexactly(2))
                    await primary.serve(await reader.readexactly(size), send, tcp=True)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    tasks: set[asyncio.Task[None]] = set()
    tcp, udp = bound("127.0.0.1")
    primary.port = tcp.getsockname()[1]
    server = await asyncio.start_server(connection, sock=tcp)
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(primary, tasks), sock=udp
    )
    try:
        async with server:
            yield primary
    finally:
        datagrams.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def in_thread(primary: Primary) -> Iterator[Primary]:
    """Serve in a thread of its own, for a daemon that is another process."""
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(primary):
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield primary
    finally:
        stop.set()
        thread.join(10)
