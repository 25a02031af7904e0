"""Names that are asked often are asked anew before their answers expire."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.message
import pytest

from blockd.metrics import Counters
from blockd.metrics.counters import _CACHE_REFRESHES
from blockd.names import DomainName
from blockd.orders import Action
from blockd.resolver import SelfTestKey
from blockd.resolver.cache import Cache, CacheKey
from blockd.resolver.caching import caching_forwarder as caching
from blockd.resolver.response import Response, parse
from blockd.resolver.selftest_key import SelfTestIdentity
from tests.resolver.rig import Rig, order, question
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
KEY: CacheKey = (b"\7example\3www", 1, False, False)
QUERY = question(NAME).to_wire()
RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x64\0\4\xc6\x33\x64\1"
RESPONSE = parse(QUERY[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + QUERY[12:] + RECORD, len(QUERY) - 12)
Story = Callable[[Rig], Awaitable[None]]


def run(folder: Path, upstream: UpstreamSimulator, story: Story, **given: Any) -> Rig:
    """Run a story with a rig whose engine may ask upstreams; its clock begins where the engine's own is."""
    rig = Rig(folder, upstream.upstream, **{"prefetch": True, "attempts": 1, "is_tidy": False, **given})
    rig.clock.now = time.monotonic()

    async def main() -> None:
        async with asyncio.timeout(60):
            rig.resolver.ask_upstreams(lambda _: None)
            try:
                await story(rig)
            finally:
                rig.resolver.close()

    asyncio.run(main())
    return rig


async def ask(rig: Rig) -> list[str]:
    wire = await rig.resolve(question(NAME).to_wire())
    assert wire is not None
    return [f"{rrset.ttl} {data}" for rrset in dns.message.from_wire(wire).answer for data in rrset]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.005)


def stored_at(rig: Rig) -> float:
    """Return when the answer came, by the engine's clock: however long this machine takes."""
    entry = rig.cache.peek(KEY)
    assert entry is not None
    return float(entry.stored)


def refreshes(rig: Rig) -> int:
    return int(rig.row.numbers[_CACHE_REFRESHES])


