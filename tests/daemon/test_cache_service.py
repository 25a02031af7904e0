"""Looking into the workers' caches and flushing them, from the control process, in one process."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blockd.cli.cache.show import _lines
from blockd.daemon.cache.desk import CacheDesk
from blockd.daemon.cache.record_text import MAX_RECORDS, MAX_TEXT, UNREADABLE, record_texts
from blockd.daemon.cache.service import SECONDS, CacheService
from blockd.daemon.channel import MAX_MESSAGE, Message
from blockd.daemon.switching import WorkerLink
from blockd.daemon.workers import Workers
from blockd.errors import CommandError
from blockd.metrics import Transport
from tests.daemon.parts import ManualTime
from tests.resolver.rig import HASTY, Rig
from tests.ruleset.lists import enforced, feed, listing, order
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
WALL = 1_800_000_000.0  # seconds since the epoch


class Office:
    """A control process's service with workers: real desks, or silence where there is none."""

    def __init__(self, rigs: dict[int, Rig], silent: tuple[int, ...] = (), ruleset: Any = None) -> None:
        self.time = ManualTime()
        self.workers = Workers(len(rigs) + len(silent), {index: 10 + index for index in (*rigs, *silent)})
        self.service = CacheService(WorkerLink(self.workers, self), lambda: ruleset, self.time.timing)
        self.said: list[Message] = []
        self.desks = {index: self._desk(index, rig) for index, rig in rigs.items()}

    def _desk(self, index: int, rig: Rig) -> CacheDesk:
        return CacheDesk(rig.resolver.inspector, lambda told: self._hear(index, told), rig.clock, lambda: WALL)

    def _hear(self, index: int, told: Message) -> None:
        assert len(json.dumps(told)) < MAX_MESSAGE
        self.said.append(told)
        self.service.heard({**told, "worker": index, "pid": 10 + index})

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        """Pass what control says on to the workers."""
        for desk in self.desks.values():
            desk.take(json.loads(json.dumps(message))["cache"])


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME cdn.example.", "cdn.example. 60 IN A 198.51.100.1")
    return Rig(tmp_path, upstream.upstream, stale=86_400, attempts=1, timeout=HASTY)


def test_what_is_cached_is_shown_with_its_times(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.answer(NAME)
    rig.answer(NAME, "TXT")
    rig.clock.now += 10
    rig.answer(NAME)
    shown = asyncio.run(Office({0: rig}).service.show("WWW.example."))
    (worker,) = shown.workers
    told = shown.to_json()
    assert told.pop("workers") == [worker]
    assert told == {
        "name": NAME, "verdict": "resolved", "why": "no list was enforced yet", "blocked": False, "silent": [],
    }  # fmt: skip
    assert (worker["worker"], worker["more"], worker["failures"]) == (0, 0, [])
    positive, negative = worker["entries"]
    assert positive.pop("octets") > 100
    assert positive == {
        "name": NAME, "type": "A", "dnssec": False, "checking_disabled": False, "rcode": "NOERROR", "state": "fresh",
        "negative": False, "stored": "2027-01-15T07:59:50Z", "expires": "2027-01-15T08:00:50Z", "ttl": 50, "uses": 1,
        "records": ["www.example. 50 IN CNAME cdn.example.", "cdn.example. 50 IN A 198.51.100.1"], "more_records": 0,
        "upstream": upstream.upstream.label,
    }  # fmt: skip
    assert (negative["type"], negative["negative"], negative["rcode"]) == ("TXT", True, "NOERROR")


def test_what_has_expired_and_failures_are_shown(rig: Rig, upstream: UpstreamSimulator) -> None:
    rig.answer(NAME)
    rig.clock.now += 60
    upstream.faults = {Fault.SERVFAIL}
    rig.answer(NAME)
    (worker,) = asyncio.run(Office({0: rig}).service.show(NAME)).workers
    (entry,), (failure,) = worker["entries"], worker["failures"]
    assert (entry["state"], entry["ttl"], entry["expires"]) == ("stale", 0, "2027-01-15T08:00:00Z")
    assert (failure["name"], failure["type"], failure["until"][:16]) == (NAME, "A", "2027-01-15T08:00")
    assert failure["why"]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_an_answer_is_shown_with_the_upstream_that_it_is_from(
    tmp_path: Path, upstream: UpstreamSimulator, transport: Transport
) -> None:
    over_tcp = replace(upstream.upstream, over_tcp=True)
    rig = Rig(tmp_path, over_tcp)
    rig.answer(NAME, transport=transport)
    (worker,) = asyncio.run(Office({0: rig}).service.show(NAME)).workers
    assert [entry["upstream"] for entry in worker["entries"]] == [f"tcp://{upstream.upstream.label}"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("M\u00dcNCHEN.example.", "xn--mnchen-3ya.example"),
        (r"a\.b.example", r"a\046b.example"),
        (r"a\032b.example", r"a\032b.example"),
        (r"a\000\255.example", r"a\000\255.example"),
        ("*.star.example", r"\042.star.example"),
    ],
)
def test_names_with_odd_octets_are_found_and_shown_as_text(
    tmp_path: Path, upstream: UpstreamSimulator, asked: str, shown: str
) -> None:
    name = "xn--mnchen-3ya.example" if "NCHEN" in asked else asked
    upstream.plan(name, "TXT", f'{name}. 60 IN TXT "\\027[31mred\\010"')
    rig = Rig(tmp_path, upstream.upstream)
    rig.answer(name, "TXT")
    told = asyncio.run(Office({0: rig}).service.show(asked)).to_json()
    assert told["name"] == shown
    lines = [*_lines(told)]
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert lines[-1].endswith(r'. 60 IN TXT "\027[31mred\010"')


