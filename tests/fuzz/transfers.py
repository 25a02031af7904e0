"""Transfers that a hostile primary sends, each accepted, and made to take as much time as they can."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

import dns.name

from blockd.feeds.transfer.question import AXFR, IXFR, TransferQuestion
from blockd.feeds.transfer.zone_transfer import ZoneChange, ZoneTransfer

ZONE = "rpz.example."
IDENTIFIER = 7
HELD = 5  # the serial that an answer to IXFR begins with
ORDINARY = 16_000  # octets of a message, as name servers send them
_ZONE = dns.name.from_text(ZONE).to_wire() or b""
_POINTER = struct.pack(">H", 0xC000 | 12)  # to the first record's owner
_A, _NS, _CNAME, _SOA, _MX, _TXT, _UNKNOWN = 1, 2, 5, 6, 15, 16, 65300
_TINY = 1  # octets of a message: one record in each


def hostile_transfers(size: int) -> dict[str, list[bytes]]:
    """Return messages of about `size` octets in all, by what is odd with them; `ordinary` has nothing odd.

    Names that begin with `IXFR` answer a question for the changes since HELD.
    """
    return {name: make(size) for name, make in _MAKERS.items()}


def hostile_transfer(name: str, size: int) -> list[bytes]:
    """Return the messages of one of TRANSFERS."""
    return _MAKERS[name](size)


def question_for(name: str) -> TransferQuestion:
    """Return the question that the transfer of this name answers."""
    is_ixfr = name.startswith("IXFR")
    return TransferQuestion.make(ZONE, IXFR if is_ixfr else AXFR, IDENTIFIER, None, HELD if is_ixfr else None)


def received(name: str, messages: Iterable[bytes]) -> Iterator[ZoneChange]:
    """Yield the changes of a transfer; it is complete at the end."""
    question = question_for(name)
    transfer = ZoneTransfer(question, lambda: 0.0, HELD if question.kind == IXFR else None)
    for message in messages:
        yield from transfer.feed(message)
    assert transfer.complete


def _record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def _soa(serial: int) -> bytes:
    return _record(_ZONE, _SOA, b"\0\0" + struct.pack(">5I", serial, 120, 60, 2_592_000, 900))


def _owner(number: int) -> bytes:
    return b"\x08n%07d" % (number % 10_000_000) + _ZONE


def _message(records: list[bytes]) -> bytes:
    return struct.pack(">6H", IDENTIFIER, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def _messages(records: Iterable[bytes], size: int = ORDINARY) -> list[bytes]:
    made, held, octets = [], list[bytes](), 0
    for record in records:
        if held and octets + len(record) > size:
            made.append(_message(held))
            held, octets = [], 0
        held.append(record)
        octets += len(record)
    return [*made, _message(held)]


def _whole(records: Iterable[bytes], size: int = ORDINARY) -> list[bytes]:
    return _messages([_soa(6), *records, _soa(6)], size)


def _of(kind: int, data: bytes, message: int = ORDINARY) -> Callable[[int], list[bytes]]:
    """Return a maker of records of one type, each with a name of its own."""
    one = len(_record(_owner(0), kind, data))
    return lambda size: _whole((_record(_owner(number), kind, data) for number in range(size // one)), message)


def _pointing(first: bytes, kind: int, data: bytes) -> Callable[[int], list[bytes]]:
    """Return a maker of messages whose records have the first one's owner, by a pointer."""
    head, one = _record(first, _CNAME if first != _ZONE else _NS, b"\0"), _record(_POINTER, kind, data)
    message = _message([head, *[one] * ((ORDINARY - len(head)) // len(one))])
    return lambda size: [_message([_soa(6)]), *[message] * (size // ORDINARY), _message([_soa(6)])]


def _sequences(size: int) -> list[bytes]:
    """Return an answer to IXFR in which each difference takes away what the one before has added."""
    come = [_record(_owner(1), _CNAME, target) for target in (b"\0", b"\x08rpz-drop\0")]
    one = 2 * len(_soa(0)) + 2 * len(come[0])
    count = max(size // one, 1)
    records = [_soa(HELD + count)]
    for number in range(count):
        gone = [come[(number + 1) % 2]] if number else []
        records += [_soa(HELD + number), *gone, _soa(HELD + number + 1), come[number % 2]]
    return _messages([*records, _soa(HELD + count)])


_LONG = b"".join(b"\x01%c" % (97 + number % 26) for number in range(110)) + _ZONE
_MAKERS: dict[str, Callable[[int], list[bytes]]] = {
    "ordinary": _of(_CNAME, b"\0"),
    "one record in each message": _of(_CNAME, b"\0", _TINY),
    "long names by pointers": _pointing(_LONG, _CNAME, _POINTER),
    "text to be escaped": _of(_TXT, (b"\xff" + b"\xff" * 255) * 50),
    "text of single octets": _of(_TXT, b"\x01\xff" * 6_000),
    "mail exchangers": _of(_MX, b"\0\x0a\0"),
    "mail exchangers by pointers": _pointing(_ZONE, _MX, b"\0\x0a" + _POINTER),
    "an unknown type": _of(_UNKNOWN, b"\1"),
    "an unknown type without data": _of(_UNKNOWN, b""),
    "addresses of two octets": _of(_A, b"\1\2"),
    "name servers of the zone": _pointing(_ZONE, _NS, b"\0"),
    "IXFR that changes one name again and again": _sequences,
}
TRANSFERS = tuple(_MAKERS)  # their names; the first is ordinary
