"""The records of a cached response as people read them."""

from __future__ import annotations

import dns.exception
import dns.message

from blockd.dns import types
from blockd.dns.wire import skip_name
from blockd.errors import BadMessage

MAX_RECORDS = 16  # of one response that are shown: an honest one seldom has more
MAX_TEXT = 300  # characters of one of them
UNREADABLE = "(records that cannot be shown)"


def record_texts(question: bytes, counts: tuple[int, int, int], records: bytes) -> tuple[list[str], int]:
    """Return the first records as zone files have them, and how many there are beside those.

    `records` follow the question section `question`, into which they may point.
    """
    message = bytes(types.HEADER_SIZE) + question + records
    position, left, shown = types.HEADER_SIZE + len(question), MAX_RECORDS, []
    try:
        for count in counts:
            shown.append(min(count, left))
            left -= shown[-1]
            for _ in range(shown[-1]):
                position = skip_name(message, position) + 10
                position += int.from_bytes(message[position - 2 : position])
        header = b"\0\0\x80\0\0\1" + b"".join(number.to_bytes(2) for number in shown)
        read = dns.message.from_wire(header + message[types.HEADER_SIZE : position], one_rr_per_rrset=True)
        texts = [rrset.to_text() for section in (read.answer, read.authority, read.additional) for rrset in section]
    except (BadMessage, dns.exception.DNSException, ValueError):
        texts = [UNREADABLE]
    cut = [text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..." for text in texts]
    return cut, sum(counts) - sum(shown)