def test_a_blocked_name_is_said_to_be_blocked_whatever_is_cached(rig: Rig, tmp_path: Path) -> None:
    rig.answer(NAME)
    ruleset = enforced(tmp_path, feed("list", listing(order("order-1"), NAME)))
    told = asyncio.run(Office({0: rig}, ruleset=ruleset).service.show(NAME))
    assert (told.verdict, told.is_blocked, len(told.workers[0]["entries"])) == ("sinkhole", True, 1)


def test_every_worker_is_flushed_and_says_what_it_removed(
    rig: Rig, tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    (tmp_path / "other").mkdir()
    other = Rig(tmp_path / "other", upstream.upstream, attempts=1)
    rig.answer(NAME)
    removed = len(rig.resolver.inspector._caches)
    flushed = asyncio.run(Office({0: rig, 1: other}).service.flush("name", NAME))
    assert flushed.to_json() == {
        "name": NAME,
        "below": False,
        "workers": [{"worker": 0, "entries": removed, "failures": 0}, {"worker": 1, "entries": 0, "failures": 0}],
        "silent": [],
    }
    rig.answer(NAME)
    assert asyncio.run(Office({0: rig}).service.flush("below", "example")).workers[0]["entries"] == removed
    rig.answer(NAME)
    every = asyncio.run(Office({0: rig}).service.flush("all", "")).to_json()
    assert (every["name"], every["below"]) == (None, False)
    assert len(rig.cache) == 0


def test_a_worker_that_does_not_answer_is_named_and_one_that_died_is_not(rig: Rig) -> None:
    async def story() -> None:
        office = Office({0: rig}, silent=(1, 2))
        showing = asyncio.create_task(office.service.show(NAME))
        await office.time.advance(1)
        assert not showing.done()
        office.workers.heard({"died": True, "worker": 2})
        await office.time.advance(SECONDS)
        told = await showing
        assert ([worker["worker"] for worker in told.workers], told.silent) == ([0], (1,))
        office.service.heard({"cache": {"id": 1, "entries": [], "failures": [], "more": 0}, "worker": 1, "pid": 11})
        office.workers.heard({"died": True, "worker": 1})
        assert [worker["worker"] for worker in (await office.service.show(NAME)).workers] == [0], "it came too late"

    asyncio.run(story())


@pytest.mark.parametrize("answer", [{}, {"entries": "many", "failures": 0}, {"entries": [], "failures": [], "more": 0}])
def test_a_worker_that_answers_something_else_takes_no_answer_from_the_operator(rig: Rig, answer: Message) -> None:
    async def story() -> None:
        office = Office({0: rig}, silent=(1,))
        office.workers.heard({"died": True, "worker": 2})
        flushing = asyncio.create_task(office.service.flush("name", NAME))
        await office.time.advance(1)
        with pytest.raises(ValueError, match="expected the members"):
            office.service.heard({"cache": {"id": 1, **answer}, "worker": 1, "pid": 11})
        await office.time.advance(SECONDS)
        told = await flushing
        assert ([worker["worker"] for worker in told.workers], told.silent) == ([0], (1,))

    asyncio.run(story())


@pytest.mark.parametrize("text", ["192.0.2.1", "192.0.2.0/24", "a..example", "", "x" * 300])
def test_what_is_not_a_name_is_refused(rig: Rig, text: str) -> None:
    for asked in (lambda: Office({0: rig}).service.show(text), lambda: Office({0: rig}).service.flush("name", text)):
        with pytest.raises(CommandError):
            asyncio.run(asked())


def test_an_answer_has_room_in_one_message_whatever_is_cached(upstream: UpstreamSimulator, tmp_path: Path) -> None:
    escaped = "\\001" * 200
    rig = Rig(tmp_path, upstream.upstream, attempts=1, cache_size=1 << 24)
    for kind in ("TXT", "SPF"):
        upstream.plan(NAME, kind, *(f'{NAME}. 300 IN {kind} "{number}" "{escaped}"' for number in range(60)))
        for dnssec in (False, True):
            rig.answer(NAME, kind, Transport.TCP, want_dnssec=dnssec)
    (worker,) = asyncio.run(Office({0: rig}).service.show(NAME)).workers
    assert worker["entries"]
    assert worker["more"]
    assert len(worker["entries"]) + worker["more"] == 4
    first = worker["entries"][0]
    assert (len(first["records"]), first["more_records"]) == (MAX_RECORDS, 60 - MAX_RECORDS)
    assert max(map(len, first["records"])) == MAX_TEXT


@pytest.mark.parametrize(
    "records", [b"", b"\xc0", b"\xc0\x0c\0\1\0\1\0\0", b"\xc0\x0c\0\1\0\1\0\0\0\0\0\5abc", b"\xff" * 40]
)
def test_records_that_nobody_can_read_do_no_harm(records: bytes) -> None:
    texts, _ = record_texts(b"\3www\7example\0\0\1\0\1", (1, 0, 0), records)
    assert texts == [UNREADABLE]
