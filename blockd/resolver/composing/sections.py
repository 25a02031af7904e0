"""Which records of a response an answer keeps that is too small for all of them; `_message.pxd` has the same in C."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage

MAX_AUTHORITIES = 256  # records of an authority section that are looked through; of a longer one all count as needed
FIXED = 10  # octets of a record between its owner and its data

_PROOFS = (types.NSEC, types.NSEC3)
_SIGNED = (types.SOA, *_PROOFS)


@dataclass(frozen=True, slots=True)
class KeptRecords:
    """The first records of a response: how many of each section, and the octets that they take."""

    counts: tuple[int, int, int]
    size: int


def kept(records: bytes, counts: tuple[int, int, int], room: int, *, do: bool) -> KeptRecords | None:
    """Return what an answer keeps of `records` in `room` octets, without the additional section.

    The authority section is kept whole if it fits, else up to the last record that the answer needs. Returns None if
    that does not fit either: the answer is truncated (RFC 2181 section 9). What is kept comes before what is not, and
    names point back only, so none of them leads to what is left out.
    """
    answers, authorities, _ = counts
    position = 0
    for _ in range(answers):
        position = _end(records, position)
        if position > room:
            return None
    needed, needed_end = 0, position
    if authorities > MAX_AUTHORITIES:
        needed, needed_end = authorities, room + 1
    else:
        for number in range(1, authorities + 1):
            data = skip_name(records, position) + FIXED
            position = _end(records, position)
            if is_needed(records, data, do=do):
                needed, needed_end = number, position
        if position <= room:
            needed, needed_end = authorities, position
    return KeptRecords((answers, needed, 0), needed_end) if needed_end <= room else None


def is_needed(records: bytes, data: int, *, do: bool) -> bool:
    """Return whether an answer needs a record of the authority section, given where its data begin.

    That is the SOA record, without which nobody may keep a negative answer (RFC 2308 section 3), and with DO the
    proofs, and the signatures, that RFC 4035 section 3.1.3 asks for.
    """
    kind = int.from_bytes(records[data - FIXED : data - FIXED + 2])
    if kind == types.SOA:
        return True
    return do and (kind in _PROOFS or (kind == types.RRSIG and int.from_bytes(records[data : data + 2]) in _SIGNED))


def _end(records: bytes, position: int) -> int:
    """Return where the record at `position` ends; raises BadMessage if that is outside of `records`."""
    data = skip_name(records, position) + FIXED
    end = data + int.from_bytes(records[data - 2 : data])
    if end > len(records):
        raise BadMessage(types.SERVFAIL, "a record is cut")
    return end
