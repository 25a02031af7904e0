"""What both engines note of recent traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.metrics import Transport
from blockd.resolver import engine_name
from tests.resolver.rig import order, question
from tests.ruleset.lists import feed, listing

if engine_name() != "native":
    pytest.skip("the native engine does not run here", allow_module_level=True)

from tests.resolver.twins import Twins

NAMES = [f"host-{number}.shop-{number % 7}.example" for number in range(200)] + ["listed.example", ".".join("a" * 60)]


def test_both_engines_note_the_same_questions_in_the_same_cells(tmp_path: Path) -> None:
    twins = Twins(tmp_path)
    twins.enforce([feed("list", listing(order(), "listed.example"))])
    for turn in range(5):
        for name in NAMES:
            for transport in (Transport.UDP, Transport.TCP) if turn else (Transport.UDP,):
                for side in twins.sides:
                    side.begin(question(name).to_wire(), "127.0.0.1", transport)
    native, python = (side.traffic.sketch() for side in twins.sides)
    assert native.noted > 10
    assert native == python


def test_strangers_are_not_noted(tmp_path: Path) -> None:
    twins = Twins(tmp_path)
    for _ in range(300):
        for side in twins.sides:
            side.begin(question("host.example").to_wire(), "192.0.2.1", Transport.UDP)
    assert [side.traffic.sketch().noted for side in twins.sides] == [0, 0]
