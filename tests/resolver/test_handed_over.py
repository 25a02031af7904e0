"""What is cached is handed to the resolver that takes another's place, with both engines."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from blockd.errors import BadMessage
from blockd.names import key_from_text
from blockd.names.domain import key_from_wire
from blockd.resolver.cache import Cached, CacheKey
from blockd.resolver.caching.image import ENTRY, HEAD, MAGIC, VERSION
from blockd.resolver.caching.taking_over import DamagedImageError
from blockd.resolver.response import Response, parse
from tests.resolver import corpus
from tests.resolver.rig import Rig, order, question
from tests.resolver.twins import question_size
from tests.upstream import UpstreamSimulator

NAMES = ["www.example", "mail.example", "deep.www.example", "other.test"]
ALL = 1 << 30


def nothing(_: bytes) -> bool:
    return False


@pytest.fixture
def rigs(tmp_path: Path, upstream: UpstreamSimulator) -> Callable[..., Rig]:
    """Makes resolvers that ask the same upstream, by the same clock."""
    for number, name in enumerate(NAMES):
        upstream.plan(name, "A", f"{name}. 300 IN A 198.51.100.{number}")
    made: list[Rig] = []

    def make(**options: int) -> Rig:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        clock = made[0].clock if made else None
        made.append(Rig(folder, upstream.upstream, clock=clock, **options))  # type: ignore[arg-type]
        return made[-1]

    return make


@pytest.fixture
def handed(rigs: Callable[..., Rig]) -> bytes:
    """What a resolver hands over that has answered some names."""
    rig = rigs()
    for name in NAMES:
        rig.answer(name)
    return written(rig)


def written(rig: Rig, limit: int = ALL) -> bytes:
    """Return what a resolver hands over."""
    descriptor = os.memfd_create("cache")
    try:
        asyncio.run(rig.resolver.hand_over(descriptor, limit))
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)


def taken(rig: Rig, octets: bytes, is_left_out: Callable[[bytes], bool] = nothing) -> int:
    return asyncio.run(rig.resolver.take_over(memoryview(octets), is_left_out))


def size(rig: Rig) -> int:
    return len(rig.cache)


def sealed(octets: bytes, entries: int = 1) -> bytes:
    """Return entries with a head that fits them."""
    return HEAD.pack(MAGIC, VERSION, entries, len(octets), hashlib.sha256(octets).digest()) + octets


def test_what_was_answered_is_answered_without_asking_again(
    rigs: Callable[..., Rig], upstream: UpstreamSimulator
) -> None:
    before, after = rigs(), rigs()
    for name in NAMES:
        before.answer(name)
        before.answer(name, want_dnssec=True)
    asked = len(upstream.seen)
    before.clock.now += 100
    assert taken(after, written(before)) == 2 * len(NAMES)
    for name in NAMES:
        for edns in ({}, {"want_dnssec": True}):
            message = question(name, "A", **edns).to_wire()
            assert after.begin(message) == before.begin(message)
        assert after.answer(name).records[0].startswith("200 "), "its TTL has been counted on"
    assert len(upstream.seen) == asked


def test_policy_is_not_handed_over(rigs: Callable[..., Rig]) -> None:
    before, after = rigs(), rigs()
    before.enforce([])
    before.answer("www.example")
    after.enforce([(order(), ["198.51.100.0/24"])])
    taken(after, written(before))
    assert after.answer("www.example").records == ["60 192.0.2.80"]


def test_what_has_expired_meanwhile_is_left(rigs: Callable[..., Rig]) -> None:
    before, after, lasting = rigs(), rigs(), rigs(stale=1000)
    before.answer("www.example")
    octets = written(before)
    before.clock.now += 301
    assert taken(after, octets) == 0
    assert taken(lasting, octets) == 1


def test_what_is_no_longer_true_is_left_out(rigs: Callable[..., Rig]) -> None:
    before, after = rigs(), rigs()
    for name in NAMES:
        before.answer(name)
    zone = key_from_text("www.example")
    assert taken(after, written(before), lambda key: key.startswith(zone)) == 2
    assert after.cache.peek((zone, 1, False, False)) is None
    assert after.cache.peek((key_from_text("mail.example"), 1, False, False)) is not None


def test_the_newest_are_written_if_not_all_fit(rigs: Callable[..., Rig]) -> None:
    before, after = rigs(), rigs()
    for name in (*NAMES, "www.example"):
        before.answer(name)
    all_ = len(written(before))
    limit = HEAD.size + (all_ - HEAD.size) // 2
    octets = written(before, limit)
    assert len(octets) <= limit
    assert 0 < taken(after, octets) < len(NAMES)
    assert after.cache.peek((key_from_text("www.example"), 1, False, False)) is not None
    assert after.cache.peek((key_from_text("mail.example"), 1, False, False)) is None


def test_nothing_is_written_into_no_room(rigs: Callable[..., Rig]) -> None:
    before, after = rigs(), rigs()
    before.answer("www.example")
    assert taken(after, written(before, 0)) == 0


def test_a_newer_answer_of_another_process_is_kept(rigs: Callable[..., Rig]) -> None:
    older, newer, after = rigs(), rigs(), rigs()
    older.answer("www.example")
    older.clock.now += 50
    newer.answer("www.example")
    for octets in (written(newer), written(older)):
        taken(after, octets)
    assert after.answer("www.example").records == ["300 198.51.100.0"]


def test_a_cache_that_changes_while_it_is_written(rigs: Callable[..., Rig]) -> None:
    """The walk goes on behind what is removed or used: every entry that stays is written once at most."""
    rig = rigs()
    for number in range(100):
        rig.answer(f"{number}.example")
    walk: Iterator[list[tuple[CacheKey, Cached]]] = rig.cache.newest()
    keys = [key for key, _ in next(walk)]
    rest = [key_from_text(f"{number}.example") for number in range(40)]
    for place, name in enumerate(rest):
        (rig.cache.remove if place % 2 else rig.cache.peek)((name, 1, False, False))
    rig.answer("50.example")
    keys += [key for part in walk for key, _ in part]
    assert len(keys) == len(set(keys))
    assert {(name, 1, False, False) for name in rest[1::2]}.isdisjoint(keys)


def test_others_have_their_turn_meanwhile(rigs: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = rigs(), rigs()
    for number in range(100):
        before.answer(f"{number}.example")
    monkeypatch.setattr("blockd.resolver.caching.image.SLICE", -1.0)  # every slice is over at once
    turns = 0

    async def main() -> None:
        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        descriptor = os.memfd_create("cache")
        await before.resolver.hand_over(descriptor, ALL)
        writing = turns
        octets = os.pread(descriptor, ALL, 0)
        os.close(descriptor)
        assert writing >= 100 // 16
        await after.resolver.take_over(memoryview(octets), nothing)
        assert turns - writing >= 100

    asyncio.run(main())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damage_is_refused_whole(rigs: Callable[..., Rig], handed: bytes, data: st.DataObject) -> None:
    after = rigs()
    octets = bytearray(handed)
    kind = data.draw(st.sampled_from(("octet", "cut", "more")))
    if kind == "octet":
        octets[data.draw(st.sampled_from((*range(12), *range(16, len(octets)))))] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del octets[data.draw(st.integers(0, len(octets) - 1)) :]
    else:
        octets += data.draw(st.binary(min_size=1, max_size=9))
    with pytest.raises(DamagedImageError):
        taken(after, bytes(octets))
    assert size(after) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4), st.binary(max_size=60))
@example([], b"")
def test_what_one_that_was_broken_into_writes_is_read_as_an_upstreams(
    rigs: Callable[..., Rig], handed: bytes, changes: list[tuple[int, int]], more: bytes
) -> None:
    after = rigs()
    octets = bytearray(handed[HEAD.size :]) + more
    for place, octet in changes:
        octets[place % len(octets)] = octet
    try:
        taken(after, sealed(bytes(octets)))
    except DamagedImageError:
        assert size(after) == 0
    after.ask(NAMES[0])


@pytest.mark.parametrize("stored", [float("nan"), float("inf"), 1e300])
def test_an_entry_from_the_future_is_refused(rigs: Callable[..., Rig], stored: float) -> None:
    before, after = rigs(), rigs()
    before.answer("www.example")
    octets = bytearray(written(before)[HEAD.size :])
    struct.pack_into("<d", octets, ENTRY.size - 8, stored)
    with pytest.raises(DamagedImageError, match="future"):
        taken(after, sealed(bytes(octets)))


def test_every_kind_of_answer_is_read_as_it_was(rigs: Callable[..., Rig]) -> None:
    """What was kept of a message is read as that message was, from the first record to the last error."""
    before, after = rigs(cache_size=1 << 26), rigs(cache_size=1 << 26)
    kept = {}
    for message in corpus.responses():
        asked = question_size(message)
        response = None if asked is None else answer_in(message, asked)
        if response is not None and asked is not None:
            key = key_of(message, asked)
            put(before, key, response)
            kept[key] = before.cache.peek(key)
    assert len(kept) > 50
    assert taken(after, written(before)) == len(kept)
    for key, entry in kept.items():
        assert after.cache.peek(key).response == entry.response, key


def answer_in(message: bytes, asked: int) -> Response | None:
    """Return what a message says, if it is an answer that may be kept."""
    try:
        response = parse(message, asked)
    except BadMessage:
        return None
    return response if response.lifetime and not response.failed and not response.truncated else None


def key_of(message: bytes, asked: int) -> CacheKey:
    wire = message[12 : 12 + asked - 4]
    return key_from_wire(wire), int.from_bytes(message[12 + asked - 4 : 12 + asked - 2]), False, False


def put(rig: Rig, key: CacheKey, response: Response) -> None:
    if hasattr(rig.cache, "note_size_in"):
        rig.cache.put(*key, response, rig.clock.now)
    else:
        rig.cache.put(key, response, rig.clock.now)
