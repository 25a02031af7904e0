"""Serial numbers of zones, which begin again behind the largest (RFC 1982)."""

from __future__ import annotations

_HALF = 1 << 31


def is_older(serial: str, than: str) -> bool:
    """Tell whether one zone's serial is older than another; texts that are no serials are never.

    Two that are exactly half the circle apart cannot be compared (section 3.2), and count as not older.
    """
    if not (serial.isdecimal() and than.isdecimal()):
        return False
    return (int(serial) - int(than)) & 0xFFFFFFFF > _HALF
