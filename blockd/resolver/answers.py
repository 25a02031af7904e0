"""Answers: a header, the question as the client wrote it, records, and an OPT record if the client sent one.

No answer is longer than its question allows. What clients can do without is left out first, in this order: the text of
an EDE, the additional section, what the authority section has beyond what is needed (`sections.kept`), the EDE. Only
if what is left does not fit, the answer is empty, with TC set. The other options (`Query.reply`) always fit.
"""

from __future__ import annotations

import math
import socket
import struct
from dataclasses import dataclass

from blockd.dns import types
from blockd.errors import RulesetError
from blockd.names import MAX_LABEL, MAX_NAME, DomainName, key_from_text
from blockd.orders import Action, Order, Verdict
from blockd.orders.disclosure import NOT_RENEWED, UNNAMED, PublicOperator, codes, error_text
from blockd.orders.structured import MAX_STRUCTURED, NO_DATABASE, StructuredReply, structured_text
from blockd.resolver.composing.padding import padding
from blockd.resolver.composing.sections import kept
from blockd.resolver.query import Query
from blockd.resolver.records import (
    address_record,
    alias_record,
    brief_error,
    error_option,
    local_records,
    owned_by,
    soa_record,
)
from blockd.ruleset import Enforced
from blockd.ruleset.leading import LeadJudge

_HEADER = struct.Struct(">6H")
_OPT = struct.Struct(">BHHBBHH")
_ALIAS_TYPES = (types.CNAME, types.ANY)  # what a CNAME record answers by itself, RFC 1034 section 4.3.2


@dataclass(frozen=True, slots=True)
class Sinkhole:
    """The addresses, as text, that listed names are answered with, the TTL in seconds, and who blocks.

    `structured` is what clients get instead that read structured errors.
    """

    ipv4: str
    ipv6: str
    ttl: int
    operator: PublicOperator = UNNAMED
    structured: StructuredReply = NO_DATABASE


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
    reply = query.reply if query.edns else b""
    room = query.limit - types.HEADER_SIZE - len(query.question) - (types.OPT_SIZE if query.edns else 0) - len(reply)
    if not query.edns:
        errors = b""
    if not truncated and len(records) + len(errors) > room:
        if len(errors) > types.EDE_CODE_ONLY:
            shorter = brief_error(errors)
            # The code says the most in the fewest octets.
            errors = shorter if shorter and len(records) + len(shorter) <= room else errors[:2] + b"\0\2" + errors[4:6]
        if len(records) + len(errors) > room:
            fitting = kept(records, counts, room - len(errors), do=query.do)
            if fitting is None and errors and (fitting := kept(records, counts, room, do=query.do)):
                errors = b""
            truncated = fitting is None
            if fitting is not None:
                counts, records = fitting.counts, records[: fitting.size]
    if truncated:
        counts, records = (0, 0, 0), b""
    flags = types.QR | types.RA | query.flags & (types.RD | types.CD) | rcode & types.RCODE
    if authentic and (query.do or query.flags & types.AD):  # RFC 6840 section 5.8
        flags |= types.AD
    if truncated:
        flags |= types.TC
    head = _HEADER.pack(query.id, flags, 1 if query.question else 0, counts[0], counts[1], counts[2] + query.edns)
    if not query.edns:
        return head + query.question + records
    edns = types.EDNS_DO if query.do else 0
    options = errors + reply
    if query.pads:
        options += padding(types.HEADER_SIZE + len(query.question + records + options) + types.OPT_SIZE, query.limit)
    opt = _OPT.pack(0, types.OPT, types.MAX_UDP, rcode >> 4, 0, edns, len(options))
    return head + query.question + records + opt + options


