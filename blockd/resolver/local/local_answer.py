"""What is answered from local zones: records and rcode, or the alias that leads out of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blockd.dns import types
from blockd.names import DomainName, key_from_wire
from blockd.resolver.cache import Cached, CacheKey, aged, question_of
from blockd.resolver.composing.moving import moving
from blockd.resolver.local.leading import leads_of
from blockd.resolver.local.local_zones import Found, LocalZones
from blockd.resolver.local.zone import LocalZoneData, RRset
from blockd.resolver.query import Query
from blockd.resolver.records import alias_record
from blockd.resolver.response import parse
from blockd.settings.zone_records import MAX_ALIASES

Alias = tuple[bytes, int]
"""The key of the name that an alias leads to, and the TTL of the alias in seconds."""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """The answer from the zone that the question's name is in.

    `records` are in wire format, for a question at octet 12 of the message; `names` and `addresses` are what they lead
    to, about which lists decide. If an alias leads out of all local zones, there are no records, and `aliases` has the
    way, its end last.
    """

    zone: LocalZoneData
    rcode: int = types.NOERROR
    counts: tuple[int, int, int] = (0, 0, 0)
    records: bytes = b""
    aliases: tuple[Alias, ...] = ()
    names: tuple[bytes, ...] = ()
    addresses: tuple[bytes, ...] = ()


def local_answer(zones: LocalZones, key: bytes, qtype: int, most: int) -> LocalAnswer | None:
    """Return what local zones answer to a question, with no TTL over `most`; None if it is resolved elsewhere.

    Aliases that go in a circle, which only wildcards can (`settings.checks.zones`), are answered with SERVFAIL.
    """
    found = zones.find(key, qtype)
    if found is None:
        return None
    zone, name = found.zone, key
    aliases: list[Alias] = []
    records: list[bytes] = []
    while types.CNAME in found.rrsets and qtype not in (types.CNAME, types.ANY):
        alias = found.rrsets[types.CNAME]
        records += _written(key, name, alias, most)
        name = key_from_wire(alias.data[0])
        aliases.append((name, min(alias.ttl, most)))
        following = zones.find(name, qtype)
        if following is None:
            return LocalAnswer(zone, aliases=tuple(aliases))
        if len(aliases) > MAX_ALIASES:
            return LocalAnswer(zone, types.SERVFAIL)
        found = following
    rrset = _asked(found, qtype)
    if rrset is not None:
        records += _written(key, name, rrset, most)
        names, addresses = leads_of(found.zone, rrset)
        names = (*(target for target, _ in aliases), *names)
        return LocalAnswer(zone, types.NOERROR, (len(records), 0, 0), b"".join(records), (), names, addresses)
    names = tuple(target for target, _ in aliases)
    soa = _owner(key, found.zone.key) + capped(found.zone.soa, most)
    return LocalAnswer(zone, found.rcode, (len(records), 1, 0), b"".join((*records, soa)), names=names)


def is_answered_here(zones: LocalZones | None, lookup: CacheKey) -> bool:
    """Whether local zones have the whole answer, so that it needs no recursion."""
    answer = None if zones is None else local_answer(zones, lookup[0], lookup[1], types.MAX_TTL)
    return answer is not None and not answer.aliases


def capped(soa: bytes, most: int) -> bytes:
    """Return an SOA record without its owner that makes a negative answer last at most `most` seconds."""
    if int.from_bytes(soa[4:8]) <= most:
        return soa
    return soa[:4] + most.to_bytes(4) + soa[8:-4] + most.to_bytes(4)


def as_cached(lookup: CacheKey, answer: LocalAnswer, now: float) -> Cached:
    """Return an answer as if an upstream had sent it at `now`, for who judges it or asks for it on another's behalf."""
    counts = b"".join(number.to_bytes(2) for number in (1, *answer.counts))
    flags = (types.QR | types.RD | types.RA | answer.rcode).to_bytes(2)
    question = question_of(lookup)
    message = b"\0\0" + flags + counts + question + answer.records
    return Cached(parse(message, len(question)), now, now, types.MAX_TTL, 0)


def behind_aliases(
    query: Query, first: bytes, aliases: Sequence[Alias], most: int, cached: Cached, now: float
) -> Cached:
    """Return the response for the name with the key `first`, from which aliases in local zones lead on.

    `cached` answers the question for the last of the aliases, at `now` (monotonic seconds). No TTL of an alias is over
    `most`. An error has no records, nor the aliases.

    Raises BadMessage if the chain is a loop or too long.
    """
    response = cached.response
    if response.failed:
        return cached
    owners = [first, *(target for target, _ in aliases)]
    found, records = response, aged(cached, now, types.MAX_TTL)
    for place in reversed(range(len(aliases))):
        target, ttl = aliases[place]
        question = question_of((owners[place], query.qtype, False, False))
        alias = alias_record(DomainName(target).wire, min(ttl, most))
        counts, records = moving(target, found, do=query.do).behind(question, alias, records)
        head = struct.pack(">6H", 0, types.QR | types.RD | types.RA | response.rcode, 1, *counts)
        found = parse(head + question + records, len(question), do=query.do)
        records = found.records
    return Cached(replace(found, errors=response.errors), now, now, types.MAX_TTL, 0)


def _asked(found: Found, qtype: int) -> RRset | None:
    """Return the records of the type asked for; of ANY those of the first type (RFC 8482 section 4.1)."""
    if qtype == types.ANY:
        return next(iter(found.rrsets.values()), None)
    return found.rrsets.get(qtype)


def _written(question: bytes, owner: bytes, rrset: RRset, most: int) -> list[bytes]:
    """Return the records of a name; `question` is the key of the question's name."""
    head = _owner(question, owner) + rrset.type.to_bytes(2) + b"\0\1" + min(rrset.ttl, most).to_bytes(4)
    return [head + len(data).to_bytes(2) + data for data in rrset.data]


def _owner(question: bytes, owner: bytes) -> bytes:
    """Return an owner name: a pointer into the question if it is the question's name or above it."""
    if not question.startswith(owner):
        return DomainName(owner).wire
    return (0xC000 | types.HEADER_SIZE + len(question) - len(owner)).to_bytes(2)
