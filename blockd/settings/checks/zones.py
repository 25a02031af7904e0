"""What local zones, local names and forwarded zones must agree on, checked when each of them is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.dns import types
from blockd.names import DomainName, key_from_text, key_from_wire, label_ends
from blockd.settings.model import Settings
from blockd.settings.zone_records import MAX_ALIASES, MAX_RECORDS

RESOLVER_ARPA = key_from_text("resolver.arpa")  # RFC 9462 section 6.4: never forwarded


def zone_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each contradiction."""
    places: dict[bytes, str] = {}  # of every zone, by its key
    for number, zone in enumerate(settings.local.zones):
        yield from _taken(places, zone.zone, f"local.zones[{number}].zone")
    for number, forwarded in enumerate(settings.forward):
        place = f"forward[{number}].zone"
        yield from _taken(places, forwarded.zone, place)
        if key_from_text(forwarded.zone).startswith(RESOLVER_ARPA):
            yield (
                f"{place}: {forwarded.zone} says which other resolvers clients may use instead of this one, and is "
                "never forwarded (RFC 9462 section 6.4); make it a local zone if you have records for it"
            )
    yield from _records(settings, places)
    yield from _circles(settings)
    yield from _names(settings, places)


def _taken(places: dict[bytes, str], zone: str, place: str) -> Iterator[str]:
    first = places.setdefault(key_from_text(zone), place)
    if first != place:
        how = "is either local or forwarded" if first[:5] != place[:5] else "is written once"
        yield f"{place}: {zone} is already {first}; each zone {how}"


def _records(settings: Settings, places: dict[bytes, str]) -> Iterator[str]:
    """Check that records are not too many, and that none lies where another zone answers."""
    count = sum(len(zone.records) for zone in settings.local.zones)
    if count > MAX_RECORDS:
        yield f"local.zones: expected at most {MAX_RECORDS:,} records in all zones together, got {count:,}"
    for number, zone in enumerate(settings.local.zones):
        own = f"local.zones[{number}].zone"
        for owner in dict.fromkeys(record.owner for record in zone.records):
            place = _place(places, owner)
            if place != own:
                name = DomainName(owner).text
                yield f"local.zones[{number}].records: {name} lies in {place} as well, which answers for it; remove it"


def _circles(settings: Settings) -> Iterator[str]:
    """Check that aliases end somewhere; where a wildcard leads is only known when it is asked for."""
    targets = {
        record.owner: key_from_wire(record.data)
        for zone in settings.local.zones
        for record in zone.records
        if record.type == types.CNAME
    }
    steps: dict[bytes, int] = {}  # from each alias to the end of its way
    for owner in targets:
        way: dict[bytes, None] = {}
        at = owner
        while at in targets and at not in steps and at not in way:
            way[at] = None
            at = targets[at]
        if at in way:
            text = DomainName(at).text
            yield f"local.zones: the CNAME records of {text} lead back to it; let one of them lead elsewhere"
        left = steps.get(at, 0)
        for alias in reversed(way):
            left += 1
            steps[alias] = left
            if left == MAX_ALIASES + 1 and at not in way:
                yield (
                    f"local.zones: from {DomainName(alias).text} more than {MAX_ALIASES} CNAME records follow each "
                    "other; let the first lead to the last name"
                )


def _names(settings: Settings, places: dict[bytes, str]) -> Iterator[str]:
    """Check that no name of `local.names` has a CNAME record in a local zone."""
    aliases = {record.owner for zone in settings.local.zones for record in zone.records if record.type == types.CNAME}
    for name in settings.local.names:
        if name.key in aliases:
            text, place = DomainName(name.key).text, _place(places, name.key)
            yield f"local.names: {text} has a CNAME record in {place}, and so no addresses of its own"


def _place(places: dict[bytes, str], key: bytes) -> str:
    """Return the place of the longest zone that a name is at or under; empty if there is none."""
    return next((places[key[:end]] for end in reversed(label_ends(key)) if key[:end] in places), "")
