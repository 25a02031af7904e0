"""A small recursive resolver on loopback, UDP and TCP on one port, for whatever asks upstreams.

It answers from a table that a test writes, records every question that it saw, and misbehaves if a test asks for it.
It runs in a thread of its own, so that it serves tests with an event loop, without one, and daemons in other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import cast

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from blockd.settings import Upstream

COOKIE = dns.edns.OptionType.COOKIE
PROBED = "root-servers.net"  # what blockd itself asks upstreams for
PATIENCE = 10.0  # seconds to wait for a condition
SOA = "example. 3600 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60"
STRAYS = 8  # packets of Fault.STRAYS_FIRST before the right one
FLOOD = 64  # packets of Fault.STRAYS_ONLY
_RECEIVE_BUFFER = 1 << 20  # octets: bursts of some hundred questions, before a busy machine takes the first
_BIND_TRIES = 50


class Fault(Enum):
    """A way to misbehave."""

    SILENCE = auto()
    SILENCE_OVER_TCP = auto()
    HANG_UP = auto()  # over TCP the connection ends in the middle of the answer
    WRONG_ID = auto()
    WRONG_QUESTION = auto()
    NOT_AN_ANSWER = auto()  # QR is 0
    STRAYS_FIRST = auto()  # wrong ones, then the right one
    STRAYS_ONLY = auto()  # over UDP so many wrong ones that it looks like an attack; over TCP as it should be
    TRUNCATED = auto()  # TC over UDP, whole over TCP
    TRUNCATED_EVERYWHERE = auto()
    MALFORMED = auto()  # cut within its last record
    TRAILING = auto()  # octets behind its records
    OPT_FIRST = auto()  # before the other additional records
    OPT_ABSENT = auto()
    OPT_TWICE = auto()
    EDE = auto()  # carries Extended DNS Error 9
    OTHER_CASE = auto()  # the question comes back in upper case
    OTHER_CASE_OVER_UDP = auto()  # the same, but over TCP as it was asked
    HEADER_ONLY = auto()  # the error that it answers comes without the question
    FORMERR_ON_EDNS = auto()
    NOTIMP_ON_EDNS = auto()
    BADVERS_ON_EDNS = auto()
    COOKIES = auto()  # it has cookies, and answers without one with a new one and what was asked for
    COOKIES_REQUIRED = auto()  # the same, but with BADCOOKIE over UDP
    COOKIE_OF_ANOTHER = auto()  # the client cookie is not the one that was sent
    SERVFAIL = auto()
    REFUSED = auto()
    FORMERR = auto()
    NOTIMP = auto()
    NOTAUTH = auto()
    BADVERS = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """One question as it arrived."""

    transport: str
    port: int
    message: dns.message.Message

    @property
    def id(self) -> int:
        """The identifier."""
        return self.message.id

    @property
    def name(self) -> str:
        """The name asked for, in lower case and without the final dot."""
        return self.asked.lower()

    @property
    def asked(self) -> str:
        """The same in the case in which it was asked."""
        return self.message.question[0].name.to_text(omit_final_dot=True)

    @property
    def cookie(self) -> bytes:
        """The content of the COOKIE option; empty if there is none."""
        return cookie_of(self.message)

    @property
    def type(self) -> str:
        """The type asked for."""
        return dns.rdatatype.to_text(self.message.question[0].rdtype)


@dataclass(frozen=True, slots=True)
class _Planned:
    answer: tuple[str, ...]
    authority: tuple[str, ...]
    additional: tuple[str, ...]
    rcode: dns.rcode.Rcode


class UpstreamSimulator:
    """Serves inside `with`. Names that were not set up are NXDOMAIN, with an SOA record that makes it last 60 s."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.seen: list[Seen] = []  # clients' questions
        self.probes: list[Seen] = []  # blockd's own
        self.cookie = b"server cookie"
        self.faults: set[Fault] = set()
        self.make: Callable[[bytes], bytes | None] | None = None  # replaces everything, if a test sets it
        self._planned: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], _Planned] = {}
        self._arrival = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._held: list[Callable[[], None]] = []
        self._held_below = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port`, as the config file has it."""
        return f"{self.host}:{self.port}"

    @property
    def upstream(self) -> Upstream:
        """Its address as a forwarder takes it."""
        return Upstream(self.host, self.port)

    def plan(
        self,
        name: str,
        kind: str,
        *answer: str,
        authority: Sequence[str] = (),
        additional: Sequence[str] = (),
        rcode: str = "NOERROR",
    ) -> None:
        """Answer a question with records written as in a zone file, a TTL in each: `a.example. 60 IN A 192.0.2.1`."""
        key = dns.name.from_text(name), dns.rdatatype.from_text(kind)
        self._planned[key] = _Planned(answer, tuple(authority), tuple(additional), dns.rcode.from_text(rcode))

    def wait_for(self, count: int) -> None:
        """Wait until `count` questions have been seen; raises AssertionError if they do not come."""
        with self._arrival:
            came = self._arrival.wait_for(lambda: len(self.seen) >= count, PATIENCE)
        assert came, f"{len(self.seen)} of {count} came"

    @contextlib.contextmanager
    def held(self, below: str = "") -> Iterator[None]:
        """Hold all answers back until the end of the block, or over UDP only those about names that end so."""
        self._held_below = below
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()
            self._loop.call_soon_threadsafe(self._release)

    def __enter__(self) -> UpstreamSimulator:
        self._thread.start()
        assert self._started.wait(PATIENCE), "the upstream simulator did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the upstream simulator did not stop"
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        tcp, udp = bound(self.host)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.port = udp.getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        server = await asyncio.start_server(self._accept, sock=tcp)
        self._started.set()
        await self._stop.wait()
        while accepting := asyncio.all_tasks() - self._tasks - {asyncio.current_task()}:
            await asyncio.wait(accepting)  # a server that is closed meanwhile leaks their sockets
        transport.close()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next round

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._connection(reader, writer))

        def end(_: object) -> None:
            self._tasks.discard(task)
            writer.close()

        self._tasks.add(task)
        task.add_done_callback(end)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while True:
                query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                port = writer.get_extra_info("peername")[1]
                answers = self._take("tcp", port, query)
                await self._let_go()
                for made in answers:
                    framed = len(made).to_bytes(2) + made
                    if Fault.HANG_UP in self.faults:
                        writer.write(framed[:-1])
                        raise EOFError
                    writer.write(framed)

    async def _let_go(self) -> None:
        if not self._open.is_set():
            freed: asyncio.Future[None] = self._loop.create_future()

            def go() -> None:
                if not freed.done():
                    freed.set_result(None)

            self._held.append(go)
            await freed

    def _release(self) -> None:
        held, self._held = self._held, []
        for go in held:
            go()

    def datagram(self, query: bytes, port: int, send: Callable[[bytes], None]) -> None:
        """Take one UDP question and send its answers, at once or when they are released."""
        answers = self._take("udp", port, query)

        def go() -> None:
            for made in answers:
                send(made)

        if self._open.is_set() or not Seen("udp", port, dns.message.from_wire(query)).name.endswith(self._held_below):
            go()
        else:
            self._held.append(go)

    def _take(self, transport: str, port: int, query: bytes) -> list[bytes]:
        """Record a question, and return the messages that it is answered with."""
        message = dns.message.from_wire(query)
        seen = Seen(transport, port, message)
        with self._arrival:
            (self.probes if seen.name == PROBED else self.seen).append(seen)
            self._arrival.notify_all()
        if self.make is not None:
            made = self.make(query)
            return [] if made is None else [made]
        if Fault.SILENCE in self.faults or (Fault.SILENCE_OVER_TCP in self.faults and transport == "tcp"):
            return []
        answer = self._answer(message)
        self._add_cookie(answer, message, transport)
        return _spoiled(answer, message, self.faults, transport)

    def _add_cookie(self, made: dns.message.Message, query: dns.message.Message, transport: str) -> None:
        """Answer a COOKIE option with one, if it knows that."""
        asked = cookie_of(query)
        if not asked or not self.faults & {Fault.COOKIES, Fault.COOKIES_REQUIRED}:
            return
        client = bytes(8) if Fault.COOKIE_OF_ANOTHER in self.faults else asked[:8]
        made.use_edns(0, payload=1232, options=[dns.edns.GenericOption(COOKIE, client + self.cookie)])
        if Fault.COOKIES_REQUIRED in self.faults and transport == "udp" and asked[8:] != self.cookie:
            made.answer, made.authority = [], []
            made.set_rcode(dns.rcode.Rcode.BADCOOKIE)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        asked = query.question[0]
        made = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        planned = self._planned.get((asked.name, asked.rdtype))
        if planned is None:
            known = any(name == asked.name for name, _ in list(self._planned))
            planned = _Planned((), (SOA,), (), dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
        made.set_rcode(planned.rcode)
        made.answer.extend(map(_record, planned.answer))
        made.authority.extend(map(_record, planned.authority))
        made.additional.extend(map(_record, planned.additional))
        return made


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, simulator: UpstreamSimulator) -> None:
        self._simulator = simulator
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        transport = self._transport
        assert transport is not None
        self._simulator.datagram(data, addr[1], lambda made: transport.sendto(made, addr))


ERRORS = {Fault.SERVFAIL, Fault.REFUSED, Fault.FORMERR, Fault.NOTIMP, Fault.NOTAUTH, Fault.BADVERS}
ON_EDNS = {Fault.FORMERR_ON_EDNS, Fault.NOTIMP_ON_EDNS, Fault.BADVERS_ON_EDNS}


def cookie_of(message: dns.message.Message) -> bytes:
    """Return the content of a message's COOKIE option; empty if there is none."""
    return next((option.to_wire() or b"" for option in message.options if option.otype == COOKIE), b"")


def closed_port() -> Upstream:
    """Return an upstream at a loopback port where nobody listens, nor can while the tests run."""
    return Upstream(*_kept()[0].getsockname())


@functools.cache
def _kept() -> tuple[socket.socket, socket.socket]:
    """Return sockets that keep a port closed: UDP receives only from itself, TCP does not listen."""
    tcp, udp = bound("127.0.0.1", listening=False)
    udp.connect(udp.getsockname())
    return udp, tcp


def bound(host: str, *, listening: bool = True) -> tuple[socket.socket, socket.socket]:
    """Return sockets for TCP and UDP at one port, which nobody else has."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_BIND_TRIES):
        tcp, udp = socket.socket(family, socket.SOCK_STREAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            tcp.bind((host, 0))
            udp.bind((host, tcp.getsockname()[1]))
        except OSError:
            tcp.close()
            udp.close()
        else:
            if listening:
                tcp.listen()
            return tcp, udp
    raise AssertionError("no port is free for both UDP and TCP")


def _record(text: str) -> dns.rrset.RRset:
    name, ttl, klass, kind, data = text.split(None, 4)
    return dns.rrset.from_text(name, int(ttl), klass, kind, data)


def _spoiled(made: dns.message.Message, query: dns.message.Message, faults: set[Fault], transport: str) -> list[bytes]:
    """Return the wire forms of an answer, with the faults asked for."""
    errors = faults & ERRORS
    if query.edns >= 0:
        errors |= {Fault[fault.name.removesuffix("_ON_EDNS")] for fault in faults & ON_EDNS}
    for fault in errors:
        made.answer, made.authority, made.additional = [], [], []
        made.set_rcode(dns.rcode.from_text(fault.name))
    if Fault.NOT_AN_ANSWER in faults:
        made.flags &= ~dns.flags.QR
    if Fault.WRONG_ID in faults:
        made.id ^= 0x5555
    if Fault.WRONG_QUESTION in faults:
        made.question = [dns.rrset.from_text("wrong.example.", 0, "IN", "A")]
    if Fault.EDE in faults:
        made.use_edns(0, payload=1232, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSKEY_MISSING, "DNSKEY missing")])
    if Fault.OPT_ABSENT in faults or (query.edns >= 0 and faults & (ON_EDNS - {Fault.BADVERS_ON_EDNS})):
        made.use_edns(False)
    truncated = Fault.TRUNCATED_EVERYWHERE in faults or (Fault.TRUNCATED in faults and transport == "udp")
    if truncated:
        made.answer, made.authority, made.additional = [], [], []
        made.flags |= dns.flags.TC
    limit = 65535 if transport == "tcp" else max(query.payload, 512)
    wire = made.to_wire(max_size=65535)
    if len(wire) > limit:
        made.answer, made.authority, made.additional = [], [], []
        made.flags |= dns.flags.TC
        wire = made.to_wire(max_size=limit)
    wire = _spoiled_octets(wire, made, faults, transport)
    if Fault.STRAYS_FIRST in faults:
        stray = bytes((wire[0] ^ 0xFF,)) + wire[1:]
        return [stray] * STRAYS + [b"", b"\0", wire[:12], wire]
    if Fault.STRAYS_ONLY in faults and transport == "udp":
        return [bytes((wire[0] ^ 0xFF,)) + wire[1:]] * FLOOD
    return [wire]


def _spoiled_octets(wire: bytes, made: dns.message.Message, faults: set[Fault], transport: str) -> bytes:
    if Fault.HEADER_ONLY in faults:
        return wire[:4] + bytes(8)
    if Fault.MALFORMED in faults:
        wire = wire[:-1]
    if Fault.TRAILING in faults:
        wire += b"\0"
    if Fault.OTHER_CASE in faults or (Fault.OTHER_CASE_OVER_UDP in faults and transport == "udp"):
        end = 12 + len(made.question[0].name.to_wire() or b"")
        wire = wire[:12] + bytes(octet & 0xDF if 97 <= octet <= 122 else octet for octet in wire[12:end]) + wire[end:]
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # what dnspython writes last for a payload of 1232 without options
    additional = int.from_bytes(wire[10:12])
    if Fault.OPT_TWICE in faults:
        wire = wire[:10] + (additional + 1).to_bytes(2) + wire[12:] + opt
    if Fault.OPT_FIRST in faults:
        assert wire.endswith(opt)
        behind = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x63"  # an A record of the question's name
        wire = wire[:10] + (additional + 1).to_bytes(2) + wire[12:] + behind
    return wire
