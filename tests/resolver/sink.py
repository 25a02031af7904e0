"""The native engine alone, between a client and an upstream that a test reads and writes itself."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from typing import Any, cast

import dns.message
import dns.rcode

from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.forwarding.floods import NO_LIMIT, Floods
from blockd.resolver.forwarding.health import Health
from blockd.resolver.forwarding.native.forwarder import ForwardingOptions, NativeForwarder
from tests.resolver.rig import Rig, question

LONG = 60.0  # seconds, longer than any test lasts


def socket_here() -> socket.socket:
    """Return a socket on a port of loopback, which never waits."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind(("127.0.0.1", 0))
    return sock


class Nobody:
    """Stands where the forwarder does, if nobody waits in Python and no stream is asked."""

    def ask_stream(self, place: int, message: bytes) -> None:
        """Fail: nothing is truncated."""
        raise AssertionError((place, message))

    def failed(self, number: int, errors: bytes, is_said: bool) -> None:
        """Ignore what becomes of a question that is asked for the pipeline."""


class Sink:
    """The engine alone between a client and an upstream that says nothing."""

    def __init__(self, rig: Rig, **given: Any) -> None:
        engine = rig.resolver.engine
        assert isinstance(engine, NativeEngine)
        self.engine = engine
        chosen: dict[str, Any] = {"timeout": LONG, "attempts": 1, "mixed_case": True, "cookies": True, "sockets": 4}
        floods = Floods(NO_LIMIT, lambda _: None)
        self.options = ForwardingOptions(**chosen | {"avoid_ports": frozenset(), "floods": floods} | given)
        self.served, self.client = socket_here(), socket_here()
        self.upstream = socket_here()

    def __enter__(self) -> Sink:
        self.client.connect(self.served.getsockname())
        self.descriptor = self.engine.attach(self.served)
        self.forward()
        self.engine.forwarding.is_started = True
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop_forwarding()
        for sock in (self.served, self.client, self.upstream):
            sock.close()

    def forward(self) -> None:
        """Have the upstream asked from now on that `upstream` is the socket of."""
        told = [("sink", (*self.upstream.getsockname(), ""), Health(time.monotonic()))]
        self.engine.forward(told, [(b"", [0])], self.options, cast(NativeForwarder, Nobody()))

    def ask(self, names: Iterable[str]) -> int:
        """Ask; return how many of the questions are answered at once, all with SERVFAIL."""
        failed = 0
        for name in names:
            self.client.send(question(name).to_wire())
            assert self.engine.drain(self.descriptor) == []
            failed += self.hear()
        return failed

    def hear(self) -> int:
        """Return how many clients are told that their questions failed."""
        failed = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                assert dns.message.from_wire(self.client.recv(65535)).rcode() == dns.rcode.SERVFAIL
                failed += 1
        return failed
