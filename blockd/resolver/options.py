"""The options of a resolver: clients and answers, cache, upstreams, clocks and counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from blockd.dns import types
from blockd.metrics import Row, TrafficRow
from blockd.names import Network
from blockd.resolver.answers import Sinkhole
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.forwarding.floods import NO_LIMIT, FloodLimit
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.machine.own_questions import OwnQuestions
from blockd.resolver.selftest_key import SelfTestIdentity
from blockd.settings import Upstream

CACHE_SEED = 16  # octets

Randomness = Callable[[int], int]
"""Returns an unpredictable number from 0 up to, but not including, its argument."""


class NotifyHandler(Protocol):
    """Answers NOTIFY (RFC 1996), which comes from a primary and not from a client."""

    def answer(self, packet: bytes, host: str) -> bytes | None:
        """Return the answer to a NOTIFY from `host`; None if none is to be sent."""

    def expects(self, host: str) -> bool:
        """Return whether a NOTIFY may come from `host`."""


@dataclass(frozen=True, slots=True)
class Service:
    """The clients that a worker answers, and how.

    With `refuse_unready`, SERVFAIL is answered before the first ruleset instead of resolving. A self-test that has the
    secret of `selftest` is served but not counted. Without `notify`, a NOTIFY is a message like any other. What is in
    `local` is answered without asking upstreams. No TTL of an answer is over `client_ttl` seconds. One address
    of `front_ends`, which lie in `networks`, asks for many clients. So does one of `proxies`, which says in a PROXY
    protocol header for whom, or that it asks for itself. Over encrypted transports, clients that send an empty EDNS
    option with the code `client_option` are told of blocks in structured errors; 0 if no code is known. `server_id` is
    told to clients that ask which server answers (NSID, id.server), empty to nobody.
    """

    networks: tuple[Network, ...]
    sinkhole: Sinkhole
    refuse_unready: bool = False
    selftest: SelfTestIdentity | None = None
    notify: NotifyHandler | None = None
    client_ttl: int = types.MAX_TTL
    local: LocalZones | None = None
    own: OwnQuestions | None = None  # questions of blockd's own that come back get SERVFAIL
    front_ends: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    limiter: RateLimiter | None = None  # of answers over UDP; None for no limit
    cookies: ServerCookies | None = None  # None if clients get no cookies
    client_option: int = 0
    server_id: bytes = b""

    @property
    def served(self) -> tuple[Network, ...]:
        """The networks whose questions are answered: what proxies ask for themselves too, which is about their health.

        They are trusted to name any client, so that this lets nobody in who is not already.
        """
        return (*self.networks, *self.proxies)

    @property
    def asks_for_many(self) -> tuple[Network, ...]:
        """The networks of which one address is not counted as one client."""
        return (*self.front_ends, *self.proxies)


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Octets, seconds, and CACHE_SEED unpredictable octets that key the table of the engine's cache.

    An entry is kept `stale` seconds after it has expired, and given if upstreams fail, or do not answer for
    `stale_after` seconds. With `prefetch`, an entry that is used often is asked for anew before it expires.
    """

    size: int
    max_ttl: float
    max_negative_ttl: float
    seed: bytes
    stale: float = 0
    stale_after: float = 1.8  # RFC 8767 section 5: less than the 2 s after which clients ask again
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """How upstreams are asked.

    `timeout` is how many seconds a question of a client waits at most, `attempts` how many questions it may cause;
    IDs, ports and the case of names are drawn from `randomness`. No question leaves from `avoid_ports`. `sockets` are
    how many may be open to all upstreams together, for questions over UDP.
    """

    timeout: float
    attempts: int
    randomness: Randomness
    mixed_case: bool = True
    cookies: bool = True
    avoid_ports: tuple[range, ...] = ()
    floods: FloodLimit = NO_LIMIT
    sockets: int = 1 << 16
    cookie_for: Callable[[Upstream], bytes] = lambda _: b""  # its client cookie; empty for a random one


@dataclass(frozen=True, slots=True)
class Instruments:
    """The clocks and counters of a worker.

    `clock` is monotonic, `wall_clock` counts from the epoch, both in seconds; orders begin and end by the latter.
    `traffic` samples questions; None if they are not sampled.
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    row: Row
    traffic: TrafficRow | None = None
