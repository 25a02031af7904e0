"""Mutated questions and mutated answers of upstreams, with a look at the twin now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

from blockd.metrics import Transport
from blockd.resolver import Outcome
from blockd.resolver.edge.cookie_sizes import SECRET
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.engine._cache import NativeCache
from blockd.resolver.engine._reading import ANSWER
from tests.fuzz.driver import driver
from tests.resolver import corpus
from tests.resolver.local.questions import QUESTIONS, local_zones
from tests.resolver.reading_alike import both_read, fault, relayed
from tests.resolver.rig import LAST
from tests.resolver.twins import Twins, question_size

ROUND = 250_000  # messages between two changes of what is enforced, at most
ROUNDS = 5  # at least, so that everything was enforced once
SAMPLES = 1_000  # messages of each round that are shown to the twin
IDLE = 10.0  # seconds that streams may be idle
SMALL_CACHE = 200_000  # octets, so that entries are forgotten all the time


def packets(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with questions."""
    cookies = ServerCookies([bytes(range(SECRET)), bytes(SECRET)])
    twins = Twins(
        folder, local=local_zones(), serving=lambda: {"cookies": cookies, "client_option": 65_432, "server_id": b"n"}
    )
    seeds = driver.Seeds([*with_options(cookies), *corpus.questions(), *QUESTIONS])
    answers = list(corpus.responses())
    done = answered = silent = declined = compared = 0
    rounds = 0
    while done < count and time.monotonic() < end:
        _change(twins, rounds)
        for answer in answers:
            twins.fill(answer)
        start, second = twins.clock.now, math.ceil(twins.wall_clock.now)
        some = _round(count, done)
        engine = twins.native.resolver.engine
        tally = driver.packets(engine, seeds, some, seed + rounds, start, second, some // SAMPLES)
        for sample in tally.samples:
            compared += _same(twins, *sample)
        done += tally.done
        answered += tally.answered
        silent += tally.silent
        declined += tally.declined
        rounds += 1
    what = f"{answered:,} answered, {silent:,} silent, {declined:,} declined"
    return f"{done:,}: {what}, {compared:,} compared with the twin"


def with_options(cookies: ServerCookies) -> Iterator[bytes]:
    """Return questions with the EDNS options that blockd reads, or passes over."""
    head = cookies.head(1)
    shown = [
        b"8octets!"
        + head.to_bytes(8, "little")
        + cookies.sign(secret, b"8octets!", head, host, 4).to_bytes(8, "little")
        for secret in (0, 1)
        for host in (b"\x7f\0\0\1", bytes(4))
    ]
    subnet = b"\0\1\x18\0\xc6\x33\x64"
    options = [(10, content) for content in (*shown, b"8octets!", b"8octets!" + bytes(8), bytes(40), b"", bytes(41))]
    options += [
        (11, b""),
        (11, b"\0\1"),
        (8, subnet),
        (8, subnet[:3]),
        (12, bytes(300)),
        (12, b""),
        (3, b""),
        (15, b"\0\0"),
        (65_432, b""),
    ]
    wires = [code.to_bytes(2) + len(content).to_bytes(2) + content for code, content in options]
    wires += [one + other for one in wires for other in wires]
    for place, packet in enumerate(corpus.questions()):
        if packet.endswith(corpus.OPT):
            wire = wires[place % len(wires)]
            yield packet[:-2] + len(wire).to_bytes(2) + wire


def _round(count: int, done: int) -> int:
    """Return how many messages the next round has."""
    return min(ROUND, -(-count // ROUNDS), count - done)


def _change(twins: Twins, number: int) -> None:
    """Have something else enforced in each round: nothing, all, lifted, some, none."""
    match number % 5:
        case 1:
            twins.enforce(corpus.feeds())
            twins.pass_time(corpus.SOON - 20.5, *range(0, len(twins.orders), 3))
        case 2:
            twins.pass_time(LAST)
        case 3:
            twins.enforce(corpus.feeds()[1:])
        case 4:
            twins.enforce([])


def _same(twins: Twins, packet: bytes, host: str, transport: int, now: float, answer: bytes | bool | None) -> bool:
    """Fail where the twin says something else than the engine did; tell whether there was something to compare."""
    twins.clock.now = now
    if answer is False:
        return False
    said = twins.python.begin(packet, host, Transport(transport), IDLE if transport else 0)
    expected = Outcome.SILENCE if answer is None else answer
    assert said == expected, f"{packet.hex()} from {host} by {transport}: {said!r}, and not {expected!r}"
    return True


def responses(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with answers of upstreams."""
    twins = Twins(folder)
    seeds = driver.Seeds(list(corpus.responses()))
    cache = NativeCache(SMALL_CACHE, 86_400, 3600, bytes(16), stale=100_000, prefetch=True)
    done = taken = answered = compared = 0
    rounds = 0
    while done < count and time.monotonic() < end:
        _change(twins, rounds)
        some = _round(count, done)
        engine = twins.native.resolver.engine
        tally = driver.responses(engine, cache, seeds, some, seed + rounds, some // SAMPLES)
        for message in tally.samples:
            compared += _is_read_well(message)
        done += tally.done
        taken += tally.done - tally.declined
        answered += tally.answered
        rounds += 1
        assert cache.size <= SMALL_CACHE
    return f"{done:,}: {taken:,} read, {answered:,} answered from, {compared:,} compared with the twin"


def _is_read_well(message: bytes) -> bool:
    """Fail if the twin reads a message differently, or if anything malformed in it would reach a client.

    Tell whether it is an answer. What is malformed is decided by dnspython; the text of an Extended DNS Error need not
    be valid, for it is made so.
    """
    size = question_size(message)
    if size is None:
        return False
    for do in (False, True):
        read = both_read(message, size, do=do)
        if read[0] == ANSWER and message[2] & 0xF8 == 0x80 and message[4:6] == b"\0\1":  # else nothing is read of it
            for part in (message, relayed(message, size, read)):
                wrong = fault(part)
                assert not wrong or (part is message and "codec" in wrong), f"{message.hex()} is relayed: {wrong}"
    return bool(read[0] == ANSWER)
