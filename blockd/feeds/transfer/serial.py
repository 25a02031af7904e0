"""Serial numbers of zones: 32 bits that go round (RFC 1982)."""

from __future__ import annotations

_MODULUS = 1 << 32
_HALF = 1 << 31


def is_newer(serial: int, than: int) -> bool:
    """Whether a serial comes after another one; two that are half the circle apart are neither newer nor older."""
    return 0 < (serial - than) % _MODULUS < _HALF
