"""An upstream's response, checked from the first octet to the last and reduced to what blockd needs of it.

Every name and the data of every known type must parse; one that does not makes the message malformed, wherever it is.
Records that do not belong to the chain from the question are dropped (`reading/fitting.py`). If none stood before a
record that is kept, the records keep their octets: only TTLs are counted down in place, and the OPT record, which
belongs to one hop (RFC 6891 section 6.2.3), is removed. Else they are written anew. Names in them may point back into
the question, so that the octets fit after any question of the same length.

Of the header, only RCODE, TC and AD are read: AA is a server's own word, RA is ours to set, RD and CD are the client's,
and the reserved bit means nothing yet. An error's records are not passed on, for it says nothing that they could prove.
"""

from __future__ import annotations

import operator
import struct
from dataclasses import dataclass, field

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.reading.extended_errors import kept_errors
from blockd.resolver.reading.fitting import (
    Fitting,
    Lead,
    MessageRecord,
    bounded,
    extra_addresses,
    leads_of_records,
)
from blockd.resolver.reading.names import FOLD, Names
from blockd.resolver.reading.rdata import read_data
from blockd.resolver.reading.refusals import OTHER_CLASS, RefusedAnswer
from blockd.resolver.reading.writing import write_records

MAX_RECORDS = 400  # of one message, which bounds the work: BIND takes no set of more than 100 (max-records-per-type)
TOO_MANY = f"sent an answer with over {MAX_RECORDS} records"
_HEADER = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")


@dataclass(slots=True)
class Response:
    """An upstream's response to one question.

    `records` are those that are kept, as they follow the question; `ttls` has the place of each TTL in them and
    its value. `lifetime` is how long it may be kept, in seconds; 0 if it must not be. `negative` says that there is
    no record of the type asked at the end of its chain. `names` (keys, each once) and `addresses` (4 or 16 octets) are
    what it leads to; `extras` are the keys of the other names whose addresses the additional section has, and
    `extra_addresses` are those.
    """

    rcode: int
    authentic: bool  # AD, as the upstream claims
    truncated: bool
    counts: tuple[int, int, int]  # answer, authority and additional records
    records: bytes
    ttls: tuple[tuple[int, int], ...]
    lifetime: int
    negative: bool
    names: tuple[bytes, ...]
    addresses: tuple[bytes, ...]
    extras: tuple[bytes, ...]
    errors: bytes  # the EDE options that it carried, as `reading/extended_errors.py` keeps them
    extra_addresses: tuple[bytes, ...] = ()
    source: str = field(default="", compare=False)  # the upstream, as sentences name it; empty if it is not known

    @property
    def failed(self) -> bool:
        """Whether the upstream failed to answer the question, so that another one is to be asked."""
        return self.rcode not in (types.NOERROR, types.NXDOMAIN)


def is_header_only(message: bytes) -> bool:
    """Return whether a message is a bare header with an error other than NXDOMAIN, as unbound's own REFUSED is.

    It says nothing about the name; its ID must be compared by the caller.
    """
    return (
        len(message) == types.HEADER_SIZE
        and message[2] & 0xFA == types.QR >> 8  # opcode QUERY, and not truncated
        and message[3] & types.RCODE not in (types.NOERROR, types.NXDOMAIN)
        and not any(message[4:])
    )


def matches(message: bytes, query: bytes, question_size: int) -> bool:
    """Return whether `message` answers `query`: ID, QR, opcode and question match (RFC 5452 section 9.1)."""
    if len(message) < types.HEADER_SIZE or message[:2] != query[:2] or not message[2] & 0x80:
        return False
    end = types.HEADER_SIZE + question_size
    return (
        message[2] & 0x78 == 0
        and message[4:6] == b"\0\1"
        and message[types.HEADER_SIZE : end - 4].translate(FOLD) == query[types.HEADER_SIZE : end - 4].translate(FOLD)
        and message[end - 4 : end] == query[end - 4 : end]
    )


def leads_of(message: bytes, question_size: int) -> tuple[Response, tuple[Lead, ...]]:
    """Parse a message as `parse` does; return what each of its records leads to as well, in their order."""
    return _parse(message, question_size, do=False)


def parse(message: bytes, question_size: int, *, do: bool = False) -> Response:
    """Parse a message whose question has been matched; `do` says whether it was asked with DO.

    Raises BadMessage if anything in it is malformed, if it has more than is read of one, or if it leads to more than is
    looked up. Of a truncated one nothing but the header is read.
    """
    return _parse(message, question_size, do=do)[0]


