"""Reading answers' headers and questions, and verifying the signature that covers a sequence of messages."""

from __future__ import annotations

import struct
from collections.abc import Callable

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG

from blockd.errors import FeedRefused
from blockd.feeds.transfer.question import AXFR, IXFR, SOA, TransferQuestion
from blockd.feeds.transfer.records import CLASS_IN, name_at, record_lines

MAX_UNSIGNED = 99  # messages between two signed ones, RFC 8945 section 5.3.1
_TYPE_TSIG = 250
_HEADER = struct.Struct(">6H")
_FIXED = struct.Struct(">HHIH")
_QR, _OPCODE, _TC, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_BADSIG, _BADKEY, _BADTIME = 16, 17, 18  # RFC 8945 section 3

# Reason and likely cause, by rcode; others are reported by name.
_RCODES = {
    dns.rcode.FORMERR: ("answer", "it does not understand the question"),
    dns.rcode.SERVFAIL: ("answer", "the zone may not be loaded there, or may have expired"),
    dns.rcode.NXDOMAIN: ("no zone", "there is no such zone: check the zone's name"),
    dns.rcode.NOTIMP: ("answer", "it does not support such transfers"),
    dns.rcode.REFUSED: ("not allowed", "this address or key is not registered there: ask its operator to allow it"),
    dns.rcode.NOTAUTH: ("no zone", "it is not authoritative for the zone: check the primary's address and the key"),
}


class MessageReader:
    """The messages that answer one question, in sequence; `now` returns seconds since the epoch.

    Over TCP a question need not be repeated, since the connection tells whose answer it is; a datagram must repeat it
    (RFC 5452 section 3). Of authority and additional sections nothing is read but a signature. Every method raises
    FeedRefused; its message is a clause that continues `… cannot be taken from …:`.
    """

    def __init__(self, question: TransferQuestion, now: Callable[[], float], *, is_datagram: bool = False) -> None:
        self._question = question
        self._now = now
        self._is_datagram = is_datagram
        self._kinds = (IXFR, AXFR) if question.kind == IXFR else (question.kind,)  # either answers IXFR
        self._context: dns.tsig.HMACTSig | dns.tsig.GSSTSig | None = None
        self._unsigned = 0  # messages since the last signed one
        self._first = True

    def open(self, message: bytes) -> tuple[int, int]:
        """Check a message's header and question; return where its answer section begins, and its number of records."""
        question = self._question
        if len(message) < _HEADER.size:
            raise FeedRefused("format", "a message is shorter than a header")
        identifier, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
        if identifier != question.identifier or not flags & _QR or flags & _OPCODE:
            raise FeedRefused("answer", "a message does not answer the question (wrong identifier or opcode)")
        if questions > 1:
            raise FeedRefused("answer", "a message has several questions")
        position = _HEADER.size
        if questions:
            zone, position = name_at(message, position)
            if position < 0 or position + 4 > len(message):
                raise FeedRefused("format", "a message is cut within its question")
            kind, klass = struct.unpack_from(">HH", message, position)
            position += 4
            if zone != question.zone or kind not in self._kinds or klass != CLASS_IN:
                raise FeedRefused("answer", "a message answers another question: its zone, type or class differs")
        if flags & _RCODE:
            raise self._refused(message, flags & _RCODE, position, answers + authorities, additional)
        if self._is_datagram and not questions:
            raise FeedRefused("answer", "it does not repeat the question")
        if flags & _TC:
            raise FeedRefused("answer", "a message is marked as truncated")
        return position, answers

    def soa(self, message: bytes) -> tuple[bytes, int] | None:
        """Return the line and the serial of the zone's SOA record in an answer that is verified; None if it has none.

        All other records are passed over, whatever they are.
        """
        position, answers = self.open(message)
        zone, found = self._question.zone, -1
        for _ in range(answers):
            start = position
            owner, position = name_at(message, start)
            if position < 0 or position + _FIXED.size > len(message):
                raise FeedRefused("format", "a message is cut within its records")
            kind, klass, _, size = _FIXED.unpack_from(message, position)
            position += _FIXED.size + size
            if found < 0 and (kind, klass, owner) == (SOA, CLASS_IN, zone):
                found = start
        if position > len(message):
            raise FeedRefused("format", "a message is cut within its records")
        self.verify(message, position)
        if found < 0:
            return None
        text, [(_, end, serial)], _ = record_lines(message, found, 1, zone)
        return text[: end - 1], serial

    def verify(self, message: bytes, behind: int) -> None:
        """Verify a message's signature; `behind` is where its answer section ends. Call it for each, in order."""
        first, self._first = self._first, False
        key = self._question.key
        if key is None:
            return
        authorities, additional = struct.unpack_from(">HH", message, 8)
        found = _signature(message, _skipped(message, behind, authorities), additional)
        if found is None:
            self._unsigned += 1
            if first or self._unsigned > MAX_UNSIGNED:
                raise FeedRefused("key", "it is not signed: check that the primary has the TSIG key for this zone")
            assert self._context is not None  # noqa: S101 - the first message has made it
            self._context.update(message)  # type: ignore[no-untyped-call]
            return
        start, owner, signature = found
        now = self._now()
        try:
            self._context = dns.tsig.validate(  # type: ignore[no-untyped-call]
                message, key, owner, signature, int(now), self._question.mac, start, self._context, True
            )
        except dns.tsig.BadTime as error:
            raise _clock(signature.time_signed - now) from error
        except dns.exception.DNSException as error:
            raise self._signature_refused(signature, error) from error
        self._unsigned = 0

    def finish(self) -> None:
        """Check that the last message was signed."""
        if self._question.key is not None and self._unsigned:
            raise FeedRefused("key", "its last message is not signed")

    def _refused(self, message: bytes, rcode: int, position: int, records: int, additional: int) -> FeedRefused:
        """Return the refusal for an error response; its TSIG error, if any, is the most specific cause."""
        if self._question.key is not None:
            found = _signature(message, _skipped(message, position, records), additional)
            if found is not None and found[2].error:
                return self._signature_refused(found[2], None)
        reason, cause = _RCODES.get(dns.rcode.Rcode.make(rcode), ("answer", "the reason is not known"))
        return FeedRefused(reason, f"it answers {dns.rcode.to_text(dns.rcode.Rcode.make(rcode))}: {cause}")

    def _signature_refused(self, signature: TSIG, error: Exception | None) -> FeedRefused:
        if signature.error == _BADTIME:
            return _clock(int.from_bytes(signature.other[:6]) - self._now() if len(signature.other) >= 6 else None)
        if signature.error == _BADKEY:
            return FeedRefused("key", "it answers BADKEY: it does not know a TSIG key of this name and algorithm")
        if signature.error == _BADSIG:
            return FeedRefused("key", "it answers BADSIG: its secret of the TSIG key differs from the one here")
        return FeedRefused("key", f"its signature is wrong ({type(error).__name__}): is the TSIG key the same there?")


