"""The native engine's reader of rulesets: it agrees with the Python reader, and never reads out of bounds."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from blockd.errors import RulesetError
from blockd.names.translation import packed_translations
from blockd.orders import NO_TIER, Action, Order, Scope
from blockd.resolver.clients import packed_host
from blockd.ruleset import Enforced, FeedInput, Listing, OrderStates, Ruleset, StatesMemory, compile_ruleset
from blockd.ruleset.format import HEADER_SIZE, Header
from tests.effort import some, tries
from tests.resolver import corpus
from tests.resolver.rig import keys_of, order
from tests.resolver.twins import BROKEN, RULINGS, SERVED, STRANGERS
from tests.ruleset.lists import sealed

table = pytest.importorskip("blockd.ruleset._table", reason="the native engine was not built")

NAMES = [name for name in (*corpus.LISTED, *corpus.OPEN) if name != "."]
HOSTS = ["203.0.113.7", "203.0.113.9", "203.0.113.200", "198.51.3.9", "203.0.114.1", "192.0.2.1", "2001:db8:3::9", "::"]
ADDRESSES = [key[2:] for key in keys_of([host for host in HOSTS if host != "::"])] + [bytes(16)]
CLIENTS = [packed_host(host) for host in (*SERVED, *STRANGERS)]
SEED = 11
EDITS = tries(300, 1500)


def table_of(enforced: Enforced) -> Any:
    """Return the table in C of what is enforced; it must be closed before that."""
    orders = [record.order for record in enforced.ruleset.catalogue.orders]
    assert isinstance(enforced.states, OrderStates)
    return table.Table(
        enforced.ruleset.octets,
        enforced.ruleset.header,
        enforced.states.octets,
        bytes(list(Action).index(order.action) for order in orders),
        enforced.tiers,
        enforced.asks_client,
        enforced.lives,
        enforced.ruleset.salts,
        enforced.groups,
        enforced.packed_parties,
        enforced.parties.lifts,
        enforced.priorities.tobytes(),
        packed_translations(enforced.translations),
    )


class Opened:
    """One ruleset file, opened by both readers."""

    def __init__(self, path: Path) -> None:
        self.ruleset = Ruleset.open(path)
        orders: list[Order] = [record.order for record in self.ruleset.catalogue.orders]
        mapped = OrderStates(StatesMemory.make(orders, range(1, len(orders) + 1), 1), len(orders))
        self.enforced = Enforced(1, self.ruleset, mapped)
        self.table = table_of(self.enforced)

    def close(self) -> None:
        self.table.close()
        self.enforced.close()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def compare(self) -> tuple[int, int]:
        """Fail if the readers differ; return how often they agreed, and how often the file was found broken."""
        agreed = broken = 0
        for lookup, ours, keys in (
            (self.enforced.verdict, self.table.verdict, [*keys_of(NAMES), b""]),
            (self.enforced.address_verdict, self.table.address_verdict, ADDRESSES),
            (self.enforced.client_verdict, self.table.client_verdict, CLIENTS),
        ):
            for key in keys:
                said = ours(key)[:4]
                try:
                    verdict = lookup(key)
                except RulesetError:
                    broken += 1  # the native reader may end before it meets what is broken
                    continue
                ruling = RULINGS[verdict.reason]
                size = len(verdict.entry.key) if verdict.entry and ruling else 0
                assert said == (ruling, verdict.order_index if ruling else 0, size, verdict.tier), (key, verdict)
                agreed += 1
        return agreed, broken


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "1.ruleset"
    compile_ruleset(corpus.feeds(), made, created=1, randomness=random.Random(SEED).randbytes)  # noqa: S311
    return made


def test_both_readers_decide_alike(path: Path) -> None:
    with Opened(path) as opened:
        assert opened.compare() == (len(NAMES) + 1 + len(ADDRESSES) + len(CLIENTS), 0)


def test_both_readers_agree_on_exceptions(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a test repeats itself
    labels = [["example"], ["a", "b"], ["x", "y"], ["p", "q"]]
    names = [".".join(chosen[::-1]) for depth in range(1, 4) for chosen in product(*labels[: depth + 1])]
    for _ in range(tries(20, 1000)):
        feeds = []
        for feed in range(chance.randrange(1, 5)):
            orders = [
                order(f"{feed}.{action}", action)
                for action in (Action.SINKHOLE, Action.NXDOMAIN, Action.PASSTHRU, Action.MONITOR)
            ]
            listings = [
                Listing(one, scope, keys_of(chance.sample(names, chance.randrange(4))))
                for one in orders
                for scope in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH)
            ]
            kind = chance.choice(("adblock", "adblock", "domains", "rpz"))
            feeds.append(FeedInput(f"f{feed}", kind, chance.randrange(3), "", orders, listings))
        made = tmp_path / "some.ruleset"
        compile_ruleset(feeds, made, created=1, randomness=chance.randbytes)
        with Opened(made) as opened:
            for key in keys_of([*names, *(f"deep.{name}" for name in names)]):
                verdict = opened.enforced.verdict(key)
                size = len(verdict.entry.key) if verdict.entry and RULINGS[verdict.reason] else 0
                expected = RULINGS[verdict.reason], verdict.order_index if size else 0, size, verdict.tier
                assert opened.table.verdict(key)[:4] == expected


def test_a_closed_table_decides_nothing(path: Path) -> None:
    with Opened(path) as opened:
        key = keys_of(["sinkhole.example"])[0]
        assert opened.table.verdict(key)[0] == 3
        opened.table.close()
        assert opened.table.verdict(key)[:4] == (BROKEN, 0, 0, NO_TIER)
        assert opened.table.address_verdict(ADDRESSES[0])[:4] == (BROKEN, 0, 0, NO_TIER)
        opened.table.close()


@pytest.mark.parametrize("size", [0, 1, 3, 5, 15, 17, 100, 100_000])
def test_an_address_of_no_kind_is_not_listed(path: Path, size: int) -> None:
    with Opened(path) as opened:
        assert opened.table.address_verdict(b"\xcb" * size)[:4] == (0, 0, 0, NO_TIER)


NO_NAMES = (
    b"",
    b"\0",
    b"\0" * 254,
    b"\0" * 255,
    b"\1",
    b"\xff",
    b"\1a" * 127,
    b"\1a" * 128,
    b"\3abc\4ab",
    b"x" * 100_000,
)


@pytest.mark.parametrize("key", NO_NAMES)
def test_a_key_of_no_name_is_not_listed(path: Path, key: bytes) -> None:
    with Opened(path) as opened:
        assert opened.table.verdict(key)[:4] == (0, 0, 0, NO_TIER)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    cut = path.with_name("cut.ruleset")
    for size in some(range(len(whole)), 400):
        cut.write_bytes(whole[:size])
        for verify in (True, False):
            try:
                opened = Ruleset.open(cut, verify=verify)
            except RulesetError:
                continue
            opened.close()
            pytest.fail(f"{size} of {len(whole)} octets were taken")


def test_a_file_with_any_bit_flipped_is_refused(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    chance = random.Random(SEED)  # noqa: S311 - a test repeats itself
    flipped = path.with_name("flipped.ruleset")
    for _ in range(400):
        at, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        whole[at] ^= bit
        flipped.write_bytes(whole)
        whole[at] ^= bit
        with pytest.raises(RulesetError):
            Ruleset.open(flipped)


def edited(whole: bytes, chance: random.Random) -> bytes:
    """Return a file with some wrong fields and the digest that belongs to it."""
    octets = bytearray(whole)
    header = Header.unpack(whole[:HEADER_SIZE], len(whole))
    sections = (header.claims, header.table, header.records)
    places = [(0, HEADER_SIZE), *((section.offset, section.end) for section in sections)]
    for _ in range(chance.randrange(1, 4)):
        start, end = chance.choice(places)
        width = chance.choice((1, 1, 2, 4, 8))
        at = chance.randrange(start, end)
        at -= at % width
        value = chance.choice((0, 1, 11, 64, 255, len(whole), 0x7FFFFFFF, (1 << 64) - 1, chance.randrange(1 << 64)))
        octets[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    return sealed(bytes(octets))


def test_a_file_whose_fields_lie_is_refused_or_read_within_its_bounds(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    chance = random.Random(SEED)  # noqa: S311 - a test repeats itself
    lying = tmp_path / "lying.ruleset"
    refused = agreed = broken = 0
    for _ in range(EDITS):
        lying.write_bytes(edited(whole, chance))
        try:
            opened = Opened(lying)
        except RulesetError:
            refused += 1
            continue
        with opened:
            some_agreed, some_broken = opened.compare()
            agreed += some_agreed
            broken += some_broken
    assert refused > EDITS // 10
    assert agreed > EDITS * 20
    assert broken > EDITS // 2


def test_states_shorter_than_the_orders_are_refused(path: Path) -> None:
    ruleset = Ruleset.open(path)
    with pytest.raises(ValueError, match="shorter than the orders"):
        table.Table(ruleset.octets, ruleset.header, memoryview(bytes(20)), b"\0", b"\0")
    ruleset.close()
