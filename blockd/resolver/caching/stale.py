"""Entries of the cache as they are given: with what is left of their TTLs, or as stale answers (RFC 8767)."""

from __future__ import annotations

import struct

from blockd.dns import types
from blockd.resolver.cache import STALE_TTL, Cached, aged
from blockd.resolver.records import error_option


def stale_records(cached: Cached, most: int) -> bytes:
    """Return the records of an entry that has expired, with the TTLs of a stale answer, and none over `most`."""
    records = bytearray(cached.response.records)
    for place, _ in cached.response.ttls:
        struct.pack_into(">I", records, place, min(STALE_TTL, most))
    return bytes(records)


def as_given(cached: Cached, now: float, most: int, *, is_stale: bool) -> tuple[bytes, bytes, bool]:
    """Return an entry's records at `now`, with no TTL over `most`; the EDE options beside them; and whether AD is set.

    A stale answer has an Extended DNS Error of its own (RFC 8914 sections 4.4 and 4.20), and no AD: signatures may have
    expired as well.
    """
    response = cached.response
    if not is_stale:
        return aged(cached, now, most), response.errors, response.authentic
    code = types.EDE_STALE_NXDOMAIN if response.rcode == types.NXDOMAIN else types.EDE_STALE_ANSWER
    return stale_records(cached, most), error_option(code), False
