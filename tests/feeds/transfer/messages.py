"""Messages of a primary, made with dnspython, an independent implementation."""

from __future__ import annotations

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig

from blockd.feeds.transfer.question import TransferQuestion

ZONE = "rpz.example."
KEY = dns.tsig.Key(dns.name.from_text("transfers"), b"0123456789abcdef0123456789abcdef", "hmac-sha256")


def soa(serial: int, zone: str = ZONE) -> str:
    return f"{zone} 300 IN SOA ns.example. hostmaster.example. {serial} 120 60 2592000 900"


def blocked(name: str, zone: str = ZONE) -> str:
    return f"{name}.{zone} 60 IN CNAME landing.example."


def message(
    question: TransferQuestion, records: Sequence[str], *, rcode: int = 0, asked: bool = True
) -> dns.message.Message:
    """Return an answer with records, each written `owner ttl class type data`."""
    made = dns.message.Message(id=question.identifier)
    made.flags = dns.flags.QR | dns.flags.AA
    made.set_rcode(dns.rcode.Rcode.make(rcode))
    if asked:
        made.question.append(dns.rrset.RRset(dns.name.from_wire(question.zone, 0)[0], 1, question.kind))  # type: ignore[arg-type]
    for record in records:
        owner, ttl, klass, kind, data = record.split(" ", 4)
        # Each its own, in this order: an SOA that comes again is another one.
        made.answer.append(dns.rrset.from_text(owner, int(ttl), klass, kind, data))
    return made


def wires(
    question: TransferQuestion, *parts: Sequence[str], signed: Sequence[bool] | None = None, asks_back: bool = True
) -> list[bytes]:
    """Return the messages of a transfer, one for each part; all signed if the question is, or as `signed` says.

    The first repeats the question if `asks_back`.
    """
    made = []
    context = None
    for number, records in enumerate(parts):
        answer = message(question, records, asked=asks_back and number == 0)
        if question.key is None:
            made.append(answer.to_wire())
            continue
        if signed is None or signed[number]:
            answer.use_tsig(question.key)
            answer.request_mac = question.mac
            made.append(answer.to_wire(multi=True, tsig_ctx=context))
            context = answer.tsig_ctx
        else:
            made.append(answer.to_wire())
            if context is not None:
                context.update(made[-1])
    return made


def text(*records: str) -> bytes:
    """Return lines of zone text."""
    return b"".join(record.encode() + b"\n" for record in records)
