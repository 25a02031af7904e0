from __future__ import annotations

import time
from collections.abc import Sequence

import dns.flags
import dns.rcode
import pytest

from blockd.errors import FeedRefused
from blockd.feeds.transfer.question import AXFR, IXFR, TransferQuestion
from blockd.feeds.transfer.zone_transfer import Kind, ZoneChange, ZoneTransfer
from tests.feeds.transfer.messages import KEY, ZONE, blocked, message, soa, text, wires

NOW = 1_800_000_000.0
WHOLE = TransferQuestion.make(ZONE, AXFR, 7, None)
NEWS = TransferQuestion.make(ZONE, IXFR, 7, None, 5)


def transferred(*parts: Sequence[str], ixfr: bool = False) -> tuple[ZoneTransfer, list[ZoneChange]]:
    question = NEWS if ixfr else WHOLE
    transfer = ZoneTransfer(question, lambda: NOW, 5 if ixfr else None)
    return transfer, [change for wire in wires(question, *parts) for change in transfer.feed(wire)]


def refusal(*parts: Sequence[str], ixfr: bool = False) -> str:
    with pytest.raises(FeedRefused) as caught:
        transferred(*parts, ixfr=ixfr)
    return caught.value.reason


@pytest.mark.parametrize(
    "parts",
    [
        [[soa(5), blocked("a"), blocked("b"), soa(5)]],
        [[soa(5)], [blocked("a")], [blocked("b"), soa(5)]],
        [[soa(5), blocked("a"), blocked("b")], [soa(5)]],
    ],
)
def test_a_whole_zone_is_complete_with_its_closing_soa(parts: list[list[str]]) -> None:
    transfer, changes = transferred(*parts)
    assert transfer.complete
    assert transfer.kind is Kind.WHOLE
    assert (transfer.new_serial, transfer.soa) == (5, text(soa(5)))
    assert not any(change.removed for change in changes)
    assert b"".join(change.text for change in changes) == text(soa(5), blocked("a"), blocked("b"), soa(5))


def test_a_transfer_without_its_closing_soa_is_not_complete() -> None:
    transfer, _ = transferred([soa(5), blocked("a")], [blocked("b")])
    assert not transfer.complete


def test_differences_are_what_went_and_what_came() -> None:
    transfer, changes = transferred(
        [soa(8), soa(5), blocked("a"), soa(6), blocked("b")],
        [soa(6), soa(8), blocked("c"), blocked("d"), soa(8)],
        ixfr=True,
    )
    assert transfer.complete
    assert transfer.kind is Kind.DIFFERENCES
    assert (transfer.new_serial, transfer.soa) == (8, text(soa(8)))
    assert changes == [
        ZoneChange(True, text(blocked("a"))),
        ZoneChange(False, text(blocked("b"))),
        ZoneChange(False, text(blocked("c"), blocked("d"))),
    ]


def test_an_empty_difference_changes_the_serial_alone() -> None:
    transfer, changes = transferred([soa(6), soa(5), soa(6), soa(6)], ixfr=True)
    assert (transfer.complete, transfer.kind, changes) == (True, Kind.DIFFERENCES, [])


def test_two_empty_differences_at_once_are_taken() -> None:
    transfer, changes = transferred([soa(7), soa(5), soa(6), soa(6), soa(7), soa(7)], ixfr=True)
    assert (transfer.complete, transfer.new_serial, changes) == (True, 7, [])


def test_the_whole_zone_in_answer_to_a_question_for_differences_is_taken() -> None:
    transfer, changes = transferred([soa(6)], [blocked("a"), soa(6)], ixfr=True)
    assert (transfer.complete, transfer.kind) == (True, Kind.WHOLE)
    assert b"".join(change.text for change in changes) == text(soa(6), blocked("a"), soa(6))


@pytest.mark.parametrize("serial", [5, 4])
def test_a_single_soa_that_is_not_newer_says_that_nothing_is(serial: int) -> None:
    transfer, changes = transferred([soa(serial)], ixfr=True)
    assert (transfer.complete, transfer.kind, changes) == (True, Kind.UP_TO_DATE, [])


