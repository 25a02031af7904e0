"""What an answer leads to: a model of the rules, the same verdict in C, and for addresses in any order."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from blockd.names import Network, key_from_text, translations
from blockd.native import is_native
from blockd.orders import NO_TIER, Action, Order, Scope, Verdict
from blockd.ruleset import Enforced, FeedInput, Listing
from blockd.ruleset.leading import judge_by_table, where_it_leads
from tests.effort import tries
from tests.ruleset.lists import enforced, feed, listing, order

if is_native():
    from blockd.ruleset._leading import judge
    from tests.ruleset.test_table import table_of

NETWORKS = (
    "203.0.113.0/24", "203.0.113.9/32", "203.0.113.5/32", "198.51.100.0/24", "198.51.100.9/32", "198.51.0.0/16",
    "2001:db8:bad::/48", "2001:db8:bad::5/128", "64:ff9b::203.0.113.0/120", "2001:db8:64::/96",
    "::ffff:203.0.113.9/128",
)  # fmt: skip
ADDRESSES = (
    "203.0.113.9", "203.0.113.5", "203.0.113.200", "198.51.100.9", "198.51.7.7", "192.0.2.1", "2001:db8:bad::5",
    "2001:db8:bad::6", "64:ff9b::203.0.113.9", "2001:db8:64::198.51.100.9", "::ffff:203.0.113.9", "2001:db8::1",
)  # fmt: skip
NAMES = ("a.example", "b.example", "c.example")
TRANSLATIONS = translations([Network.from_text("2001:db8:64::/96")])
WORLDS = tries(50, 2000)
NOBODY: frozenset[int] = frozenset()


def packed(*texts: str) -> list[bytes]:
    return [ipaddress.ip_address(text).packed for text in texts]


def by_both(subject: Enforced, names: Sequence[bytes], addresses: Sequence[bytes], *left: object) -> Verdict:
    """Return the verdict of the reference; fail if C has another."""
    verdict = where_it_leads(subject, names, addresses, *left)  # type: ignore[arg-type]
    if is_native():
        tiers, passing = left or (NO_TIER, NOBODY)
        table = table_of(subject)
        try:
            found = judge_by_table(subject, lambda *asked: judge(table, *asked), names, addresses, tiers, passing)  # type: ignore[arg-type]
        finally:
            table.close()
        assert found == verdict
    return verdict


def told(subject: Enforced, *addresses: str, names: Sequence[str] = ()) -> str:
    """Return the id of the order that decides about an answer, whatever the order of its addresses."""
    found = set()
    for every in itertools.permutations(packed(*addresses)):
        verdict = by_both(subject, [key_from_text(name) for name in names], every)
        found.add(verdict.order.id if verdict.order and verdict.touches else "")
    subject.close()
    (only,) = found
    return only


def zone(name: str, priority: int, *listed: tuple[Order, str]) -> FeedInput:
    """Return a policy zone with networks and names."""
    listings = [listing(made, text) for made, text in listed]
    return FeedInput(name, "rpz", priority, "", [made for made, _ in listed], listings)


def of(identifier: str, action: Action = Action.NXDOMAIN, start: int = 0) -> Order:
    return order(identifier, action, start=start)


def test_the_longest_prefix_over_all_addresses_decides(tmp_path: Path) -> None:
    rules = zone("z", 1, (of("wide", Action.NODATA), "198.51.100.0/24"), (of("host"), "198.51.100.9/32"))
    assert told(enforced(tmp_path, rules), "198.51.100.1", "198.51.100.9", "198.51.100.200") == "host"


def test_of_equal_prefixes_the_smallest_address_decides(tmp_path: Path) -> None:
    rules = zone(
        "z", 1, (of("b", Action.NODATA, start=9), "198.51.100.30/32"), (of("a"), "198.51.100.20/32"),
        (of("c", start=5), "203.0.113.1/32"),
    )  # fmt: skip
    assert told(enforced(tmp_path, rules), "203.0.113.1", "198.51.100.30", "198.51.100.20") == "a"


def test_an_earlier_zone_decides_whatever_its_prefix(tmp_path: Path) -> None:
    first, second = zone("a", 1, (of("first"), "198.51.0.0/16")), zone("b", 2, (of("second"), "203.0.113.5/32"))
    assert told(enforced(tmp_path, first, second), "203.0.113.5", "198.51.100.9") == "first"


def test_in_a_zone_a_name_stands_over_addresses_and_of_zones_the_earlier_decides(tmp_path: Path) -> None:
    name, host = (of("name", Action.NODATA), "a.example"), (of("host"), "198.51.100.9/32")
    for subject, expected in (
        ((zone("a", 1, name, host),), "name"),
        ((zone("a", 1, name), zone("b", 2, host)), "name"),
        ((zone("a", 1, host), zone("b", 2, name)), "host"),
    ):
        assert told(enforced(tmp_path, *subject), "198.51.100.9", names=NAMES) == expected


def test_of_the_names_in_a_chain_the_first_that_is_listed_decides(tmp_path: Path) -> None:
    first, second = zone("a", 1, (of("first"), "b.example")), zone("b", 2, (of("second"), "a.example"))
    assert told(enforced(tmp_path, first, second), names=NAMES) == "second"


def test_an_address_that_a_zone_lets_pass_ends_the_tiers_if_it_decides(tmp_path: Path) -> None:
    passing = of("pass", Action.PASSTHRU), "198.51.100.9/32"
    later = zone("b", 2, (of("later"), "203.0.113.0/24"), (of("name"), "a.example"))
    rules = zone("a", 1, passing, (of("host"), "198.51.100.20/32"))
    assert told(enforced(tmp_path, rules, later), "203.0.113.5", "198.51.100.9", names=NAMES) == ""
    assert told(enforced(tmp_path, rules, later), "198.51.100.20", "198.51.100.9", "203.0.113.5") == ""
    rules = zone("a", 1, passing, (of("host"), "198.51.100.8/32"))
    assert told(enforced(tmp_path, rules, later), "203.0.113.5", "198.51.100.9", "198.51.100.8") == "host"


def test_among_lists_the_priority_decides_between_equal_prefixes(tmp_path: Path) -> None:
    one = feed("one", listing(of("one", start=1), "203.0.113.9/32"), priority=1)
    two = feed("two", listing(of("two", start=9), "198.51.100.9/32"), priority=2)
    assert told(enforced(tmp_path, one, two), "198.51.100.9", "203.0.113.9") == "one"


@pytest.mark.parametrize("within", ["::ffff:203.0.113.9", "64:ff9b::203.0.113.9"])
def test_an_ipv4_address_within_an_ipv6_one_is_judged_as_ipv4(tmp_path: Path, within: str) -> None:
    rules = zone("z", 1, (of("wide", Action.NODATA), "203.0.113.0/24"), (of("host"), "203.0.113.9/32"))
    assert told(enforced(tmp_path, rules), within) == "host"
    assert told(enforced(tmp_path, rules), within.replace(".9", ".8"), "192.0.2.1") == "wide"
    assert told(enforced(tmp_path, rules), within.replace(".9", ".8"), "203.0.113.9") == "host"
    six = zone("y", 2, (of("six"), str(ipaddress.ip_network(f"{within}/120", strict=False))))
    assert told(enforced(tmp_path, six), within) == "six"


def test_ipv4_behind_other_prefixes_is_not_looked_for(tmp_path: Path) -> None:
    rules = zone("z", 1, (of("host"), "203.0.113.9/32"))
    for elsewhere in ("64:ff9b:1::203.0.113.9", "2001:db8:64::203.0.113.9", "::203.0.113.9"):
        assert told(enforced(tmp_path, rules), elsewhere) == ""


def test_ipv4_prefixes_count_as_96_bits_longer(tmp_path: Path) -> None:
    rules = zone("z", 1, (of("four"), "203.0.113.0/24"), (of("six", Action.NODATA), "2001:db8:bad::/64"))
    assert told(enforced(tmp_path, rules), "2001:db8:bad::5", "203.0.113.9") == "four"
    rules = zone("z", 1, (of("four"), "203.0.113.0/24"), (of("six", Action.NODATA), "2001:db8:bad::/121"))
    assert told(enforced(tmp_path, rules), "2001:db8:bad::5", "203.0.113.9") == "six"


# A model of the whole, over plain lists: one party's claims on every lead, from the best to the worst.


def world(chance: random.Random) -> list[FeedInput]:
    """Return a few feeds of every kind with networks and names, some with orders that begin or end later."""
    found = []
    for name in chance.sample("abcd", chance.randint(1, 4)):
        kind = chance.choice(("signed", "rpz", "domains"))
        actions = [action for action in Action if action not in (Action.CNAME, Action.LOCAL)]
        actions = [action for action in actions if kind == "rpz" or not action.is_zones]
        if kind == "rpz":
            actions.remove(Action.ALLOW)
        orders = [
            order(
                f"{name}-{at}", chance.choice(actions), start=chance.choice((1, 2, 3)),
                role=chance.choice(("", "court", "ministry")) if kind == "signed" else "",
            )
            for at in range(chance.randint(1, 4))
        ]  # fmt: skip
        listings = [
            Listing(one, Scope.BOTH, [Network.from_text(text).key for text in chance.sample(NETWORKS, 3)])
            for one in orders
        ] + [Listing(one, Scope.BOTH, [key_from_text(chance.choice(NAMES))]) for one in orders]
        lifts = ["a", "b", "c/court", "d/ministry"]
        may_lift = {role: chance.sample(lifts, 2) for role in ("", "targets", "court")} if chance.random() < 0.4 else {}
        found.append(FeedInput(name, kind, chance.randint(1, 3), "", orders, listings, may_lift=may_lift))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_verdicts_are_alike_in_c_and_in_every_order_of_addresses(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test repeats itself
    seen = set()
    for number in range(WORLDS):
        subject = enforced(tmp_path, *world(chance))
        subject.translations = TRANSLATIONS
        for _ in range(6):
            names = [key_from_text(name) for name in chance.sample(NAMES, chance.randint(0, 3))]
            addresses = packed(*chance.sample(ADDRESSES, chance.randint(0, 5)))
            left = NO_TIER, NOBODY
            if subject.are_several and chance.random() < 0.5:  # else nobody else is left by the verdict on a question
                left = chance.randint(1, 5), frozenset(chance.sample(range(1, 4), 2))
            verdict = by_both(subject, names, addresses, *left)
            for _ in range(3):
                chance.shuffle(addresses)
                assert by_both(subject, names, addresses, *left) == verdict, (seed, number)
            seen.add((verdict.reason, verdict.action))
        subject.close()
    assert len(seen) > 8


def ranked(source: FeedInput) -> Iterator[tuple[int, int, bytes, Order]]:
    """Yield the networks of a zone from the one that decides first, as BIND's manual says."""
    found = []
    for made in source.listings:
        for key in made.keys:
            network = Network(key[2:], key[1])
            bits, address = network.prefix_length, network.packed
            if len(address) == 4:
                bits, address = bits + 96, bytes(10) + b"\xff\xff" + address
            found.append((-bits, address, network, made.order))
    for bits, _address, network, subject in sorted(found, key=lambda one: one[:2]):
        yield bits, network.prefix_length, network.packed, subject


def test_a_zone_decides_as_a_plain_search_through_its_rules_does(tmp_path: Path) -> None:
    """The first of the sorted rules that any address meets, found without any table."""
    chance = random.Random(7)  # noqa: S311 - a test repeats itself
    networks = [text for text in NETWORKS if not text.startswith(("64:", "::"))]
    hosts = [text for text in ADDRESSES if not text.startswith(("64:", "::", "2001:db8:64"))]
    for _ in range(WORLDS):
        rules = [(of(f"o{at}", chance.choice((Action.NXDOMAIN, Action.NODATA, Action.PASSTHRU))), text)
                 for at, text in enumerate(chance.sample(networks, 5))]  # fmt: skip
        source = zone("z", 1, *rules)
        addresses = packed(*chance.sample(hosts, 4))
        expected = next(
            (
                subject
                for _, bits, network, subject in ranked(source)
                if any(address in Network(network, bits) for address in addresses)
            ),
            None,
        )
        subject = enforced(tmp_path, source)
        verdict = by_both(subject, [], addresses)
        assert verdict.order == expected
        assert expected is None or verdict.touches == (expected.action is not Action.PASSTHRU)
        subject.close()
