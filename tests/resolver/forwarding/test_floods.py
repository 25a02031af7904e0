"""Floods of new names that fail: what is counted, who is held back, and who is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from blockd.names import DomainName, key_from_text
from blockd.names.suffixes import parse_suffixes
from blockd.resolver.clients import keys_of
from blockd.resolver.forwarding.askers import ADDRESS_PART, NETWORK_PART
from blockd.resolver.forwarding.floods import (
    ASKED,
    MAX_DOMAINS,
    SPARED,
    TOLD,
    TOLD_AT_ONCE,
    FloodLimit,
    Floods,
)
from blockd.resolver.forwarding.limits import CALM, MAX_DOUBTS, WINDOW
from blockd.ruleset.gate.lists import installed_suffixes

RATE = 100.0
RULES = parse_suffixes("com\nid\nco.id\n*.ck\n!www.ck\ngithub.io\nio\narpa\nin-addr.arpa\nip6.arpa\n")
LIMIT = FloodLimit(RATE, suffixes=RULES)
NOBODY = b""


def floods(limit: FloodLimit = LIMIT) -> tuple[Floods, list[str]]:
    told: list[str] = []
    return Floods(limit, told.append), told


def flood(
    counted: Floods, domain: str, now: float, count: int = int(RATE * WINDOW) + 1, askers: Sequence[bytes] = (NOBODY,)
) -> None:
    for number in range(count):
        counted.note_failure(key_from_text(f"n{number}.{domain}"), askers[number % len(askers)], now)


def asker(host: str) -> bytes:
    return keys_of(host)[0]


def is_asked(counted: Floods, name: str, host: str, now: float = 0.0) -> bool:
    """Return whether all of some new names of a client are asked."""
    key = key_from_text(name)
    return all(counted.refusal(key, asker(host), now) is None for _ in range(2 * ASKED))


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.example.co.id", "example.co.id"),
        ("a.b.github.io", "b.github.io"),
        ("github.io", "github.io"),
        ("com", "com"),
        ("a.b.c.ck", "b.c.ck"),
        ("c.ck", "c.ck"),
        ("a.www.ck", "www.ck"),
        ("a.b.unlisted", "b.unlisted"),
        ("unlisted", ""),
        ("4.3.2.1.in-addr.arpa", "2.1.in-addr.arpa"),
        ("in-addr.arpa", "in-addr.arpa"),
        (".".join("fedcba9876543210") + ".ip6.arpa", "7.6.5.4.3.2.1.0.ip6.arpa"),
        ("0.ip6.arpa", "0.ip6.arpa"),
    ],
)
def test_names_are_counted_by_the_domain_that_somebody_registered(name: str, domain: str) -> None:
    counted, _ = floods()
    found = counted.domain_of(key_from_text(name))
    assert (DomainName(found).text if found else "") == domain


def test_the_root_and_the_longest_name_have_a_domain() -> None:
    counted, _ = floods()
    longest = b"\3com" + b"\1a" * 125
    assert counted.domain_of(b"") == b""
    assert counted.domain_of(longest) == b"\3com\1a"


def test_the_list_that_is_installed_is_used() -> None:
    counted, _ = floods(FloodLimit(RATE, suffixes=installed_suffixes()))
    assert counted.domain_of(key_from_text("www.example.sch.id")) == key_from_text("example.sch.id")


def test_one_in_ten_is_asked_until_nothing_fails_any_more() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 5.0, int(RATE * WINDOW))
    assert counted.refusal(key_from_text("x.example.com"), NOBODY, 5.0) is None
    counted.note_failure(key_from_text("y.example.com"), NOBODY, 5.0)
    refused = [counted.refusal(key_from_text("x.example.com"), NOBODY, 5.001) for _ in range(10 * ASKED)]
    assert refused.count(None) == 10
    assert counted.held_back == 9 * ASKED + ASKED - 10
    why = f"most new names below example.com fail: at most one in {ASKED} is asked"
    assert set(refused) == {None, why.encode()}
    assert counted.refusal(key_from_text("x.example.com"), NOBODY, 5.0 + CALM + 0.1) is None


def test_of_the_largest_flood_no_more_is_asked_than_the_limit_allows() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 5.0)
    for moment in (5.0, 6.5):
        flood(counted, "example.com", moment)
        refused = [counted.refusal(key_from_text("x.example.com"), NOBODY, moment) for _ in range(100 * int(RATE))]
        assert refused.count(None) == RATE


def test_a_flood_lasts_while_names_fail_faster_than_the_limit() -> None:
    counted, _ = floods()
    moment = 0.0
    flood(counted, "example.com", moment, 10_000)
    for _ in range(1000):
        moment += 1 / (2 * RATE)
        counted.note_failure(key_from_text("more.example.com"), NOBODY, moment)
    assert {counted.refusal(key_from_text("x.example.com"), NOBODY, moment) is None for _ in range(ASKED)} == {
        True,
        False,
    }
    for _ in range(1000):
        moment += 2 / RATE
        counted.note_failure(key_from_text("more.example.com"), NOBODY, moment)
    assert counted.refusal(key_from_text("x.example.com"), NOBODY, moment) is None


def test_a_flood_holds_no_other_domain_back() -> None:
    counted, _ = floods()
    flood(counted, "bad.github.io", 0.0)
    for name in ("good.github.io", "github.io", "example.com", "xgithub.io", "io"):
        assert counted.refusal(key_from_text(name), NOBODY, 0.0) is None
    assert counted.refusal(key_from_text("bad.github.io"), NOBODY, 0.0) is not None


def test_names_that_are_answered_after_all_do_not_count() -> None:
    counted, _ = floods()
    for _ in range(10_000):
        noted = counted.note_failure(key_from_text("slow.example.com"), NOBODY, 0.0)
        counted.take_back(key_from_text("slow.example.com"), NOBODY, noted)
    assert counted.refusal(key_from_text("x.example.com"), NOBODY, 0.0) is None


def test_what_is_exempt_is_never_held_back() -> None:
    counted, _ = floods(FloodLimit(RATE, frozenset([key_from_text("list.example.com")]), RULES))
    flood(counted, "list.example.com", 0.0, 10_000)
    assert counted.refusal(key_from_text("n.list.example.com"), NOBODY, 0.0) is None
    flood(counted, "example.com", 0.0)
    assert counted.refusal(key_from_text("n.example.com"), NOBODY, 0.0) is not None
    assert counted.refusal(key_from_text("n.list.example.com"), NOBODY, 0.0) is None


def test_without_a_limit_nothing_is_counted() -> None:
    counted, told = floods(FloodLimit(0.0))
    flood(counted, "example.com", 0.0, 10_000)
    assert (len(counted), told, counted.refusal(key_from_text("x.example.com"), NOBODY, 0.0)) == (0, [], None)


def test_no_more_domains_are_counted_than_there_is_room_for() -> None:
    counted, _ = floods()
    for number in range(MAX_DOMAINS + 100):
        counted.note_failure(key_from_text(f"n.{number}.com"), NOBODY, 0.0)
    assert len(counted) == MAX_DOMAINS


def test_a_flood_is_not_forgotten_for_domains_that_fail_once() -> None:
    counted, _ = floods()
    for number in range(SPARED):
        flood(counted, f"bad{number}.com", 0.0)
    for number in range(3 * MAX_DOMAINS):
        counted.note_failure(key_from_text(f"n.{number}.com"), NOBODY, 0.0)
    assert counted.refusal(key_from_text("n.bad0.com"), NOBODY, 0.0) is not None
    for number in range(MAX_DOMAINS):
        flood(counted, f"{number}.id", 0.0)
    assert len(counted) == MAX_DOMAINS


def test_floods_are_told_of_and_many_floods_are_not_many_lines() -> None:
    counted, told = floods()
    flood(counted, "example.com", 0.0)
    flood(counted, "example.com", 0.0)
    assert "".join(told) == (
        "More than 100 new names a second below example.com fail. Of new ones, at most one in 10 is asked for the "
        "clients and networks that ask for most of those, or for all if these are many, until that ends; the others "
        "get SERVFAIL. What is cached is answered as before."
    )
    for number in range(100):
        flood(counted, f"{number}.com", 1.0)
    assert len(told) == TOLD_AT_ONCE
    flood(counted, "next.com", TOLD + 1)
    assert len(told) == TOLD_AT_ONCE + 1


def test_a_domain_whose_name_is_long_and_odd_is_told_of_in_a_line() -> None:
    counted, told = floods()
    key = b"\3com\x3f" + b"\n" * 63
    for number in range(1000):
        counted.note_failure(key + b"\4%04d" % number, NOBODY, 0.0)
    said = counted.refusal(key + b"\1x", NOBODY, 0.0)
    assert said is not None
    assert len(said) == 200
    assert "\n" not in told[0]
    assert b"\n" not in said


def test_a_client_that_floods_is_held_back_alone() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, 10_000, [asker("192.0.2.1")])
    assert not is_asked(counted, "x.example.com", "192.0.2.1")
    for host in ("192.0.2.2", "198.51.100.1", "2001:db8::1"):
        assert is_asked(counted, "x.example.com", host)
    flood(counted, "example.com", 0.0, 10_000, [asker("2001:db8:0:1::1")])
    assert not is_asked(counted, "x.example.com", "2001:db8:0:1::2"), "the same host, by its /64"
    assert is_asked(counted, "x.example.com", "2001:db8:0:2::1")
    assert is_asked(counted, "x.example.com", "192.0.2.1", CALM + 0.1), "it is over"


def test_a_client_within_the_limit_of_a_domain_is_not_held_back() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, int(RATE * WINDOW), [asker("192.0.2.1")])
    assert is_asked(counted, "x.example.com", "192.0.2.1")


def test_a_network_of_clients_that_flood_is_held_back_alone() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, 10_000, [asker(f"192.0.2.{number}") for number in range(ADDRESS_PART)])
    assert not is_asked(counted, "x.example.com", "192.0.2.250")
    assert is_asked(counted, "x.example.com", "198.51.100.1")


def test_a_domain_is_held_back_for_all_if_many_networks_flood_it() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, 10_000, [asker(f"192.0.{number}.1") for number in range(NETWORK_PART)])
    assert is_asked(counted, "x.example.com", "198.51.100.1"), "few of them"
    flood(counted, "example.com", 0.0, 10_000, [asker(f"192.{number}.0.1") for number in range(200)])
    assert not is_asked(counted, "x.example.com", "198.51.100.1")
    assert is_asked(counted, "x.example.org", "192.1.0.1")


def test_more_clients_than_are_counted_hide_none_that_floods() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, 10_000, [asker("192.0.2.1")])
    for number in range(100_000):
        counted.note_failure(key_from_text(f"n.{number % 5000}.id"), number.to_bytes(4), 0.0)
    assert not is_asked(counted, "x.example.com", "192.0.2.1")


def test_names_that_take_long_hold_nothing_back_while_there_is_room() -> None:
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    mine = [counted.note_doubt(slow, asker("192.0.2.1"), 0.0) for _ in range(MAX_DOUBTS)]
    assert counted.is_flooded(slow, asker("192.0.2.1"), 0.0), "none of them is asked twice"
    assert is_asked(counted, "x.example.com", "192.0.2.1")
    mine.append(counted.note_doubt(slow, asker("192.0.2.1"), 0.0))
    said = counted.refusal(key_from_text("x.example.com"), asker("192.0.2.1"), 0.0)
    assert said == b"most new names below example.com take long: at most one in 10 is asked"
    assert is_asked(counted, "x.example.com", "198.51.100.1"), "it is one client's doing"
    others = [asker(f"192.0.{number % 250}.1") for number in range(MAX_DOUBTS)]
    noted = [counted.note_doubt(slow, other, 0.0) for other in others]
    assert not is_asked(counted, "x.example.com", "198.51.100.1")
    for other, one in zip(others, noted, strict=True):
        counted.end_doubt(slow, other, one)
    for one in mine:
        counted.end_doubt(slow, asker("192.0.2.1"), one)
    assert counted.doubts == 0
    assert is_asked(counted, "x.example.com", "192.0.2.1")
    assert not counted.is_flooded(slow, asker("192.0.2.1"), 0.0)


def test_a_client_whose_names_take_long_holds_none_of_its_neighbours_back() -> None:
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    noted = [counted.note_doubt(slow, asker("192.0.2.1"), 0.0) for _ in range(MAX_DOUBTS + 1)]
    assert not is_asked(counted, "x.example.com", "192.0.2.1")
    assert is_asked(counted, "x.example.com", "192.0.2.2")
    for one in noted:
        counted.end_doubt(slow, asker("192.0.2.1"), one)
    assert is_asked(counted, "x.example.com", "192.0.2.1")


def test_a_client_whose_names_take_long_takes_no_second_question_from_its_neighbours() -> None:
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    for _ in range(MAX_DOUBTS // 2):
        counted.note_doubt(slow, asker("192.0.2.1"), 0.0)
    assert counted.is_flooded(slow, asker("192.0.2.1"), 0.0)
    assert not counted.is_flooded(slow, asker("192.0.2.2"), 0.0)


def test_a_network_of_clients_whose_names_take_long_is_held_back_alone() -> None:
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    for number in range(MAX_DOUBTS + 1):
        counted.note_doubt(slow, asker(f"192.0.2.{number % 100}"), 0.0)
    assert not is_asked(counted, "x.example.com", "192.0.2.250")
    assert is_asked(counted, "x.example.com", "198.51.100.1")


@pytest.mark.parametrize("order", [1, -1])
def test_taking_back_leaves_what_others_of_the_network_are_counted_with(order: int) -> None:
    """Names of one client above its share are not counted at its network, so that they are not taken back there."""
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    for number in range(MAX_DOUBTS + 1):
        counted.note_doubt(slow, asker(f"192.0.2.{number % 100}"), 0.0)
    noted = [counted.note_doubt(slow, asker("192.0.2.201"), 0.0) for _ in range(MAX_DOUBTS)]
    for one in noted[::order]:
        counted.end_doubt(slow, asker("192.0.2.201"), one)
    assert not is_asked(counted, "x.example.com", "192.0.2.250")
    assert is_asked(counted, "x.example.com", "198.51.100.1")


def test_failures_taken_back_leave_what_others_of_the_network_are_counted_with() -> None:
    counted, _ = floods()
    flood(counted, "example.com", 0.0, 10_000, [asker(f"192.0.2.{number}") for number in range(ADDRESS_PART)])
    noted = [counted.note_failure(key_from_text("n.example.com"), asker("192.0.2.201"), 0.0) for _ in range(10_000)]
    flood(counted, "example.com", 0.0, 10_000, [asker("198.51.100.1")])
    for one in noted:
        counted.take_back(key_from_text("n.example.com"), asker("192.0.2.201"), one)
    flood(counted, "example.com", 0.0, 10_000, [asker("198.51.100.1")])
    assert not is_asked(counted, "x.example.com", "192.0.2.250")


def test_a_client_whose_names_are_answered_late_is_not_counted() -> None:
    counted, _ = floods()
    slow = key_from_text("slow.example.com")
    flood(counted, "example.com", 0.0, 10_000, [asker("192.0.2.1")])
    for _ in range(10_000):
        noted = counted.note_failure(slow, asker("198.51.100.1"), 0.0)
        counted.take_back(slow, asker("198.51.100.1"), noted)
        counted.note_failure(slow, asker("192.0.2.1"), 0.0)
    assert is_asked(counted, "x.example.com", "198.51.100.1")
