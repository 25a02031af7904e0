"""How many answers over UDP one network gets, counted by name and kind of answer."""

from __future__ import annotations

import random

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from siphash24 import siphash24

from blockd.dns import types
from blockd.resolver.clients import packed_host
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import (
    BADCOOKIE,
    DROPPED,
    ERRORS,
    PASSED,
    RESPONSES,
    SEED,
    STRANGERS,
    TRUNCATED,
    RateLimits,
    kind_of,
)
from blockd.resolver.edge.sip_hash import SipHash

HOST = "192.0.2.1"
RATE = 5


class Limited:
    """A limiter and its clock."""

    def __init__(self, limits: RateLimits | None = None, seed: int = 1) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test repeats itself
        self.limiter = RateLimiter(limits or RateLimits(RATE, RATE, RATE, 0), chance.randbytes(SEED))
        self.now = 1000.0

    def judge(self, wire: bytes, host: str = HOST, kind: int | None = None, has_cookie: bool = False) -> int:
        """Return what becomes of an answer."""
        rcode = wire[3] & types.RCODE
        packed = packed_host(host)
        kind = kind_of(rcode) if kind is None else kind
        return self.limiter.judge(wire, len(wire), rcode, packed, len(packed), kind, has_cookie, self.now)

    def passed(self, wire: bytes, host: str = HOST, count: int = 20, kind: int | None = None) -> int:
        """Return how many of equal answers pass at one moment."""
        return sum(self.judge(wire, host, kind) == PASSED for _ in range(count))


def answer(name: str, qtype: str = "A", rcode: str = "NOERROR", zone: str = "", records: int = 1) -> bytes:
    """Return an answer with `records` records and, if there is a zone, with its SOA record."""
    message = dns.message.make_response(dns.message.make_query(name, qtype, id=1))
    message.set_rcode(dns.rcode.from_text(rcode))
    for number in range(records):
        message.answer.append(dns.rrset.from_text(name, 60, "IN", "A", f"192.0.2.{number}"))
    if zone:
        message.authority.append(dns.rrset.from_text(zone, 60, "IN", "SOA", "a. b. 1 2 3 4 5"))
    return message.to_wire()


def test_equal_answers_pass_as_often_as_the_rate_says() -> None:
    limited = Limited()
    assert limited.passed(answer("a.example.")) == RATE
    limited.now += 100
    for _ in range(100):
        assert limited.judge(answer("a.example.")) == PASSED
        limited.now += 1 / RATE


def test_a_flood_is_limited_until_it_ends_and_not_for_long_after() -> None:
    limited = Limited()
    limited.passed(answer("a.example."))
    for _ in range(1000):
        limited.now += 0.01
        assert limited.judge(answer("a.example.")) == DROPPED
    limited.now += 6.0
    assert limited.passed(answer("a.example.")) == RATE


@pytest.mark.parametrize(
    ("other", "host"),
    [
        (answer("b.example."), HOST),
        (answer("a.example.", "AAAA"), HOST),
        (answer("a.example.", rcode="NXDOMAIN", records=0, zone="example."), HOST),
        (answer("a.example.", rcode="SERVFAIL", records=0), HOST),
        (answer("a.example."), "192.0.3.1"),
        (answer("a.example."), "192.0.1.255"),
        (answer("a.example."), "2001:db8::1"),
    ],
)
def test_a_flood_leaves_other_answers_and_networks_alone(other: bytes, host: str) -> None:
    limited = Limited()
    assert limited.passed(answer("a.example."), count=100) == RATE
    assert limited.passed(other, host) == RATE


@pytest.mark.parametrize(
    ("other", "host"),
    [
        (answer("A.eXample."), HOST),
        (answer("a.example.", records=3), HOST),
        (answer("a.example."), "192.0.2.255"),
    ],
)
def test_what_is_counted_together(other: bytes, host: str) -> None:
    limited = Limited()
    assert limited.passed(answer("a.example."), count=100) == RATE
    assert limited.passed(other, host) == 0


def test_ipv6_networks_have_56_bits() -> None:
    limited = Limited()
    assert limited.passed(answer("a.example."), "2001:db8:0:ff::1") == RATE
    assert limited.passed(answer("a.example."), "2001:db8:0:0:1::") == 0
    assert limited.passed(answer("a.example."), "2001:db8:0:100::") == RATE


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_negative_answers_are_counted_by_their_zone(rcode: str) -> None:
    limited = Limited()
    names = [f"{number}.under.example." for number in range(50)]
    passed = [limited.judge(answer(name, rcode=rcode, records=0, zone="example.")) for name in names]
    assert passed.count(PASSED) == RATE
    assert limited.judge(answer("1.example.", rcode=rcode, records=0, zone="1.example.")) == PASSED
    other = "NOERROR" if rcode == "NXDOMAIN" else "NXDOMAIN"
    assert limited.judge(answer("1.example.", rcode=other, records=0, zone="example.")) == PASSED


