"""The work of reading an upstream's message grows with its size, whatever it says: calls are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from blockd.errors import BadMessage
from blockd.resolver.reading.names import MAX_STEPS, TOO_MANY_LABELS
from blockd.resolver.reading.refusals import refusal_text
from blockd.resolver.response import MAX_RECORDS, parse
from tests.resolver.corpus import ADDRESS, raw_response, record
from tests.resolver.reading_alike import both_read
from tests.resolver.twins import question_size

reading = pytest.importorskip("blockd.resolver.engine._reading", reason="the native engine was not built")

NAME = "www.example"
FIRST_DATA = 12 + len(NAME) + 2 + 4 + 12  # where the data of the first record stand
DEEP = b"".join(b"\1" + bytes((97 + n % 26,)) for n in range(126)) + b"\0"
FEW = 90  # records
TIMES = 4
BASE = 3000  # calls that do not depend on the message


def pointer(place: int) -> bytes:
    return (0xC000 | place).to_bytes(2)


def pointers_of(count: int) -> bytes:
    """Pointers into one long name, each to another label of it."""
    records = [record(12, pointer(FIRST_DATA + 2 * (n % 126))) for n in range(count)]
    return raw_response(NAME, "PTR", [record(12, DEEP), *records])


def labels_before_pointers(count: int) -> bytes:
    """Names that are all different, and as long as a name may be."""
    records = [record(12, b"\1" + bytes((n % 256,)) + pointer(FIRST_DATA + 2 * (1 + n % 125))) for n in range(count)]
    return raw_response(NAME, "PTR", [record(12, DEEP), *records])


def written_anew(count: int) -> bytes:
    """The same behind a record that is foreign."""
    place = FIRST_DATA + 18
    records = [record(12, b"\1" + bytes((n % 256,)) + pointer(place + 2 * (1 + n % 125))) for n in range(count)]
    return raw_response(NAME, "PTR", [record(1, b"abcd", b"\1x\xc0\x0c"), record(12, DEEP), *records])


def chain_backwards(count: int) -> bytes:
    """The longest chain, from its end to its beginning, behind foreign records and DNAMEs."""
    chain = [record(5, bytes((1, 97 + n, 0)), bytes((1, 96 + n, 0)) if n else b"\xc0\x0c") for n in range(16)]
    chain.append(record(1, b"abcd", bytes((1, 96 + 16, 0))))
    foreign = [record(39, b"\0", b"\1x\xc0\x0c") for _ in range(count)]
    return raw_response(NAME, "A", [*foreign, *reversed(chain)])


def signatures(count: int) -> bytes:
    """Signatures of a long name's every part."""
    covers_nsec = bytes((0, 47)) + bytes(16) + b"\0"
    place = FIRST_DATA - 12 + len(ADDRESS)
    owners = [pointer(place + 2 * (n % 126)) for n in range(count)]
    records = [record(46, covers_nsec, owner) for owner in owners]
    return raw_response(NAME, "A", [ADDRESS], [record(46, covers_nsec, DEEP), *records])


def addresses_aside(count: int) -> bytes:
    """Addresses in the additional section."""
    mx = [record(15, bytes((0, 1, 1, 97 + n, 0))) for n in range(26)]
    return raw_response(NAME, "MX", mx, [], [record(1, b"abcd", bytes((1, 97 + n % 26, 0))) for n in range(count)])


def many_labels(count: int) -> bytes:
    """Names that stand there whole, with as many labels in all as are read."""
    return raw_response(NAME, "PTR", [record(12, different(n, 14)) for n in range(count)])


def many_labels_anew(count: int) -> bytes:
    """The same behind a record that is foreign."""
    records = [record(12, different(n, 13)) for n in range(count)]
    return raw_response(NAME, "PTR", [record(1, b"abcd", b"\1x\xc0\x0c"), *records])


def many_labels_twice(count: int) -> bytes:
    """Two names in each record, which no compression is allowed for, behind a record that is foreign."""
    records = [record(17, different(n, 7) + different(n + count, 6)) for n in range(count)]
    return raw_response(NAME, "RP", [record(1, b"abcd", b"\1x\xc0\x0c"), *records])


