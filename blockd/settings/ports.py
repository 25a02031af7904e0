"""Port numbers and ranges of them in the config file."""

from __future__ import annotations

import re

from blockd.settings.values import shown

MAX_PORT = 65535
MAX_RANGES = 256  # far more than any machine has programs with ports of their own
FIRST_SOURCE_PORT = 1024  # what questions are sent from is never below, RFC 5452 section 9.2
MIN_LEFT = 4096  # ports: with fewer, whoever guesses one has too good a chance

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


def avoided_ports_from_value(value: object) -> tuple[range, ...]:
    """Parse a list such as `[5060, 6000-6063]` of ports that questions are not sent from; raises ValueError."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list of ports such as [5060, 6000-6063], got {shown(value)}")
    if len(value) > MAX_RANGES:
        raise ValueError(f"expected at most {MAX_RANGES} ports and ranges, got {len(value)}")
    ranges = tuple(item if isinstance(item, range) else _range_from_value(item) for item in value)
    free = bytearray(b"\1") * (MAX_PORT + 1)
    for ports in ranges:
        free[ports.start : ports.stop] = bytes(len(ports))
    left = sum(free[FIRST_SOURCE_PORT:])
    if left < MIN_LEFT:
        raise ValueError(f"it leaves {left} ports from {FIRST_SOURCE_PORT} up; leave at least {MIN_LEFT}")
    return ranges


def _range_from_value(value: object) -> range:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _RANGE.fullmatch(text) if isinstance(text, str) else None
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= MAX_PORT:
        raise ValueError(f"expected a port such as 5060, or a range such as 6000-6063, got {shown(value)}")
    return range(first, last + 1)