def test_negative_answers_without_a_zone_are_counted_together() -> None:
    limited = Limited()
    passed = [limited.judge(answer(f"{number}.example.", rcode="NXDOMAIN", records=0)) for number in range(50)]
    assert passed.count(PASSED) == RATE


def test_errors_are_counted_together_whatever_was_asked() -> None:
    limited = Limited()
    rcodes = ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"]
    passed = [limited.judge(answer(f"{number}.example.", rcode=rcodes[number % 4], records=0)) for number in range(40)]
    assert passed.count(PASSED) == RATE
    assert limited.judge(answer("a.example.")[:12], kind=ERRORS) == DROPPED, "a bare header is one as well"
    assert limited.judge(answer("1.example."), kind=STRANGERS) == PASSED, "clients and strangers are counted apart"


@pytest.mark.parametrize(
    ("slip", "kind", "has_cookie", "fates"),
    [
        (0, RESPONSES, False, [DROPPED] * 4),
        (1, RESPONSES, False, [TRUNCATED] * 4),
        (2, RESPONSES, False, [DROPPED, TRUNCATED] * 2),
        (3, RESPONSES, False, [DROPPED, DROPPED, TRUNCATED, DROPPED]),
        (2, RESPONSES, True, [DROPPED, BADCOOKIE] * 2),
        (2, ERRORS, False, [DROPPED, PASSED] * 2),
        (2, ERRORS, True, [DROPPED, BADCOOKIE] * 2),
        (1, STRANGERS, False, [DROPPED] * 4),
        (1, STRANGERS, True, [DROPPED] * 4),
    ],
)
def test_one_in_so_many_slips(slip: int, kind: int, has_cookie: bool, fates: list[int]) -> None:
    limited = Limited(RateLimits(1, 1, 1, slip))
    wire = answer("a.example.", rcode="NOERROR" if kind == RESPONSES else "REFUSED", records=kind == RESPONSES)
    assert [limited.judge(wire, kind=kind, has_cookie=has_cookie) for _ in range(5)] == [PASSED, *fates]


def test_kinds_without_a_rate_are_not_limited() -> None:
    limited = Limited(RateLimits())
    for kind in (RESPONSES, ERRORS, STRANGERS):
        assert limited.passed(answer("a.example."), kind=kind, count=500) == 500
    assert not limited.limiter.limits_clients
    assert not limited.limiter.limits_strangers


def test_a_flood_of_forged_networks_silences_nobody_else() -> None:
    limited = Limited()
    wire = answer("a.example.")
    for number in range(200_000):  # twelve times as many as there are buckets
        limited.judge(wire, f"{11 + number // 65536}.{number // 256 % 256}.{number % 256}.1")
    silenced = sum(limited.judge(wire, f"10.{number // 256}.{number % 256}.1") != PASSED for number in range(10_000))
    assert silenced == 0


def test_a_flood_of_forged_networks_does_not_free_the_one_that_is_limited() -> None:
    limited = Limited()
    wire = answer("a.example.")
    limited.passed(wire, count=100)
    for number in range(50_000):
        limited.judge(wire, f"{11 + number // 65536}.{number // 256 % 256}.{number % 256}.1")
    assert limited.judge(wire) == DROPPED


@given(st.binary(max_size=600), st.booleans(), st.sampled_from((RESPONSES, ERRORS, STRANGERS)))
def test_any_octets_are_judged(message: bytes, is_ipv6: bool, kind: int) -> None:
    limited = Limited()
    wire = message + bytes(12)
    fates = [limited.judge(wire, "2001:db8::1" if is_ipv6 else HOST, kind) for _ in range(RATE + 1)]
    assert fates == [PASSED] * RATE + [DROPPED]


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=70))
def test_hash_is_siphash(key: bytes, message: bytes) -> None:
    whole = len(message) // 8 * 8
    hashing = SipHash()
    hashing.start(int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little"))
    for place in range(0, whole, 8):
        hashing.add(int.from_bytes(message[place : place + 8], "little"))
    found = hashing.end(int.from_bytes(message[whole:], "little"), len(message))
    assert found.to_bytes(8, "little") == siphash24(message, key=key).digest()
