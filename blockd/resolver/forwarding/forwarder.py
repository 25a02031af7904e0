"""Forwarding in Python: what is not blocked, cached or local is asked of upstreams, each question once for all."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from blockd.metrics.upstreams import Load
from blockd.resolver.cache import CacheKey
from blockd.resolver.caching.caching_forwarder import nothing
from blockd.resolver.caching.inspection import RememberedFailure
from blockd.resolver.forwarding.agenda import BUDGET
from blockd.resolver.forwarding.failures import Failure
from blockd.resolver.forwarding.flight import Flight
from blockd.resolver.forwarding.flights import Flights, Keep
from blockd.resolver.forwarding.groups import LinkGroup
from blockd.resolver.forwarding.health import Health
from blockd.resolver.forwarding.judging import Meaning, judge
from blockd.resolver.forwarding.limits import RENEWAL
from blockd.resolver.forwarding.link import Link
from blockd.resolver.forwarding.probing import Prober, probe_key
from blockd.resolver.forwarding.source_ports import SourcePorts
from blockd.resolver.forwarding.tries import Try
from blockd.resolver.forwarding.udp_sockets import sockets_each
from blockd.resolver.forwarding.upstream_groups import Group, Groups, probed_zones
from blockd.resolver.options import Instruments, UpstreamOptions
from blockd.resolver.response import Response
from blockd.settings import Upstream


class Forwarder:
    """The upstreams of a worker. Sockets are opened in the event loop that runs when a question comes."""

    def __init__(
        self,
        groups: Sequence[Group],
        options: UpstreamOptions,
        instruments: Instruments,
        flight_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`flight_clock` is the event loop's; that of the instruments is the cache's, and of remembered failures."""
        self._options = options
        self._now = flight_clock
        self._ports = SourcePorts(options.avoid_ports, options.randomness)
        self._flights = Flights(options, instruments, flight_clock)
        self._ticker: asyncio.TimerHandle | None = None
        self._turn_ends: float | None = None  # when this turn of the event loop has taken its time
        self._is_started = False
        self._links: dict[Upstream, Link] = {}
        self._left: deque[Flight] = deque()  # to be asked anew, of others
        self._retired: list[Link] = []  # upstreams that are asked no more, and may still answer
        self.use(groups)

    def use(self, groups: Sequence[Group]) -> None:
        """Ask these upstreams from the next question on, the first group for all names that are not in another's zone.

        What is known of upstreams that stay is kept. What somebody waits for is asked anew.
        """
        self._left.extend(self._flights.take_all())
        before, self._links = self._links, {}
        self._flights.failures.clear()
        for upstream, zone in probed_zones(groups).items():
            known = before.pop(upstream, None)
            self._links[upstream] = known or Link(upstream, self._options, self._ports, self, self._now)
            self._links[upstream].zone = zone
        for gone in before.values():
            gone.end_probes()
            self._retired.append(gone)
        self._table = Groups(groups)
        self._groups = [LinkGroup(group.zone, [self._links[one] for one in group.upstreams]) for group in groups]
        links = list(self._links.values())
        for link in links:
            link.resize(sockets_each(len(links), self._options.sockets))
        places = [[links.index(link) for link in group.links] for group in self._groups]
        self._prober = Prober([link.health for link in links], places, lambda index: self._probe(links[index]))
        self._ask_anew()

    def _ask_anew(self) -> None:
        """Ask what somebody waited for when upstreams changed, in this turn of the event loop or the next ones."""
        end = self._now() + BUDGET
        while self._left:
            flight = self._left.popleft()
            again = self._flights.find(flight.key) or self._flights.launch(
                flight.key, self._group_of(flight.key), flight.asker
            )
            if again.outcome is None:
                again.waiters += flight.waiters
            else:
                flight.tell(again.outcome)
            if self._now() >= end:
                break
        if self._left:
            asyncio.get_running_loop().call_soon(self._ask_anew)

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """All that may be asked, in the order in which they were named."""
        return tuple(self._links)

    @property
    def healths(self) -> dict[Upstream, Health]:
        """How each of them is."""
        return {upstream: link.health for upstream, link in self._links.items()}

    @property
    def load(self) -> Load:
        """What it is busy with."""
        flights = self._flights
        return Load(self.in_flight, flights.late, len(flights.failures), flights.floods.held_back)

    @property
    def in_flight(self) -> int:
        """How many questions are waiting for upstreams."""
        return len(self._flights) + len(self._left)

    def domain_of(self, key: bytes) -> bytes:
        """Return the key of the registered domain of a name, see `Floods.domain_of`."""
        return self._flights.floods.domain_of(key)

    def keep_late_answers(self, keep: Keep) -> None:
        """Have answers kept that come when nobody waits for them any more."""
        self._flights.keep = keep

    def failures(self, name: bytes, *, below: bool) -> Iterator[list[RememberedFailure]]:
        """Yield the remembered failures of a name's questions, and with `below` of those under it, in parts."""
        return self._flights.failures.of(name, self._flights.cache_now, below=below)

    def forget(self, key: CacheKey) -> None:
        """Forget a failure, so that the question is asked again."""
        self._flights.failures.forget(key)

    def start(self) -> None:
        """Probe upstreams and renew sockets from now on, in the running event loop."""
        self._is_started = True
        if self._ticker is None:
            self._tick()

    def close(self) -> None:
        """Answer who waits, and close all sockets; the next question would open some again."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        self._is_started = False
        self._flights.close([*self._left])
        self._left.clear()
        for link in (*self._links.values(), *self._retired):
            link.shut()
        self._retired.clear()

    async def resolve(
        self, key: CacheKey, begun: Callable[[], object] = nothing, asker: bytes = b""
    ) -> Response | Failure:
        """Return the upstreams' response, which may be SERVFAIL, or why there is none to pass on.

        `begun` is called unless that is known at once. `asker` is who asks, see `Floods`.
        """
        flight = self._flights.find(key)
        if flight is None:
            remembered = self._flights.remembered(key)
            if remembered is not None:
                return remembered
            flight = self._flights.launch(key, self._group_of(key), asker)
        if flight.outcome is not None:
            return flight.outcome
        begun()
        waiter: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
        flight.waiters.append(waiter)
        return await waiter

    # What links tell of tries.

    def has_time(self) -> bool:
        """Whether one more message may be taken in this turn of the event loop; the others stay in their sockets."""
        now = self._now()
        if self._turn_ends is None:
            self._turn_ends = now + BUDGET
            asyncio.get_running_loop().call_soon(self._end_turn)
        return now < self._turn_ends

    def _end_turn(self) -> None:
        self._turn_ends = None

    def answered(self, made: Try, message: bytes) -> None:
        """Take an answer, early or late."""
        if made.flight is not None:
            self._flights.answered(made, made.flight, message)
            return
        link, now = made.link, self._now()
        link.close(made)
        judged = judge(made, message)
        if judged.meaning is Meaning.WITHOUT_EDNS:
            self._probe(link, is_plain=True)
            return
        resolves = judged.meaning is Meaning.ANSWER
        if resolves and made.is_plain:
            link.ask_without_edns()
        self._prober.note_answer(link.health, now, now - made.sent, resolves)

    def failed(self, made: Try, kind: int, sentence: str) -> None:
        """Take word that no answer will come."""
        if made.flight is not None:
            self._flights.failed(made, made.flight, kind, sentence)
            return
        made.link.close(made)
        self._prober.note_failure(made.link.health, self._now())

    def undone(self, made: Try) -> None:
        """Ask again, as the upstream supports it."""
        if made.flight is not None:
            self._flights.undone(made, made.flight)
            return
        made.link.close(made)
        self._probe(made.link)

    def _group_of(self, key: CacheKey) -> LinkGroup:
        return self._groups[self._table.group_of(key[0])]

    def _probe(self, link: Link, *, is_plain: bool = False) -> None:
        """Send a probe; if that is impossible, it counts as unanswered."""
        try:
            link.probe(probe_key(link.zone), is_plain=is_plain)
        except OSError:
            self._prober.note_failure(link.health, self._now())

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(RENEWAL, self._tick)
        self._prober.tick(self._now())
        for link in self._links.values():
            link.renew()
        for link in self._retired:
            if link.open_tries == 0:
                link.shut()
        self._retired = [link for link in self._retired if link.open_tries]
