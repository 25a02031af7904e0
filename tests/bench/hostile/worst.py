"""The CPU time that the worst packets and answers take which are accepted, measured in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.edns
import dns.message

from blockd.metrics import Transport
from blockd.resolver.response import MAX_RECORDS
from blockd.settings.addresses import upstream_from_text
from tests.resolver import test_reading_work as work
from tests.resolver.rig import CLIENT, STRANGER, Rig, order
from tests.resolver.twins import question_size

TIMES = 50  # of which the shortest counts: others have been held up
MAKERS = (
    work.pointers_of,
    work.labels_before_pointers,
    work.written_anew,
    work.chain_backwards,
    work.signatures,
    work.addresses_aside,
    work.many_labels,
    work.many_labels_anew,
    work.many_labels_twice,
    work.deep_signatures,
)
LISTED = "telegram.org"
DEEP = ".".join("a" * 126)  # a name of as many labels as there can be


def answers() -> dict[str, float]:
    """Return the microseconds that reading the worst answers of upstreams takes, by kind."""
    from blockd.resolver.engine import _reading  # only here: it may not be built

    found = {}
    for make in MAKERS:
        message = next(made for made in map(make, range(MAX_RECORDS, 0, -1)) if _fits(made))
        size = question_size(message)
        assert size is not None
        assert _reading.read(message, size, True)[0] == _reading.ANSWER
        found[make.__name__] = _least(_reading.read, message, size, True)
    return found


def questions(folder: Path) -> dict[str, float]:
    """Return the microseconds that answering the worst questions takes, by kind."""
    rig = Rig(folder, upstream_from_text("127.0.0.1:9"))
    rig.enforce([(order(), [LISTED])])
    begin = rig.resolver.begin
    options: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.OptionType(65001), b"") for _ in range(64)]
    many = dns.message.make_query(LISTED, "A", options=options).to_wire()
    padded = dns.message.make_query(
        LISTED, "A", options=[dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(3900))]
    ).to_wire(max_size=65535)
    deep = dns.message.make_query(f"{DEEP}"[: 250 - len(LISTED)].rstrip(".") + f".{LISTED}", "A").to_wire()
    return {
        "64 options": _least(begin, many, CLIENT, Transport.UDP),
        "4 kB of padding over TCP": _least(begin, padded, CLIENT, Transport.TCP),
        "120 labels": _least(begin, deep, CLIENT, Transport.UDP),
        "malformed": _least(begin, bytes(12), CLIENT, Transport.TCP),
        "a stranger's": _least(begin, many, STRANGER, Transport.UDP),
    }


def _fits(message: bytes) -> bool:
    records = sum(int.from_bytes(message[place : place + 2]) for place in (6, 8, 10))
    return len(message) <= 65535 and records <= MAX_RECORDS


def _least(call: Callable[..., Any], *given: Any) -> float:
    """Return the microseconds of CPU that a call takes at least."""
    least = float("inf")
    for _ in range(TIMES):
        begun = time.process_time_ns()
        call(*given)
        least = min(least, time.process_time_ns() - begun)
    return least / 1000
