"""What the guard holds back is in no entry and no count, and both builders make the same file without it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import CommandError
from blockd.names import DomainName, Network, address_key, client_key, hashed_key, key_from_text
from blockd.names.hashed import DIGEST_SIZE
from blockd.names.suffixes import parse_suffixes
from blockd.native import ENGINE, is_native
from blockd.orders import Action, Scope
from blockd.ruleset import FeedInput, FeedRecord, Ruleset, compile_ruleset
from blockd.ruleset.building.builder import STEP, new_builder
from blockd.ruleset.building.claims import UNCLAIMED, ClaimSets, Joins
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.network_guard import NetworkGuard, OwnNetworks
from blockd.ruleset.gate.shared_networks import SharedNetworks
from tests.ruleset.lists import NOW, feed, listing, octets, order

SUFFIXES = parse_suffixes("com\nco.id\n*.ck\n!www.ck\n*.c.example\n")
SHARED = SharedNetworks.of(map(Network.from_text, ("9.9.0.0/16", "2606:4700::/32")))
GUARD = Guard.of(SUFFIXES, [key_from_text("bank.co.id")], [key_from_text("popular.com")], "d", SHARED)
ON_SHARED = ["8.0.0.0/8", "9.0.0.0/8", "9.9.0.0/16", "9.9.9.9/32", "9.10.0.0/16", "2606:4700::1/128", "2606:4701::/32"]
POOL = [
    *("com", "co.id", "a.ck", "b.ck", "www.ck", "ck", "c.example", "x.c.example", "y.x.c.example"),
    *("bank.co.id", "popular.com", "www.popular.com", "innocent.com", "deep.er.innocent.com", "example"),
]

UNDER = ["under.example", "www.under.example", "deep.er.under.example", "xunder.example", "under.other.example"]
NETWORKS = ["0.0.0.0/1", "8.0.0.0/8", "8.8.0.0/16", "9.9.9.9/32", "10.0.0.0/8", "2600::/20", "2600::/40"]
WIDE = Guard.of(
    SUFFIXES,
    [key_from_text("bank.co.id")],
    [key_from_text("popular.com")],
    "d",
    under=[key_from_text("under.example")],
    networks=NetworkGuard.of(16, 32, OwnNetworks(upstreams=(Network.from_text("9.9.9.9"),))),
    reports_popular=True,
).releasing([key_from_text("co.id")])


def _engines() -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        try:
            is_native()
        except CommandError:
            return ["python"]
    return ["python", "native"]


ENGINES = _engines()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ENGINE, request.param)
    return str(request.param)


class Compiled:
    """A ruleset compiled with a guard, and what the compiler reported."""

    def __init__(self, path: Path, *feeds: FeedInput, guard: Guard = GUARD) -> None:
        self.held: dict[str, GuardReport] = {}
        self.records: dict[str, FeedRecord] = {}
        self.header = compile_ruleset(
            feeds, path, created=NOW, randomness=octets, guard=guard, held=self.held.__setitem__, judge=self._judge
        )
        ruleset = Ruleset.open(path)
        self.entries = {
            DomainName(key).text if key[0] < 0xF4 else key.hex(): {
                (ruleset.catalogue.orders[claim.order_index].order.id, claim.scope) for claim in claims
            }
            for key, claims in ruleset.entries()
        }
        assert all(ruleset.claims(key) for key, _ in ruleset.entries())
        assert all(bool(ruleset.claims(key_from_text(name))) == (name in self.entries) for name in POOL)
        self.names = {record.order.id: record.names for record in ruleset.catalogue.orders}
        assert self.header.entries == len(self.entries)
        assert {record.name: record.names for record in ruleset.catalogue.feeds} == {
            record.name: record.names for record in self.records.values()
        }
        ruleset.close()

    def _judge(self, record: FeedRecord) -> None:
        self.records[record.name] = record


def signed(found: FeedInput) -> FeedInput:
    return replace(found, signed=True)


@pytest.mark.usefixtures("engine")
def test_held_entries_are_in_no_file_and_in_no_count(tmp_path: Path) -> None:
    found = Compiled(tmp_path / "r", feed("f", listing(order("o"), *POOL)))
    assert set(found.entries) == {"www.ck", "y.x.c.example", "www.popular.com", "innocent.com", "deep.er.innocent.com"}
    assert found.names == {"o": 5}
    assert found.records["f"].names == 5
    assert found.held["f"].counts == {
        "top-level name": 3, "public suffix": 5, "protected": 1, "popular": 1,
    }  # fmt: skip
    assert found.header.max_labels == 4


@pytest.mark.usefixtures("engine")
def test_the_longest_name_that_is_left_counts(tmp_path: Path) -> None:
    found = Compiled(tmp_path / "r", feed("f", listing(order("o"), "innocent.com", "x.c.example")))
    assert found.header.max_labels == 2


@pytest.mark.usefixtures("engine")
def test_a_list_of_held_entries_alone_leaves_none(tmp_path: Path) -> None:
    found = Compiled(tmp_path / "r", feed("f", listing(order("o"), "co.id", "com")))
    assert (found.entries, found.header.names, found.names) == ({}, 0, {"o": 0})


@pytest.mark.usefixtures("engine")
def test_signed_orders_keep_their_entries_and_are_reported(tmp_path: Path) -> None:
    found = Compiled(
        tmp_path / "r",
        signed(feed("ministry", listing(order("one"), "co.id", "innocent.com"), priority=1)),
        feed("list", listing(order("two"), "co.id", "innocent.com")),
        signed(feed("other", listing(order("three"), "bank.co.id"), priority=60)),
    )
    assert found.entries == {
        "co.id": {("one", 3)}, "innocent.com": {("one", 3), ("two", 3)}, "bank.co.id": {("three", 3)},
    }  # fmt: skip
    assert found.names == {"one": 2, "two": 1, "three": 1}
    assert (found.held["ministry"].held, found.held["ministry"].total) == (0, 1)
    assert (found.held["list"].held, found.held["other"].held) == (1, 0)


@pytest.mark.usefixtures("engine")
def test_an_entry_that_was_held_back_of_one_feed_may_come_from_a_later_one(tmp_path: Path) -> None:
    found = Compiled(
        tmp_path / "r",
        feed("list", listing(order("one"), "co.id", "a.ck")),
        feed("allow", listing(order("two", Action.ALLOW), "a.ck"), priority=60),
        signed(feed("ministry", listing(order("three"), "co.id", "x.c.example"), priority=70)),
    )
    assert found.entries == {"a.ck": {("two", 3)}, "co.id": {("three", 3)}, "x.c.example": {("three", 3)}}
    assert found.names == {"one": 0, "two": 1, "three": 2}
    assert found.records["ministry"].names == 2


@pytest.mark.usefixtures("engine")
def test_orders_that_cover_only_the_name_itself_keep_a_suffix(tmp_path: Path) -> None:
    exact = listing(order("exact"), "co.id", "bank.co.id", scope=Scope.EXACT)
    found = Compiled(tmp_path / "r", feed("f", exact, listing(order("both"), "co.id")))
    assert found.entries == {"co.id": {("exact", 1)}}
    assert found.names == {"exact": 1, "both": 0}
    assert found.records["f"].names == 1
    assert found.held["f"].total == 2


@pytest.mark.usefixtures("engine")
def test_what_is_under_a_protected_name_and_wide_networks_are_held_back(tmp_path: Path) -> None:
    found = Compiled(
        tmp_path / "r", feed("f", listing(order("o"), *UNDER, *NETWORKS, "co.id", "popular.com")), guard=WIDE
    )
    networks = {Network.from_text(text).key.hex() for text in ("8.8.0.0/16", "10.0.0.0/8", "2600::/40")}
    assert set(found.entries) == {"xunder.example", "under.other.example", "co.id", "popular.com", *networks}
    assert (found.header.names, found.names, found.records["f"].names) == (4, {"o": 7}, 7)
    assert found.header.ipv4_prefixes == 1 << 8 | 1 << 16
    assert found.header.ipv6_prefixes == 1 << 40
    held = found.held["f"]
    assert held.counts == {
        "protected": 3, "network too wide": 3, "upstream's address": 1, "special-purpose network": 1, "popular": 1,
    }  # fmt: skip
    assert (held.held, held.reported) == (7, {"special-purpose network", "popular"})


@pytest.mark.usefixtures("engine")
def test_networks_are_no_names(tmp_path: Path) -> None:
    found = Compiled(tmp_path / "r", feed("f", listing(order("o"), "8.0.0.0/8", "2600::/32", "co.id")))
    assert len(found.entries) == 2
    assert found.header.names == 0
    assert found.header.ipv4_prefixes == 1 << 8


@pytest.mark.usefixtures("engine")
def test_without_a_guard_nothing_is_held_back(tmp_path: Path) -> None:
    found = Compiled(tmp_path / "r", feed("f", listing(order("o"), *POOL)), guard=Guard())
    assert set(found.entries) == set(POOL)
    assert found.held == {"f": GuardReport()}


@st.composite
def feeds(draw: st.DrawFn) -> list[FeedInput]:
    inputs = []
    for number in range(draw(st.integers(1, 3))):
        listings = [
            listing(
                order(f"o-{number}-{at}", draw(st.sampled_from([Action.SINKHOLE, Action.ALLOW]))),
                *draw(st.lists(st.sampled_from([*POOL, *UNDER, *NETWORKS]), max_size=12)),
                scope=draw(st.sampled_from([Scope.BOTH, Scope.EXACT, Scope.SUBDOMAINS])),
            )
            for at in range(draw(st.integers(1, 2)))
        ]
        inputs.append(replace(feed(f"f{number}", *listings, priority=number), signed=draw(st.booleans())))
    return inputs


@pytest.mark.skipif(len(ENGINES) == 1, reason="blockd was installed without its C part")
@given(feeds())
def test_both_builders_make_the_same_file_of_what_is_left(inputs: list[FeedInput]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        results = []
        for engine in ENGINES:
            patch.setenv(ENGINE, engine)
            found = Compiled(Path(folder) / engine, *inputs, guard=WIDE)
            results.append(((Path(folder) / engine).read_bytes(), found.held))
        assert results[0] == results[1]


@given(feeds())
def test_the_guard_says_the_same_of_one_entry_as_of_all(inputs: list[FeedInput]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = Compiled(Path(folder) / "r", *inputs, guard=WIDE)
    expected: dict[str, set[tuple[str, int]]] = {}
    for source in inputs:
        merged: dict[bytes, dict[str, int]] = {}
        for part in source.listings:
            for key in part.keys:
                scopes = merged.setdefault(key, {})
                scopes[part.order.id] = scopes.get(part.order.id, 0) | part.scope
        actions = {subject.id: subject.action for subject in source.orders}
        for key, scopes in merged.items():
            for identifier, scope in scopes.items():
                why = WIDE.reason(key, scope, actions[identifier])
                if source.signed or not why or WIDE.only_reports(why):
                    name = DomainName(key).text if key[0] < 0xF4 else key.hex()
                    expected.setdefault(name, set()).add((identifier, scope))
    assert found.entries == expected


def keys(*names: str) -> Sequence[bytes]:
    return [key_from_text(name) for name in names]


@pytest.mark.usefixtures("engine")
def test_networks_of_shared_hosts_are_in_no_file_and_in_no_count(tmp_path: Path) -> None:
    found = Compiled(
        tmp_path / "r",
        feed("f", listing(order("o"), *ON_SHARED, *ON_SHARED, "casino.example")),
        feed("g", listing(order("p"), "9.9.9.9/32", "7.7.7.7/32"), priority=60),
        feed("never", listing(order("q", Action.ALLOW), "9.9.0.0/16"), priority=70),
        signed(feed("ministry", listing(order("s"), "9.9.9.9/32"), priority=80)),
    )
    kept = ("8.0.0.0/8", "9.9.0.0/16", "9.9.9.9/32", "9.10.0.0/16", "2606:4701::/32", "7.7.7.7/32")
    assert set(found.entries) == {"casino.example", *(Network.from_text(text).key.hex() for text in kept)}
    assert found.names == {"o": 4, "p": 1, "q": 1, "s": 1}
    assert {name: record.names for name, record in found.records.items()} == {"f": 4, "g": 1, "never": 1, "ministry": 1}
    assert (found.header.names, found.header.networks) == (1, 6)
    assert found.header.ipv4_prefixes == 1 << 8 | 1 << 16 | 1 << 32
    assert found.header.ipv6_prefixes == 1 << 32  # of 2606:4700::1 nothing is left
    assert found.held["f"].counts == {"shared host": 4}
    assert found.held["f"].samples == {"shared host": ["2606:4700::1", "9.0.0.0/8", "9.9.0.0/16", "9.9.9.9"]}
    assert (found.held["g"].held, found.held["never"].held) == (1, 0)
    assert (found.held["ministry"].held, found.held["ministry"].total) == (0, 1)


@pytest.mark.usefixtures("engine")
def test_networks_are_given_once() -> None:
    built = new_builder(bytes(16), 1 << 20)
    built.start(Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0})))
    one, two, client = (Network.from_text(text).key for text in ("9.0.0.0/8", "2606::/32", "7.0.0.0/8"))
    client = client_key(client[2:], 8)
    built.add_keys([*keys("a.example"), one, client])
    assert list(built.networks()) == [one, client]
    built.add_keys([one, *keys("b.example"), two])
    assert list(built.networks()) == [two]
    assert list(built.networks()) == []


@pytest.mark.usefixtures("engine")
def test_only_claimed_entries_can_be_changed() -> None:
    built = new_builder(bytes(16), 1 << 20)
    built.start(Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0})))
    network, hashed = Network.from_text("8.0.0.0/8").key, hashed_key(bytes(16))
    built.add_keys([*keys("a.example"), network, hashed])
    assert built.places(keys("b.example", "a.example")) == [(key_from_text("a.example"), 0)]
    hashed = hashed_key(bytes(DIGEST_SIZE))
    built.add_keys([hashed])
    for key in (key_from_text("b.example"), hashed, b"", bytes(300)):
        with pytest.raises(ValueError, match="only the claims of a claimed name or network"):
            built.put(key, UNCLAIMED)
    for key in (key_from_text("a.example"), network):
        built.put(key, UNCLAIMED)
        assert built.places([key]) == []
        with pytest.raises(ValueError, match="only the claims of a claimed name or network"):
            built.put(key, 0)


@pytest.mark.usefixtures("engine")
def test_children_are_given_once() -> None:
    built = new_builder(bytes(16), 1 << 20)
    built.start(Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0})))
    parents = frozenset([b"", *keys("ck", "c.example")])
    built.add_keys(keys("a.ck", "ck", "b.a.ck", "x.example"))
    assert built.below(parents) == keys("a.ck", "ck")
    built.add_keys(keys("a.ck", "x.c.example", "y.x.c.example"))
    assert built.below(parents) == keys("x.c.example")
    many = keys(*(f"host-{number}.example" for number in range(3000)))
    built.add_keys(many)
    assert built.below(parents) == []
    assert built.below(frozenset([key_from_text("example")])) == []
    built.add_keys(keys("b.c.example", "x.other"))
    assert built.below(frozenset(), frozenset(keys("c.example"))) == keys("b.c.example")


@pytest.mark.usefixtures("engine")
def test_networks_are_given_once_and_in_portions() -> None:
    built = new_builder(bytes(16), 1 << 24)
    built.start(Joins(ClaimSets(), 0, Scope.BOTH, frozenset({0})))
    many = [address_key(number.to_bytes(4), 32) for number in range(1, STEP + 3)]
    built.add_keys([*keys("a.example"), *many, hashed_key(bytes(DIGEST_SIZE))])
    assert (built.networks(), built.networks(), built.networks()) == (many[:STEP], many[STEP:], [])
    built.add_keys([*many[:2], client_key(bytes(4), 8)])
    assert built.networks() == [client_key(bytes(4), 8)]
