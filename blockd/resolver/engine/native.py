"""What the native engine needs from Python: the pipeline's cache that feeds its own, and upstream sockets."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterable

from blockd.metrics import Row
from blockd.resolver.cache import Cache, Cached, CacheKey
from blockd.resolver.engine._cache import NativeCache
from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.engine.twin import Deferred
from blockd.resolver.forwarder import Forwarder
from blockd.resolver.options import CacheOptions
from blockd.resolver.response import Response
from blockd.resolver.streams import socket_address
from blockd.resolver.upstream import bind_randomly
from blockd.settings import Upstream

SOCKETS = 32  # to the upstream at once: with the ID 21 unpredictable bits, and ports that keep changing
TICK = 0.05  # seconds between two checks for overdue flights; one socket is replaced at each
PIPELINE_SHARE = 16  # the pipeline's own cache, used for unusual questions only, has this part of the size


class FeedingCache(Cache):
    """The pipeline's cache; responses put into it are put into the engine's as well."""

    def __init__(self, native: NativeCache, options: CacheOptions, row: Row) -> None:
        super().__init__(
            options.size // PIPELINE_SHARE, options.max_ttl, options.max_negative_ttl, row,
            stale=options.stale, prefetch=options.prefetch,
        )  # fmt: skip
        self._native = native

    def put(self, key: CacheKey, response: Response, now: float) -> Cached:
        """Keep a response in both."""
        name, qtype, do, cd = key
        self._native.put(name, qtype, do, cd, response, now)
        return super().put(key, response, now)

    def get_stale(self, key: CacheKey, now: float) -> Cached | None:
        """Return the entry that has expired and may still be given: the engine's, which sees every answer."""
        return self._native.get_stale(key, now)


class UpstreamSockets:
    """The sockets through which the engine asks the currently preferred upstream.

    Questions that it has not answered in time, or not in the ordinary way, go to the pipeline, which asks the next one.
    """

    def __init__(
        self, engine: NativeEngine, forwarder: Forwarder, answer_later: Callable[[Iterable[Deferred]], None]
    ) -> None:
        self._engine = engine
        self._forwarder = forwarder
        self._answer_later = answer_later
        self._upstream: Upstream | None = None
        self._sockets: list[socket.socket] = []
        self._next = 0  # the socket that is replaced next
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._read)
        self._unreachable = 0
        self._launched = 0  # flights, when a socket was replaced last
        self._timer: asyncio.TimerHandle | None = None
        self._tick()

    def close(self) -> None:
        """Stop asking."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._answer_later(self._engine.give_up_before(float("inf")))
        self._engine.use_upstream(-1, [])
        self._close_sockets()
        self._epoll.close()

    def _read(self) -> None:
        self._answer_later(self._engine.drain_upstreams())
        self._note_unreachable()

    def _note_unreachable(self) -> None:
        if self._engine.unreachable != self._unreachable:
            self._unreachable = self._engine.unreachable
            self._fail()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        self._note_unreachable()  # the engine also learns of it when sending
        since = time.monotonic() - self._forwarder.timeout
        overdue = self._engine.give_up_before(since)
        if self._upstream is not None:
            self._forwarder.note_heard(self._upstream, self._engine.heard)
        if overdue:
            if self._engine.heard < since:  # else one name is slow, not the upstream
                self._fail()
            self._answer_later(overdue)
        preferred = self._forwarder.preferred
        if preferred != self._upstream or not self._sockets:  # none: there was no network; try again
            self._change(preferred)
        else:
            self._renew()

    def _fail(self) -> None:
        if self._upstream is not None:
            self._forwarder.avoid(self._upstream)

    def _change(self, upstream: Upstream | None) -> None:
        """Ask another upstream from now on; questions waiting for the previous one go to the pipeline."""
        self._answer_later(self._engine.give_up_before(float("inf")))
        self._engine.use_upstream(-1, [])
        self._close_sockets()
        self._next = 0
        self._upstream = upstream
        if upstream is None or upstream.transport != "udp":
            return  # the pipeline asks over TCP, TLS and HTTPS
        with contextlib.suppress(OSError):  # the pipeline reports what cannot be asked here
            for _ in range(SOCKETS):
                self._sockets.append(self._connected(upstream))
        self._engine.use_upstream(self._epoll.fileno(), [sock.fileno() for sock in self._sockets])
        self._engine.flights.rest(self._next)

    def _renew(self) -> None:
        """Replace the resting socket by one with another port once it is idle; then let the next one rest."""
        flights = self._engine.flights
        if self._upstream is None or flights.launched == self._launched or not flights.idle(self._next):
            return
        self._launched = flights.launched
        with contextlib.suppress(OSError):
            sock = self._connected(self._upstream)
            flights.replace(self._next, sock.fileno())
            sock, self._sockets[self._next] = self._sockets[self._next], sock
            self._epoll.unregister(sock.fileno())
            sock.close()
        self._next = (self._next + 1) % len(self._sockets)
        flights.rest(self._next)

    def _connected(self, upstream: Upstream) -> socket.socket:
        """Return a connected socket, on which the kernel accepts packets from this upstream only."""
        family, address = socket_address(upstream)
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            bind_randomly(sock, secrets.randbelow)
            sock.connect(address)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:
            sock.close()
            raise
        return sock

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            self._epoll.unregister(sock.fileno())
            sock.close()
        self._sockets = []
