"""A pipeline as a worker has it, on a ruleset made for a test, with clocks that a test sets."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.name
import dns.rdatatype

from blockd.dns import types
from blockd.metrics import Counters, Transport
from blockd.names import WELL_KNOWN_TRANSLATIONS, Network, client_key, key_from_text
from blockd.orders import Action, Mandate, Order, Scope
from blockd.resolver import (
    CACHE_SEED,
    CacheOptions,
    Instruments,
    Outcome,
    QueryContext,
    Resolver,
    SelfTestIdentity,
    Service,
    Sinkhole,
    UpstreamOptions,
    engine_name,
)
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.machine.own_questions import OwnQuestions
from blockd.ruleset import Enforced, FeedInput, Listing, OrderStates, Ruleset, StatesMemory, compile_ruleset
from blockd.settings import Upstream
from blockd.settings.groups import NO_GROUPS

CLIENT = "127.0.0.1"
STRANGER = "198.51.100.1"
SINKHOLE = Sinkhole("192.0.2.80", "2001:db8::80", 60)
PATIENT = 10.0  # seconds that an upstream is waited for which answers: longer than a busy machine holds it up
HASTY = 0.5  # the same where a test has a silent one
LAST = 4_000_000_000  # seconds since the epoch at which an order ends that a test may lift


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def order(identifier: str = "order-1", action: Action = Action.SINKHOLE, **fields: Any) -> Order:
    """Return an order in force since the epoch, until a test lifts it at LAST."""
    values: dict[str, Any] = {
        "authority": "ministry",
        "platform": "Telegram",
        "mandate": Mandate.LAW,
        "in_force_from": 0,
        "contact": "objections@example.net",
        "expires": LAST,
        **fields,
    }
    return Order(id=identifier, action=action, **values)


class TidyResolver(Resolver):
    """One that has no socket open when nobody waits, so that a test may run each question in a loop of its own."""

    _finishing = 0
    _closing: asyncio.Task[None]

    async def _close_when_idle(self) -> None:
        """Close once nothing is asked; the end of the loop, which cancels this, closes too."""
        try:
            while self._forwarder.in_flight:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
        finally:
            if not self._finishing:
                self.close()

    async def finish(self, context: QueryContext) -> bytes | None:
        """Answer a message that waits for an upstream."""
        self._finishing += 1
        try:
            answer = await super().finish(context)
        finally:
            self._finishing -= 1
        try:
            for _ in range(3):  # turns of the loop, in which who has asked by now joins the flight
                await asyncio.sleep(0)
        except asyncio.CancelledError:  # the end of the loop, which may have cancelled `_close_when_idle` before
            if not self._finishing:
                self.close()
            raise
        if not self._finishing:  # who gives up leaves the flight to others
            self._closing = asyncio.ensure_future(self._close_when_idle())
            await asyncio.sleep(0)
        return answer


class Rig:
    """Resolves without enforcing until `enforce` is called, which may be called again."""

    def __init__(
        self,
        folder: Path,
        *upstreams: Upstream,
        cache_size: int = 1 << 20,
        max_ttl: int = 86_400,
        attempts: int = 3,
        refuse_unready: bool = False,
        timeout: float = PATIENT,
        selftest: SelfTestIdentity | None = None,
        client_ttl: int = types.MAX_TTL,
        stale: float = 0,
        stale_after: float = PATIENT,
        prefetch: bool = False,
        local: LocalZones | None = None,
        own: OwnQuestions | None = None,
        forwarded: Sequence[Group] = (),
        flight_clock: Callable[[], float] = time.monotonic,
        is_tidy: bool = True,
        clock: Clock | None = None,
        serving: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> None:
        """`given` are more of `UpstreamOptions`, of which mixed case and cookies are off else.

        `serving` are more of `Service`.
        """
        self.folder = folder
        self.clock = clock or Clock()
        self.wall_clock = Clock(1.0)
        self.counters = Counters(1)
        self.row = self.counters.row(0)
        self.version = 0
        self.translations = WELL_KNOWN_TRANSLATIONS
        self.client_groups = NO_GROUPS
        self._random = random.Random(1)  # noqa: S311 - a test repeats itself
        instruments = Instruments(self.clock, self.wall_clock, self.row)
        randomness = self._random.randrange
        options = UpstreamOptions(timeout, attempts, randomness, **{"mixed_case": False, "cookies": False, **given})
        networks = (Network.from_text("127.0.0.0/8"), Network.from_text("2001:db8:1::/48"))
        service = {"networks": networks, "selftest": selftest, "local": local, "own": own, **(serving or {})}
        self.resolver = (TidyResolver if is_tidy else Resolver)(
            engine_name(),
            Service(sinkhole=SINKHOLE, refuse_unready=refuse_unready, client_ttl=client_ttl, **service),
            CacheOptions(cache_size, max_ttl, 3600, self._random.randbytes(CACHE_SEED), stale, stale_after, prefetch),
            [Group(b"", upstreams), *forwarded],
            options,
            instruments,
            flight_clock,
        )

    def enforce(self, listed: Sequence[tuple[Order, Sequence[str]]], scope: Scope = Scope.BOTH) -> None:
        """Compile and enforce a ruleset; a name that starts with a digit is a network."""
        orders = [made for made, _ in listed]
        listings = [Listing(made, scope, keys_of(names)) for made, names in listed]
        self.enforce_feeds([FeedInput("feed", "domains", 50, "", orders, listings)])

    def enforce_feeds(self, feeds: Sequence[FeedInput]) -> None:
        """Compile and enforce the ruleset of some feeds."""
        self.version += 1
        path = self.folder / f"{self.version}.ruleset"
        compile_ruleset(feeds, path, created=1, randomness=self._random.randbytes)
        ruleset = Ruleset.open(path)
        self._orders = [record.order for record in ruleset.catalogue.orders]
        self._states = StatesMemory.make(self._orders, range(1, len(self._orders) + 1), 1)
        self.wall_clock.now = 1.0
        states = OrderStates(self._states, len(self._orders))
        self.resolver.enforce(Enforced(self.version, ruleset, states, self.translations, self.client_groups))

    def pass_time(self, now: float, *stale: int) -> None:
        """Flip the orders' states to what they are at `now`, as the control process does; `stale` ones are marked."""
        states = OrderStates(self._states, len(self._orders), writable=True)
        states.update(self._orders, now, frozenset(stale))
        states.close()
        self.wall_clock.now = now

    @property
    def cache(self) -> Any:
        """The cache that is asked first."""
        return self.resolver.cache

    def lift(self) -> None:
        """End every order."""
        self.pass_time(LAST)

    def ask(
        self, name: str, kind: str = "A", transport: Transport = Transport.UDP, host: str = CLIENT, **edns: Any
    ) -> dns.message.Message | None:
        """Ask a question as a client does, and give the answer, or None for silence."""
        query = question(name, kind, **edns)
        wire = asyncio.run(self.resolve(query.to_wire(), host, transport))
        if wire is None:
            return None
        answer = dns.message.from_wire(wire)
        assert answer.id == query.id
        return answer

    async def resolve(self, packet: bytes, host: str = CLIENT, transport: Transport = Transport.UDP) -> bytes | None:
        """Answer one message, waiting for upstreams if necessary."""
        begun = self.resolver.begin(packet, host, transport)
        if not isinstance(begun, QueryContext):
            return begun if isinstance(begun, bytes) else None
        return await self.resolver.finish(begun)

    def answer(self, name: str, kind: str = "A", transport: Transport = Transport.UDP, **edns: Any) -> Answer:
        """Ask a question whose answer must come; give it with what tests ask of it."""
        answer = self.ask(name, kind, transport, **edns)
        assert answer is not None, "silence"
        return Answer(answer)

    def begin(self, packet: bytes, transport: Transport = Transport.UDP, host: str = CLIENT) -> bytes | None:
        """Return the answer to bytes without waiting, None for silence; a question for upstreams fails the test."""
        begun = self.resolver.begin(packet, host, transport)
        assert not isinstance(begun, QueryContext), "an upstream would be asked"
        return None if isinstance(begun, Outcome) else begun


