"""Answers: a header, the question as the client wrote it, records, and an OPT record if the client sent one.

No answer is longer than its question allows: EDE text is cut first, then everything but the question, with TC set.
"""

from __future__ import annotations

import math
import socket
import struct
from dataclasses import dataclass

from blockd.dns import types
from blockd.errors import RulesetError
from blockd.names import MAX_LABEL, MAX_NAME, key_from_text
from blockd.orders import Action, Order, Verdict
from blockd.orders.disclosure import UNNAMED, PublicOperator, codes, error_text
from blockd.resolver.query import Query
from blockd.resolver.records import address_record, error_option, local_alias, local_records, soa_record

_HEADER = struct.Struct(">6H")
_OPT = struct.Struct(">BHHBBHH")
STALE = "list not renewed in time"


@dataclass(frozen=True, slots=True)
class Sinkhole:
    """The addresses, as text, that listed names are answered with, the TTL in seconds, and who blocks."""

    ipv4: str
    ipv6: str
    ttl: int
    operator: PublicOperator = UNNAMED


def answer(
    query: Query,
    rcode: int = types.NOERROR,
    counts: tuple[int, int, int] = (0, 0, 0),
    records: bytes = b"",
    *,
    errors: bytes = b"",
    authentic: bool = False,
    truncated: bool = False,
) -> bytes:
    """Return an answer to `query` in wire format; `records` may point into the question, which starts at octet 12."""
    if rcode > types.RCODE and not query.edns:
        rcode = types.SERVFAIL  # without EDNS its upper bits are lost, and the lower ones mean something else
    opt = types.OPT_SIZE + len(errors) if query.edns else 0
    if truncated or types.HEADER_SIZE + len(query.question) + len(records) + opt > query.limit:
        if not truncated and len(errors) > types.EDE_CODE_ONLY:  # the code says the most in the fewest octets
            errors = errors[:2] + b"\0\2" + errors[4:6]
            return answer(query, rcode, counts, records, errors=errors, authentic=authentic)
        counts, records, truncated = (0, 0, 0), b"", True
    flags = types.QR | types.RA | query.flags & (types.RD | types.CD) | rcode & types.RCODE
    if authentic and (query.do or query.flags & types.AD):  # RFC 6840 section 5.8
        flags |= types.AD
    if truncated:
        flags |= types.TC
    head = _HEADER.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + query.edns)
    if not query.edns:
        return head + query.question + records
    edns = types.EDNS_DO if query.do else 0
    return (
        head
        + query.question
        + records
        + _OPT.pack(0, types.OPT, types.MAX_UDP, rcode >> 4, 0, edns, len(errors))
        + errors
    )


def error(query: Query, rcode: int, code: int | None = None, text: str = "") -> bytes:
    """Return an answer without records, with an Extended DNS Error if there is one."""
    return answer(query, rcode, errors=error_option(code, text) if code is not None else b"")


def target_of(order: Order, key: bytes) -> bytes:
    """Return the key of the name that a CNAME action leads to; `*.x` puts the requested name below x."""
    below = order.cname.removeprefix("*.")
    return key_from_text(below) + (key if below != order.cname else b"")


class BlockAnswers:
    """The answers for names that an order in force covers. Made once for each ruleset."""

    def __init__(self, sinkhole: Sinkhole, serial: int) -> None:
        """`sinkhole` has the addresses to answer with; the ruleset's version becomes the SOA's serial."""
        self.ttl = sinkhole.ttl
        self._operator = sinkhole.operator
        self.a = address_record(socket.inet_pton(socket.AF_INET, sinkhole.ipv4), sinkhole.ttl)
        self.aaaa = address_record(socket.inet_pton(socket.AF_INET6, sinkhole.ipv6), sinkhole.ttl)
        self.soa = soa_record(serial, sinkhole.ttl)
        self._serial = serial
        self._packed = {
            types.A: socket.inet_pton(socket.AF_INET, sinkhole.ipv4),
            types.AAAA: socket.inet_pton(socket.AF_INET6, sinkhole.ipv6),
        }
        self._errors: dict[tuple[int, bool], bytes] = {}

    def give(self, query: Query, verdict: Verdict, left: int = types.MAX_TTL) -> bytes | None:
        """Return the answer for a verdict that touches, with no TTL over `left`; None if the action is silence.

        Raises RulesetError if the action has no answer of its own.
        """
        errors = self.errors(verdict)
        match verdict.action:
            case Action.DROP:
                return None
            case Action.REFUSED:
                return answer(query, types.REFUSED, errors=errors)
            case Action.NXDOMAIN:
                return self._negative(query, verdict, types.NXDOMAIN, errors, left)
            case Action.TCP_ONLY:
                return answer(query, errors=errors, truncated=True)
            case Action.LOCAL if verdict.order is not None:
                count, records = local_records(verdict.order.records, query.qtype, left)
                if count:
                    return answer(query, counts=(count, 0, 0), records=records, errors=errors)
            case Action.CNAME if verdict.order is not None and verdict.order.records:
                target = target_of(verdict.order, query.key)
                if len(target) >= MAX_NAME:
                    return error(query, types.YXDOMAIN)  # as for a DNAME, RFC 6672 section 2.2
                local, ttl = verdict.order.records, min(self.ttl, left)
                count, records = local_alias(query.question, target, local, query.qtype, ttl, left)
                return answer(query, counts=(count, 0, 0), records=records, errors=errors)
            case Action.SINKHOLE if query.qtype in self._packed:
                record = address_record(self._packed[query.qtype], min(self.ttl, left))
                return answer(query, counts=(1, 0, 0), records=record, errors=errors)
        if verdict.action not in (Action.NODATA, Action.SINKHOLE, Action.LOCAL):
            raise RulesetError(f"the action {verdict.action} has no answer")
        return self._negative(query, verdict, types.NOERROR, errors, left)

    def errors(self, verdict: Verdict) -> bytes:
        """Return the EDE option that names the order behind the answer, and where to object."""
        order, index = verdict.order, verdict.order_index
        if order is None or index is None:
            return b""
        known = self._errors.get((index, verdict.stale))
        if known is None:
            known = self._errors[index, verdict.stale] = self.option(order, stale=verdict.stale)
        return known

    def option(self, order: Order, *, stale: bool = False) -> bytes:
        """Return the EDE option of one order; `stale` says that its signer has not renewed it in time."""
        text = error_text(order, self._operator, STALE if stale else "")
        return error_option(codes(order).extended_error, text)

    def _negative(self, query: Query, verdict: Verdict, rcode: int, errors: bytes, left: int) -> bytes:
        """Answer with an SOA record, owned by the listed name if that is the question's or above it.

        A name that is known by its hash only is not disclosed: then the question's own name is the owner.
        """
        owner = 0
        entry = verdict.entry
        if entry and entry.key and entry.key[0] <= MAX_LABEL and query.key.startswith(entry.key):
            owner = len(query.key) - len(entry.key)
        pointer = 0xC000 | types.HEADER_SIZE + owner
        soa = self.soa if left >= self.ttl else soa_record(self._serial, left)
        return answer(query, rcode, (0, 1, 0), pointer.to_bytes(2) + soa, errors=errors)


def time_left(until: int, now: float, most: int = types.MAX_TTL) -> int:
    """Return the whole seconds from `now` to `until`, both since the epoch, limited to `most`.

    In the last second that is 0 and not 1: an answer must not be kept after it has ceased to be true.
    """
    return min(max(until - math.ceil(now), 0), most)
