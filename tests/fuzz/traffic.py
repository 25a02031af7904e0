"""Clients that ask anything and upstreams that answer anything, by real sockets, while everything changes."""

from __future__ import annotations

import gc
import itertools
import random
import socket
import time
from pathlib import Path

from blockd.metrics.counters import _CACHE_REFRESHES, _CACHE_STALE
from blockd.resolver.engine._engine import NativeEngine
from tests.fuzz.driver import driver
from tests.fuzz.relayed import wrong
from tests.fuzz.upstreams import Upstreams, bound_socket
from tests.resolver import corpus
from tests.resolver.local.questions import QUESTIONS, local_zones
from tests.resolver.rig import LAST
from tests.resolver.twins import Twins

BURST = 64  # questions sent before the engine takes them
CACHE_SIZE = 300_000  # octets: full at once, so that memory in use says whether any is lost
LEAK = 50_000  # octets by which memory in use may grow from a third of the way on
STALE = 3000.0  # seconds for which what has expired may be given
SKEWS = (
    0.0,
    -65.0,
    -58.0,
    100.0,
    -25.0,
    -299.0,
    0.0,
    -65.0,
    -3599.0,
)  # seconds between the two clocks
FLUSHED = (b"", b"\4test", b"\7example", b"\7example\1a", b"\7example\4open")  # keys of names
ENOUGH = 20_000  # questions of a run in which everything happens


def traffic(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with traffic: `count` questions."""
    twins = Twins(folder, cache_size=CACHE_SIZE, stale=STALE, prefetch=True, local=local_zones())
    engine = twins.native.resolver.engine
    assert isinstance(engine, NativeEngine)
    chance = random.Random(seed)  # noqa: S311 - a run can be repeated, but for what is in time
    upstreams = Upstreams(engine, chance)
    questions = driver.Seeds([*corpus.questions(), *QUESTIONS])
    answers = driver.Seeds(list(corpus.responses()))
    before: int | None = None
    skews = itertools.cycle(SKEWS)
    skew = next(skews)
    remembered = 0
    checked = set[int]()  # hashes of answers, which come again and again
    verified = 0
    with bound_socket() as served, socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        client.connect(served.getsockname())
        descriptor = engine.attach(served)
        run = driver.Traffic(engine, questions, answers, client, upstreams.bound[0], seed)
        while run.sent < count and time.monotonic() < end:
            twins.clock.now = time.monotonic() + skew
            run.ask(BURST)
            upstreams.given_back += len(engine.drain(descriptor))
            for sock in upstreams.bound:
                run.follow(sock)
                run.tell(chance.randrange(2 * BURST), chance.choice((0, 1, 8)))
            upstreams.given_back += len(engine.drain_upstreams())
            upstreams.answer_streams()
            run.hear()
            verified += _verify(run.answered, checked)
            remembered = max(remembered, len(engine.forwarding.failures))
            if chance.randrange(4) == 0:
                upstreams.probe()
            if chance.randrange(16) == 0:
                skew = next(skews)
                _disturb(twins, upstreams, chance)
            if before is None and run.sent > count // 3:
                before = _in_use(twins, upstreams, checked)
        run.hear()
        verified += _verify(run.answered, checked)
        grown = None if before is None else _in_use(twins, upstreams, checked) - before
        upstreams.close()
    assert grown is None or grown < LEAK, f"{grown:,} octets more are in use than after a third of it"
    stale, refreshed = twins.native.row.numbers[_CACHE_STALE], twins.native.row.numbers[_CACHE_REFRESHES]
    reached = {
        "launched": upstreams.launched,
        "late": upstreams.late,
        "failures remembered": remembered,
        "stale": stale,
        "refreshed": refreshed,
        "on streams": upstreams.streams_answered,
        "streams failed": upstreams.streams_failed,
        "probes answered": upstreams.probes_answered,
        "settled": upstreams.settlements,
        "failed": upstreams.failures,
        "verified": verified,
    }
    rare = ("late", "refreshed", "settled", "stale") if run.sent < 4 * ENOUGH else ()
    missed = [name for name, number in reached.items() if not number and name not in rare]
    assert run.sent < ENOUGH or not missed, f"not reached: {missed}"
    memory = "too few to see memory lost" if grown is None else f"{grown:,} octets more in use at the end"
    figures = ", ".join(f"{number:,} {name}" for name, number in reached.items())
    return (
        f"{run.sent:,} sent, {run.heard:,} answered, {upstreams.given_back:,} given back; {run.asked:,} asked of the "
        f"upstreams, {run.told:,} of their answers sent, {run.held_back:,} of them later; {figures}; {memory}"
    )


def _in_use(twins: Twins, upstreams: Upstreams, checked: set[int]) -> int:
    """Return how many octets are allocated when all that may be forgotten is."""
    twins.enforce(corpus.feeds())
    upstreams.end_flights()
    upstreams.change()
    upstreams.flush(b"", below=True)
    assert not len(upstreams.engine.cache), "an entry cannot be removed"
    checked.clear()
    gc.collect()
    return int(driver.heap())


def _verify(answered: list[bytes], checked: set[int]) -> int:
    """Fail if an answer is malformed or has a record that does not belong to it; return how many were looked at."""
    verified = 0
    for answer in answered:
        known = hash(answer[2:])
        if known not in checked:
            checked.add(known)
            verified += 1
            fault = wrong(answer)
            assert not fault, f"{answer.hex()}: {fault}"
    answered.clear()
    return verified


def _disturb(twins: Twins, upstreams: Upstreams, chance: random.Random) -> None:
    """Change something."""
    match chance.randrange(8):
        case 0:
            twins.enforce(corpus.feeds()[: chance.randrange(5)])
        case 1 if twins.version:
            twins.pass_time(chance.choice((1, LAST)))
        case 2 | 7:
            upstreams.change()
        case 3 | 4:
            upstreams.restart()
        case 5 | 6:
            upstreams.flush(chance.choice(FLUSHED), below=chance.randrange(2) == 0)
