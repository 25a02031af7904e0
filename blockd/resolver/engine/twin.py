"""The engine in plain Python: reads a batch from a UDP socket, answers what needs no waiting, gives back the rest.

Called from the event loop's reader callback, so that a worker is one thread and needs no lock.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from blockd.metrics import Transport
from blockd.resolver.answers import BlockAnswers
from blockd.resolver.edge.proxied import ProxiedDatagrams
from blockd.resolver.edge.proxy_header import MAX_HEADER
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.pipeline import Pipeline
from blockd.resolver.query import MAX_DATAGRAM
from blockd.resolver.query_context import Outcome, QueryContext
from blockd.ruleset import Enforced
from blockd.ruleset.leading import LeadJudge, where_it_leads

if TYPE_CHECKING:
    from blockd.resolver.forwarding.native.pending_questions import PendingQuestion

RECEIVED = MAX_DATAGRAM + MAX_HEADER  # octets of a datagram that are kept: a question, and a front end's header
BATCH = 64  # messages taken in one call at most, so that other sockets and timers get their turn
BUDGET = 0.003  # seconds after which no more of them are taken
_ANCILLARY = socket.CMSG_SPACE(64)  # room for one IP_PKTINFO or IPV6_PKTINFO

Address = tuple[str, int] | tuple[str, int, int, int]
Ancillary = list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Deferred:
    """A message that the engine gives back: the pipeline's context for it, and where its answer goes."""

    context: QueryContext
    address: Address
    ancillary: Ancillary  # has the query's destination address, which the answer must come from
    descriptor: int  # of the socket that it came from


class Engine:
    """Drains the UDP sockets attached to it."""

    def __init__(
        self, pipeline: Pipeline, proxied: ProxiedDatagrams, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`proxied` reads the headers of front ends, whose messages `pipeline` answers."""
        self._pipeline = pipeline
        self._proxied = proxied
        self._clock = clock
        self._sockets: dict[int, socket.socket] = {}

    def attach(self, sock: socket.socket) -> int:
        """Attach a bound UDP socket; return the descriptor to call `drain` with."""
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        return sock.fileno()

    def drain(self, descriptor: int) -> list[Deferred]:
        """Answer messages of a socket in place, for BUDGET seconds; return those that must wait for an upstream."""
        sock = self._sockets[descriptor]
        end = self._clock() + BUDGET
        begin, unwrap = self._pipeline.begin, self._proxied.unwrap
        deferred = []
        for _ in range(BATCH):
            try:
                packet, ancillary, _, address = sock.recvmsg(RECEIVED, _ANCILLARY)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error about an earlier answer: its client has gone
            message = unwrap(packet, address[0])
            begun = begin(*message, Transport.UDP) if message is not None else Outcome.SILENCE
            if isinstance(begun, bytes):
                send(sock, begun, address, ancillary)
            elif begun is not Outcome.SILENCE:
                assert isinstance(begun, QueryContext)  # noqa: S101 - begin returns nothing else
                deferred.append(Deferred(begun, address, ancillary, descriptor))
            if self._clock() >= end:
                break
        return deferred

    def begin(
        self,
        packet: bytes,
        host: str,
        transport: Transport,
        idle: float = 0,
        deliver: Callable[[bytes | None], None] | None = None,
        done: Callable[[PendingQuestion], None] | None = None,
    ) -> bytes | Outcome | QueryContext | PendingQuestion:
        """Answer one message, as `Pipeline.begin` does; none waits here."""
        return self._pipeline.begin(packet, host, transport, idle)

    @property
    def is_behind(self) -> bool:
        """Whether something that was read is left for a later turn of the event loop: never."""
        return False

    def enforce(self, enforced: Enforced, answers: BlockAnswers) -> None:
        """Do nothing: this engine uses the pipeline's ruleset."""

    def judge(self, enforced: Enforced) -> LeadJudge:
        """Return what judges where answers lead, by what is enforced."""
        return partial(where_it_leads, enforced)

    def use_own(self, cookies: bytes) -> None:
        """Do nothing: the pipeline knows blockd's own questions."""

    def use_local(self, local: LocalZones) -> None:
        """Do nothing: the pipeline answers from local zones."""

    def send(self, answer: bytes, deferred: Deferred) -> None:
        """Send the answer to a message that was given back."""
        send(self._sockets[deferred.descriptor], answer, deferred.address, deferred.ancillary)


def send(sock: socket.socket, answer: bytes, address: Address, ancillary: Ancillary) -> None:
    """Send a datagram from the query's destination address; what the kernel cannot send is lost, as UDP may be."""
    try:
        sock.sendmsg([answer], [_source(*item) for item in ancillary], 0, address)
    except OSError:
        return


def _source(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Keep the query's destination address, but leave the interface to routing, which may choose another.

    IPv6 keeps its interface, since a link-local address has no meaning without it.
    """
    if level == socket.IPPROTO_IP:
        return level, kind, bytes(4) + data[4:]
    return level, kind, data
