"""What both engines read in an upstream's message, which must be the same, and what dnspython says about it."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

import dns.exception
import dns.message

from blockd.errors import BadMessage
from blockd.resolver import response
from blockd.resolver.reading import fitting, names, refusals
from blockd.resolver.reading.refusals import refusal_text
from blockd.resolver.response import parse

# What dnspython refuses and blockd does not: parameters of an SVCB record in AliasMode, which a recipient must ignore
# (RFC 9460 section 2.4.2).
IGNORED = ("parameters in AliasMode",)
REFUSALS = (  # in both engines
    "MALFORMED", "TOO_FAR", "TOO_MANY", "TOO_MANY_LABELS", "LOOP", "NOT_OF_DNAME", "OTHER_CLASS", "TOO_LARGE",
)  # fmt: skip
TEXTS = ChainMap(vars(refusals), vars(fitting), vars(names), vars(response))
_NOTHING: tuple[object, ...] = (0, False, False, (0, 0, 0), b"", (), 0, (), (), (), (), b"")


def both_read(message: bytes, size: int, *, do: bool = False) -> tuple[Any, ...]:
    """Return what the native engine reads, whose question has `size` octets; fail if the twin reads anything else."""
    from blockd.resolver.engine import _reading

    read = _reading.read(message, size, do)
    expected: tuple[Any, ...]
    try:
        response = parse(message, size, do=do)
    except BadMessage as error:
        said = {TEXTS[name]: getattr(_reading, name) for name in REFUSALS}
        expected = (said[refusal_text(error)], *_NOTHING)
    else:
        expected = (
            _reading.TRUNCATED if response.truncated else _reading.FAILURE if response.failed else _reading.ANSWER,
            response.rcode,
            response.authentic,
            response.negative,
            response.counts,
            response.records,
            response.ttls,
            response.lifetime,
            response.names,
            response.addresses,
            response.extras,
            response.extra_addresses,
            response.errors,
        )
    assert read == expected, f"{message.hex()}, DO {do}"
    return read


def relayed(message: bytes, size: int, read: tuple[Any, ...]) -> bytes:
    """Return the answer that a client gets of what `both_read` returned."""
    rcode, errors = read[1], read[-1]
    counts = (*read[4][:2], read[4][2] + 1)
    opt = b"\0\0\x29\4\xd0" + bytes((rcode >> 4,)) + bytes(3) + len(errors).to_bytes(2) + errors
    head = message[:2] + b"\x81" + bytes((0x80 | rcode & 15,)) + b"\0\1" + b"".join(n.to_bytes(2) for n in counts)
    made: bytes = head + message[12 : 12 + size] + read[5] + opt
    return made


def fault(message: bytes) -> str:
    """Return what dnspython finds malformed in a message, in words; empty if there is nothing."""
    try:
        dns.message.from_wire(message)
    except (dns.exception.DNSException, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
        return "" if any(ignored in said for ignored in IGNORED) else said
    return ""
