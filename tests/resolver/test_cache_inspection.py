"""What the operator sees of the caches, and flushing them, with both engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blockd.names import key_from_text
from blockd.resolver.cache import KEYS_PER_TURN, CacheKey
from blockd.resolver.caching.inspection import Flushed
from tests.resolver.rig import HASTY, Rig
from tests.upstream import Fault, UpstreamSimulator

NAMES = ["example", "www.example", "a.www.example", "xwww.example", "www.other"]


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    for name in NAMES:
        upstream.plan(name, "A", f"{name}. 300 IN A 198.51.100.1")
        upstream.plan(name, "TXT", f"{name}. 300 IN TXT a")
    return Rig(tmp_path, upstream.upstream, stale=86_400, attempts=1, timeout=HASTY)


def flush(rig: Rig, name: str = "", *, below: bool = False) -> Flushed:
    return asyncio.run(rig.resolver.inspector.flush(key_from_text(name) if name else b"", below=below))


def is_cached(rig: Rig, upstream: UpstreamSimulator, name: str, kind: str = "A") -> bool:
    before = len(upstream.seen)
    assert rig.answer(name, kind).rcode == "NOERROR"
    return len(upstream.seen) == before


def test_a_flush_of_a_name_removes_all_its_types_and_nothing_else(rig: Rig, upstream: UpstreamSimulator) -> None:
    for name in NAMES:
        for kind in ("A", "TXT"):
            rig.answer(name, kind)
    rig.answer("www.example", want_dnssec=True)
    caches = len(rig.resolver.inspector._caches)
    assert flush(rig, "www.example") == Flushed(3 * caches, 0)
    assert rig.counters.cache_flushed() == 3 * caches
    for name in NAMES:
        for kind in ("A", "TXT"):
            assert is_cached(rig, upstream, name, kind) == (name != "www.example"), (name, kind)


def test_a_flush_below_a_name_takes_whole_labels(rig: Rig, upstream: UpstreamSimulator) -> None:
    for name in NAMES:
        rig.answer(name)
    assert flush(rig, "www.example", below=True).entries == 2 * len(rig.resolver.inspector._caches)
    kept = [name for name in NAMES if is_cached(rig, upstream, name)]
    assert kept == ["example", "xwww.example", "www.other"]


def test_a_flush_of_all_leaves_empty_caches_also_of_what_has_expired(rig: Rig, upstream: UpstreamSimulator) -> None:
    for name in NAMES:
        rig.answer(name)
    rig.clock.now += 301
    flush(rig, below=True)
    assert rig.counters.cache_size() == (0, 0)
    upstream.faults = {Fault.SERVFAIL}
    assert rig.answer("www.example").rcode == "SERVFAIL"


def test_a_remembered_failure_is_flushed_too(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.REFUSED}
    rig.answer("www.example")
    upstream.faults = {Fault.SERVFAIL}
    rig.answer("www.example", "TXT")
    found = asyncio.run(rig.resolver.inspector.cached(key_from_text("www.example")))
    assert [failure.key[1] for failure in found.failures] == [1, 16]
    refused, failed = found.failures
    assert "answered REFUSED" in refused.why
    assert failed.why == f"127.0.0.1:{upstream.port} answered SERVFAIL"
    assert all(failure.until > rig.clock.now for failure in found.failures)
    upstream.faults = set()
    assert rig.answer("www.example").rcode == "SERVFAIL"
    assert flush(rig, "www.example") == Flushed(0, 2)
    assert rig.answer("www.example").rcode == "NOERROR"


def test_why_a_failure_is_remembered_is_told_with_the_code_that_the_upstream_gave(
    rig: Rig, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.SERVFAIL, Fault.EDE}
    rig.answer("www.example", want_dnssec=True)
    (failure,) = asyncio.run(rig.resolver.inspector.cached(key_from_text("www.example"))).failures
    assert failure.why.startswith("Extended DNS Error 9")


def test_what_is_shown_is_not_used_by_that(rig: Rig) -> None:
    rig.answer("www.example", "A")
    rig.answer("www.example", "TXT")
    rig.answer("www.example", "TXT")
    for _ in range(2):
        found = asyncio.run(rig.resolver.inspector.cached(key_from_text("www.example")))
        assert [(key[1], entry.uses) for key, entry in found.entries] == [(1, 0), (16, 1)]
        assert [entry.response.counts for _, entry in found.entries] == [(1, 0, 0)] * 2
        assert found.failures == ()


def test_a_search_of_many_entries_lets_others_have_their_turn(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    rig = Rig(tmp_path, upstream.upstream, cache_size=1 << 24)
    rig.answer("www.example")
    cache = rig.resolver.pipeline._cache
    entry = rig.cache.peek((key_from_text("www.example"), 1, False, False))
    keys: list[CacheKey] = [(b"\7example\4" + number.to_bytes(4), 1, False, False) for number in range(3000)]
    for key in keys:
        cache.put(key, entry.response, rig.clock())

    async def turns() -> int:
        flushing = asyncio.create_task(rig.resolver.inspector.flush(b"\7example", below=True))
        count = 0
        while not flushing.done():
            count += 1
            await asyncio.sleep(0)
        return count

    assert asyncio.run(turns()) > 3000 // KEYS_PER_TURN
    assert rig.counters.cache_size() == (0, 0)