def is_truncated(message: bytes) -> bool:
    """Return whether an answer is marked as truncated (TC, RFC 1035 section 4.1.1)."""
    return len(message) > 2 and bool(message[2] << 8 & _TC)


def key_name_of(message: bytes) -> dns.name.Name | None:
    """Return the name of the key that a message of one question is signed with, None if it is unsigned.

    The signature is not verified. Raises FeedRefused if the message is malformed.
    """
    *_, answers, authorities, additional = _HEADER.unpack_from(message)
    _, position = name_at(message, _HEADER.size)
    if position < 0:
        raise FeedRefused("format", "a message is cut within its question")
    found = _signature(message, _skipped(message, position + 4, answers + authorities), additional)
    return found[1] if found is not None else None


def _clock(seconds: float | None) -> FeedRefused:
    if seconds is None:
        return FeedRefused("clock", "it answers BADTIME: its clock and this machine's are too far apart")
    way = "ahead of" if seconds > 0 else "behind"
    return FeedRefused("clock", f"its clock is {abs(seconds):,.0f} seconds {way} this machine's, too far for TSIG")


def _skipped(message: bytes, position: int, records: int) -> int:
    """Return where records end that begin at `position`."""
    for _ in range(records):
        _, position = name_at(message, position)
        if position < 0 or position + _FIXED.size > len(message):
            raise FeedRefused("format", "a message is cut within its records")
        position += _FIXED.size + _FIXED.unpack_from(message, position)[3]
    return position


def _signature(message: bytes, position: int, additional: int) -> tuple[int, dns.name.Name, TSIG] | None:
    """Return where the signature begins, its key's name and itself; None if the last record is not one."""
    if not additional:
        return None
    start = _skipped(message, position, additional - 1)
    name, position = name_at(message, start)
    if position < 0 or position + _FIXED.size > len(message):
        raise FeedRefused("format", "a message is cut within its records")
    kind, klass, _, size = _FIXED.unpack_from(message, position)
    if kind != _TYPE_TSIG:
        return None
    try:
        data = dns.rdata.from_wire(
            dns.rdataclass.RdataClass.make(klass), dns.rdatatype.TSIG, message, position + _FIXED.size, size
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise FeedRefused("key", "its signature cannot be read") from error
    if not isinstance(data, TSIG):
        raise FeedRefused("key", "its signature cannot be read")
    return start, dns.name.from_wire(name, 0)[0], data
