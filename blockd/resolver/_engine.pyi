import socket
from collections.abc import Callable, Iterable, Sequence

from blockd.metrics import TrafficRow, Transport
from blockd.names import Network
from blockd.resolver._cache import NativeCache
from blockd.resolver._flights import Flights
from blockd.resolver.answers import BlockAnswers
from blockd.resolver.engine import Declined
from blockd.resolver.exchange import Exchange, Outcome
from blockd.resolver.pipeline import Pipeline
from blockd.ruleset import Enforced

class NativeEngine:
    cache: NativeCache
    flights: Flights
    unreachable: int
    heard: float
    def __init__(
        self,
        pipeline: Pipeline,
        networks: Iterable[Network],
        row: memoryview,
        cache: NativeCache,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        refuse_unready: bool,
        traffic: TrafficRow | None = None,
    ) -> None: ...
    def enforce(self, enforced: Enforced, answers: BlockAnswers) -> None: ...
    def know_probe(self, secret: bytes) -> None: ...
    def attach(self, sock: socket.socket) -> int: ...
    def use_upstream(self, epoll: int, descriptors: Sequence[int]) -> None: ...
    def begin(self, packet: bytes, host: str, transport: Transport) -> bytes | Outcome | Exchange: ...
    def drain(self, descriptor: int) -> list[Declined]: ...
    def drain_upstreams(self) -> list[Declined]: ...
    def give_up_before(self, sent: float) -> list[Declined]: ...
    def send(self, answer: bytes, declined: Declined) -> None: ...
