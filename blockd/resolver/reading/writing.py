"""Records written anew behind their question, for a message that some of its records were dropped from."""

from __future__ import annotations

from collections.abc import Iterable

from blockd.dns import types
from blockd.resolver.reading.fitting import MessageRecord
from blockd.resolver.reading.names import REACH, Names, within_bound
from blockd.resolver.reading.rdata import COMPRESSED, PLAIN
from blockd.resolver.reading.refusals import TOO_LARGE, RefusedAnswer


class _Writer:
    """A message that begins as another does, up to the end of its question."""

    def __init__(self, names: Names, start: int) -> None:
        self._message = names.message
        self._steps = 0  # labels written and pointers followed
        self.octets = bytearray(names.message[:start])
        self._places: dict[bytes, int] = {}  # where names stand, by their keys
        place = types.HEADER_SIZE
        key, _ = names.read(place)
        while key:
            self._places[key] = place
            size = 1 + names.message[place]
            key = key[:-size]
            place += size

    def write_name(self, place: int, key: bytes, *, compressed: bool) -> None:
        """Write the name with a key that stands at `place` in the message read, case kept.

        Raises RefusedAnswer if there are too many in what has been written so far.
        """
        message, octets = self._message, self.octets
        while key:
            if compressed and (known := self._places.get(key)) is not None:
                octets += (types.POINTER << 8 | known).to_bytes(2)
                return
            self._steps = within_bound(self._steps + 1)
            if message[place] >= types.POINTER:
                place = (message[place] & 0x3F) << 8 | message[place + 1]
                continue
            if compressed and len(octets) < REACH:
                self._places[key] = len(octets)
            size = 1 + message[place]
            octets += message[place : place + size]
            key = key[:-size]
            place += size
        octets += b"\0"


def write_records(names: Names, start: int, records: Iterable[MessageRecord]) -> tuple[bytes, list[tuple[int, int]]]:
    """Return records as they follow the question, which ends at `start`, and the places and values of their TTLs.

    Raises RefusedAnswer if they are longer than a message may be, or their names too much work.
    """
    message = names.message
    writer = _Writer(names, start)
    octets = writer.octets
    ttls = []
    for record in records:
        writer.write_name(record.place, record.owner, compressed=True)
        ttls.append((len(octets) + 4 - start, record.ttl))
        octets += message[record.data - 10 : record.data]
        data, at = len(octets), record.data
        for name in record.names:
            if name.kind != PLAIN:
                octets += message[at : name.start]
                writer.write_name(name.start, name.key, compressed=name.kind == COMPRESSED)
                at = name.end
        octets += message[at : record.end]
        size = len(octets) - data
        if len(octets) > types.MAX_TCP:
            raise RefusedAnswer(TOO_LARGE)
        octets[data - 2 : data] = size.to_bytes(2)
    return bytes(octets[start:]), ttls
