"""A worker's resolver: the pipeline, and the engine in front of it that answers what it can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockd.feeds.transfer.notify import Notified
from blockd.metrics import Row, TrafficRow, Transport
from blockd.names import Network
from blockd.resolver.answers import BlockAnswers, Sinkhole
from blockd.resolver.cache import Cache
from blockd.resolver.clients import Clients
from blockd.resolver.engine import Declined, Engine
from blockd.resolver.engines import AnyEngine
from blockd.resolver.exchange import Exchange, Outcome
from blockd.resolver.forwarder import Forwarder
from blockd.resolver.pipeline import Pipeline
from blockd.resolver.probe import Probed
from blockd.ruleset import Enforced

if TYPE_CHECKING:
    from blockd.resolver._cache import NativeCache
    from blockd.resolver.native import Upstreams


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """Octets, and seconds."""

    size: int
    max_ttl: float
    max_negative_ttl: float


class Resolver:
    """Engine and pipeline, which enforce the same and share what upstreams have said."""

    def __init__(
        self,
        engine: str,
        *,
        networks: Iterable[Network],
        sinkhole: Sinkhole,
        limits: CacheLimits,
        forwarder: Forwarder,
        row: Row,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        refuse_unready: bool,
        traffic: TrafficRow | None = None,
        probed: Probed | None = None,
        notified: Notified | None = None,
    ) -> None:
        """`engine` is what `engines.engine_name` gave; `randomness(n)` gives n unpredictable octets.

        `clock` is monotonic, `wall_clock` counts from the epoch, both in seconds: by it orders begin and end.

        A self-test that shows the secret of `probed` is served and not counted.
        """
        networks = list(networks)
        self._sinkhole = sinkhole
        self._forwarder = forwarder
        self._upstreams: Upstreams | None = None
        size, max_ttl, max_negative_ttl = limits.size, limits.max_ttl, limits.max_negative_ttl
        native_cache = None
        if engine == "native":
            from blockd.resolver._cache import NativeCache  # only here: it may not be built
            from blockd.resolver._engine import NativeEngine
            from blockd.resolver.native import FeedingCache

            native_cache = NativeCache(size, max_ttl, max_negative_ttl, randomness(16))
            cache: Cache = FeedingCache(native_cache, size, max_ttl, max_negative_ttl)
        else:
            cache = Cache(size, max_ttl, max_negative_ttl)
        self.pipeline = Pipeline(
            clients=Clients(networks),
            sinkhole=sinkhole,
            cache=cache,
            forwarder=forwarder,
            row=row,
            clock=clock,
            wall_clock=wall_clock,
            refuse_unready=refuse_unready,
            traffic=traffic if native_cache is None else None,
            probed=probed,
            notified=notified,
        )
        self.cache: Cache | NativeCache = cache
        self.engine: AnyEngine = Engine(self.pipeline)
        if native_cache is not None:
            self.cache = native_cache
            self.engine = NativeEngine(
                self.pipeline, networks, row.numbers, native_cache, clock, wall_clock, refuse_unready, traffic
            )
            if probed is not None:
                self.engine.know_probe(probed.probe.secret)

    def enforce(self, enforced: Enforced) -> None:
        """Enforce another ruleset from the next message on, and let go of the one before."""
        answers = BlockAnswers(self._sinkhole, enforced.version)
        self.engine.enforce(enforced, answers)  # first: it lets go of the files that the pipeline then closes
        self.pipeline.enforce(enforced, answers)

    def begin(self, packet: bytes, host: str, transport: Transport) -> bytes | Outcome | Exchange:
        """Answer one message without waiting, or give what `finish` takes (see `Pipeline.begin`)."""
        return self.engine.begin(packet, host, transport)

    async def finish(self, exchange: Exchange) -> bytes | None:
        """Answer what waits for an upstream (see `Pipeline.finish`)."""
        return await self.pipeline.finish(exchange)

    def ask_upstreams(self, answer_later: Callable[[Iterable[Declined]], None]) -> None:
        """Let the engine ask upstreams itself, in the running event loop; `answer_later` takes what it gives back."""
        if not isinstance(self.engine, Engine):
            from blockd.resolver.native import Upstreams  # only here: it needs what may not be built

            self._upstreams = Upstreams(self.engine, self._forwarder, answer_later)

    def close(self) -> None:
        """Ask nothing more of upstreams by the engine."""
        if self._upstreams is not None:
            self._upstreams.close()
