"""The unusual in the records of a transfer: refusals of records."""

from __future__ import annotations

from blockd.errors import FeedRefused

WRITTEN = (1, 2, 5, 6, 16, 28)  # A, NS, CNAME, SOA, TXT, AAAA: `records.py` writes them


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
