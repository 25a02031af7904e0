from __future__ import annotations

import base64
import zlib

import pytest

from blockd.metrics import Sketch, Traffic, TrafficRow
from blockd.metrics.traffic import GAP_BITS, NOTED, ROW
from blockd.names import key_from_text

KEY = bytes(range(16))


def note(row: TrafficRow, name: str, times: int) -> None:
    """Pass questions for a name until `times` of them were noted."""
    goal = row.cells[NOTED] + times
    while row.cells[NOTED] < goal:
        row.pass_by(key_from_text(name))


def estimate(sketch: Sketch, name: str) -> int:
    return sketch.estimate(key_from_text(name))


def test_a_name_counts_for_itself_and_all_above_it() -> None:
    traffic = Traffic(2, KEY)
    note(traffic.row(0), "www.shop.example", 3)
    note(traffic.row(1), "shop.example", 2)
    sketch = traffic.sketch()
    assert sketch.noted == 5
    assert [estimate(sketch, name) for name in ("www.shop.example", "shop.example", "example")] == [3, 5, 5]
    assert [estimate(sketch, name) for name in ("other.example", "a.www.shop.example", "shop")] == [0, 0, 0]


def test_one_of_64_questions_is_noted_on_average() -> None:
    row = Traffic(1, KEY).row(0)
    for number in range(20_000):
        row.pass_by(key_from_text(f"host-{number}.example"))
    assert 20_000 / 64.5 * 0.8 < row.cells[NOTED] < 20_000 / 64.5 * 1.2


def test_halving_forgets() -> None:
    traffic = Traffic(2, KEY)
    note(traffic.row(0), "a.example", 5)
    note(traffic.row(1), "b.example", 4)
    traffic.halve()
    sketch = traffic.sketch()
    assert (sketch.noted, estimate(sketch, "a.example"), estimate(sketch, "b.example")) == (4, 2, 2)
    for _ in range(3):
        traffic.halve()
    assert traffic.sketch().octets == bytes(ROW * 4)


def test_an_estimate_is_never_too_small_and_seldom_more_than_the_noise_too_large() -> None:
    traffic = Traffic(1, KEY)
    row = traffic.row(0)
    for number in range(2_000):
        row._left = 1
        row.pass_by(key_from_text(f"host-{number}.example-{number % 100}.test"))
    sketch = traffic.sketch()
    assert all(estimate(sketch, f"example-{number}.test") >= 20 for number in range(100))
    too_large = [number for number in range(1_000) if estimate(sketch, f"absent-{number}.test") > sketch.noise]
    assert len(too_large) < 50


def test_the_hash_is_keyed() -> None:
    one, other = Traffic(1, KEY), Traffic(1, bytes(16))
    for traffic in (one, other):
        note(traffic.row(0), "a.example", 1)
    assert one.sketch().octets != other.sketch().octets


def test_a_name_with_very_many_labels_costs_no_more_than_others() -> None:
    traffic = Traffic(1, KEY)
    note(traffic.row(0), ".".join("a" * 100), 1)
    assert sum(memoryview(traffic.sketch().octets).cast("I")[: 1 << 16]) == 16
    assert 1 <= traffic.row(0)._left <= 1 << GAP_BITS


def test_a_sketch_goes_as_json_and_holds_no_name() -> None:
    traffic = Traffic(1, KEY)
    note(traffic.row(0), "secret.example", 3)
    told = traffic.sketch().to_json()
    assert Sketch.from_json(told) == traffic.sketch()
    assert b"secret" not in traffic.sketch().octets


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"key": "00", "cells": ""},
        {"key": KEY.hex(), "cells": "no base64!"},
        {"key": KEY.hex(), "cells": base64.b64encode(b"not packed").decode()},
        {"key": KEY.hex(), "cells": base64.b64encode(zlib.compress(bytes(ROW * 4 + 4))).decode()},
        {"key": KEY.hex(), "cells": base64.b64encode(zlib.compress(bytes(8))).decode()},
        {"key": "zz", "cells": ""},
    ],
)
def test_what_is_no_sketch_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of them
        Sketch.from_json(told)