def test_differences_may_begin_in_the_second_message() -> None:
    transfer, _ = transferred([soa(6)], [soa(5), soa(6), blocked("a"), soa(6)], ixfr=True)
    assert (transfer.complete, transfer.kind) == (True, Kind.DIFFERENCES)


@pytest.mark.parametrize(
    ("parts", "ixfr", "reason"),
    [
        ([[blocked("a"), soa(5)]], False, "sequence"),
        ([[soa(5), soa(5), blocked("a")]], False, "sequence"),
        ([[soa(5), blocked("a"), soa(5), soa(5)]], False, "sequence"),
        ([[soa(5), soa(5)], [blocked("a")]], False, "sequence"),
        ([[soa(5), blocked("a")], []], False, "sequence"),
        ([[soa(5), blocked("a"), soa(6)]], False, "serial"),
        ([[soa(6), soa(4), blocked("a"), soa(6), soa(6)]], True, "serial"),  # from a serial that was not asked
        ([[soa(5), blocked("a")]], True, "serial"),  # a whole zone that is not newer
        ([[soa(4), soa(5), soa(4), soa(4)]], True, "serial"),  # backwards
        ([[soa(8), soa(5), soa(9), soa(9)]], True, "serial"),  # beyond its end
        ([[soa(8), soa(5), soa(5), soa(5)]], True, "serial"),  # standing still
        ([[soa(8), soa(5), soa(6), soa(7)]], True, "serial"),  # with a hole
        ([[soa(6), soa(5), soa(6), soa(6), soa(6)]], True, "sequence"),  # behind its end
        ([[soa(6), soa(5), soa(6), soa(6)], [soa(6), soa(5), soa(6), soa(6)]], True, "sequence"),  # twice
        ([[soa(5), "a.other. 60 IN CNAME ."]], False, "foreign"),
        ([[soa(5, "other.example.")]], False, "foreign"),
        ([[soa(5), f"a.{ZONE} 60 CH TXT x"]], False, "foreign"),
    ],
)
def test_what_is_no_transfer_is_refused(parts: list[list[str]], ixfr: bool, reason: str) -> None:
    assert refusal(*parts, ixfr=ixfr) == reason


@pytest.mark.parametrize(
    ("rcode", "reason", "words"),
    [
        (dns.rcode.REFUSED, "not allowed", "not registered"),
        (dns.rcode.NOTAUTH, "no zone", "not authoritative"),
        (dns.rcode.NXDOMAIN, "no zone", "no such zone"),
        (dns.rcode.SERVFAIL, "answer", "may not be loaded"),
        (dns.rcode.NOTIMP, "answer", "does not support"),
        (dns.rcode.YXRRSET, "answer", "YXRRSET"),
    ],
)
def test_an_error_is_told_with_its_likely_cause(rcode: int, reason: str, words: str) -> None:
    with pytest.raises(FeedRefused, match=words) as caught:
        ZoneTransfer(WHOLE, lambda: NOW).feed(message(WHOLE, [], rcode=rcode).to_wire())
    assert caught.value.reason == reason


def test_a_message_for_something_else_is_refused() -> None:
    good = message(WHOLE, [soa(5)])
    others = []
    for change in ("id", "flags", "truncated", "zone", "kind", "short"):
        wire = bytearray(good.to_wire())
        if change == "id":
            wire[1] ^= 1
        elif change == "flags":
            wire[2] &= 0x7F
        elif change == "truncated":
            wire[2] |= 2
        elif change == "zone":
            wire[13] ^= 1
        elif change == "kind":
            wire[12 + 13 + 1] ^= 1
        else:
            del wire[11:]
        others.append(bytes(wire))
    for other in others:
        with pytest.raises(FeedRefused):
            ZoneTransfer(WHOLE, lambda: NOW).feed(other)