def deep_signatures(count: int) -> bytes:
    """Signatures by a zone that is far above their owner."""
    covers_nsec = bytes((0, 47)) + bytes(16) + b"\7example\0"
    place = FIRST_DATA + len(ADDRESS)
    deep = b"".join(b"\1" + bytes((97 + n % 26,)) for n in range(120)) + b"\7example\0"
    records = [record(46, covers_nsec, pointer(place + 2 * (n % 16))) for n in range(count)]
    return raw_response(NAME, "A", [ADDRESS], [record(999, deep), *records])


def different(number: int, count: int) -> bytes:
    """A name of so many labels that no other number has."""
    return b"".join(bytes((2, 97 + number % 26, number // 26)) for _ in range(count)) + b"\0"


def calls(message: bytes) -> int:
    """Return how many functions are called, in Python and in C, to read a message."""
    size = question_size(message)
    assert size is not None
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        parse(message, size, do=True)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "make",
    [
        pointers_of,
        labels_before_pointers,
        written_anew,
        chain_backwards,
        signatures,
        addresses_aside,
        many_labels,
        many_labels_anew,
        many_labels_twice,
        deep_signatures,
    ],
)
def test_no_message_takes_more_work_than_its_size_allows(make: Callable[[int], bytes]) -> None:
    for message in (make(FEW), make(FEW * TIMES)):
        size = question_size(message)
        assert size is not None
        assert both_read(message, size, do=True)[0] == reading.ANSWER
    assert calls(make(FEW * TIMES)) <= calls(make(FEW)) * TIMES * 1.25 + BASE


def test_so_many_records_are_read_and_no_more() -> None:
    for count, said in ((MAX_RECORDS, reading.ANSWER), (MAX_RECORDS + 1, reading.TOO_MANY)):
        message = raw_response(NAME, "TXT", [record(16, b"\1t")] * count)
        size = question_size(message)
        assert size is not None
        assert both_read(message, size)[0] == said


def test_a_name_has_so_many_pointers_and_no_more() -> None:
    for count, said in ((127, reading.ANSWER), (128, reading.MALFORMED)):
        place = FIRST_DATA
        chain = b"\xc0\x0c" + b"".join(pointer(place + 2 * n) for n in range(count - 2))
        message = raw_response(
            NAME, "TYPE999", [record(999, chain), record(999, b"", pointer(place + 2 * (count - 2)))]
        )
        size = question_size(message)
        assert size is not None
        assert both_read(message, size)[0] == said


def test_so_many_labels_are_read_and_no_more() -> None:
    each = 1 + 126  # a pointer to the question's name, and a name's labels
    for more, said in ((0, reading.ANSWER), (1, reading.TOO_MANY_LABELS)):
        last = MAX_STEPS - len(NAME.split(".")) - 48 * each - 1 + more
        records = [record(12, DEEP)] * 48 + [record(12, DEEP[-1 - 2 * last :])]
        check(raw_response(NAME, "PTR", records), said)


def test_so_many_labels_are_written_anew_and_no_more() -> None:
    each = 2 * (1 + 126)  # pointers, and the labels that they lead to
    for more, said in ((0, reading.ANSWER), (1, reading.TOO_MANY_LABELS)):
        last = MAX_STEPS - 24 * each - 1 + more
        records = [record(17, pointer(FIRST_DATA) * 2)] * 24
        records.append(record(17, pointer(FIRST_DATA + 2 * (126 - last)) + b"\0"))
        check(raw_response(NAME, "RP", [record(999, DEEP), *records]), said)


def check(message: bytes, said: int) -> None:
    """Check what both engines say of a message, and the sentence about one that is too long."""
    size = question_size(message)
    assert size is not None
    assert both_read(message, size)[0] == said
    if said == reading.TOO_MANY_LABELS:
        with pytest.raises(BadMessage) as bad:
            parse(message, size)
        assert refusal_text(bad.value) == TOO_MANY_LABELS == "sent an answer whose names have over 6144 labels"
