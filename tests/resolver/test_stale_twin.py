"""What has expired is given alike by both engines, octet for octet and counted alike; so are TTLs for clients."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest

from blockd.metrics import Transport
from blockd.metrics.counters import _CACHE_STALE
from blockd.resolver import QueryContext
from blockd.resolver.cache import STALE_TTL
from tests.resolver import corpus
from tests.resolver.rig import LAST
from tests.resolver.twins import SERVED, Twins

giving = pytest.importorskip("blockd.resolver.engine._giving_stale", reason="the native engine was not built")

QUESTIONS = corpus.questions()
AGE = 100_000  # seconds: over the longest that anything is fresh
KEPT = 1_000_000  # seconds that it is kept for


def filled(twins: Twins) -> Twins:
    for message in corpus.responses():
        twins.fill(message)
    return twins


async def stale_answers(twins: Twins) -> list[bytes]:
    """Return the stale answers to all questions that have one; fail if the engines differ."""
    answers = []
    for host in SERVED[:1]:
        for packet in QUESTIONS[::2]:
            waiting = twins.python.resolver.begin(packet, host, Transport.UDP)
            if not isinstance(waiting, QueryContext):
                twins.native.begin(packet, host, Transport.UDP)
                continue
            wanted = await twins.python.resolver.finish(waiting)
            now, second = twins.clock(), math.ceil(twins.wall_clock())
            native: Any = twins.native.resolver.engine
            given = giving.stale_answer(native, native.cache, packet, host, now, second)
            if given is None:
                twins.count_alike()
                continue
            assert given == wanted, packet.hex()
            assert twins.native.counted == twins.python.counted, packet.hex()
            answers.append(given)
    return answers


@pytest.mark.parametrize("client_ttl", [1 << 30, 7])
def test_stale_answers_are_the_same(tmp_path_factory: pytest.TempPathFactory, client_ttl: int) -> None:
    twins = filled(Twins(tmp_path_factory.mktemp("stale"), stale=KEPT, client_ttl=client_ttl))
    twins.clock.now += AGE
    resolved = asyncio.run(stale_answers(twins))
    assert len(resolved) > 50
    assert twins.python.row.numbers[_CACHE_STALE] >= len(resolved)
    assert {answer[3] & 15 for answer in resolved} == {0, 3}
    assert any(min(STALE_TTL, client_ttl).to_bytes(4) in answer for answer in resolved)
    twins.enforce(corpus.feeds())
    enforced = asyncio.run(stale_answers(twins))
    twins.pass_time(LAST)
    assert set(enforced) - set(resolved), "some lead to what is listed"
    assert asyncio.run(stale_answers(twins)) != enforced


def test_what_is_kept_too_long_is_given_by_neither(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = filled(Twins(tmp_path_factory.mktemp("old"), stale=AGE))
    twins.clock.now += AGE * 3
    assert asyncio.run(stale_answers(twins)) == []


@pytest.mark.parametrize("client_ttl", [0, 7, 50])
def test_ttls_for_clients_are_cut_alike(tmp_path_factory: pytest.TempPathFactory, client_ttl: int) -> None:
    twins = filled(Twins(tmp_path_factory.mktemp("ttls"), client_ttl=client_ttl))
    for _ in range(2):
        for packet in QUESTIONS[::2]:
            twins.ask(packet)
        twins.clock.now += 30
        twins.enforce(corpus.feeds())


def pairs(twins: Twins) -> Iterator[tuple[object, object]]:
    """Yield what both caches have of each question."""
    python = twins.python.resolver.cache
    for keys in python.search(b"", below=True):
        for key in keys:
            yield twins.native.resolver.cache.peek(key), python.peek(key)


def test_what_the_caches_hold_is_shown_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = filled(Twins(tmp_path_factory.mktemp("held"), stale=KEPT))
    found = list(pairs(twins))
    assert len(found) == len(twins.native.resolver.cache) > 200
    for native, python in found:
        assert native.response == python.response  # type: ignore[attr-defined]
        times = [(one.stored, one.expires, one.ceiling, one.refresh_at) for one in (native, python)]  # type: ignore[attr-defined]
        assert times[0] == times[1]
    names = {key for keys in twins.python.resolver.cache.search(b"\7example", below=True) for key in keys}
    assert names == {key for keys in twins.native.resolver.cache.search(b"\7example", below=True) for key in keys}
    assert names
    for key in names:
        assert [side.resolver.cache.remove(key) for side in twins.sides] == [True, True]
        assert [side.resolver.cache.remove(key) for side in twins.sides] == [False, False]
    assert len(twins.native.resolver.cache) == len(twins.python.resolver.cache)
    for side in twins.sides:
        for keys in side.resolver.cache.search(b"", below=True):
            for key in keys:
                side.resolver.cache.remove(key)
        assert (len(side.resolver.cache), side.resolver.cache.size) == (0, 0)
