from __future__ import annotations

import random

import pytest

from blockd.errors import RulesetError
from blockd.names import address_key, hashed_key, key_from_text
from blockd.ruleset.building.under import names_under_slowly
from blockd.ruleset.format import ENTRY, HOLE

native = pytest.importorskip("blockd.ruleset.building._under", reason="blockd was installed without its C part")
BOTH = [names_under_slowly, native.names_under]


def records(*keys: bytes, holes: tuple[int, ...] = ()) -> memoryview:
    made = [ENTRY.pack(HOLE if at in holes else 0, len(key)) + key for at, key in enumerate(keys)]
    return memoryview(b"".join(made))


@pytest.mark.parametrize("names_under", BOTH)
def test_what_is_strictly_below_is_found(names_under: object) -> None:
    keys = [key_from_text(name) for name in ("a.b.x", "b.x", "x", "a.bx", "c.b.x", "y.x", "d.b.x")]
    held = records(*keys, address_key(b"\x01x\x01b", 32), hashed_key(b"\x01x\x01b" * 4), holes=(6,))
    found = names_under(held, frozenset([key_from_text("b.x")]), 9)  # type: ignore[operator]
    assert found == [keys[0], keys[4]]
    assert names_under(held, frozenset([key_from_text("b.x")]), 1) is None  # type: ignore[operator]
    assert names_under(memoryview(b""), frozenset([b"\x01x"]), 1) == []  # type: ignore[operator]


def test_both_find_the_same() -> None:
    chance = random.Random(5)  # noqa: S311 - a test repeats itself
    keys = [key_from_text(".".join(chance.choices("abcd", k=chance.randint(1, 7)))) for _ in range(3_000)]
    for count in (1, 30, 2_000):
        tops = frozenset(chance.sample(keys, count))
        one, two = (find(records(*keys), tops, 10_000) for find in BOTH)
        assert one == two
        assert one or count == 1


@pytest.mark.parametrize("names_under", BOTH)
@pytest.mark.parametrize("octets", [b"\0\0\0\0", b"\0\0\0\0\0", b"\0\0\0\0\3\1a"])
def test_a_record_outside_of_the_section_is_refused(names_under: object, octets: bytes) -> None:
    with pytest.raises(RulesetError):
        names_under(memoryview(octets), frozenset([b"\1a"]), 9)  # type: ignore[operator]
