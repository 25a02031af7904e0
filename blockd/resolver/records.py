"""The records and EDNS options that blockd makes itself. Only this module uses dnslib."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import dnslib
from dnslib.label import DNSBuffer

from blockd.dns import types
from blockd.orders import LocalRecord
from blockd.orders.structured import without_less_needed

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


def error_option(code: int, text: str = "", most: int = MAX_ERROR_TEXT) -> bytes:
    """Return an Extended DNS Error option (RFC 8914 section 2), its text cut to `most` octets."""
    octets = text.encode()
    if len(octets) > most:
        octets = octets[:most].decode(errors="ignore").encode()
    buffer = DNSBuffer()
    dnslib.EDNSOption(types.EDE_OPTION, code.to_bytes(2) + octets).pack(buffer)
    return bytes(buffer.data)


def brief_error(errors: bytes) -> bytes:
    """Return the first of some Extended DNS Errors with what its structured text needs (`blockd.orders.structured`).

    Empty if it has none that can be shortened.
    """
    text = without_less_needed(errors[types.EDE_CODE_ONLY : 4 + int.from_bytes(errors[2:4])])
    return errors[:2] + (2 + len(text)).to_bytes(2) + errors[4:6] + text if text else b""


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


def alias_record(target: bytes, ttl: int) -> bytes:
    """Return a CNAME record of the question's name to the name with the wire form `target`."""
    return b"\xc0\x0c" + types.CNAME.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(target).to_bytes(2) + target


def owned_by(records: bytes, count: int, owner: int) -> bytes:
    """Return records of the question's name as records of the name at the offset `owner`."""
    pointer = (types.POINTER << 8 | owner).to_bytes(2)
    octets, position = b"", 0
    for _ in range(count):
        end = position + 12 + int.from_bytes(records[position + 10 : position + 12])
        octets += pointer + records[position + 2 : end]
        position = end
    return octets


def _uncompressed(name: str) -> bytes:
    buffer = DNSBuffer()
    buffer.encode_name_nocompress(dnslib.DNSLabel(name))
    return bytes(buffer.data)