def test_a_transfer_never_fails_otherwise_than_with_a_refusal() -> None:
    [good] = wires(WHOLE, [soa(5), blocked("a"), f'b.{ZONE} 60 IN TXT "x"', soa(5)])
    for at in range(len(good)):
        for octet in (0, 1, 0xC0, 0xFF):
            wire = good[:at] + bytes([octet]) + good[at + 1 :]
            try:
                ZoneTransfer(WHOLE, lambda: NOW).feed(wire)
            except FeedRefused:
                continue
    for end in range(len(good)):
        with pytest.raises(FeedRefused):
            ZoneTransfer(WHOLE, lambda: NOW).feed(good[:end])


SIGNED = TransferQuestion.make(ZONE, AXFR, 7, KEY)


def signed_transfer(messages: Sequence[bytes], now: float | None = None) -> ZoneTransfer:
    transfer = ZoneTransfer(SIGNED, lambda: now if now is not None else time.time())
    for wire in messages:
        transfer.feed(wire)
    return transfer


def test_signed_messages_are_verified_with_unsigned_ones_between() -> None:
    parts = [[soa(5)], [blocked("a")], [blocked("b")], [soa(5)]]
    assert signed_transfer(wires(SIGNED, *parts)).complete
    assert signed_transfer(wires(SIGNED, *parts, signed=[True, False, False, True])).complete


def test_messages_without_the_signature_that_they_need_are_refused() -> None:
    cases = [
        wires(SIGNED, [soa(5), soa(5)], signed=[False]),
        wires(SIGNED, [soa(5)], [soa(5)], signed=[True, False]),
        wires(SIGNED, [soa(5)], *[[blocked("a")]] * 100, signed=[True] + [False] * 100),
    ]
    for messages in cases:
        with pytest.raises(FeedRefused) as caught:
            signed_transfer(messages)
        assert caught.value.reason == "key"


def test_ninety_nine_unsigned_messages_between_signed_ones_are_taken() -> None:
    messages = wires(SIGNED, [soa(5)], *[[blocked("a")]] * 99, [soa(5)], signed=[True] + [False] * 99 + [True])
    assert signed_transfer(messages).complete


def test_a_changed_octet_is_noticed() -> None:
    messages = wires(SIGNED, [soa(5)], [blocked("aaaa")], [soa(5)], signed=[True, False, True])
    messages[1] = messages[1].replace(b"aaaa", b"aaab")
    with pytest.raises(FeedRefused, match="signature is wrong") as caught:
        signed_transfer(messages)
    assert caught.value.reason == "key"


def test_a_left_out_message_is_noticed() -> None:
    messages = wires(SIGNED, [soa(5)], [blocked("a")], [blocked("b")], [soa(5)], signed=[True, False, False, True])
    with pytest.raises(FeedRefused) as caught:
        signed_transfer([messages[0], messages[1], messages[3]])
    assert caught.value.reason == "key"


@pytest.mark.parametrize(("shift", "words"), [(4000, "behind"), (-4000, "ahead of")])
def test_a_clock_that_is_off_is_told_by_how_much(shift: int, words: str) -> None:
    with pytest.raises(FeedRefused, match=rf"(?:3,99\d|4,00\d) seconds {words}") as caught:
        signed_transfer(wires(SIGNED, [soa(5), soa(5)]), time.time() + shift)
    assert caught.value.reason == "clock"


@pytest.mark.parametrize(
    ("error", "other", "reason", "words"),
    [
        (dns.rcode.BADKEY, b"", "key", "does not know a TSIG key"),
        (dns.rcode.BADSIG, b"", "key", "secret of the TSIG key differs"),
        (dns.rcode.BADTIME, int(NOW + 600).to_bytes(6), "clock", "600 seconds ahead of"),
        (dns.rcode.BADTIME, b"", "clock", "too far apart"),
    ],
)
def test_what_a_primary_says_of_the_signature_is_told(error: int, other: bytes, reason: str, words: str) -> None:
    answer = message(SIGNED, [], rcode=dns.rcode.NOTAUTH)
    answer.use_tsig(KEY, tsig_error=error, other_data=other)
    answer.request_mac = SIGNED.mac
    with pytest.raises(FeedRefused, match=words) as caught:
        ZoneTransfer(SIGNED, lambda: NOW).feed(answer.to_wire())
    assert caught.value.reason == reason
