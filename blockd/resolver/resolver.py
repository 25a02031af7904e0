"""A worker's resolver: the pipeline, and the engine in front of it that answers ordinary questions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from blockd.metrics import Transport
from blockd.metrics.upstreams import Load
from blockd.resolver.answers import BlockAnswers
from blockd.resolver.cache import Cache, CacheKey
from blockd.resolver.caching.image import write_image
from blockd.resolver.caching.inspection import CacheInspector
from blockd.resolver.caching.taking_over import Filling, parsed, take_over
from blockd.resolver.clients import Clients, keys_of
from blockd.resolver.edge.proxied import ProxiedDatagrams
from blockd.resolver.engine.choice import AnyEngine
from blockd.resolver.engine.twin import Deferred, Engine
from blockd.resolver.forwarding.forwarder import Forwarder
from blockd.resolver.forwarding.health import Health
from blockd.resolver.forwarding.native.outcomes import answer_of
from blockd.resolver.forwarding.native.pending_questions import PendingQuestion, PendingQuestions
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.options import CacheOptions, Instruments, Service, UpstreamOptions
from blockd.resolver.pipeline import Pipeline
from blockd.resolver.query_context import Outcome, QueryContext
from blockd.resolver.response import Response
from blockd.resolver.waiting import TOO_MANY, Waiting
from blockd.ruleset import Enforced
from blockd.settings import Upstream

if TYPE_CHECKING:
    from blockd.resolver.engine._cache import NativeCache
    from blockd.resolver.forwarding.native.forwarder import NativeForwarder

Pending = asyncio.Task[None] | PendingQuestion
"""A message of a stream that waits for upstreams, in the pipeline or in the engine."""


class Resolver:
    """Engine and pipeline, which enforce the same ruleset and share upstreams' responses."""

    def __init__(
        self,
        engine: str,
        service: Service,
        cache: CacheOptions,
        groups: Sequence[Group],
        options: UpstreamOptions,
        instruments: Instruments,
        flight_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`engine` is the result of `engine_name`; `flight_clock` is for the one in Python, see `Forwarder`."""
        self._sinkhole = service.sinkhole
        self._own = service.own
        self._notify = service.notify
        self._forwarder: Forwarder | NativeForwarder
        self._waiting = Waiting()
        self.tells_clients_apart = False  # clients may get different answers to the same question
        limits = cache.size, cache.max_ttl, cache.max_negative_ttl
        self._stale = cache.stale
        self._clock = instruments.clock
        row = instruments.row
        row.cache_emptied()
        self.cache: Cache | NativeCache
        own_cache: Cache  # the pipeline's
        self.engine: AnyEngine
        self.proxied: ProxiedDatagrams  # headers of front ends
        if engine == "native":
            from blockd.resolver.engine._cache import NativeCache  # only here: it may not be built
            from blockd.resolver.engine._engine import NativeEngine
            from blockd.resolver.forwarding.native.forwarder import FeedingCache, NativeForwarder

            self.cache = native_cache = NativeCache(*limits, cache.seed, stale=cache.stale, prefetch=cache.prefetch)
            not_sampling = replace(instruments, traffic=None)  # the engine does that
            self._forwarder = native = NativeForwarder(groups, options)
            feeding_cache = FeedingCache(native_cache, cache, row)
            self.pipeline = Pipeline(service, feeding_cache, cache, native, not_sampling)
            self.proxied = ProxiedDatagrams(self.clients, service, row)
            self.engine = NativeEngine(self.pipeline, native_cache, service, instruments)
            self.engine.stale_after = cache.stale_after
            native.attach(self.engine)
            self.engine.take_questions(PendingQuestions(self.engine, self.pipeline, self._waiting, self.answer_later))
            self.inspector = CacheInspector((native_cache, feeding_cache), native, row)
        else:
            self._forwarder = forwarder = Forwarder(groups, options, instruments, flight_clock)
            self.cache = own_cache = Cache(*limits, row, stale=cache.stale, prefetch=cache.prefetch)
            self.pipeline = Pipeline(service, own_cache, cache, forwarder, instruments)
            self.proxied = ProxiedDatagrams(self.clients, service, row)
            self.engine = Engine(self.pipeline, self.proxied)
            self.inspector = CacheInspector((own_cache,), forwarder, row)
            forwarder.keep_late_answers(lambda key, response: own_cache.put(key, response, instruments.clock()))

    def enforce(self, enforced: Enforced) -> None:
        """Enforce another ruleset from the next message on, and let go of the one before."""
        answers = BlockAnswers(self._sinkhole, enforced.version)
        self.engine.enforce(enforced, answers)  # first: it lets go of the files that the pipeline then closes
        self.pipeline.enforce(enforced, answers, self.engine.judge(enforced))
        self.tells_clients_apart = enforced.asks_client or bool(enforced.client_groups)

    def use(self, groups: Sequence[Group], local: LocalZones | None = None) -> None:
        """Ask these upstreams from the next message on; answer from these local zones, if given. No question is lost.

        What is cached of names that are local from now on is for the `inspector` to remove.
        """
        self._forwarder.use(groups)
        if self._own is not None:
            self._own.use(self._forwarder.healths)
            self.engine.use_own(self._own.cookies)
        if local is not None:
            self.pipeline.use_local(local)
            self.engine.use_local(local)

    @property
    def healths(self) -> Mapping[Upstream, Health]:
        """How each upstream is."""
        return self._forwarder.healths

    @property
    def looped(self) -> Mapping[str, int]:
        """How many questions to each upstream came back."""
        return self._own.counts if self._own is not None else {}

    @property
    def load(self) -> Load:
        """What forwarding is busy with."""
        return self._forwarder.load

    async def hand_over(self, descriptor: int, limit: int) -> int:
        """Write what is cached to an empty file, the newest of it if it is more than `limit` octets.

        Return how many entries that are. Raises OSError.
        """
        return await write_image(self.cache, descriptor, limit)

    async def take_over(self, octets: memoryview, is_left_out: Callable[[bytes], bool]) -> int:
        """Keep what another resolver has written so, but for names of which `is_left_out` is true, given their keys.

        Return how many entries that are. Raises DamagedImageError; then nothing of it is kept.
        """
        cache = self.cache
        if isinstance(cache, Cache):
            filling = Filling(cache, cache.put, parsed, self._stale, is_left_out)
        else:
            native = cache

            def put(key: CacheKey, response: Response, now: float) -> None:
                native.put(*key, response, now)

            filling = Filling(native, put, answer_of, self._stale, is_left_out)
        return await take_over(octets, filling, self._clock)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer, or something that was read is still to be answered."""
        return bool(len(self._waiting) or self._forwarder.in_flight or self.engine.is_behind)

    @property
    def clients(self) -> Clients:
        """Which clients are served."""
        return self.pipeline.clients

    def may_connect(self, host: str) -> bool:
        """Return whether a host may have connections: a client that is served, or a primary, which may send NOTIFY."""
        return self.clients.serves(host) or (self._notify is not None and self._notify.expects(host))

    def begin(self, packet: bytes, host: str, transport: Transport, idle: float = 0) -> bytes | Outcome | QueryContext:
        """Answer one message without waiting, or return what `finish` takes (see `Pipeline.begin`)."""
        begun = self.engine.begin(packet, host, transport, idle)
        assert not isinstance(begun, PendingQuestion)  # noqa: S101 - it has nothing to deliver to
        return begun

    def ask(
        self,
        packet: bytes,
        host: str,
        transport: Transport,
        idle: float,
        deliver: Callable[[bytes | None], None],
        done: Callable[[Pending], None],
    ) -> bytes | Outcome | Pending | None:
        """Answer one message of a stream, if nothing must be waited for; else `deliver` is called with the answer.

        Return what waits, with which `done` is called when it has been delivered, or Outcome.SILENCE for no answer.
        Return None if it has been delivered already, since too many wait.
        """
        begun = self.engine.begin(packet, host, transport, idle, deliver, done)
        if not isinstance(begun, QueryContext):
            return begun
        task = self.answer_later(begun, deliver)
        if task is not None:
            task.add_done_callback(done)
        return task

    async def finish(self, context: QueryContext) -> bytes | None:
        """Answer a message that waits for an upstream (see `Pipeline.finish`)."""
        return await self.pipeline.finish(context)

    def answer_later(self, context: QueryContext, deliver: Callable[[bytes | None], None]) -> asyncio.Task[None] | None:
        """Have `deliver` called with the answer to a message that waits, None for silence; return the task that waits.

        If too many wait already, see `Places`, it is called at once, with SERVFAIL, and None is returned; or later, if
        the place is lost for somebody who has fewer.
        """
        keys = [self._forwarder.domain_of(context.lookup[0])]
        if self.clients.is_limited(context.host):
            keys += keys_of(context.host)
        return self._waiting.add(self.finish(context), lambda: self.pipeline.give_up(context, TOO_MANY), deliver, keys)

    def ask_upstreams(self, answer_later: Callable[[Iterable[Deferred]], None]) -> None:
        """Probe upstreams from now on, in the running event loop; `answer_later` gets what the engine gives back."""
        if isinstance(self._forwarder, Forwarder):
            self._forwarder.start()
        else:
            self._forwarder.start(answer_later)

    def close(self) -> None:
        """Stop asking upstreams; who waits for them is answered."""
        self._forwarder.close()
