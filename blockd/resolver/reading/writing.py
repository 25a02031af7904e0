"""Records written anew behind their question, for a message that some of its records were dropped from."""

from __future__ import annotations

from collections.abc import Iterable

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.resolver.reading.fitting import MessageRecord
from blockd.resolver.reading.names import FOLD, Names
from blockd.resolver.reading.rdata import COMPRESSED, PLAIN

_REACH = 0x4000  # octets: a pointer has 14 bits


class _Writer:
    """A message that begins as another does, up to the end of its question."""

    def __init__(self, names: Names, start: int) -> None:
        self._message = names.message
        self.octets = bytearray(names.message[:start])
        self._places: dict[bytes, int] = {}  # where names stand, by their wire form in lower case
        self._note(*self._labels(types.HEADER_SIZE))

    def write_name(self, place: int, *, compressed: bool) -> None:
        """Write the name that stands at `place` in the message read, case kept."""
        labels, suffixes = self._labels(place)
        if not compressed:
            self.octets += b"".join(labels) + b"\0"
            return
        count = next((n for n, suffix in enumerate(suffixes) if suffix in self._places), len(labels))
        known = self._places.get(suffixes[count]) if count < len(labels) else None
        self._note(labels[:count], suffixes[:count], len(self.octets))
        self.octets += b"".join(labels[:count])
        self.octets += b"\0" if known is None else (types.POINTER << 8 | known).to_bytes(2)

    def _note(self, labels: list[bytes], suffixes: list[bytes], place: int = types.HEADER_SIZE) -> None:
        for label, suffix in zip(labels, suffixes, strict=True):
            if place < _REACH:
                self._places.setdefault(suffix, place)
            place += len(label)

    def _labels(self, place: int) -> tuple[list[bytes], list[bytes]]:
        """Return the labels of the name at a place, and the wire form in lower case from each of them on."""
        message = self._message
        labels: list[bytes] = []
        while length := message[place]:
            if length >= types.POINTER:
                place = (length & 0x3F) << 8 | message[place + 1]
            else:
                labels.append(message[place : place + 1 + length])
                place += 1 + length
        whole = b"".join(labels).translate(FOLD)
        suffixes, at = [], 0
        for label in labels:
            suffixes.append(whole[at:])
            at += len(label)
        return labels, suffixes


def write_records(names: Names, start: int, records: Iterable[MessageRecord]) -> tuple[bytes, list[tuple[int, int]]]:
    """Return records as they follow the question, which ends at `start`, and the places and values of their TTLs.

    Raises BadMessage if they are longer than a message may be.
    """
    message = names.message
    writer = _Writer(names, start)
    octets = writer.octets
    ttls = []
    for record in records:
        writer.write_name(record.place, compressed=True)
        ttls.append((len(octets) + 4 - start, record.ttl))
        octets += message[record.data - 10 : record.data]
        data, at = len(octets), record.data
        for name in record.names:
            if name.kind != PLAIN:
                octets += message[at : name.start]
                writer.write_name(name.start, compressed=name.kind == COMPRESSED)
                at = name.end
        octets += message[at : record.end]
        size = len(octets) - data
        if len(octets) > types.MAX_TCP:
            raise BadMessage(types.SERVFAIL, "its records are too long without those that are foreign to it")
        octets[data - 2 : data] = size.to_bytes(2)
    return bytes(octets[start:]), ttls