def authoritative(message: bytes) -> bytes:
    """Return an answer with AA set, as servers do that answer from a zone of their own."""
    return message[:2] + bytes((message[2] | types.AA >> 8,)) + message[3:]


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
        self._structured = sinkhole.structured
        self._errors: dict[tuple[int, bool, bool], bytes] = {}

    def give(self, query: Query, verdict: Verdict, left: int = types.MAX_TTL) -> bytes | None:
        """Return the answer for a verdict that touches, with no TTL over `left`; None if the action is silence.

        Raises RulesetError if the action has no answer of its own.
        """
        errors, action = self.errors(verdict, explains=query.explains), verdict.action
        if action is Action.SINKHOLE and query.explains:
            action = self.in_place_of_sinkhole
        match action:
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
            case Action.CNAME if verdict.order is not None:
                aliased = self._alias(query, verdict.order, errors, left)
                if aliased is not None:
                    return aliased
            case Action.SINKHOLE if query.qtype in self._packed:
                record = address_record(self._packed[query.qtype], min(self.ttl, left))
                return answer(query, counts=(1, 0, 0), records=record, errors=errors)
        inside = action is Action.CNAME and verdict.order is not None and verdict.order.records
        if not inside and action not in (Action.NODATA, Action.SINKHOLE, Action.LOCAL):
            raise RulesetError(f"the action {action} has no answer")
        return self._negative(query, verdict, types.NOERROR, errors, left)

    @property
    def in_place_of_sinkhole(self) -> Action:
        """What a client gets instead of a sinkhole that reads structured errors: nothing that looks like a site."""
        return self._structured.answer

    def followed(self, query: Query, verdict: Verdict) -> bytes | None:
        """Return the key of the name that upstreams must be asked for; None if `give` has the whole answer.

        That is the target of a `cname` action. If it is the name asked for, its own answer is given as it is.
        """
        order = verdict.order
        if verdict.action is not Action.CNAME or order is None or order.records:
            return None
        target = target_of(order, query.key)
        if target != query.key and (query.qtype in _ALIAS_TYPES or len(target) >= MAX_NAME):
            return None
        return target

    def followed_key(self, order: Order) -> bytes:
        """Return the key of an order's target that upstreams are asked for; empty if there is none.

        In front of it is 1 if the name asked for goes below the target, else 0.
        """
        if order.action is not Action.CNAME or order.records:
            return b""
        below = order.cname.removeprefix("*.")
        return bytes((below != order.cname,)) + key_from_text(below)

    def errors(self, verdict: Verdict, *, explains: bool = False) -> bytes:
        """Return the EDE option that names the order behind the answer; `explains` is `Query.explains`."""
        order, index = verdict.order, verdict.order_index
        if order is None or index is None:
            return b""
        return self.option_of(index, order, stale=verdict.stale, explains=explains)

    def option_of(self, index: int, order: Order, *, stale: bool, explains: bool) -> bytes:
        """Return the EDE option of the order that has this place in the catalogue, which is made once."""
        known = self._errors.get((index, stale, explains))
        if known is None:
            made = self.structured_option if explains else self.option
            known = self._errors[index, stale, explains] = made(order, stale=stale)
        return known

    def option(self, order: Order, *, stale: bool = False) -> bytes:
        """Return the EDE option of one order; `stale` says that its signer has not renewed it in time."""
        text = error_text(order, self._operator, NOT_RENEWED if stale else "")
        return error_option(codes(order).extended_error, text)

    def structured_option(self, order: Order, *, stale: bool = False) -> bytes:
        """Return the same with its text in JSON (`blockd.orders.structured`)."""
        text = structured_text(order, self._operator, self._structured.database, stale=stale)
        return error_option(codes(order).extended_error, text, MAX_STRUCTURED)

    def _alias(self, query: Query, order: Order, errors: bytes, left: int) -> bytes | None:
        """Answer with a CNAME and the records that a policy zone has for its target.

        Returns None if there is no CNAME, since it would lead to itself, nor a record, or if upstreams must be asked.
        """
        target = target_of(order, query.key)
        if target == query.key:
            count, records = local_records(order.records, query.qtype, left)
            return answer(query, counts=(count, 0, 0), records=records, errors=errors) if count else None
        if len(target) >= MAX_NAME:
            return answer(query, types.YXDOMAIN, errors=errors)  # as for a DNAME, RFC 6672 section 2.2
        alias = alias_record(DomainName(target).wire, min(self.ttl, left))
        if query.qtype in _ALIAS_TYPES:
            return answer(query, counts=(1, 0, 0), records=alias, errors=errors)
        if not order.records:
            return None
        owner = types.HEADER_SIZE + len(query.question) + 12  # of the target, the data of the CNAME
        count, records = local_records(order.records, query.qtype, left)
        if count:
            return answer(
                query, counts=(1 + count, 0, 0), records=alias + owned_by(records, count, owner), errors=errors
            )
        return answer(query, counts=(1, 1, 0), records=alias + self._soa_of(owner, left), errors=errors)

    def _negative(self, query: Query, verdict: Verdict, rcode: int, errors: bytes, left: int) -> bytes:
        """Answer with an SOA record, owned by the listed name if that is the question's or above it.

        A name that is known by its hash only is not disclosed: then the question's own name is the owner.
        """
        owner = 0
        entry = verdict.entry
        if entry and entry.key and entry.key[0] <= MAX_LABEL and query.key.startswith(entry.key):
            owner = len(query.key) - len(entry.key)
        return answer(query, rcode, (0, 1, 0), self._soa_of(types.HEADER_SIZE + owner, left), errors=errors)

    def _soa_of(self, owner: int, left: int) -> bytes:
        """Return the SOA record owned by the name at the offset `owner`."""
        soa = self.soa if left >= self.ttl else soa_record(self._serial, left)
        return (types.POINTER << 8 | owner).to_bytes(2) + soa


@dataclass(frozen=True, slots=True)
class Policy:
    """The ruleset in force, with the answers made for it."""

    enforced: Enforced
    answers: BlockAnswers
    judge: LeadJudge  # of what answers lead to


def time_left(until: int, now: float, most: int = types.MAX_TTL) -> int:
    """Return the whole seconds from `now` to `until`, both since the epoch, limited to `most`.

    In the last second that is 0 and not 1: an answer must not be kept after it has ceased to be true.
    """
    return min(max(until - math.ceil(now), 0), most)
