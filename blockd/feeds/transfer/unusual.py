"""The unusual in the records of a transfer: data of other types as text, and refusals of records."""

from __future__ import annotations

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from blockd.errors import FeedRefused

WRITTEN = (1, 2, 5, 6, 16, 28)  # A, NS, CNAME, SOA, TXT, AAAA: `records.py` writes them
OPT = 41
META = range(128, 256)  # types that are not data, RFC 6895 section 3.1


def unusual_data(message: bytes, position: int, size: int, kind: int) -> bytes:
    """Return type and data, as text, of a record whose type has no writer of its own, or whose data is malformed."""
    if kind != OPT and kind not in META and kind not in WRITTEN:
        try:
            data = dns.rdata.from_wire(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(kind), message, position, size
            ).to_text()
            text = f"{dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind))} {data}".encode("ascii")
        except (dns.exception.DNSException, ValueError, UnicodeError):
            text = b""
        if text and b"\n" not in text:
            return text
    return (
        b"TYPE%d \\# %d %b" % (kind, size, message[position : position + size].hex().encode())
        if size
        else (b"TYPE%d \\# 0" % kind)
    )


def broken_message() -> FeedRefused:
    """Return the refusal of a message that ends within its records."""
    return FeedRefused("format", "a message is cut within its records, or has an invalid name")


def broken_soa() -> FeedRefused:
    """Return the refusal of an invalid SOA record."""
    return FeedRefused("format", "an SOA record is malformed")


def foreign_class(klass: int) -> FeedRefused:
    """Return the refusal of a record of another class."""
    return FeedRefused("foreign", f"a record is of class {klass} instead of IN")


def foreign_owner(owner: bytes) -> FeedRefused:
    """Return the refusal of a record that belongs to another zone."""
    return FeedRefused("foreign", f"the record {owner.decode('ascii')[:200]} does not belong to the zone")
