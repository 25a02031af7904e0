"""Serial number arithmetic for zones (RFC 1982)."""

from __future__ import annotations

_MODULUS = 1 << 32
_HALF = 1 << 31


def is_newer(serial: int, than: int) -> bool:
    """Return whether one serial comes after another.

    Two that are exactly 2^31 apart cannot be compared (section 3.2), and neither comes after the other.
    """
    return 0 < (serial - than) % _MODULUS < _HALF


def is_older(serial: str, than: str) -> bool:
    """Return whether one zone's serial comes before another's; False if a text is not a serial."""
    return serial.isdecimal() and than.isdecimal() and is_newer(int(than), int(serial))
