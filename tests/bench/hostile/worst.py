"""The CPU time that the worst packets and answers take which are accepted, measured in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import dns.rrset

from blockd.metrics import Transport
from blockd.names import Network, key_from_text
from blockd.orders import Action, Scope
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from blockd.resolver.reading.fitting import MAX_ADDRESSES
from blockd.resolver.response import MAX_RECORDS, parse
from blockd.ruleset import FeedInput, Listing
from blockd.settings.addresses import upstream_from_text
from blockd.settings.groups import ClientGroup, ClientGroups
from tests.resolver import test_reading_work as work
from tests.resolver.rig import CLIENT, STRANGER, Rig, keys_of, order
from tests.resolver.twins import question_size

ROUNDS = 200  # of clients that ask by turns
ADDRESSES = [f"192.0.2.{number}" for number in range(MAX_ADDRESSES)]  # in as many networks
SUBSCRIBER = "203.0.113.1"  # whose answers a limit applies to
NEVER_REACHED = RateLimits(1_000_000, 1_000_000, 1_000_000)  # answers a second
TIMES = 50  # of which the shortest counts: others have been held up
MAKERS = (
    work.pointers_of,
    work.labels_before_pointers,
    work.written_anew,
    work.chain_backwards,
    work.signatures,
    work.addresses_aside,
    work.many_labels,
    work.many_labels_anew,
    work.many_labels_twice,
    work.deep_signatures,
)
LISTED = "telegram.org"
DEEP = ".".join("a" * 126)  # a name of as many labels as there can be


def answers() -> dict[str, float]:
    """Return the microseconds that reading the worst answers of upstreams takes, by kind."""
    from blockd.resolver.engine import _reading  # only here: it may not be built

    found = {}
    for make in MAKERS:
        message = next(made for made in map(make, range(MAX_RECORDS, 0, -1)) if _fits(made))
        size = question_size(message)
        assert size is not None
        assert _reading.read(message, size, True)[0] == _reading.ANSWER
        found[make.__name__] = _least(_reading.read, message, size, True)
    return found


def questions(folder: Path) -> dict[str, float]:
    """Return the microseconds that answering the worst questions takes, by kind."""
    rig = Rig(folder, upstream_from_text("127.0.0.1:9"))
    rig.enforce([(order(), [LISTED])])
    begin = rig.resolver.begin
    options: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.OptionType(65001), b"") for _ in range(64)]
    many = dns.message.make_query(LISTED, "A", options=options).to_wire()
    padded = dns.message.make_query(
        LISTED, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(3900))]
    ).to_wire(max_size=65535)
    deep = dns.message.make_query(f"{DEEP}"[: 250 - len(LISTED)].rstrip(".") + f".{LISTED}", "A").to_wire()
    return {
        "64 options": _least(begin, many, CLIENT, Transport.UDP),
        "4 kB of padding over TCP": _least(begin, padded, CLIENT, Transport.TCP),
        "120 labels": _least(begin, deep, CLIENT, Transport.UDP),
        "malformed": _least(begin, bytes(12), CLIENT, Transport.TCP),
        "a stranger's": _least(begin, many, STRANGER, Transport.UDP),
    }


def clients(folder: Path) -> dict[str, float]:
    """Return the microseconds that an answer from the cache takes at worst for what depends on the client, by kind."""
    large, negative, over_tcp = _positive(), _negative(), Transport.TCP
    limited = RateLimiter(NEVER_REACHED, bytes(SEED))
    return {
        "256 listed addresses, of a group without the list": _asked(folder, large, ["127.0.1.2"], over_tcp),
        "by turns with one that has it": _asked(folder, large, ["127.0.0.2", "127.0.1.2"], over_tcp),
        "no data below 120 labels": _asked(folder, negative, [SUBSCRIBER]),
        "the same with a limit of answers": _asked(folder, negative, [SUBSCRIBER], limiter=limited),
    }


def _positive() -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query("www.large.net.", "A", use_edns=0))
    made.answer.append(dns.rrset.from_text("www.large.net.", 300, "IN", "A", *ADDRESSES))
    return made


def _negative() -> dns.message.Message:
    name = f"{DEEP[:240].rstrip('.')}.net."
    made = dns.message.make_response(dns.message.make_query(name, "A", use_edns=0))
    made.set_rcode(dns.rcode.NXDOMAIN)
    made.authority.append(dns.rrset.from_text(name.partition(".")[2], 300, "IN", "SOA", ". . 1 1 1 1 300"))
    return made


def _asked(
    folder: Path,
    made: dns.message.Message,
    hosts: list[str],
    transport: Transport = Transport.UDP,
    limiter: RateLimiter | None = None,
) -> float:
    """Return the microseconds that a response in the cache takes on average for clients that ask by turns."""
    folder.mkdir(exist_ok=True)
    networks = [Network.from_text(text) for text in ("127.0.0.0/8", f"{SUBSCRIBER}/32")]
    rig = Rig(folder, upstream_from_text("127.0.0.1:9"), serving={"networks": networks, "limiter": limiter})
    groups = [{"name": name, "networks": [f"127.0.{place}.0/24"], "feeds": [name]} for place, name in enumerate("ab")]
    rig.client_groups = ClientGroups([ClientGroup.model_validate(group) for group in groups])
    rig.enforce_feeds(
        [
            FeedInput(name, "domains", 50, "", [by], [Listing(by, Scope.BOTH, keys_of([LISTED, *ADDRESSES]))])
            for name, by in (("a", order("a")), ("b", order("b", Action.MONITOR)))
        ]
    )
    asked = made.question[0]
    question_octets = sum(len(label) + 1 for label in asked.name.labels) + 4
    response = parse(made.to_wire(max_size=65535), question_octets)
    key = key_from_text(asked.name.to_text().rstrip(".")), 1, False, False
    rig.resolver.pipeline._cache.put(key, response, rig.clock())
    wire = dns.message.make_query(asked.name, "A", use_edns=0, payload=1232).to_wire()
    asks = [partial(rig.resolver.begin, wire, host, transport) for host in hosts]
    assert all(isinstance(ask(), bytes) for ask in asks)

    def by_turns() -> None:
        for _ in range(ROUNDS):
            for ask in asks:
                ask()

    return _least(by_turns) / ROUNDS / len(asks)


def _fits(message: bytes) -> bool:
    records = sum(int.from_bytes(message[place : place + 2]) for place in (6, 8, 10))
    return len(message) <= 65535 and records <= MAX_RECORDS


def _least(call: Callable[..., Any], *given: Any) -> float:
    """Return the microseconds of CPU that a call takes at least."""
    least = float("inf")
    for _ in range(TIMES):
        begun = time.process_time_ns()
        call(*given)
        least = min(least, time.process_time_ns() - begun)
    return least / 1000
