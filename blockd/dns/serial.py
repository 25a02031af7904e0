"""Serial numbers of zones, which begin again behind the largest (RFC 1982)."""

from __future__ import annotations

_MODULUS = 1 << 32
_HALF = 1 << 31


def is_newer(serial: int, than: int) -> bool:
    """Tell whether one serial comes after another.

    Two that are exactly half the circle apart cannot be compared (section 3.2), and neither comes after the other.
    """
    return 0 < (serial - than) % _MODULUS < _HALF


def is_older(serial: str, than: str) -> bool:
    """Tell whether one zone's serial comes before another's; texts that are no serials never do."""
    return serial.isdecimal() and than.isdecimal() and is_newer(int(than), int(serial))