def _parse(message: bytes, question_size: int, *, do: bool) -> tuple[Response, tuple[Lead, ...]]:
    _, flags, _, *counts = _HEADER.unpack_from(message)
    rcode = flags & types.RCODE
    authentic = bool(flags & types.AD)
    start = types.HEADER_SIZE + question_size
    if flags & types.TC:
        return Response(rcode, authentic, True, (0, 0, 0), b"", (), 0, False, (), (), (), b""), ()
    if len(message) > types.MAX_TCP:
        raise BadMessage(types.SERVFAIL, "it is longer than a message may be")
    if sum(counts) > MAX_RECORDS:
        raise RefusedAnswer(TOO_MANY)
    walk = _Walk(message, start)
    walk.read(counts)
    rcode |= walk.extended << 4
    if rcode not in (types.NOERROR, types.NXDOMAIN):
        return Response(rcode, authentic, False, (0, 0, 0), b"", (), 0, False, (), (), (), walk.errors), ()
    key, _ = walk.names.read(types.HEADER_SIZE)
    fitting = Fitting(key, int.from_bytes(message[start - 4 : start - 2]), do)
    sections = [[one for one in walk.records if one.section == section] for section in range(3)]
    fitting.fit(*sections)
    answers = sorted((record for record in sections[0] if record.kept), key=lambda record: record.step)
    kept = [*answers, *(record for record in walk.records if record.section and record.kept)]
    leads = leads_of_records(message, kept, fitting.led)
    names, addresses = bounded(leads)
    if len(kept) <= walk.before_opt and all(map(operator.is_, kept, walk.records)):  # nothing before them is left out
        octets = message[start : kept[-1].end if kept else start]
        ttls = [(record.data - 6 - start, record.ttl) for record in kept]
    else:
        octets, ttls = write_records(walk.names, start, kept)
    negative = rcode == types.NXDOMAIN or not fitting.answered
    response = Response(
        rcode=rcode,
        authentic=authentic,
        truncated=False,
        counts=(len(answers), *(sum(record.kept for record in section) for section in sections[1:])),  # type: ignore[arg-type]
        records=octets,
        ttls=tuple(ttls),
        lifetime=_lifetime(message, kept, negative=negative),
        negative=negative,
        names=names,
        addresses=addresses,
        extras=tuple(fitting.extras),
        errors=walk.errors,
        extra_addresses=extra_addresses(message, kept, fitting.led),
    )
    return response, tuple(leads)


class _Walk:
    """Reader of one message's records; reads nothing outside the message."""

    def __init__(self, message: bytes, start: int) -> None:
        self.names = Names(message)
        self.records: list[MessageRecord] = []
        self.before_opt = MAX_RECORDS  # how many of them stand before the OPT record
        self.extended = 0  # the upper bits of the rcode
        self.errors = b""
        self._message = message
        self._position = start
        self._has_opt = False

    def read(self, counts: list[int]) -> None:
        """Read the records of all sections, up to the message's last octet."""
        for section, count in enumerate(counts):
            for _ in range(count):
                self._read_record(section)
        if self._position != len(self._message):
            raise BadMessage(types.SERVFAIL, "it is longer than its records")

    def _read_record(self, section: int) -> None:
        message, place = self._message, self._position
        owner, position = self.names.read(place)
        data = position + _RECORD.size
        if data > len(message):
            raise BadMessage(types.SERVFAIL, "a record is truncated")
        qtype, qclass, ttl, size = _RECORD.unpack_from(message, position)
        self._position = end = data + size
        if end > len(message):
            raise BadMessage(types.SERVFAIL, "a record is truncated")
        if qtype == types.OPT:
            self._read_opt(section, place, ttl, data, end)
            return
        if qclass != types.CLASS_IN and (qtype != types.TSIG or section != 2):
            raise RefusedAnswer(OTHER_CLASS)
        if ttl > types.MAX_TTL:  # RFC 2181 section 8: a TTL with the top bit set counts as zero
            ttl = 0
        names = read_data(self.names, qtype, data, end)
        covered = int.from_bytes(message[data : data + 2]) if qtype == types.RRSIG else 0
        self.records.append(MessageRecord(section, place, owner, qtype, ttl, data, end, names, covered))

    def _read_opt(self, section: int, place: int, ttl: int, data: int, end: int) -> None:
        if section != 2 or self._message[place] != 0 or self._has_opt:
            raise BadMessage(types.SERVFAIL, "an OPT record is out of place, or there are two")
        self._has_opt = True
        self.before_opt = len(self.records)
        self.extended = ttl >> 24
        self.errors = kept_errors(self._message, data, end)


def _lifetime(message: bytes, kept: list[MessageRecord], *, negative: bool) -> int:
    """Return for how many seconds a message may be kept.

    A negative answer lasts no longer than its SOA record says, and without one it is not kept at all, behind an alias
    as elsewhere (RFC 2308 sections 5 and 6).
    """
    lowest = min((record.ttl for record in kept), default=0)
    if not negative:
        return lowest
    soa = next((record for record in kept if record.section == 1 and record.qtype == types.SOA), None)
    return min(lowest, int.from_bytes(message[soa.end - 4 : soa.end])) if soa is not None else 0
