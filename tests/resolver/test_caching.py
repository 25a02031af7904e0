from __future__ import annotations

from pathlib import Path

import pytest

from blockd.metrics import Transport
from blockd.resolver.forwarding.health import failure_kept
from tests.resolver.rig import Rig
from tests.upstream import SOA, Fault, UpstreamSimulator

NAME = "www.example"


def test_ttls_are_counted_down_until_the_lowest_ends(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME cdn.example.", "cdn.example. 60 IN A 198.51.100.1")
    seen = []
    for step in (0, 10.9, 49):
        rig.clock.now += step
        seen.append(rig.answer(NAME).records)
    assert seen == [
        ["300 cdn.example.", "60 198.51.100.1"],
        ["290 cdn.example.", "50 198.51.100.1"],
        ["241 cdn.example.", "1 198.51.100.1"],
    ]
    assert len(upstream.seen) == 1
    rig.clock.now += 0.2
    assert rig.answer(NAME).records == seen[0]
    assert len(upstream.seen) == 2


def test_a_name_in_other_case_is_the_same_question(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    rig.answer(NAME)
    answer = rig.answer("WWW.Example")
    assert len(upstream.seen) == 1
    assert answer.message.answer[0].name.to_text() == "WWW.Example."


@pytest.mark.parametrize("kind", ["A", "TXT"])
def test_a_negative_answer_is_kept_for_the_soa_minimum_and_says_what_is_left(
    rig: Rig, upstream: UpstreamSimulator, kind: str
) -> None:
    if kind == "TXT":
        upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    assert rig.answer(NAME, kind).negative_ttl == 60
    rig.clock.now += 50
    answer = rig.answer(NAME, kind)
    assert answer.rcode == ("NXDOMAIN" if kind == "A" else "NOERROR")
    assert answer.negative_ttl == 10, "RFC 2308 section 6: else caches behind us would start anew"
    assert len(upstream.seen) == 1
    rig.clock.now += 10
    rig.answer(NAME, kind)
    assert len(upstream.seen) == 2


def test_a_soa_ttl_below_its_minimum_counts(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", authority=[SOA.replace("3600", "7", 1)], rcode="NXDOMAIN")
    rig.answer(NAME)
    rig.clock.now += 7
    rig.answer(NAME)
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
@pytest.mark.parametrize(("minimum", "kept"), [(60, 60), (80_000, 3600)])
def test_a_negative_answer_behind_an_alias_is_kept_as_any_other(
    rig: Rig, upstream: UpstreamSimulator, rcode: str, minimum: int, kept: int
) -> None:
    soa = f"example. 86400 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 {minimum}"
    alias = f"{NAME}. 50000 IN CNAME gone.example."
    upstream.plan(NAME, "A", alias, authority=[soa], rcode=rcode)
    assert rig.answer(NAME).records == [f"{kept} gone.example."]
    rig.clock.now += kept - 1
    assert rig.answer(NAME).rcode == rcode
    assert len(upstream.seen) == 1
    rig.clock.now += 1
    rig.answer(NAME)
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_a_negative_answer_without_soa_is_not_kept(rig: Rig, upstream: UpstreamSimulator, rcode: str) -> None:
    upstream.plan(NAME, "A", rcode=rcode)
    for _ in range(2):
        assert rig.answer(NAME).rcode == rcode
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("ttl", [0, 0x80000000, 0xFFFFFFFF])
def test_a_ttl_of_zero_or_with_the_top_bit_is_not_kept(rig: Rig, upstream: UpstreamSimulator, ttl: int) -> None:
    answer = b"\xc0\x0c\0\1\0\1" + ttl.to_bytes(4) + b"\0\4\xc6\x33\x64\1"
    upstream.make = lambda query: query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:-11] + answer
    for _ in range(2):
        assert rig.answer(NAME).records == ["0 198.51.100.1"]
    assert len(upstream.seen) == 2


def test_a_long_ttl_is_cut_to_the_limit(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 999999 IN A 198.51.100.1")
    rig = Rig(tmp_path, upstream.upstream, max_ttl=100)
    assert rig.answer(NAME).records == ["100 198.51.100.1"]
    rig.clock.now += 99
    assert rig.answer(NAME).records == ["1 198.51.100.1"]
    rig.clock.now += 1
    rig.answer(NAME)
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.TRUNCATED_EVERYWHERE, Fault.MALFORMED])
def test_failures_and_truncated_answers_are_not_in_the_cache(
    rig: Rig, upstream: UpstreamSimulator, fault: Fault
) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    upstream.faults = {fault}
    rig.answer(NAME)
    assert len(rig.cache) == 0
    upstream.faults = set()
    rig.clock.now += failure_kept(0)
    assert rig.answer(NAME).records == ["300 198.51.100.1"]


def test_the_cache_is_bounded_and_the_least_recently_used_goes_first(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    rig = Rig(tmp_path, upstream.upstream, cache_size=12_000)
    names = [f"{number}.example" for number in range(100)]
    for name in names:
        rig.answer(name)
        rig.answer(names[0])
        assert rig.cache.size <= 12_000
        caches = {id(one): one for one in (rig.cache, rig.resolver.pipeline._cache)}.values()
        assert rig.counters.cache_size() == (sum(map(len, caches)), sum(one.size for one in caches))
    assert 5 < len(rig.cache) < 60, "an entry takes less in the native engine's"
    asked = len(upstream.seen)
    assert asked == 100, "what is used stays"
    rig.answer(names[-1])
    assert len(upstream.seen) == asked
    rig.answer(names[1])
    assert len(upstream.seen) == asked + 1


def test_an_answer_larger_than_the_cache_is_given_and_not_kept(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "TXT", *(f"{NAME}. 300 IN TXT {'x' * 200}{number}" for number in range(50)))
    rig = Rig(tmp_path, upstream.upstream, cache_size=8_000)
    assert len(rig.answer(NAME, "TXT", transport=Transport.TCP).records) == 50
    assert (len(rig.cache), rig.cache.size) == (0, 0)


def test_replacing_and_expiring_keeps_the_size_right(rig: Rig, upstream: UpstreamSimulator) -> None:
    upstream.plan(NAME, "A", f"{NAME}. 5 IN A 198.51.100.1")
    sizes = set()
    for _ in range(4):
        rig.answer(NAME)
        sizes.add(rig.cache.size)
        rig.clock.now += 5
    assert len(sizes) == 1
    assert len(rig.cache) == 1
