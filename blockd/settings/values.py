"""Quantities and words of the config file, each parsed once from its text into its type.

Every parser takes a value of the YAML file and raises ValueError, whose text is the second half of a problem's
sentence: what was expected, and what was found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from enum import Enum
from typing import Annotated, TypeVar

from pydantic import PlainValidator

from blockd.errors import BadName
from blockd.names import DomainName, Network
from blockd.names.translation import PREFIX_LENGTHS, is_translation
from blockd.times import time_from_text

MAX_WORKERS = 256  # processes: more than the cores of any machine that resolves for one provider
MAX_GROWTH = 10_000  # percent: a feed that grows a hundredfold is another feed
MAX_SHOWN = 60  # characters of a wrong value that are repeated in a problem

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
OCTETS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

# At most 9 digits: no real number has more, and int() stays cheap.
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"(\d{1,9})([KMGT])", re.ASCII)
_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)%", re.ASCII)

Member = TypeVar("Member", bound=Enum)


def shown(value: object) -> str:
    """Return a wrong value as a problem quotes it: on one line, cut, control characters escaped."""
    if value is None or isinstance(value, bool):
        return {None: "an empty value", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def nat64_prefix_from_text(value: object) -> Network:
    """Return the network of `2001:db8:64::/96`, behind which IPv4 addresses stand as RFC 6052 says."""
    expected = "a prefix of NAT64 such as 2001:db8:64::/96, of 32, 40, 48, 56, 64 or 96 bits"
    try:
        network = Network.from_text(value if isinstance(value, str) and len(value) <= MAX_SHOWN else "")
    except BadName:
        raise ValueError(f"expected {expected}, got {shown(value)}") from None
    if not is_translation(network):
        reason = "" if network.prefix_length != PREFIX_LENGTHS[-1] else "; bits 64 to 71 must be zero (RFC 6052)"
        raise ValueError(f"expected {expected}, got {shown(value)}{reason}")
    return network


def duration_from_text(value: object) -> float:
    """Return the seconds of `800ms`, `10s`, `5m`, `1h`, `7d`."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a time such as 10s, got {shown(value)}; write a whole number with ms, s, m, h or d")
    return int(match[1]) * SECONDS[match[2]]


def size_from_text(value: object) -> int:
    """Return the octets of `64K`, `64M`, `1G`, `2T`, each unit 1024 times the one before."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a size such as 64M, got {shown(value)}; write a whole number with K, M, G or T")
    return int(match[1]) * OCTETS[match[2]]


def share_from_text(value: object) -> float:
    """Return 0.2 for `20%`; 0% to 100% are allowed."""
    return _percent(value, 100)


def growth_from_text(value: object) -> float:
    """Return 1.5 for `150%`; up to MAX_GROWTH is allowed."""
    return _percent(value, MAX_GROWTH)


def time_within(lowest: str, highest: str) -> PlainValidator:
    """Parse a time from `lowest` to `highest`."""
    return _within(duration_from_text, lowest, highest)


def time_or_off(value: object) -> float | None:
    """Parse a time from 1h to 30d, or `off`, which YAML reads as false."""
    if value is False or value == "off":
        return None
    seconds = duration_from_text(value)
    if not 3600.0 <= seconds <= 30 * 86400.0:
        raise ValueError(f"expected 1h to 30d, or off, got {shown(value)}")
    return seconds


def size_within(lowest: str, highest: str) -> PlainValidator:
    """Parse a size from `lowest` to `highest`."""
    return _within(size_from_text, lowest, highest)


def size_or_auto(value: object) -> int | None:
    """Parse a size from 10M to 100T, or `auto`, which is None."""
    if value == "auto":
        return None
    octets = size_from_text(value)
    if not 10 << 20 <= octets <= 100 << 40:
        raise ValueError(f"expected 10M to 100T, or auto, got {shown(value)}")
    return octets


def one_of(kind: type[Member], without: Collection[Member] = ()) -> PlainValidator:
    """Parse one member of an enumeration by its value, as the file writes it; those in `without` are not allowed."""
    # Iterating over the enumeration would leave out a flag that joins others, as `both` does.
    members = tuple(member for member in kind.__members__.values() if member not in without)

    def parse(value: object) -> Member:
        if isinstance(value, str):
            for member in members:
                if _word(member) == value:
                    return member
        raise ValueError(f"expected one of {', '.join(map(_word, members))}, got {shown(value)}")

    return PlainValidator(parse)


def stated(kind: type[Member]) -> PlainValidator:
    """Parse one member of an enumeration by its value; None for an empty text, which states none."""
    parse = one_of(kind).func
    return PlainValidator(lambda value: None if value == "" else parse(value))  # type: ignore[call-arg]


def workers_from_text(value: object) -> int:
    """Return a number of worker processes; `auto` is one for each core that this process may run on."""
    if value == "auto":
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_WORKERS:
        raise ValueError(f"expected auto or 1 to {MAX_WORKERS}, got {shown(value)}")
    return value


def time_from_value(value: object) -> int | None:
    """Return the seconds since the epoch of an RFC 3339 date or time; None for an empty text."""
    if value == "":
        return None
    try:
        return time_from_text(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        expected = "an RFC 3339 date such as 2017-07-14 or 2017-07-14T04:30:00Z"
        raise ValueError(f"expected {expected}, got {shown(value)}") from None


def name_from_value(value: object) -> str:
    """Return a domain name in its text form; an empty text is returned as it is."""
    if value == "":
        return ""
    expected = f"expected a domain name such as blocked.example.net, got {shown(value)}"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        return DomainName.from_text(value).text
    except BadName as error:
        raise ValueError(f"{expected} ({error.reason})") from None


def override_target_from_value(value: object) -> str:
    """Return the target of an alias in its text form, which may begin with `*.`; an empty text is returned as it is."""
    below = value.removeprefix("*.") if isinstance(value, str) else value
    if below == "" and value:
        raise ValueError(f"expected a domain name behind `*.`, such as *.garden.example, got {shown(value)}")
    name = name_from_value(below)
    return f"*.{name}" if below != value else name


def zone_from_value(value: object) -> str:
    """Return the name of a zone or a key in its text form; raises ValueError for an empty text."""
    if value == "":
        raise ValueError("expected a domain name such as rpz.example, got an empty text")
    return name_from_value(value)


Growth = Annotated[float, PlainValidator(growth_from_text)]
Share = Annotated[float, PlainValidator(share_from_text)]
Workers = Annotated[int, PlainValidator(workers_from_text)]
Nat64Prefix = Annotated[Network, PlainValidator(nat64_prefix_from_text)]
Moment = Annotated[int | None, PlainValidator(time_from_value)]
TargetName = Annotated[str, PlainValidator(name_from_value)]
OverrideTarget = Annotated[str, PlainValidator(override_target_from_value)]
ZoneName = Annotated[str, PlainValidator(zone_from_value)]


def _percent(value: object, most: int) -> float:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > most:
        raise ValueError(f"expected 0% to {most}%, such as 20%, got {shown(value)}")
    return float(match[1]) / 100


def _within(parse: Callable[[object], float], lowest: str, highest: str) -> PlainValidator:
    least, most = parse(lowest), parse(highest)

    def checked(value: object) -> float:
        parsed = parse(value)
        if not least <= parsed <= most:
            raise ValueError(f"expected {lowest} to {highest}, got {shown(value)}")
        return parsed

    return PlainValidator(checked)


def _word(member: Enum) -> str:
    return str(getattr(member, "text", member.value))
