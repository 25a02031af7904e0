"""The canary: a worker by the config that is to be taken, on sockets of its own, tried before any client meets it.

A child beside it asks it as the self-test asks workers, names that lists have among them, and one name that upstreams
have to answer if they answered before. Neither has anything to do with what clients are answered by.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from blockd.daemon.channel import Channel
from blockd.daemon.contexts import SharedContext
from blockd.daemon.process_name import name_process
from blockd.dns import types
from blockd.metrics.upstreams import STATES, UpstreamTable
from blockd.resolver import SelfTestKey
from blockd.resolver.clients import Clients
from blockd.resolver.resolution import Resolution
from blockd.selftest import SelfTests
from blockd.settings import Settings, SocketAddress
from blockd.transports.binding import Sockets

TRIES = 20  # ports that are tried until one is free over UDP and TCP
PATIENCE = 20.0  # seconds from a canary's start to the end of its test: opening millions of names may take some
ANSWER = 0.25  # seconds from one question to the next
RECENT = 300.0  # seconds within which an upstream must have been heard to count as one that answers
LOOPBACK = "127.0.0.1"

# ". NS" with RD: what every resolver answers that has any upstream.
_FORWARDED = b"\x62\x64\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"

log = logging.getLogger(__name__)


def private(shared: SharedContext) -> tuple[SharedContext, SocketAddress]:
    """Return the data of a worker with sockets of its own on loopback, and where these are; raises OSError."""
    for _ in range(TRIES):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            udp.bind((LOOPBACK, 0))
            tcp.bind(udp.getsockname())
            tcp.listen()
        except OSError:
            udp.close()
            tcp.close()
            continue
        sockets = Sockets([[udp]], [[tcp]], [[]], [[]])
        return replace(shared, sockets=sockets), SocketAddress(*udp.getsockname())
    raise OSError(errno.EADDRINUSE, "no port is free on loopback")


def do_answer(table: UpstreamTable, resolution: Resolution, now: float) -> bool:
    """Return whether any upstream answers, as workers see it."""
    table.use([upstream.text for upstream in resolution.upstreams])
    seen = [table.figures(slot) for slot in range(len(resolution.upstreams))]
    return any(one is not None and STATES[one.state] == "up" and now - one.heard < RECENT for one in seen)


@dataclass(frozen=True, slots=True)
class CanaryTest:
    """The work of the child that asks a canary at an address; says `{"passed": true}`, or why not."""

    shared: SharedContext
    version: int | None  # that the canary enforces
    address: SocketAddress
    asks_upstreams: bool

    def run(self, channel: Channel) -> None:
        """Ask, and say what was found."""
        name_process("tester")
        failure = asyncio.run(self._failure(time.monotonic() + PATIENCE))
        channel.send({"failed": failure} if failure else {"passed": True})

    async def _failure(self, deadline: float) -> str:
        settings = self.shared.settings
        if not self._is_there(self.shared.selftest_key, deadline):
            return "it did not answer"
        if self.version is not None:
            tests = SelfTests(settings, self.shared.selftest_key, os.urandom, [self.address])
            enforced = self.shared.state.open(self.version)
            if failure := await tests.run(enforced, None, [0], (), lambda _: ()):
                return failure
        if self.asks_upstreams and _may_ask(settings):
            return self._forwarded(min(deadline, time.monotonic() + 2 * settings.upstream.timeout))
        return ""

    def _is_there(self, key: SelfTestKey, deadline: float) -> bool:
        for _ in _tries(deadline):
            message = self._asked(key.identity_question)
            if message is not None and key.worker(message) is not None:
                return True
        return False

    def _forwarded(self, deadline: float) -> str:
        """Return what is wrong with the answer to a question that upstreams have to answer; empty if nothing is."""
        for _ in _tries(deadline):
            message = self._asked(_FORWARDED, deadline - time.monotonic())
            if message is not None and int.from_bytes(message[2:4]) & types.RCODE != types.SERVFAIL:
                return ""
        named = ", ".join(map(str, self.shared.settings.upstreams))
        return f"its upstreams ({named}) answer no question, while those in force do"

    def _asked(self, question: bytes, patience: float = ANSWER) -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError):
            asking.settimeout(max(patience, 0.001))
            asking.connect((self.address.host, self.address.port))
            asking.send(question)
            return asking.recv(types.MAX_TCP)
        return None  # nothing came, or nobody listens there yet


def _tries(deadline: float) -> Iterator[None]:
    """Yield until a deadline, ANSWER apart: an error comes at once, and would be asked for all the time."""
    while (begun := time.monotonic()) < deadline:
        yield
        time.sleep(max(min(begun + ANSWER, deadline) - time.monotonic(), 0.0))


def _may_ask(settings: Settings) -> bool:
    """Return whether a question from loopback is answered, and taken as it is."""
    clients = Clients(settings.clients.allow, (), settings.proxy_protocol.networks)
    return clients.serves(LOOPBACK) and not clients.is_proxy(LOOPBACK)
