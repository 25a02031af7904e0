from __future__ import annotations

import pytest

from blockd.dns.serial import is_newer


@pytest.mark.parametrize(
    ("serial", "than"), [(2, 1), (0, 0xFFFFFFFF), (5, 0xFFFFFFF0), (0x80000000, 1), (26112402, 26112401)]
)
def test_a_serial_comes_after_another_one_round_the_circle(serial: int, than: int) -> None:
    assert is_newer(serial, than)
    assert not is_newer(than, serial)


@pytest.mark.parametrize(("serial", "than"), [(7, 7), (0, 0x80000000), (0x80000001, 1)])
def test_equal_or_opposite_serials_are_neither_newer_nor_older(serial: int, than: int) -> None:
    assert not is_newer(serial, than)
    assert not is_newer(than, serial)
