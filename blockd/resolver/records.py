"""The records that blockd makes itself. Only this module uses dnslib."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import dnslib
from dnslib.buffer import BufferError as DnslibBufferError
from dnslib.dns import DNSError, DNSRecord
from dnslib.label import DNSBuffer, DNSLabel

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.names import DomainName
from blockd.orders import LocalRecord

MAX_ERROR_TEXT = 200  # octets of EDE text: with it and the longest name an answer fits in 512 octets
MAX_LOCAL_TTL = 3600  # seconds: clients must soon notice that a zone's rule was lifted
MNAME = "blockd.invalid"  # RFC 6761: never a real server; it only says who made the record
RNAME = "hostmaster.blockd.invalid"
_SOA_NUMBERS = struct.Struct(">5I")


def address_record(packed: bytes, ttl: int) -> bytes:
    """Return an A or AAAA record for the question's name (a pointer to offset 12)."""
    kind = types.A if len(packed) == 4 else types.AAAA
    return b"\xc0\x0c" + kind.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(packed).to_bytes(2) + packed


def soa_record(serial: int, ttl: int) -> bytes:
    """Return an SOA record without its owner name, which makes a negative answer last `ttl` seconds (RFC 2308)."""
    data = _uncompressed(MNAME) + _uncompressed(RNAME) + _SOA_NUMBERS.pack(serial & 0xFFFFFFFF, 3600, 600, 86400, ttl)
    return types.SOA.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(data).to_bytes(2) + data


def error_option(code: int, text: str = "") -> bytes:
    """Return an Extended DNS Error option (RFC 8914 section 2), its text cut to MAX_ERROR_TEXT octets."""
    octets = text.encode()
    if len(octets) > MAX_ERROR_TEXT:
        octets = octets[:MAX_ERROR_TEXT].decode(errors="ignore").encode()
    return types.EDE_OPTION.to_bytes(2) + (2 + len(octets)).to_bytes(2) + code.to_bytes(2) + octets


def local_records(records: Sequence[LocalRecord], qtype: int, most: int) -> tuple[int, bytes]:
    """Return the number and the octets of a policy zone's records for a question's type, owned by its name.

    No TTL is over `most` seconds.
    """
    found = [record for record in records if qtype in (record.type, types.ANY)]
    octets = b"".join(
        b"\xc0\x0c"
        + record.type.to_bytes(2)
        + b"\0\1"
        + min(record.ttl, MAX_LOCAL_TTL, most).to_bytes(4)
        + len(record.data).to_bytes(2)
        + record.data
        for record in found
    )
    return len(found), octets


def local_alias(
    question: bytes, target: bytes, local: Sequence[LocalRecord], qtype: int, ttl: int, most: int
) -> tuple[int, bytes]:
    """Return the number and the octets of a CNAME to a name of a policy zone, and of what the zone has there.

    `question` is a question section, `target` a name's key. The CNAME's TTL is `ttl`, no other is over `most` seconds.
    """
    wire = DomainName(target).wire
    alias = b"\xc0\x0c" + types.CNAME.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(wire).to_bytes(2)
    count, records = local_records(() if qtype == types.CNAME else local, qtype, most)
    owner = (0xC000 | types.HEADER_SIZE + len(question) + len(alias)).to_bytes(2)
    octets = alias + wire
    at = 0
    for _ in range(count):
        end = at + 12 + int.from_bytes(records[at + 10 : at + 12])
        octets += owner + records[at + 2 : end]
        at = end
    return 1 + count, octets


def behind_cname(question: bytes, target: bytes, ttl: int, message: bytes) -> tuple[int, bytes]:
    """Return the records that answer `question` with a CNAME to `target` and the records of `message` for the target.

    `question` is a question section; `target` a name's key; `message` a complete answer to the question for it.
    Returns the number of answer records and their octets as they follow the question. Raises BadMessage if dnslib
    cannot parse it.
    """
    try:
        found = DNSRecord.parse(message)
        name = DNSLabel(_labels(question))
        alias = dnslib.CNAME(DNSLabel(DomainName(target).labels))
        records = [dnslib.RR(name, types.CNAME, ttl=ttl, rdata=alias), *found.rr]
        buffer = DNSBuffer(bytes(types.HEADER_SIZE) + question)
        buffer.offset = len(buffer.data)
        for record in records:
            record.pack(buffer)
    except (DNSError, DnslibBufferError, ValueError) as error:
        raise BadMessage(types.SERVFAIL, f"the answer for the target of a CNAME cannot be parsed: {error}") from error
    return len(records), bytes(buffer.data)[types.HEADER_SIZE + len(question) :]


def _uncompressed(name: str) -> bytes:
    return b"".join(b"%c%b" % (len(label), label) for label in name.encode().split(b".")) + b"\0"


def _labels(question: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    position = 0
    while question[position]:
        end = position + 1 + question[position]
        found.append(question[position + 1 : end])
        position = end
    return tuple(found)
