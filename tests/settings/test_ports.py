from __future__ import annotations

import pytest

from blockd.settings.ports import MAX_RANGES, avoided_ports_from_value


def test_ports_and_ranges_are_taken() -> None:
    assert avoided_ports_from_value([5060, "6000-6063", "53"]) == (range(5060, 5061), range(6000, 6064), range(53, 54))
    assert avoided_ports_from_value([]) == ()
    assert avoided_ports_from_value(["1-60000"]) == (range(1, 60_001),)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5060, "expected a list"),
        ("5060", "expected a list"),
        ([0], "expected a port such as 5060"),
        ([65_536], "expected a port"),
        (["6063-6000"], "expected a port"),
        (["6000-"], "expected a port"),
        ([True], "expected a port"),
        ([None], "expected a port"),
        ([5060.0], "expected a port"),
        (["1-65535"], "it leaves 0 ports from 1024 up; leave at least 4096"),
        (["1024-40000", "30000-62000"], "it leaves 3535 ports"),
        ([53] * (MAX_RANGES + 1), f"expected at most {MAX_RANGES} ports and ranges"),
    ],
)
def test_what_cannot_be_meant_is_refused(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        avoided_ports_from_value(value)
