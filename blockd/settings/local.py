"""The sections `local` and `forward`: names that are answered here, and zones that have resolvers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo

from blockd.errors import BadName
from blockd.names import key_from_text
from blockd.settings.addresses import Forwarder
from blockd.settings.section import Section, setting
from blockd.settings.values import ZoneName, shown
from blockd.settings.zone_records import ZoneRecord, records_of

MAX_ZONES = 1_000  # local ones, and as many that are forwarded
MAX_NAMES = 10_000  # of `local.names`
MAX_ADDRESSES = 32  # of one name
MAX_ZONE_UPSTREAMS = 16  # of one zone, as of all names
MAX_TOLD = 5  # wrong items of one value that a problem tells

IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class LocalName:
    """A name of `local.names`: its key, and its addresses in the file's order."""

    key: bytes
    addresses: tuple[IpAddress, ...]


def names_from_value(value: object) -> tuple[LocalName, ...]:
    """Parse a mapping of names, each to an address or a list of them; raises ValueError."""
    if isinstance(value, tuple):
        return value  # parsed before
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping of names to addresses, got {shown(value)}")
    if len(value) > MAX_NAMES:
        raise ValueError(f"expected at most {MAX_NAMES:,} names, got {len(value):,}")
    found: dict[bytes, LocalName] = {}
    problems: list[str] = []
    for text, items in value.items():
        try:
            name = LocalName(_key(text), _addresses(text, items))
        except ValueError as error:
            problems.append(str(error))
            continue
        if name.key in found:
            problems.append(f"{shown(text)} is named twice; write all its addresses in one list")
        found[name.key] = name
    refuse(problems)
    return tuple(found.values())


def records_from_value(value: object, info: ValidationInfo) -> tuple[ZoneRecord, ...]:
    """Parse the records of the zone that stands before them; raises ValueError."""
    zone = info.data.get("zone")
    if zone is None or isinstance(value, tuple):
        return ()  # the zone's name has a problem of its own; or it is the default
    if not isinstance(value, list):
        raise ValueError(f"expected a list of records as texts, such as 'www 300 A 192.0.2.1', got {shown(value)}")
    records, problems = records_of(zone, value)
    refuse(problems)
    return records


def refuse(problems: list[str]) -> None:
    """Raise ValueError with the first of the problems, if there are any."""
    if problems:
        more = len(problems) - MAX_TOLD
        raise ValueError("; ".join(problems[:MAX_TOLD]) + (f"; and {more:,} more" if more > 0 else ""))


class LocalZone(Section):
    """One zone that is answered here. Without records, none of its names exist."""

    zone: ZoneName = setting(..., "The name of the zone.")
    records: Annotated[tuple[ZoneRecord, ...], PlainValidator(records_from_value)] = setting(
        (), "Its records, one text each, as in a zone file: `www 300 A 192.0.2.1`; `@` is the zone itself."
    )


class Local(Section):
    """What is answered here, without asking upstreams."""

    zones: tuple[LocalZone, ...] = setting(
        (), "Zones of your own; what they do not have does not exist.", max_length=MAX_ZONES
    )
    names: Annotated[tuple[LocalName, ...], PlainValidator(names_from_value)] = setting(
        {}, "Single names with an address or a list of addresses, as in a hosts file; their reverse names lead back."
    )
    defaults: bool = setting(
        True,
        "Answer names that no upstream should be asked for, such as those of private addresses (RFC 6303).",
        strict=True,
    )


class ForwardedZone(Section):
    """One zone whose names are asked at resolvers of its own."""

    zone: ZoneName = setting(..., "The name of the zone; of several that hold a name, the longest decides.")
    upstreams: tuple[Forwarder, ...] = setting(
        ..., "The resolvers for its names, written as in `upstreams`.", min_length=1, max_length=MAX_ZONE_UPSTREAMS
    )


def _key(text: object) -> bytes:
    try:
        return key_from_text(text if isinstance(text, str) else "")
    except BadName as error:
        raise ValueError(f"expected a host name such as nas.example, got {shown(text)} ({error.reason})") from None


def _addresses(name: object, items: object) -> tuple[IpAddress, ...]:
    texts = items if isinstance(items, list) else [items]
    if not 1 <= len(texts) <= MAX_ADDRESSES:
        raise ValueError(f"{shown(name)}: expected 1 to {MAX_ADDRESSES} addresses, got {len(texts)}")
    found: dict[IpAddress, None] = {}
    for text in texts:
        try:
            found[ip_address(text if isinstance(text, str) and "%" not in text else "")] = None
        except ValueError:
            expected = "an address such as 192.0.2.1 or 2001:db8::1"
            raise ValueError(f"{shown(name)}: expected {expected}, got {shown(text)}") from None
    return tuple(found)
