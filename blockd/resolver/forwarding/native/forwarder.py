"""What forwarding in C needs from Python: an event loop, streams, probes, and who waits for a question in Python."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from blockd.metrics import Row
from blockd.metrics.upstreams import Load
from blockd.resolver.cache import Cache, Cached, CacheKey
from blockd.resolver.caching.caching_forwarder import nothing
from blockd.resolver.caching.inspection import RememberedFailure
from blockd.resolver.engine._cache import NativeCache
from blockd.resolver.engine._engine import NativeEngine
from blockd.resolver.engine.twin import Deferred
from blockd.resolver.forwarding.failures import Failure, failure_text
from blockd.resolver.forwarding.floods import Floods
from blockd.resolver.forwarding.health import OF_STREAM, Health
from blockd.resolver.forwarding.native.outcomes import outcome_of, response_of
from blockd.resolver.forwarding.probing import Prober, probe_key
from blockd.resolver.forwarding.source_ports import reserved_ports
from blockd.resolver.forwarding.udp_sockets import sockets_each
from blockd.resolver.forwarding.upstream_groups import Group, probed_zones
from blockd.resolver.options import CacheOptions, UpstreamOptions
from blockd.resolver.response import Response
from blockd.resolver.streams import FailureKind, Stream
from blockd.resolver.waiting import Turns
from blockd.settings import Upstream

log = logging.getLogger(__name__)

PIPELINE_SHARE = 16  # the pipeline's own cache, used for unusual questions only, has this part of the size
LOOK = 0.25  # seconds between two looks at which upstreams are to be probed


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


_Outcome = tuple[bytes, str] | tuple[bytes, bool]
"""A response with its upstream; or EDE options, and whether an upstream said so with SERVFAIL."""


@dataclass(frozen=True, slots=True)
class ForwardingOptions:
    """What `Forwarding` is told: seconds, tries for one question, sockets for each upstream, ports not sent from."""

    timeout: float
    attempts: int
    mixed_case: bool
    cookies: bool
    sockets: int
    avoid_ports: frozenset[int]
    floods: Floods
    client_cookies: tuple[bytes, ...] = ()  # of the upstreams, in their order; random if there are none


class _Listener:
    """What comes of one upstream's stream, told to the engine."""

    def __init__(self, forwarder: NativeForwarder, place: int) -> None:
        self._forwarder = forwarder
        self._place = place

    def answered(self, stream: Stream, message: bytes) -> None:
        """Take one message."""
        self._forwarder.land(self._place, message)

    def failed(self, stream: Stream, ids: Sequence[int], kind: FailureKind, why: str) -> None:
        """Take word of questions that will not be answered."""
        self._forwarder.stream_failed(self._place, ids, OF_STREAM[kind], why)


