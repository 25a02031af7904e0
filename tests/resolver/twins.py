"""Both engines side by side, with the same rulesets, clock and cache content: what one says the other must."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.metrics import Counters, Row, Traffic, Transport
from blockd.metrics.counters import _CACHE_ENTRIES, _RECENT
from blockd.names import Network
from blockd.orders import Reason
from blockd.resolver import (
    CACHE_SEED,
    CacheOptions,
    Instruments,
    QueryContext,
    Resolver,
    Service,
    UpstreamOptions,
)
from blockd.resolver.cache import Cached, CacheKey
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.response import Response, parse
from blockd.ruleset import Enforced, FeedInput, OrderStates, Ruleset, StatesMemory, compile_ruleset
from blockd.settings import Upstream
from blockd.settings.groups import NO_GROUPS
from tests.resolver.rig import PATIENT, SINKHOLE, Clock

NETWORKS = ("127.0.0.0/8", "192.0.2.128/25", "::1/128", "2001:db8:1::/48", "fe80::/10")
SERVED = ("127.0.0.1", "192.0.2.200", "2001:db8:1::1", "fe80::1%1")
STRANGERS = ("198.51.100.1", "192.0.2.1", "2001:db8:2::1", "::ffff:127.0.0.1")
RULINGS = {  # what the policy says, in the numbers of the table in C
    Reason.NOT_LISTED: 0,
    Reason.NOT_IN_FORCE: 0,
    Reason.ALLOWED: 1,
    Reason.MONITORED: 2,
    Reason.LISTED: 3,
    Reason.PASSED: 5,
}
BROKEN = 4  # the ruling of a file that contradicts itself
CACHE_SIZE = 512 << 20  # octets; nothing of a corpus is forgotten for want of room, even in the pipeline's part


def question_size(message: bytes) -> int | None:
    """Return the octets of a message's only question; None if it has none that can be parsed."""
    position = 12
    while position < len(message) and 0 < message[position] < 64:
        position += 1 + message[position]
    size = position + 5 - 12
    return size if 12 + size <= len(message) and message[position] == 0 and size <= 259 else None


def without_ttls(answer: bytes) -> bytes:
    """Blank the TTLs: one of the two may have been asked a moment later."""
    size = question_size(answer)
    if size is None:
        return answer
    octets = bytearray(answer)
    for place, _ in parse(answer, size, do=True).ttls:
        octets[12 + size + place : 12 + size + place + 4] = b"TTL!"
    return bytes(octets)


