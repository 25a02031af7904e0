"""An upstream's response, checked from the first octet to the last and reduced to what blockd needs of it.

The records keep their octets: only TTLs are counted down in place, and the OPT record, which belongs to one hop
(RFC 6891 section 6.2.3), is removed. Names in them may point back into the question, so that the octets fit after any
question of the same length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage
from blockd.names import MAX_KEY, MAX_LABEL, MAX_LABELS

MAX_POINTERS = MAX_LABELS  # a name has no more labels, so it needs no more jumps
MAX_NAMES = 128  # names that one answer may lead to: each is looked up, and honest answers have less than a tenth
_HEADER = struct.Struct(">6H")
_RECORD = struct.Struct(">HHIH")
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))


@dataclass(slots=True)
class Response:
    """An upstream's response to one question.

    `records` are all its records but OPT, as they follow the question; `ttls` has the place of each TTL in them and
    its value. `lifetime` is how long it may be kept, in seconds; 0 if it must not be. `names` (keys) and
    `addresses` (4 or 16 octets) are what it leads to; `extras` are the keys of the other names whose addresses the
    additional section has.
    """

    rcode: int
    authentic: bool  # AD, as the upstream claims
    truncated: bool
    counts: tuple[int, int, int]  # answer, authority and additional records
    records: bytes
    ttls: tuple[tuple[int, int], ...]
    lifetime: int
    names: tuple[bytes, ...]
    addresses: tuple[bytes, ...]
    extras: tuple[bytes, ...]
    errors: bytes  # the EDE options that it carried, unchanged

    @property
    def failed(self) -> bool:
        """Whether the upstream failed to answer the question, so that another one is to be asked."""
        return self.rcode not in (types.NOERROR, types.NXDOMAIN)


def matches(message: bytes, query: bytes, question_size: int) -> bool:
    """Return whether `message` answers `query`: ID, QR, opcode and question match (RFC 5452 section 9.1)."""
    if len(message) < types.HEADER_SIZE or message[:2] != query[:2] or not message[2] & 0x80:
        return False
    end = types.HEADER_SIZE + question_size
    return (
        message[2] & 0x78 == 0
        and message[4:6] == b"\0\1"
        and message[types.HEADER_SIZE : end - 4].translate(_FOLD) == query[types.HEADER_SIZE : end - 4].translate(_FOLD)
        and message[end - 4 : end] == query[end - 4 : end]
    )


@dataclass(frozen=True, slots=True)
class Lead:
    """What one record leads to: the record's owner and type, and the key of a name or an address's octets."""

    owner: bytes
    qtype: int
    is_name: bool
    to: bytes


def leads_of(message: bytes, question_size: int) -> tuple[Response, tuple[Lead, ...]]:
    """Parse a message as `parse` does; return what each of its records leads to as well, in their order."""
    walk = _Tracing(message)
    return _parse(message, question_size, walk), tuple(walk.leads)


def parse(message: bytes, question_size: int) -> Response:
    """Parse a message whose question has been matched; raises BadMessage if any record is malformed."""
    return _parse(message, question_size, _Walk(message))


def _parse(message: bytes, question_size: int, walk: _Walk) -> Response:
    _, flags, _, answers, authorities, additional = _HEADER.unpack_from(message)
    start = position = types.HEADER_SIZE + question_size
    counts = [0, 0, 0]
    end = start
    extended = 0
    opt_behind = False
    for section, count in enumerate((answers, authorities, additional)):
        for _ in range(count):
            owner = position
            position = skip_name(message, position)
            if position + _RECORD.size > len(message):
                raise BadMessage(types.SERVFAIL, "a record is cut")
            kind, klass, ttl, size = _RECORD.unpack_from(message, position)
            data = position + _RECORD.size
            position = data + size
            if position > len(message):
                raise BadMessage(types.SERVFAIL, "a record is cut")
            if kind == types.OPT:
                if section != 2 or message[owner] != 0 or opt_behind:
                    raise BadMessage(types.SERVFAIL, "an OPT record is out of place, or there are two")
                extended = ttl >> 24
                walk.read_errors(data, position)
                opt_behind = True
            elif opt_behind:
                continue  # records after OPT are not needed, and would move
            else:
                counts[section] += 1
                end = position
                walk.read_record(section, kind, klass, ttl, owner, data, position, start)
    if position != len(message):
        raise BadMessage(types.SERVFAIL, "it is longer than its records")
    rcode = extended << 4 | flags & types.RCODE
    return Response(
        rcode=rcode,
        authentic=bool(flags & types.AD),
        truncated=bool(flags & types.TC),
        counts=(counts[0], counts[1], counts[2]),
        records=message[start:end],
        ttls=tuple(walk.ttls),
        lifetime=walk.lifetime(rcode, counts[0], truncated=bool(flags & types.TC)),
        names=tuple(walk.names),
        addresses=tuple(walk.addresses),
        extras=tuple(walk.extras),
        errors=bytes(walk.errors),
    )


class _Walk:
    """Reader of one message's records; reads nothing outside the message."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.ttls: list[tuple[int, int]] = []
        self.names: list[bytes] = []
        self.addresses: list[bytes] = []
        self.extras: dict[bytes, None] = {}
        self.errors = bytearray()
        self._negative: int | None = None
        self._service = False

    def key_at(self, position: int) -> bytes:
        """Return the key of the name at `position`, following pointers, which may only point back."""
        message = self.message
        labels: list[bytes] = []
        total = 0
        lowest = position
        for _ in range(MAX_POINTERS + 1):
            while position < len(message) and 0 < message[position] <= MAX_LABEL:
                end = position + 1 + message[position]
                total += end - position
                if end > len(message) or total > MAX_KEY:
                    raise BadMessage(types.SERVFAIL, "a name is cut or too long")
                labels.append(message[position:end])
                position = end
            if position + 1 < len(message) and message[position] >= types.POINTER:
                position = (message[position] & 0x3F) << 8 | message[position + 1]
                if not types.HEADER_SIZE <= position < lowest:
                    raise BadMessage(types.SERVFAIL, "a name points forward, or into the header")
                lowest = position
            elif position < len(message) and message[position] == 0:
                labels.reverse()
                return b"".join(labels).translate(_FOLD)
            else:
                break
        raise BadMessage(types.SERVFAIL, "a name is cut or of unknown kind")

    def read_record(
        self, section: int, kind: int, klass: int, ttl: int, owner: int, data: int, end: int, start: int
    ) -> None:
        """Note one record: the place of its TTL, and in the answer section what it leads to."""
        if ttl > types.MAX_TTL:  # RFC 2181 section 8: a TTL with the top bit set counts as zero
            ttl = 0
        self.ttls.append((data - 6 - start, ttl))
        if klass != types.CLASS_IN:
            return
        size = end - data
        # After an SVCB answer, the additional section leads on as the answer does (RFC 9460 section 4.1).
        if section == 0 or (section == 2 and self._service):
            if (kind == types.A and size == 4) or (kind == types.AAAA and size == 16):
                self.addresses.append(self.message[data:end])
            elif kind in (types.CNAME, types.DNAME):
                if skip_name(self.message, data) != end:
                    raise BadMessage(types.SERVFAIL, "a record is longer or shorter than its name")
                self.names.append(self.key_at(data))
            elif kind in (types.SVCB, types.HTTPS):
                self._read_service(data, end, owner)
            if len(self.names) > MAX_NAMES:
                raise BadMessage(types.SERVFAIL, f"it leads to more than {MAX_NAMES} names")
        elif section == 2 and kind in (types.A, types.AAAA):
            self.extras[self.key_at(owner)] = None
        elif section == 1 and kind == types.SOA and size >= 22:
            minimum = int.from_bytes(self.message[end - 4 : end])
            self._negative = min(ttl, minimum)

    def read_errors(self, position: int, end: int) -> None:
        """Keep the EDE options of an OPT record."""
        while position + 4 <= end:
            code = int.from_bytes(self.message[position : position + 2])
            size = int.from_bytes(self.message[position + 2 : position + 4])
            behind = position + 4 + size
            if behind > end:
                raise BadMessage(types.SERVFAIL, "an EDNS option is cut")
            if code == types.EDE_OPTION and size >= 2:
                self.errors += self.message[position:behind]
            position = behind

    def lifetime(self, rcode: int, answers: int, *, truncated: bool) -> int:
        """Return for how many seconds the message may be kept (RFC 2308 sections 5 and 7.1)."""
        if truncated or rcode not in (types.NOERROR, types.NXDOMAIN):
            return 0
        lowest = min((ttl for _, ttl in self.ttls), default=0)
        if self._negative is not None:
            return min(lowest, self._negative)
        return lowest if answers and rcode == types.NOERROR else 0

    def _read_service(self, data: int, end: int, owner: int) -> None:
        """Note the target and the address hints of an SVCB or HTTPS record (RFC 9460 section 2.2)."""
        if end - data < 3:
            raise BadMessage(types.SERVFAIL, "an SVCB record is cut")
        self._service = True
        target = self.key_at(data + 2)
        self.names.append(target or self.key_at(owner))
        position = skip_name(self.message, data + 2)
        while position < end:
            code = int.from_bytes(self.message[position : position + 2])
            size = int.from_bytes(self.message[position + 2 : position + 4])
            position += 4
            if position + size > end:
                raise BadMessage(types.SERVFAIL, "an SVCB record is cut")
            step = {types.SVCB_IPV4HINT: 4, types.SVCB_IPV6HINT: 16}.get(code)
            if step:
                for place in range(position, position + size - step + 1, step):
                    self.addresses.append(self.message[place : place + step])
            position += size
        if position != end:
            raise BadMessage(types.SERVFAIL, "an SVCB record is cut")


class _Tracing(_Walk):
    """A reader that notes which record leads to what."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.leads: list[Lead] = []

    def read_record(
        self, section: int, kind: int, klass: int, ttl: int, owner: int, data: int, end: int, start: int
    ) -> None:
        """Note one record, and what it leads to."""
        names, addresses = len(self.names), len(self.addresses)
        super().read_record(section, kind, klass, ttl, owner, data, end, start)
        if len(self.names) > names or len(self.addresses) > addresses:
            key = self.key_at(owner)
            self.leads += [Lead(key, kind, True, name) for name in self.names[names:]]
            self.leads += [Lead(key, kind, False, address) for address in self.addresses[addresses:]]
