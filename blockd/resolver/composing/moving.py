"""How a response for one name is moved behind a CNAME of another.

Its records keep their octets; only the pointers in their names change (RFC 1035 section 4.1.4). Which these are is
found out once for each response, and kept with it in the cache.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage
from blockd.names import MAX_LABEL, MAX_LABELS, DomainName
from blockd.resolver.composing.sections import FIXED, KeptRecords, is_needed
from blockd.resolver.reading.names import REACH
from blockd.resolver.reading.rdata import COMPRESSED, READ_COMPRESSED, SHAPES
from blockd.resolver.response import Response

LEADS_BACK = "the target of a CNAME leads back to the name asked for"
MAX_POINTER = REACH - 1  # the highest offset that a pointer holds


def _names_of(shape: str) -> tuple[str, int]:
    """Return the fields in front of the names that may be compressed, and how many such names there are."""
    before = shape.rstrip("*0123456789").rstrip(COMPRESSED + READ_COMPRESSED)
    return before, sum(shape.count(kind) for kind in (COMPRESSED, READ_COMPRESSED))


# By type, of those whose names may be compressed: others have no pointers, for with one they are read as malformed.
_NAMES = {qtype: found for qtype, shape in SHAPES.items() if (found := _names_of(shape))[1]}


@dataclass(frozen=True, slots=True)
class Moving:
    """What of a response for a target goes behind a CNAME, and how.

    `places` are those of pointers in its records, `pointers` what stands there behind a question section of no octets:
    each grows by the size of the real one. Both are arrays of 16 bits, since a response may have thousands.
    """

    kept: KeptRecords
    places: array[int]
    pointers: array[int]
    leads_to: frozenset[bytes]  # the wire forms in lower case of what its CNAME records lead to

    def behind(self, question: bytes, alias: bytes, records: bytes) -> tuple[tuple[int, int, int], bytes]:
        """Return the counts and the octets of an answer to `question`: the CNAME record, and the response's records.

        `records` are those of the response, with TTLs as they are now. Raises BadMessage if the chain is a loop, or a
        name is out of a pointer's reach.
        """
        size = len(question)
        if question[:-4].lower() in self.leads_to:
            raise BadMessage(types.SERVFAIL, LEADS_BACK)
        moved = bytearray(records[: self.kept.size])
        for place, pointer in zip(self.places, self.pointers, strict=True):
            if pointer + size > MAX_POINTER:
                raise BadMessage(types.SERVFAIL, "the answer for the target of a CNAME is too long to follow it")
            struct.pack_into(">H", moved, place, types.POINTER << 8 | pointer + size)
        answers, authorities, _ = self.kept.counts
        return (1 + answers, authorities, 0), alias + moved


def moving(target: bytes, response: Response, *, do: bool) -> Moving:
    """Return how a response for `target`, a name's key, goes behind a CNAME.

    It keeps the answer section, and the authority section if an answer needs a record of it. Raises BadMessage if the
    records are malformed.
    """
    walk = _Walk(target, response.records)
    answers, authorities, _ = response.counts
    needed, end, pointers = 0, 0, 0
    for number in range(answers + authorities):
        data = walk.step(chain=number < answers)
        if number < answers or is_needed(response.records, data, do=do):
            needed, end, pointers = number + 1, walk.position, len(walk.pointers)
    kept = KeptRecords((min(needed, answers), max(needed - answers, 0), 0), end)
    return Moving(kept, walk.places[:pointers], walk.pointers[:pointers], frozenset(walk.targets))


class _Walk:
    """Reader of the records behind the question for the name with the key `target`."""

    def __init__(self, target: bytes, records: bytes) -> None:
        name = DomainName(target).wire
        self._name_end = types.HEADER_SIZE + len(name)
        self._start = self._name_end + 4
        self._message = bytes(types.HEADER_SIZE) + name + bytes(4) + records
        self._position = self._start
        self.places = array("H")
        self.pointers = array("H")
        self.targets: list[bytes] = []

    @property
    def position(self) -> int:
        """Where the next record begins, in the records."""
        return self._position - self._start

    def step(self, *, chain: bool) -> int:
        """Step behind the next record; return where its data begin. The target of a CNAME in the chain is noted."""
        message = self._message
        data = self._pass_name(self._position) + FIXED
        end = data + int.from_bytes(message[data - 2 : data])
        if end > len(message):
            raise BadMessage(types.SERVFAIL, "a record is truncated")
        kind = int.from_bytes(message[data - FIXED : data - FIXED + 2])
        before, names = _NAMES.get(kind, ("", 0))
        position = data
        for field in before:  # a character-string, or octets
            position += int(field) if field.isdecimal() else 1 + int.from_bytes(message[position : position + 1])
        for _ in range(names):
            position = self._pass_name(position)
        if position > end:
            raise BadMessage(types.SERVFAIL, "a name is longer than its record")
        if chain and kind == types.CNAME:
            self.targets.append(self._name_at(data))
        self._position = end
        return data - self._start

    def _pass_name(self, position: int) -> int:
        """Note the pointer that a name ends with, if it does; return where the name ends."""
        message = self._message
        while position < len(message) and 0 < message[position] <= MAX_LABEL:
            position += 1 + message[position]
        end = skip_name(message, position)  # of what is left: the root, or a pointer
        if end - position == 2:
            old = int.from_bytes(message[position:end]) & MAX_POINTER
            if types.HEADER_SIZE <= old < self._name_end:
                new = old + types.HEADER_SIZE  # there are a header and the CNAME record before the target's name
            elif self._start <= old < position:
                new = old + types.HEADER_SIZE - 4  # and no type and class behind it
            else:
                raise BadMessage(types.SERVFAIL, "a name points forward, or out of the records")
            self.places.append(position - self._start)
            self.pointers.append(new)
        return end

    def _name_at(self, position: int) -> bytes:
        """Return the wire form, in lower case, of the name at `position`."""
        message = self._message
        labels: list[bytes] = []
        jumps, lowest = 0, position
        while position < len(message) and (length := message[position]):
            if length >= types.POINTER:
                position = int.from_bytes(message[position : position + 2]) & MAX_POINTER
                jumps += 1
                if position >= lowest or jumps > MAX_LABELS:
                    raise BadMessage(types.SERVFAIL, "a name points forward, or too often")
                lowest = position
            else:
                labels.append(message[position : position + 1 + length])
                position += 1 + length
                if len(labels) > MAX_LABELS:
                    raise BadMessage(types.SERVFAIL, "a name is over 255 octets")
        return b"".join(labels).lower() + b"\0"