class NativeForwarder:
    """Asks upstreams through an engine, whose flights serve those who wait in C and here alike."""

    def __init__(self, groups: Sequence[Group], options: UpstreamOptions) -> None:
        self._options = options
        self._floods = Floods(options.floods, log.warning)
        self._engine: NativeEngine | None = None
        self._groups = list(groups)
        self._upstreams: list[Upstream] = []
        self._zones: list[bytes] = []  # what each upstream is probed for
        self._streams: dict[int, Stream] = {}
        self._to_ask: list[tuple[int, bytes]] = []
        self._waiting: dict[int, asyncio.Future[_Outcome]] = {}
        self._numbers = itertools.count()
        self._turns = Turns()
        self._answer_later: Callable[[Iterable[Deferred]], None] = _drop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._prober: Prober | None = None
        self._is_started = False
        self.healths: dict[Upstream, Health] = {}

    def attach(self, engine: NativeEngine) -> None:
        """Ask through this engine from now on."""
        self._engine = engine
        self.use(self._groups)

    def use(self, groups: Sequence[Group]) -> None:
        """Ask these upstreams from the next question on; what is known of those that stay is kept.

        Raises OSError if a file that it needs cannot be opened; then those before stay in use.
        """
        engine, loop = self._engine_in_use, self._loop
        zones = probed_zones(groups)
        now = time.monotonic()
        healths = {one: self.healths.get(one) or Health(now) for one in zones}
        places = {one: place for place, one in enumerate(zones)}
        members = [(zone, [places[one] for one in upstreams]) for zone, upstreams in groups]
        told = [(one.label, _address(one), health) for one, health in healths.items()]
        options = ForwardingOptions(
            self._options.timeout,
            self._options.attempts,
            self._options.mixed_case,
            self._options.cookies,
            sockets_each(len(told), self._options.sockets),
            frozenset(port for ports in (*self._options.avoid_ports, *reserved_ports()) for port in ports),
            self._floods,
            tuple(map(self._options.cookie_for, zones)),
        )
        if loop is not None:
            loop.remove_reader(self._reader)
            self._loop = None  # what is asked over streams waits until these are made anew
        before = self._upstreams, self._zones, self.healths
        self._upstreams, self._zones, self.healths = list(zones), list(zones.values()), healths
        self._close_streams()
        try:
            given_back = engine.forward(told, members, options, self)
        except OSError:
            self._upstreams, self._zones, self.healths = before
            if loop is not None:
                self._run_in(loop)
            raise
        self._groups = list(groups)
        self._prober = Prober(list(healths.values()), [group for _, group in members], self._send_probe)
        if loop is not None:
            self._run_in(loop)
        self._answer_later(given_back)

    def start(self, answer_later: Callable[[Iterable[Deferred]], None]) -> None:
        """Ask and probe upstreams in the running event loop; `answer_later` gets what the engine gives back."""
        self._answer_later = answer_later
        self._is_started = True
        self._close_streams()
        self._run_in(asyncio.get_running_loop())
        self._look()

    def close(self) -> None:
        """Answer all who wait, and close all sockets; the next question would open some again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_started = False
        self._engine_in_use.forwarding.is_started = False
        self._answer_later(self._engine_in_use.stop_forwarding())
        self._close_streams()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._reader)
        self._loop = None

    async def resolve(
        self, key: CacheKey, begun: Callable[[], object] = nothing, asker: bytes = b""
    ) -> Response | Failure:
        """Return the upstreams' response, which may be SERVFAIL, or why there is none to pass on.

        `begun` is called unless that is known at once. `asker` is who asks, see `Floods`.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._close_streams()  # they belong to the loop before
            self._run_in(loop)
        number = next(self._numbers)
        failed = self._engine_in_use.resolve(*key, number, asker)
        if failed is not None:
            return outcome_of(*failed)
        begun()
        waiter: asyncio.Future[_Outcome] = loop.create_future()
        self._waiting[number] = waiter
        try:
            outcome = await waiter
        finally:
            self._waiting.pop(number, None)
        await self._turns.take()
        told, source = outcome
        if isinstance(source, str):
            return response_of(told, len(key[0]) + 5, key[2], source)
        return outcome_of(told, source)

    @property
    def load(self) -> Load:
        """What it is busy with."""
        forwarding = self._engine_in_use.forwarding
        forwarding.note_in_flight()  # figures of upstreams are noted with it
        return Load(forwarding.flights.count, forwarding.flights.late, len(forwarding.failures), self._floods.held_back)

    @property
    def in_flight(self) -> int:
        """How many questions are waiting for upstreams."""
        return self._engine_in_use.forwarding.flights.count

    def domain_of(self, key: bytes) -> bytes:
        """Return the key of the registered domain of a name, see `Floods.domain_of`."""
        return self._floods.domain_of(key)

    def failures(self, name: bytes, *, below: bool) -> Iterator[list[RememberedFailure]]:
        """Yield the remembered failures of a name's questions, and with `below` of those under it, in parts."""
        for part in self._engine_in_use.forwarding.remembered(name, below=below):
            yield [
                RememberedFailure((key, qtype, do, cd), until, failure_text(errors))
                for key, qtype, do, cd, until, errors in part
            ]

    def forget(self, key: CacheKey) -> None:
        """Forget a failure, so that the question is asked again."""
        self._engine_in_use.forget(*key)

    # What the engine tells.

    def ask_stream(self, place: int, message: bytes) -> None:
        """Ask an upstream over its stream, as soon as the engine has done what it is at."""
        if not self._to_ask and self._loop is not None:
            self._loop.call_soon(self._ask_streams)
        self._to_ask.append((place, message))

    def settled(self, number: int, message: bytes, source: str) -> None:
        """Tell who waits here the response, and from which upstream it is."""
        self._tell(number, (message, source))

    def failed(self, number: int, errors: bytes, is_said: bool) -> None:
        """Tell who waits here that there is no answer: EDE options, and whether an upstream said so with SERVFAIL."""
        self._tell(number, (errors, is_said))

    def probe_answered(self, place: int, now: float, seconds: float, resolves: bool) -> None:
        """Note the answer to a probe."""
        if self._prober is not None:
            self._prober.note_answer(self.healths[self._upstreams[place]], now, seconds, resolves)

    def probe_failed(self, place: int, now: float) -> None:
        """Note that a probe will not be answered."""
        if self._prober is not None:
            self._prober.note_failure(self.healths[self._upstreams[place]], now)

    def take_back(self, given_back: Iterable[Deferred]) -> None:
        """Have the pipeline answer clients that the engine gives back while it does something for another."""
        self._answer_later(given_back)

    # What streams tell.

    def land(self, place: int, message: bytes) -> None:
        """Take a message that came over a stream."""
        self._answer_later(self._engine_in_use.land(place, message))

    def stream_failed(self, place: int, ids: Sequence[int], kind: int, why: str) -> None:
        """Take word of questions that will not be answered over a stream; `kind` is one of `health`."""
        self._answer_later(self._engine_in_use.stream_failed(place, ids, kind, why.encode()))

    @property
    def _engine_in_use(self) -> NativeEngine:
        assert self._engine is not None, "attached when the resolver is made"  # noqa: S101
        return self._engine

    def _run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read sockets in this loop; what is to be asked over streams is asked in its next turn."""
        self._loop = loop
        if self._to_ask:
            loop.call_soon(self._ask_streams)
        self._engine_in_use.forwarding.is_started = self._is_started
        self._reader = self._engine_in_use.forwarding.epoll
        loop.add_reader(self._reader, self._read)

    def _read(self) -> None:
        given_back = self._engine_in_use.drain_upstreams()
        if given_back:
            self._answer_later(given_back)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK, self._look)
        if self._prober is not None:
            self._prober.tick(time.monotonic())

    def _send_probe(self, place: int) -> None:
        key, qtype, _, _ = probe_key(self._zones[place])
        if not self._engine_in_use.forwarding.probe(place, key, qtype):
            raise OSError("the upstream cannot be reached")

    def _tell(self, number: int, outcome: _Outcome) -> None:
        waiter = self._waiting.pop(number, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def _ask_streams(self) -> None:
        asked, self._to_ask = self._to_ask, []
        for place, message in asked:
            stream = self._streams.get(place)
            if stream is None:
                stream = self._streams[place] = Stream(self._upstreams[place], _Listener(self, place))
            stream.ask(message)

    def _close_streams(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        self._to_ask.clear()


def _drop(given_back: Iterable[Deferred]) -> None:
    """Lose what is given back: no client waits, since no socket of theirs is served."""


def _address(upstream: Upstream) -> tuple[str, int, str] | None:
    """Return host, port and zone of an upstream that is asked over UDP."""
    if upstream.transport != "udp":
        return None
    host, _, zone = upstream.host.partition("%")
    return host, upstream.port, zone
