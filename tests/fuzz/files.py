"""Ruleset files with fields that lie: refused, or read within their bounds, and as the twin reads them."""

from __future__ import annotations

import mmap
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from blockd.errors import RulesetError
from blockd.ruleset import Enforced, Ruleset
from blockd.ruleset._table import Table
from blockd.ruleset.format import BUCKET_SIZE, HEADER_SIZE, Header
from blockd.ruleset.states import MAGIC
from tests.fuzz.driver import driver
from tests.resolver import corpus
from tests.resolver.rig import keys_of
from tests.resolver.twins import BROKEN, RULINGS, Twins

COMPARE_EACH = 8  # files; one of so many is shown to the twin
NUMBERS = (0, 1, 2, 64, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
KEYS = [*keys_of([name for name in (*corpus.LISTED, *corpus.OPEN) if name != "."]), b""]
HOSTS = ("203.0.113.7", "198.51.3.9", "203.0.114.1", "2001:db8:3::9", "2001:db8:f000::7")
ADDRESSES = [key[2:] for key in keys_of(HOSTS)]


@dataclass(frozen=True)
class Fixed:
    """States that stand still."""

    octets: memoryview
    states: bytes
    hit_slots: tuple[int, ...]
    stale: bytes
    epoch: int = 1

    def close(self) -> None:
        """Hold nothing."""


def files(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with ruleset files."""
    sound = Twins(folder).enforce(corpus.feeds()).read_bytes()
    chance = random.Random(seed)  # noqa: S311 - a run can be repeated
    done = refused = read = broken = compared = 0
    while done < count and time.monotonic() < end:
        done += 1
        octets = mutated(sound, chance)
        try:
            header = Header.unpack(octets[:HEADER_SIZE], len(octets))
            ruleset = Ruleset(Path("fuzzed"), cast(mmap.mmap, octets), header)  # octets do what a map of them does
        except RulesetError:
            refused += 1
            continue
        orders = len(ruleset.catalogue.orders)
        states = bytes(chance.choices((0, 1, 1, 1, 2), k=orders))
        head = MAGIC + (1).to_bytes(4, "little") + orders.to_bytes(4, "little")
        stale = bytes(chance.choices((0, 1), k=orders))
        whole = head + states.ljust(-(-orders // 4) * 4, b"\0") + bytes(4 * orders) + stale
        fixed = Fixed(memoryview(whole), states, (0,) * orders, stale)
        actions = bytes(corpus.ACTIONS.index(record.order.action) for record in ruleset.catalogue.orders)
        enforced = Enforced(1, ruleset, fixed)
        lives, salts = enforced.lives, ruleset.salts
        table = Table(
            ruleset.octets, header, fixed.octets, actions, enforced.tiers, enforced.asks_client, lives, salts,
            enforced.groups, enforced.packed_parties, enforced.parties.lifts,
        )  # fmt: skip
        broken += driver.lookups(table, KEYS, ADDRESSES)[1] > 0
        read += 1
        if done % COMPARE_EACH == 0:
            compared += _compare(table, enforced)
        table.close()
        assert not header.max_labels or table.verdict(KEYS[0])[0] == BROKEN, "nothing is read of what was let go"
    return f"{done:,}: {refused:,} refused, {read:,} read, {broken:,} found broken; {compared:,} lookups as the twin's"


def _compare(table: Table, enforced: Enforced) -> int:
    compared = 0
    for lookups, ours, keys in (
        (enforced.verdict, table.verdict, KEYS),
        (enforced.address_verdict, table.address_verdict, ADDRESSES),
    ):
        for key in keys:
            try:
                verdict = lookups(key)
            except RulesetError:
                ours(key)  # may end before it meets what is broken
                continue
            ruling = RULINGS[verdict.reason]
            size = len(verdict.entry.key) if verdict.entry and ruling else 0
            expected = (ruling, verdict.order_index or 0 if ruling else 0, size, verdict.tier)
            assert ours(key)[:4] == expected, (key, expected, ours(key))
            compared += 1
    return compared


def _mislead(octets: bytearray, header: Header, chance: random.Random) -> None:
    """Have an entry lead to the last octets of its section, and these say that a key of its size stands there."""
    bucket = header.table.offset + chance.randrange(header.buckets) * BUCKET_SIZE
    used = octets[bucket + 60]
    if used:
        slot = bucket + 20 + 4 * chance.randrange(used)
        size = octets[header.records.offset + int.from_bytes(octets[slot : slot + 4], "little") + 4]
        offset = header.records.size - chance.randrange(1, size + 6)
        octets[slot : slot + 4] = offset.to_bytes(4, "little")
        if offset + 4 < header.records.size:
            octets[header.records.offset + offset + 4] = size


def mutated(sound: bytes, chance: random.Random) -> bytes:
    """Return a ruleset file with some fields changed, or cut, or longer."""
    octets = bytearray(sound)
    header = Header.unpack(sound[:HEADER_SIZE], len(sound))
    places = [(0, HEADER_SIZE)] + [
        (section.offset, section.end) for section in (header.claims, header.table, header.records, header.table)
    ]
    if chance.randrange(4) == 0:
        _mislead(octets, header, chance)
    for _ in range(chance.randrange(1, 5)):
        start, end = chance.choice(places)
        at = chance.randrange(start, end)
        match chance.randrange(5):
            case 0:
                octets[at] ^= 1 << chance.randrange(8)
            case 1:
                octets[at] = chance.choice((0, 1, 4, 10, 11, 63, 64, 127, 128, 254, 255))
            case 2:  # an aligned number
                width = chance.choice((2, 4, 8))
                at -= at % width
                value = chance.choice((*NUMBERS, len(sound), chance.randrange(1 << 32)))
                octets[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
            case 3:  # a number that is a little off
                at -= at % 4
                value = int.from_bytes(octets[at : at + 4], "little") + chance.choice((-64, -4, -1, 1, 2, 5, 64))
                octets[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
            case 4:
                octets[at] = chance.randrange(256)
    match chance.randrange(12):
        case 0:
            del octets[chance.randrange(len(octets)) :]
        case 1:
            octets += chance.randbytes(chance.randrange(200))
    return bytes(octets)
