"""A zone from honest primaries, and from some that lie."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.rcode
import dns.tsig
import pytest

from blockd.errors import FeedRefused
from blockd.feeds.fetched import Fetched
from blockd.feeds.transfer.content import open_zone
from blockd.feeds.transfer.question import TransferQuestion
from blockd.feeds.transfer.source import TransferSource
from blockd.feeds.transfer.timers import MIN_EXPIRE
from blockd.settings import TransferFeed
from tests.feeds.transfer.messages import KEY, ZONE, blocked, message, soa, text, wires
from tests.feeds.transfer.primary import Primary, Send, serving

PATIENT = 30.0  # seconds that a primary which answers is waited for: a busy machine may hold it up
SHORT = 0.3  # seconds that a stalling primary is waited for
NAMES = [blocked(name) for name in ("a", "b", "c")]
WHOLE = [[soa(5), *NAMES], [soa(5)]]


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Secondary:
    """A source with its folder, whose content is accepted as the updater does."""

    def __init__(self, folder: Path, *primaries: Primary, key: dns.tsig.Key | None = None, **more: object) -> None:
        self.folder = folder / "feed"
        self.folder.mkdir(exist_ok=True)
        self.clock = Clock()
        fields: dict[str, object] = {
            "name": "live",
            "type": "rpz-transfer",
            "primary": [f"127.0.0.1:{primary.port}" for primary in primaries],
            "zone": "rpz.example",
            "min_refresh": "1s",
            "max_size": "1M",
            **more,
        }
        if key is not None:
            secret = folder / "secret"
            secret.write_bytes(base64.b64encode(bytes(key.secret)))
            secret.chmod(0o600)
            fields["tsig"] = {"name": "transfers", "secret_file": str(secret)}
        self.feed = TransferFeed.model_validate(fields)
        self.restart()

    def restart(self, *, known: bool = True, stall: float = PATIENT) -> None:
        self.source = TransferSource(self.feed, self.folder, known=known, now=self.clock, total=5 * stall, stall=stall)

    async def look(self) -> Fetched | None:
        return await self.source.poll()

    async def taken(self) -> bytes:
        """Poll, accept what is new, and return the whole text."""
        fetched = await self.look()
        assert fetched is not None
        assert fetched.digest == hashlib.sha256(fetched.path.read_bytes()).hexdigest()
        fetched.path.replace(self.folder / "accepted")
        return self.zone

    @property
    def zone(self) -> bytes:
        with open_zone(self.folder / "accepted") as pieces:
            return b"".join(pieces)

    async def refusal(self) -> FeedRefused:
        before = self.zone if (self.folder / "accepted").exists() else b""
        with pytest.raises(FeedRefused) as caught:
            await self.look()
        assert not (self.folder / "incoming").exists()
        assert (self.zone if before else b"") == before
        return caught.value


@asynccontextmanager
async def having(folder: Path, primary: Primary, **more: object) -> AsyncIterator[Secondary]:
    """Yield a secondary that has the zone of serial 5, and its primary, which goes on to serial 6."""
    primary.serial, axfr = 5, primary.axfr
    primary.axfr = WHOLE
    async with serving(primary):
        secondary = Secondary(folder, primary, key=primary.key, **more)
        assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
        primary.serial, primary.axfr = 6, axfr
        primary.asked.clear()
        yield secondary


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [None, KEY])
def test_a_zone_is_transferred_whole_and_then_by_differences(tmp_path: Path, key: dns.tsig.Key | None) -> None:
    async def test() -> None:
        primary = Primary(key=key, ixfr=[[soa(6), soa(5), NAMES[0], soa(6), blocked("d"), soa(6)]])
        async with having(tmp_path, primary) as secondary:
            bases = list(secondary.folder.glob("zone.*"))
            assert await secondary.taken() == text(soa(6), *NAMES[1:], blocked("d"), soa(6))
            assert primary.asked == ["SOA", "IXFR"]
            assert primary.serials == [5]
            assert list(secondary.folder.glob("zone.*")) == bases
            assert await secondary.look() is None
            secondary.restart()
            assert await secondary.look() is None
            assert primary.asked == ["SOA", "IXFR", "SOA", "SOA"]

    run(test)


def test_tcp_is_asked_where_udp_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.feeds.transfer.connection.UDP_TIME", 0.05)

    async def test() -> None:
        async with serving(Primary(5, axfr=WHOLE, silent_on_udp=True)) as primary:
            assert await Secondary(tmp_path, primary).taken()

    run(test)


def test_differences_of_several_days_are_kept_apart(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(ixfr=[[soa(6), soa(5), NAMES[0], soa(6), blocked("d"), soa(6)]])
        async with having(tmp_path, primary) as secondary:
            await secondary.taken()
            primary.serial = 8
            primary.ixfr = [
                [soa(8), soa(6), blocked("d"), soa(7), soa(7), NAMES[1], soa(8), NAMES[0], blocked("e"), soa(8)]
            ]
            secondary.restart()
            assert await secondary.taken() == text(soa(8), NAMES[2], NAMES[0], blocked("e"), soa(8))

    run(test)


def test_a_base_that_nothing_names_any_more_goes(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(ixfr=[[soa(6), blocked("x"), soa(6)]], axfr=[])
        async with having(tmp_path, primary) as secondary:
            assert await secondary.taken() == text(soa(6), blocked("x"), soa(6))
            assert len(list(secondary.folder.glob("zone.*"))) == 2
            primary.serial, primary.ixfr = 7, [[soa(7), soa(6), soa(7), soa(7)]]
            await secondary.taken()
            assert len(list(secondary.folder.glob("zone.*"))) == 1

    run(test)


BAD_DIFFERENCES = {
    "from another serial": [[soa(6), soa(4), NAMES[0], soa(6), soa(6)]],
    "twice the same": [[soa(6), soa(5), NAMES[0], soa(6), soa(6), soa(6), soa(5), soa(6), soa(6)]],
    "gone twice": [[soa(6), soa(5), NAMES[0], NAMES[0], soa(6), soa(6)]],
    "another zone": [[soa(6), soa(5), "a.other. 60 IN CNAME .", soa(6), soa(6)]],
    "another class": [[soa(6), soa(5), f"a.{ZONE} 60 CH TXT x", soa(6), soa(6)]],
    "cut": [[soa(6), soa(5), NAMES[0]]],
    "without a record": [[]],
}


@pytest.mark.parametrize("bad", BAD_DIFFERENCES.values(), ids=BAD_DIFFERENCES)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
def test_bad_differences_are_followed_by_the_whole_zone(
    tmp_path: Path, bad: list[list[str]], key: dns.tsig.Key | None
) -> None:
    async def cut(question: TransferQuestion, send: Send) -> None:
        for wire in wires(question, *bad):
            await send(wire)
        raise ConnectionResetError

    async def test() -> None:
        primary = Primary(key=key, ixfr=cut, axfr=[[soa(6), blocked("x"), soa(6)]])
        async with having(tmp_path, primary) as secondary:
            assert await secondary.taken() == text(soa(6), blocked("x"), soa(6))
            assert primary.asked == ["SOA", "IXFR", "AXFR"]

    run(test)


def test_differences_that_were_refused_later_are_followed_by_the_whole_zone_once(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary(
            ixfr=[[soa(6), soa(5), blocked("never"), soa(6), soa(6)]], axfr=[[soa(6), blocked("x"), soa(6)]]
        )
        async with having(tmp_path, primary) as secondary:
            fetched = await secondary.look()
            assert fetched is not None
            with pytest.raises(FeedRefused, match="never"), open_zone(fetched.path) as pieces:
                list(pieces)
            assert await secondary.look() is None  # it has not been judged yet
            fetched.path.unlink()
            fetched = await secondary.look()
            assert fetched is not None
            with open_zone(fetched.path) as pieces:
                assert b"".join(pieces) == text(soa(6), blocked("x"), soa(6))
            fetched.path.unlink()  # refused as well
            assert await secondary.look() is None
            assert primary.asked == ["SOA", "IXFR", "SOA", "SOA", "AXFR", "SOA"]

    run(test)


async def _never_ends(question: TransferQuestion, send: Send) -> None:
    await send(wires(question, [soa(6)])[0])
    more = message(question, [blocked(f"n{number}") for number in range(200)], asked=False).to_wire()
    while True:
        await send(more)


async def _stalls(question: TransferQuestion, send: Send) -> None:
    await send(wires(question, [soa(6)])[0])
    await asyncio.Event().wait()


async def _cuts(question: TransferQuestion, send: Send) -> None:
    await send(wires(question, [soa(6), *NAMES])[0])
    raise ConnectionResetError


async def _says_nothing(_question: TransferQuestion, _send: Send) -> None:
    raise ConnectionResetError


async def _tiny_messages(question: TransferQuestion, send: Send) -> None:
    await send(wires(question, [soa(6)])[0])
    more = message(question, [blocked("a")], asked=False).to_wire()
    while True:
        await send(more)
        await asyncio.sleep(SHORT / 10)


LIES = {
    "never ends": (_never_ends, "too large"),
    "stalls": (_stalls, "stalled"),
    "cuts": (_cuts, "cut"),
    "says nothing": (_says_nothing, "cut"),
    "goes on in tiny messages": (_tiny_messages, "stalled"),
    "mixes zones": ([[soa(6), "a.other. 60 IN CNAME ."]], "foreign"),
    "another zone": ([[soa(6, "other.")]], "foreign"),
    "another class": ([[soa(6), f"a.{ZONE} 60 CH TXT x"]], "foreign"),
    "another serial at its end": ([[soa(6), *NAMES, soa(7)]], "serial"),
    "goes on behind its end": ([[soa(6), *NAMES, soa(6), *NAMES]], "sequence"),
    "no soa": ([NAMES], "sequence"),
}


@pytest.mark.parametrize(("answer", "reason"), LIES.values(), ids=LIES)
def test_a_primary_that_lies_is_refused_and_what_is_there_stays(tmp_path: Path, answer: object, reason: str) -> None:
    async def test() -> None:
        primary = Primary(axfr=answer, ixfr=answer)  # type: ignore[arg-type]
        async with having(tmp_path, primary) as secondary:
            secondary.restart(stall=SHORT if reason == "stalled" else PATIENT)
            refused = await secondary.refusal()
            assert refused.reason == reason, refused
            assert "rpz.example cannot be taken from 127.0.0.1:" in str(refused)

    run(test)


def test_a_byte_now_and_then_ends_the_transfer(tmp_path: Path) -> None:
    async def test() -> None:
        async def trickle(question: TransferQuestion, _send: Send) -> None:
            writer = primary.writer  # type: ignore[attr-defined]
            wire = wires(question, [soa(6), *NAMES, soa(6)])[0]
            for octet in len(wire).to_bytes(2) + wire:
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(SHORT / 4)

        primary = Primary(axfr=trickle, ixfr=trickle)
        async with having(tmp_path, primary) as secondary:
            secondary.restart(stall=SHORT)
            assert (await secondary.refusal()).reason == "stalled"

    run(test)


def test_a_length_that_is_a_lie_ends_the_transfer(tmp_path: Path) -> None:
    async def test() -> None:
        async def lie(question: TransferQuestion, _send: Send) -> None:
            wire = wires(question, [soa(6), *NAMES, soa(6)])[0]
            primary.writer.write(b"\xff\xff" + wire)  # type: ignore[attr-defined]
            await asyncio.Event().wait()

        primary = Primary(axfr=lie, ixfr=lie)
        async with having(tmp_path, primary) as secondary:
            secondary.restart(stall=SHORT)
            assert (await secondary.refusal()).reason == "stalled"

    run(test)


def test_an_unsigned_transfer_is_not_taken_where_a_key_is_set(tmp_path: Path) -> None:
    async def unsigned(question: TransferQuestion, send: Send) -> None:
        await send(message(question, [soa(6), blocked("x"), soa(6)]).to_wire())

    async def test() -> None:
        async with having(tmp_path, Primary(key=KEY, axfr=unsigned, ixfr=unsigned)) as secondary:
            assert (await secondary.refusal()).reason == "key"

    run(test)


@pytest.mark.parametrize(
    ("rcode", "reason"), [(dns.rcode.REFUSED, "not allowed"), (dns.rcode.NXDOMAIN, "no zone"), (2, "answer")]
)
def test_an_error_of_the_primary_is_told_with_its_cause(tmp_path: Path, rcode: int, reason: str) -> None:
    async def refused() -> None:
        async with serving(Primary(5, rcode=rcode)) as primary:
            assert (await Secondary(tmp_path, primary).refusal()).reason == reason

    run(refused)


def test_an_older_serial_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary()
        async with having(tmp_path, primary) as secondary:
            primary.serial = 4
            refused = await secondary.refusal()
            assert (refused.reason, "serial 4" in str(refused)) == ("rollback", True)

    run(test)


def test_a_slow_primary_leaves_the_next_its_share_of_the_time_for_a_poll(tmp_path: Path) -> None:
    async def test() -> None:
        slow, good = Primary(6, axfr=_stalls), Primary(6, axfr=WHOLE)
        async with serving(slow), serving(good):
            secondary = Secondary(tmp_path, slow, good)
            secondary.source.fetch_time = 10 * SHORT
            async with asyncio.timeout(secondary.source.fetch_time):
                await secondary.taken()
            assert "AXFR" in slow.asked

    run(test)


def test_a_transfer_that_takes_longer_than_a_poll_may_names_the_limit(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(Primary(6, axfr=_stalls)) as primary:
            secondary = Secondary(tmp_path, primary)
            secondary.source.fetch_time = SHORT
            refused = await secondary.refusal()
            assert refused.reason == "stalled"
            assert "its share of the feed's limits.fetch_time" in str(refused)

    run(test)


def test_the_primary_that_has_the_newest_zone_is_asked_for_it(tmp_path: Path) -> None:
    async def test() -> None:
        one, two = Primary(4, axfr=[[soa(4), soa(4)]]), Primary(5, axfr=WHOLE)
        async with serving(one), serving(two):
            secondary = Secondary(tmp_path, one, two)
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            assert one.asked == ["SOA"]

    run(test)


def test_another_primary_is_asked_where_one_fails(tmp_path: Path) -> None:
    async def test() -> None:
        bad, good, gone = Primary(5, axfr=_says_nothing), Primary(5, axfr=WHOLE), Primary(5)
        async with serving(gone):
            pass
        async with serving(bad), serving(good):
            secondary = Secondary(tmp_path, gone, bad, good)
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))

    run(test)


def test_a_primary_that_is_away_is_unreachable_until_the_zone_has_expired(tmp_path: Path) -> None:
    async def test() -> None:
        async with having(tmp_path, Primary()) as secondary:
            assert secondary.source.expires == pytest.approx(time.time() + 2_592_000, abs=10)
        assert (await secondary.refusal()).reason == "unreachable"
        assert secondary.source.interval == pytest.approx(60)
        assert (await secondary.refusal()).reason == "unreachable"
        assert secondary.source.interval == pytest.approx(120)
        secondary.clock.ahead = 2_592_000 + 60
        assert (await secondary.refusal()).reason == "expired"
        secondary.restart()
        assert secondary.source.expires is not None
        assert secondary.source.expires < secondary.clock()
        assert secondary.source.expires > secondary.clock() - MIN_EXPIRE

    run(test)


def test_a_zone_that_is_confirmed_lasts_anew(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary()
        async with having(tmp_path, primary) as secondary:
            primary.serial = 5
            secondary.clock.ahead = 1000.0
            assert await secondary.look() is None
            assert secondary.source.expires == pytest.approx(secondary.clock() + 2_592_000, abs=10)
            assert secondary.source.interval == pytest.approx(120)
            expires = secondary.source.expires
            secondary.restart()
            assert secondary.source.expires == pytest.approx(expires, abs=2)

    run(test)


def test_content_that_cannot_be_read_any_more_is_fetched_whole(tmp_path: Path) -> None:
    async def test() -> None:
        primary = Primary()
        async with having(tmp_path, primary) as secondary:
            primary.serial, primary.axfr = 5, WHOLE
            for path in secondary.folder.glob("zone.*"):
                path.unlink()
            secondary.restart()
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            secondary.restart(known=False)  # what is there is not to be built upon
            assert await secondary.taken() == text(soa(5), *NAMES, soa(5))
            assert primary.asked == ["SOA", "AXFR", "SOA", "AXFR"]

    run(test)
