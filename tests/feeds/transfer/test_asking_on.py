"""Primaries that do not answer in one way, and are asked in another, as by other secondaries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import dns.rcode
import dns.rrset
import dns.tsig
import pytest

from blockd.feeds.transfer.question import TransferQuestion
from blockd.feeds.transfer.shortfalls import FIRST, LONGEST
from tests.feeds.transfer.messages import KEY, blocked, message, soa, text, wires
from tests.feeds.transfer.primary import Primary, Send, serving
from tests.feeds.transfer.test_source import NAMES, WHOLE, Secondary, having, run
from tests.fuzz.transfers import hostile_transfers

REFUSED, NOTIMP, FORMERR, SERVFAIL = 5, 4, 1, 2
NEXT = [[soa(6), blocked("x"), soa(6)]]
NEXT_TEXT = text(soa(6), blocked("x"), soa(6))
GLUE = [dns.rrset.from_text(f"ns{number}.example.", 60, "IN", "A", "192.0.2.1") for number in range(13)]
ODD = [
    dns.rrset.from_text("odd.example.", 60, "IN", "TYPE65300", "\\# 3 010203"),
    dns.rrset.from_text("elsewhere.test.", 60, "IN", "CNAME", "other.test."),
]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.feeds.transfer.connection.UDP_TIME", 0.05)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (lambda: Primary(edns_rcode=FORMERR), ["SOA", "SOA"]),
        (lambda: Primary(edns_rcode=NOTIMP), ["SOA", "SOA"]),
        (lambda: Primary(rcodes={"SOA/UDP": REFUSED}), ["SOA", "SOA"]),
        (lambda: Primary(rcodes={"SOA/UDP": FORMERR}), ["SOA", "SOA", "SOA"]),
        (lambda: Primary(rcodes={"SOA/UDP": SERVFAIL}), ["SOA", "SOA", "SOA"]),
        (lambda: Primary(truncates=True), ["SOA", "SOA"]),
        (lambda: Primary(asks_back=False), ["SOA", "SOA", "SOA"]),
        (lambda: Primary(rcodes={"SOA/UDP": REFUSED, "SOA/TCP": REFUSED}), ["SOA", "SOA"]),
        (lambda: Primary(rcodes={"SOA/UDP": NOTIMP, "SOA/TCP": NOTIMP}), ["SOA", "SOA", "SOA"]),
        (lambda: Primary(more=GLUE), ["SOA"]),
        (lambda: Primary(more=ODD), ["SOA"]),
    ],
    ids=[
        "FORMERR to EDNS", "NOTIMP to EDNS", "REFUSED over UDP", "FORMERR over UDP", "SERVFAIL over UDP", "truncated",
        "no question in its answers", "SOA refused", "SOA not implemented", "much glue", "odd records",
    ],
)  # fmt: skip
def test_a_primary_is_asked_on(
    tmp_path: Path, key: dns.tsig.Key | None, make: Callable[[], Primary], asked: list[str]
) -> None:
    async def test() -> None:
        primary = make()
        primary.key, primary.serial, primary.axfr = key, 5, WHOLE
        async with serving(primary):
            secondary = Secondary(tmp_path, primary, key=key)
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            assert primary.asked == [*asked, "AXFR"]
            primary.asked.clear()
            primary.ixfr = [[soa(5)]]
            assert await secondary.look() is None
            assert primary.asked in (["SOA"], ["IXFR"])  # what it cannot do is not asked again
            assert secondary.source.expires is not None
            assert len(secondary.source.notes) == (0 if primary.more else 1)

    run(test)


@pytest.mark.parametrize("rcode", [REFUSED, NOTIMP, FORMERR, SERVFAIL, dns.rcode.NOTAUTH])
def test_the_whole_zone_is_asked_for_where_changes_are_not_given(
    tmp_path: Path, rcode: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        primary = Primary(rcodes={"IXFR": rcode}, axfr=NEXT)
        async with having(tmp_path, primary) as secondary:
            assert await secondary.taken() == NEXT_TEXT
            assert primary.asked == ["SOA", "IXFR", "AXFR"]
            primary.serial, primary.axfr = 7, [[soa(7), soa(7)]]
            await secondary.taken()
            assert primary.asked[3:] == ["SOA", "AXFR"]
            assert len(caplog.messages) == 1
            assert "does not answer IXFR: the whole zone is transferred" in secondary.source.notes[0]
            secondary.clock.ahead = FIRST + 1  # then it is tried again, and less often each time
            primary.serial, primary.axfr = 8, [[soa(8), soa(8)]]
            await secondary.taken()
            assert primary.asked[5:] == ["SOA", "IXFR", "AXFR"]
            secondary.clock.ahead = 2 * FIRST + 2
            primary.serial, primary.axfr = 9, [[soa(9), soa(9)]]
            await secondary.taken()
            assert primary.asked[8:] == ["SOA", "AXFR"]
            assert len(caplog.messages) == 1
            secondary.clock.ahead = LONGEST + 2 * FIRST
            primary.serial, primary.ixfr, primary.rcodes = 10, [[soa(10), soa(9), soa(10), soa(10)]], {}
            await secondary.taken()
            assert primary.asked[10:] == ["SOA", "IXFR"]

    run(test)


def test_without_a_serial_the_transfer_itself_tells_that_nothing_is_new(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(rcodes={"SOA/UDP": REFUSED, "SOA/TCP": REFUSED, "IXFR": REFUSED}, axfr=WHOLE)
        async with having(tmp_path, primary) as secondary:
            secondary.restart()
            primary.axfr = WHOLE
            for _ in range(3):
                assert await secondary.look() is None
            assert primary.asked == ["SOA", "SOA", "IXFR", "AXFR", "AXFR", "AXFR"]
            primary.axfr = NEXT
            assert await secondary.taken() == NEXT_TEXT
            primary.axfr = WHOLE
            assert (await secondary.refusal()).reason == "rollback"

    run(test)


def test_all_that_was_tried_is_told_in_one_sentence(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(rcodes={"SOA/UDP": NOTIMP, "SOA/TCP": REFUSED, "IXFR": NOTIMP, "AXFR": REFUSED})
        async with having(tmp_path, Primary()) as secondary:
            pass
        async with serving(primary):
            secondary = Secondary(tmp_path, primary)
            refused = await secondary.refusal()
            assert refused.reason == "not allowed"
            assert f"The zone rpz.example cannot be taken from 127.0.0.1:{primary.port}: SOA by UDP" in str(refused)
            assert "SOA by UDP with EDNS and SOA by UDP: it answers NOTIMP" in str(refused)
            assert "SOA by TCP: it answers REFUSED" in str(refused)
            assert "IXFR: it answers NOTIMP" in str(refused)
            assert "AXFR: it answers REFUSED" in str(refused)
            assert str(refused).count("127.0.0.1") == 1

    run(test)


def test_each_primary_that_failed_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        one, two, gone = Primary(rcode=REFUSED), Primary(rcode=SERVFAIL), Primary()
        async with serving(gone):
            pass
        async with serving(one), serving(two):
            refused = await Secondary(tmp_path, gone, one, two).refusal()
            assert refused.reason == "not allowed"
            assert all(f"127.0.0.1:{primary.port}: SOA" in str(refused) for primary in (one, two, gone))

    run(test)


def test_a_primary_that_is_silent_about_its_soa_gives_the_zone(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(5, axfr=WHOLE, silent_about_soa=True)
        async with serving(primary):
            secondary = Secondary(tmp_path, primary)
            secondary.restart(stall=0.3)
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            assert primary.asked == ["SOA", "SOA", "SOA", "AXFR"]

    run(test)


class _Stranger(Primary):
    """Says that it does not know the key."""

    async def serve(self, wire: bytes, send: Send, *, tcp: bool) -> None:
        question = self.question(wire)
        answer = message(question, [], rcode=dns.rcode.NOTAUTH)
        answer.use_tsig(KEY, tsig_error=dns.rcode.BADKEY)
        answer.request_mac = question.mac
        await send(answer.to_wire())


def test_a_wrong_key_is_not_tried_in_all_ways(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(_Stranger(5, key=KEY)) as primary:
            refused = await Secondary(tmp_path, primary, key=KEY).refusal()
            assert refused.reason == "key"
            assert primary.asked == ["SOA"]

    run(test)


def test_the_other_primary_is_asked_first_while_one_fails(tmp_path: Path) -> None:
    async def cut(_question: TransferQuestion, _send: Send) -> None:
        raise ConnectionResetError

    async def test() -> None:
        bad, good = Primary(5, axfr=cut), Primary(5, axfr=WHOLE)
        async with serving(bad), serving(good):
            secondary = Secondary(tmp_path, bad, good)
            await secondary.taken()
            bad.serial = good.serial = 6
            good.ixfr = [[soa(6), soa(5), soa(6), soa(6)]]
            bad.asked.clear()
            await secondary.taken()
            assert bad.asked == ["SOA"]

    run(test)


def test_a_primary_that_tells_no_serial_is_asked_too_where_another_has_no_news(tmp_path: Path) -> None:
    async def test() -> None:
        hidden = Primary(axfr=NEXT, ixfr=NEXT, rcodes={"SOA/UDP": REFUSED, "SOA/TCP": REFUSED})
        async with having(tmp_path, Primary()) as secondary:
            stale = Primary(5)
            async with serving(stale), serving(hidden):
                secondary = Secondary(tmp_path, stale, hidden)
                assert await secondary.taken() == NEXT_TEXT

    run(test)


def test_content_that_waits_is_not_transferred_again_without_a_serial(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(rcodes={"SOA/UDP": REFUSED, "SOA/TCP": REFUSED}, ixfr=NEXT)
        async with having(tmp_path, primary) as secondary:
            fetched = await secondary.look()
            assert fetched is not None
            assert await secondary.look() is None  # it has not been judged yet
            fetched.path.unlink()
            assert await secondary.look() is None  # it was refused

    run(test)


def test_an_answer_to_ixfr_that_is_older_than_the_soa_said_is_followed_by_the_whole_zone(tmp_path: Path) -> None:
    async def test() -> None:
        for serial in (5, 4):
            folder = tmp_path / str(serial)
            folder.mkdir()
            primary = Primary(ixfr=[[soa(serial)]], axfr=NEXT)
            async with having(folder, primary) as secondary:
                assert await secondary.taken() == NEXT_TEXT
                assert primary.asked == ["SOA", "IXFR", "AXFR"]

    run(test)


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
@pytest.mark.parametrize("asked", ["none", "first", "each"])
def test_one_record_in_each_message(tmp_path: Path, kind: str, asked: str) -> None:
    records = [soa(6), blocked("X").replace("rpz.example", "RPZ.Example"), blocked("y"), soa(6)]

    async def slowly(question: TransferQuestion, send: Send) -> None:
        for number, record in enumerate(records):
            repeats = asked == "each" or (asked == "first" and number == 0)
            await send(message(question, [record], asked=repeats).to_wire())
        await send(message(question, [blocked("behind")], asked=False).to_wire())  # is not read

    async def test() -> None:
        primary = Primary(ixfr=slowly, axfr=slowly, rcodes={} if kind == "IXFR" else {"IXFR": NOTIMP})
        async with having(tmp_path, primary) as secondary:
            assert await secondary.taken() == text(soa(6), blocked("x"), blocked("y"), soa(6))

    run(test)


def test_records_outside_of_the_answer_are_not_read(tmp_path: Path) -> None:
    async def chatty(question: TransferQuestion, send: Send) -> None:
        made = message(question, [soa(6), blocked("x"), soa(6)])
        made.authority.append(dns.rrset.from_text("elsewhere.test.", 60, "IN", "NS", "ns.test."))
        made.additional.extend(ODD)
        made.use_tsig(KEY)
        made.request_mac = question.mac
        await send(made.to_wire(multi=True))

    async def test() -> None:
        async with having(tmp_path, Primary(key=KEY, ixfr=chatty)) as secondary:
            assert await secondary.taken() == NEXT_TEXT

    run(test)


def test_an_answer_to_ixfr_may_name_axfr_in_its_question(tmp_path: Path) -> None:
    async def other(question: TransferQuestion, send: Send) -> None:
        [wire] = wires(question, [soa(6), blocked("x"), soa(6)])
        await send(wire.replace(b"\x00\xfb\x00\x01", b"\x00\xfc\x00\x01", 1))

    async def test() -> None:
        async with having(tmp_path, Primary(ixfr=other)) as secondary:
            assert await secondary.taken() == NEXT_TEXT

    run(test)


def test_a_zone_without_a_record_is_taken_in_answer_to_ixfr(tmp_path: Path) -> None:
    async def test() -> None:
        async with having(tmp_path, Primary(ixfr=[[soa(6)], [soa(6)]])) as secondary:
            assert await secondary.taken() == text(soa(6), soa(6))

    run(test)


def test_few_octets_are_not_taken_for_very_much_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.feeds.transfer.receiving.ALWAYS_TAKEN", 0)
    messages = hostile_transfers(100_000)["long names by pointers"]

    async def grows(question: TransferQuestion, send: Send) -> None:
        for wire in messages:
            await send(question.identifier.to_bytes(2) + wire[2:])

    async def test() -> None:
        async with having(tmp_path, Primary(ixfr=grows, axfr=grows), max_size="1G") as secondary:
            refused = await secondary.refusal()
            assert refused.reason == "too large"
            assert "octets of zone text" in str(refused)
            monkeypatch.undo()
            fetched = await secondary.look()
            assert fetched is not None

    run(test)


def test_a_primary_that_drips_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drips(question: TransferQuestion, send: Send) -> None:
        await send(wires(question, [soa(6)])[0])
        while True:
            await send(message(question, [blocked("a")], asked=False).to_wire())
            await asyncio.sleep(0.001)  # a drop at a time

    async def test() -> None:
        async with having(tmp_path, Primary(ixfr=drips, axfr=drips)) as secondary:
            monkeypatch.setattr("blockd.feeds.transfer.receiving.SLOW_TIME", 0.0)
            monkeypatch.setattr("blockd.feeds.transfer.receiving.SLOW_SIZE", 1 << 30)
            refused = await secondary.refusal()
            assert refused.reason == "stalled"
            assert "octets came in" in str(refused)

    run(test)