class Answer:
    """An answer taken apart for comparing."""

    def __init__(self, message: dns.message.Message) -> None:
        self.message = message

    @property
    def rcode(self) -> str:
        """The rcode's name."""
        return dns.rcode.to_text(self.message.rcode())

    @property
    def records(self) -> list[str]:
        """The answer section's data, with the TTL in front."""
        return [f"{rrset.ttl} {data}" for rrset in self.message.answer for data in rrset]

    @property
    def error(self) -> tuple[int, str] | None:
        """Code and text of the first Extended DNS Error."""
        for option in self.message.options:
            if isinstance(option, dns.edns.EDEOption):
                return int(option.code), option.text or ""
        return None

    def tells_of_silence(self, address: str, seconds: float) -> bool:
        """Whether the error is that an upstream did not answer in `seconds`, or in more, as on a busy machine."""
        code, text = self.error or (0, "")
        waited = re.fullmatch(rf"{re.escape(address)} did not answer in ([0-9.]+) s", text)
        return code == types.EDE_NO_REACHABLE_AUTHORITY and waited is not None and float(waited[1]) >= seconds

    @property
    def negative_ttl(self) -> int | None:
        """For how long a cache keeps this negative answer (RFC 2308 section 5); None if it is not negative."""
        for rrset in self.message.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                return int(min(rrset.ttl, rrset[0].minimum))
        return None

    def has(self, *flags: int) -> bool:
        """Whether all these header flags are set."""
        return all(self.message.flags & flag for flag in flags)


def question(name: str, kind: str = "A", **edns: Any) -> dns.message.Message:
    """Return a question, with EDNS if any of dnspython's EDNS arguments is given."""
    return dns.message.make_query(dns.name.from_text(name), kind, **edns)


def keys_of(names: Sequence[str]) -> list[bytes]:
    """Return the keys of names and networks; what starts with a digit is a network, after `client` one of clients."""
    return [_key_of(name) for name in names]


def _key_of(name: str) -> bytes:
    if name.startswith("client "):
        network = Network.from_text(name.removeprefix("client "))
        return client_key(network.packed, network.prefix_length)
    return Network.from_text(name).key if name[0].isdigit() else key_from_text(name)