def test_a_name_that_is_asked_often_is_renewed_before_it_expires(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 1000 IN A 198.51.100.1")

    async def story(rig: Rig) -> None:
        for _ in range(3):
            assert await ask(rig) == ["1000 198.51.100.1"]
        upstream.plan(NAME, "A", f"{NAME}. 1000 IN A 198.51.100.2")
        stored = stored_at(rig)
        rig.clock.now = stored + 899.2
        assert await ask(rig) == ["101 198.51.100.1"]
        assert refreshes(rig) == 0
        rig.clock.now = stored + 901.2
        assert await ask(rig) == ["99 198.51.100.1"], "nobody waits for it"
        assert await ask(rig) == ["99 198.51.100.1"]
        await until(lambda: rig.cache.peek(KEY).response.records.endswith(b"\xc6\x33\x64\2"))
        assert len(upstream.seen) == 2
        assert refreshes(rig) == 1

    run(tmp_path, upstream, story)


def test_a_name_that_is_asked_seldom_is_not_renewed(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 1000 IN A 198.51.100.1")

    async def story(rig: Rig) -> None:
        await ask(rig)
        rig.clock.now += 950
        await ask(rig)

    assert refreshes(run(tmp_path, upstream, story)) == 0


def test_a_failure_leaves_the_entry_and_is_not_tried_again(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 1000 IN A 198.51.100.1")

    async def story(rig: Rig) -> None:
        for _ in range(3):
            await ask(rig)
        upstream.faults = {Fault.SERVFAIL}
        rig.clock.now = stored_at(rig) + 950.2
        for _ in range(3):
            assert await ask(rig) == ["50 198.51.100.1"]
        await until(lambda: len(upstream.seen) == 2)

    assert refreshes(run(tmp_path, upstream, story)) == 1
    assert len(upstream.seen) == 2


@pytest.mark.parametrize(("ttl", "given"), [(9, {}), (1000, {"prefetch": False})])
def test_short_lives_and_the_setting_are_heeded(
    tmp_path: Path, upstream: UpstreamSimulator, ttl: int, given: dict[str, Any]
) -> None:
    upstream.plan(NAME, "A", f"{NAME}. {ttl} IN A 198.51.100.1")

    async def story(rig: Rig) -> None:
        for _ in range(3):
            await ask(rig)
        rig.clock.now += ttl * 0.99
        await ask(rig)

    assert refreshes(run(tmp_path, upstream, story, **given)) == 0


@pytest.mark.parametrize("engine", ["native", "python"])
def test_both_engines_renew_and_count_the_same(
    tmp_path: Path, upstream: UpstreamSimulator, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr("tests.resolver.rig.engine_name", lambda: engine)
    for name in (NAME, "listed.example", "landing.example"):
        upstream.plan(name, "A", f"{name}. 1000 IN A 198.51.100.1")
    key = SelfTestKey(bytes(16))
    seen: list[tuple[int, int]] = []  # refreshes counted, questions asked

    async def story(rig: Rig) -> None:
        rig.enforce([(order(action=Action.CNAME, cname="landing.example"), ["listed.example"])])

        async def note(*packets: bytes) -> None:
            for packet in packets:
                assert await rig.resolve(packet) is not None
            await asyncio.sleep(0)
            asked = int(rig.row.numbers[_CACHE_REFRESHES])
            await until(lambda: len(upstream.seen) >= 2 + asked)
            seen.append((refreshes(rig), len(upstream.seen)))

        plain, listed = question(NAME).to_wire(), question("listed.example").to_wire()
        selftest = key.question(DomainName.from_text(NAME), 1)
        await note(plain, plain, plain, listed, listed, listed)
        rig.clock.now += 950
        await note(selftest, selftest)  # nobody's question: it renews nothing
        await note(plain)
        await note(listed)  # what an order's alias leads to
        await until(lambda: rig.resolver.load.flights == 0)  # else an answer that comes late says that one is up
        rig.clock.now += 950
        for health in rig.resolver.healths.values():
            for _ in range(3):
                health.note_probe_silence(time.monotonic())
        await note(plain, plain, plain, listed, listed, listed)  # nobody is up: nothing is asked, and nothing counted

    run(tmp_path, upstream, story, selftest=SelfTestIdentity(key, 0))
    assert seen == [(0, 2), (0, 2), (1, 3), (2, 4), (2, 4)]


class Silent:
    """Upstreams that never answer."""

    in_flight = 0

    async def resolve(
        self, key: CacheKey, begun: Callable[[], object] = caching.nothing, asker: bytes = b""
    ) -> Response:
        """Wait for ever."""
        begun()
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(("others", "most"), [(0, 3), (2, 3), (3, 0)])
def test_only_so_many_are_renewed_at_once_and_none_twice(
    monkeypatch: pytest.MonkeyPatch, others: int, most: int
) -> None:
    monkeypatch.setattr(caching, "MAX_REFRESHES", 3)
    counters, cache = Counters(1), Cache(1 << 20, 86_400, 3600, prefetch=True)
    keys: list[CacheKey] = [(bytes([1, number]), 1, False, False) for number in range(10)]
    now = [0.0]

    async def story() -> None:
        silent = Silent()
        silent.in_flight = others  # clients' own questions come first
        forwarder = caching.CachingForwarder(silent, cache, lambda: now[0], counters.row(0))
        for key in keys:
            cache.put(key, RESPONSE, 0)
            for _ in range(2):
                assert forwarder.get(key) is not None
        now[0] = 95.0
        for key in keys * 2:
            assert forwarder.get(key) is not None
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1 + most
        silent.in_flight = 0
        assert sum(cache.claims_refresh(entry, now[0]) for key in keys if (entry := cache.peek(key))) == 10 - most

    asyncio.run(story())
    assert counters.cache_refreshes() == most


def test_each_entry_is_claimed_once() -> None:
    cache = Cache(1 << 20, 86_400, 3600, prefetch=True)
    entry = cache.put(KEY, RESPONSE, 0)
    assert entry.refresh_at == 90
    for now in (1, 2):
        assert cache.get(KEY, now) is entry
        assert not cache.claims_refresh(entry, now)
    assert not cache.claims_refresh(entry, 89.9)
    assert cache.claims_refresh(entry, 90)
    assert not cache.claims_refresh(entry, 90)
    assert cache.put(KEY, RESPONSE, 95).refresh_at == 185
    assert Cache(1 << 20, 86_400, 3600).put(KEY, RESPONSE, 0).refresh_at == math.inf