class Side:
    """One engine with the pipeline behind it."""

    def __init__(
        self,
        engine: str,
        clock: Clock,
        wall_clock: Clock,
        upstreams: Sequence[Upstream],
        *,
        refuse_unready: bool = False,
        timeout: float = PATIENT,
        cache_size: int = CACHE_SIZE,
        client_ttl: int = types.MAX_TTL,
        stale: float = 0,
        prefetch: bool = False,
        local: LocalZones | None = None,
        serving: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`serving` makes more of `Service`."""
        self.row: Row = Counters(1).row(0)
        self.traffic = Traffic(1, bytes(range(16)))
        chance = random.Random(1)  # noqa: S311 - a test repeats itself
        instruments = Instruments(clock, wall_clock, self.row, self.traffic.row(0))
        options = UpstreamOptions(timeout, 1, chance.randrange, mixed_case=False, cookies=False)
        self.resolver = Resolver(
            engine,
            Service(
                tuple(map(Network.from_text, NETWORKS)),
                SINKHOLE,
                refuse_unready,
                client_ttl=client_ttl,
                local=local,
                **serving(),
            ),
            CacheOptions(cache_size, 86_400, 3600, chance.randbytes(CACHE_SEED), stale, prefetch=prefetch),
            [Group(b"", tuple(upstreams))],
            options,
            instruments,
        )

    def begin(self, packet: bytes, host: str, transport: Transport, idle: float = 0) -> object:
        """Return what is answered, in a form that can be compared."""
        begun = self.resolver.begin(packet, host, transport, idle)
        if isinstance(begun, QueryContext):
            return begun.lookup, begun.target, begun.errors, begun.hits
        return begun

    @property
    def counted(self) -> bytes:
        """All counters; what the caches take is measured by each engine in its own way."""
        return self.row.numbers[:_CACHE_ENTRIES].tobytes() + self.row.numbers[_RECENT:].tobytes()


class Twins:
    """The native engine and the one in Python."""

    def __init__(self, folder: Path, *upstreams: Upstream, **given: Any) -> None:
        """Take a folder for rulesets, upstreams, and what else a `Side` takes."""
        self.folder = folder
        self.clock = Clock()
        self.wall_clock = Clock(1.0)
        self.native = Side("native", self.clock, self.wall_clock, upstreams, **given)
        self.python = Side("python", self.clock, self.wall_clock, upstreams, **given)
        self.version = 0
        self.client_groups = NO_GROUPS
        self._before: dict[CacheKey, Cached | None] = {}  # what was kept under a question, see `unchanged`

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.native, self.python

    def enforce(self, feeds: Sequence[FeedInput]) -> Path:
        """Compile a ruleset and enforce it on both sides; give its file."""
        self.version += 1
        path = self.folder / f"{self.version}.ruleset"
        chance = random.Random(self.version)  # noqa: S311 - a test repeats itself
        compile_ruleset(feeds, path, created=1, randomness=chance.randbytes)
        with_orders = Ruleset.open(path)
        self.orders = [record.order for record in with_orders.catalogue.orders]
        with_orders.close()
        self._states = StatesMemory.make(self.orders, range(1, len(self.orders) + 1), 1)
        self.wall_clock.now = 1.0
        for side in self.sides:
            states = OrderStates(self._states, len(self.orders))
            side.resolver.enforce(Enforced(self.version, Ruleset.open(path), states, client_groups=self.client_groups))
        return path

    def pass_time(self, now: float, *stale: int) -> None:
        """Flip the orders' states to what they are at `now`, seconds since the epoch; `stale` ones are marked."""
        states = OrderStates(self._states, len(self.orders), writable=True)
        states.update(self.orders, now, frozenset(stale))
        states.close()
        self.wall_clock.now = now

    def fill(self, message: bytes, age: float = 0) -> Response | None:
        """Have both sides keep what an upstream answered `age` seconds ago; None if it cannot be parsed."""
        size = question_size(message)
        try:
            response = parse(message, size) if size is not None else None
        except BadMessage:
            return None
        if size is None or response is None:
            return None
        self.keep(message, size, response, age)
        return response

    def keep(self, message: bytes, size: int, response: Response, age: float = 0) -> None:
        """Have both sides keep a response under its question, for each way of asking, as if it were `age` seconds old.

        The clock stands still: if it went on and then back, an entry that one side had forgotten as expired, and the
        other had not looked at, would be fresh again for that one alone.
        """
        labels: list[bytes] = []
        position = 12
        while message[position]:
            labels.append(message[position : position + 1 + message[position]])
            position += 1 + message[position]
        key = b"".join(reversed(labels)).lower()
        qtype = int.from_bytes(message[8 + size : 10 + size])
        for do in (False, True):
            for cd in (False, True):
                question = key, qtype, do, cd
                self._before.setdefault(question, self.python.resolver.cache.peek(question))
                self._put(question, response, self.clock() - age)

    def _put(self, question: CacheKey, response: Response, stored: float) -> None:
        for side in self.sides:
            side.resolver.pipeline._cache.put(question, response, stored)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Forget in the end what both sides were given to keep, and keep again what they had in its place.

        With it each of many examples begins with the same caches, and one that fails can be repeated alone.
        """
        self._before.clear()
        try:
            yield
        finally:
            for question, before in self._before.items():
                if before is not None:
                    self._put(question, before.response, before.stored)
                    continue
                for side in self.sides:
                    side.resolver.cache.remove(question)
                    side.resolver.pipeline._cache.remove(question)

    def ask(
        self, packet: bytes, host: str = SERVED[0], transport: Transport = Transport.UDP, idle: float = 0
    ) -> object:
        """Ask both engines; fail if their answers or counters differ. Return the answer."""
        said = [side.begin(packet, host, transport, idle) for side in self.sides]
        counted = [side.counted for side in self.sides]
        if counted[0] != counted[1]:  # one failure is not the next one's
            self.count_alike()
        assert said[0] == said[1], (packet.hex(), host, transport)
        assert counted[0] == counted[1], (packet.hex(), host, transport)
        return said[0]

    def count_alike(self) -> None:
        """Have the native engine's counters say what those of the other do."""
        for part in (slice(_CACHE_ENTRIES), slice(_RECENT, None)):
            self.native.row.numbers[part] = self.python.row.numbers[part]
