"""Lookups of a daemon in process: where a name leads, what is unknown, and what is not told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from blockd.daemon.lookup.asking import NoAnswer, WorkerAsker
from blockd.daemon.lookup.following import INTERVAL, MAX_VISITORS, Visitors
from blockd.daemon.lookup.online import Lookups, World
from blockd.daemon.lookup.result import LookupResult
from blockd.daemon.lookup.way import MAX_STEPS
from blockd.daemon.report.held_back import HeldBack
from blockd.dns import types
from blockd.errors import BadName, CommandError
from blockd.names import DomainName, hashed_key, key_from_text, name_digest
from blockd.orders import Action, Reason, Scope
from blockd.resolver import SelfTestKey
from blockd.ruleset import Enforced, Listing, Versions
from blockd.ruleset.lookup_query import LookupQuery
from blockd.settings import Settings, SocketAddress
from tests.daemon.harness import free_port
from tests.ruleset.lists import NOW, enforced, feed, listing, order

FREE = "free.example"


class Worker:
    """A worker that answers with records that a test writes; a type without any has an empty answer."""

    def __init__(self, **records: list[str]) -> None:
        self.records = records
        self.rcode = 0
        self.silent: set[int] = set()
        self.asked: list[tuple[int, bool]] = []
        self.during: Callable[[], None] = lambda: None

    async def ask(self, key: bytes, qtypes: Collection[int], *, unjudged: bool) -> dict[int, bytes]:
        """Answer all types but the silent ones."""
        self.asked += [(qtype, unjudged) for qtype in qtypes]
        self.during()
        return {qtype: self._answer(key, qtype) for qtype in qtypes if qtype not in self.silent}

    def _answer(self, key: bytes, qtype: int) -> bytes:
        query = dns.message.make_query(
            dns.name.from_wire(DomainName(key).wire, 0)[0], dns.rdatatype.RdataType.make(qtype)
        )
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.Rcode(self.rcode))
        if self.rcode:
            made.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode(22), "no upstream\x1b answers")])
        for text in self.records.get(dns.rdatatype.to_text(dns.rdatatype.RdataType.make(qtype)), ()):
            owner, kind, data = text.split(maxsplit=2)
            made.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, data))
        return made.to_wire()


def settings_of(folder: Path, **more: object) -> Settings:
    return Settings.model_validate({"state_dir": str(folder / "state"), "feeds": [], **more})


def look(
    tmp_path: Path, subject: Enforced | None, worker: Worker, name: str = FREE, *, resolve: bool = True, **more: Any
) -> LookupResult:
    lookups = Lookups(
        World(settings_of(tmp_path), lambda: subject, worker, lambda: NOW, HeldBack(Versions(tmp_path / "none")))
    )
    return asyncio.run(lookups.look_up(LookupQuery(name, resolve=resolve, **more)))


def test_each_record_on_the_way_is_told_and_which_one_an_entry_stops(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "listed.example", "192.0.2.0/24")))
    worker = Worker(
        A=[f"{FREE} CNAME a.example.", "a.example CNAME www.listed.example.", "www.listed.example A 198.51.100.1"],
        AAAA=[f"{FREE} AAAA 2001:db8::1"],
        HTTPS=[f"{FREE} HTTPS 1 . ipv4hint=192.0.2.9"],
    )
    result = look(tmp_path, subject, worker)
    assert result.is_blocked
    assert result.aliases is not None
    assert [(way.outcome, [step.to for step in way.steps if step.decides]) for way in result.aliases.ways] == [
        ("sinkhole", ["www.listed.example"]),
        ("resolved", []),
        ("sinkhole", ["192.0.2.9"]),
    ]
    told = result.to_json()
    assert (told["verdict"], told["entry"], told["blocked"]) == ("sinkhole", "listed.example", True)


def test_an_allow_entry_lets_a_name_lead_where_it_will(tmp_path: Path) -> None:
    subject = enforced(
        tmp_path,
        feed("f", listing(order("o"), "listed.example"), listing(order("a", Action.ALLOW), FREE)),
    )
    result = look(tmp_path, subject, Worker(A=[f"{FREE} CNAME listed.example."]))
    assert not result.is_blocked
    assert result.aliases is not None
    assert result.aliases.ways[0].steps[0].verdict == "sinkhole"
    assert "does not matter where it leads" in result.aliases.ways[0].why


def test_a_listed_name_is_not_asked_for_upstream(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), FREE), listing(order("d", Action.DROP), "drop.example")))
    worker = Worker()
    assert look(tmp_path, subject, worker).is_blocked
    assert {unjudged for _, unjudged in worker.asked} == {False}
    silent = Worker()
    result = look(tmp_path, subject, silent, "drop.example")
    assert (result.is_blocked, silent.asked) == (True, []), "no answer is waited for that never comes"


@pytest.mark.parametrize("silent", [True, False])
def test_what_upstreams_do_not_answer_is_said_to_be_unknown(tmp_path: Path, silent: bool) -> None:
    worker = Worker()
    worker.silent = {types.AAAA} if silent else set()
    worker.rcode = 0 if silent else 2
    result = look(tmp_path, enforced(tmp_path, feed("f", listing(order("o"), "listed.example"))), worker)
    assert result.aliases is not None
    assert not result.aliases.followed
    expected = (
        "AAAA it is not known where the name leads: no upstream has" if silent else "EDE 22: no upstream\\x1b answers"
    )
    assert expected in result.aliases.why
    assert [way.outcome for way in result.aliases.ways] == (
        ["resolved", "unknown", "resolved"] if silent else ["unknown"] * 3
    )


def test_what_a_confidential_order_covers_is_not_told(tmp_path: Path) -> None:
    hidden = replace(order("h"), salt=bytes(16), platform="x")
    digest = hashed_key(name_digest(DomainName.from_text("hidden.example").key, hidden.salt))
    subject = enforced(tmp_path, feed("f", Listing(hidden, Scope.BOTH, [digest])))
    worker = Worker(A=[f"{FREE} CNAME www.hidden.example.", "www.hidden.example A 192.0.2.1"])
    told = str(look(tmp_path, subject, worker).to_json())
    assert "sinkhole" in told
    assert "confidential order h" in told
    assert "hidden.example" not in told


def test_a_long_answer_is_cut_and_what_decides_stays(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "192.0.2.200/32")))
    worker = Worker(A=[f"{FREE} A 192.0.2.{last}" for last in range(1, 201)])
    result = look(tmp_path, subject, worker)
    assert result.aliases is not None
    way = result.aliases.ways[0]
    assert (len(way.steps), way.more) == (MAX_STEPS, 200 - MAX_STEPS)
    assert [step.to for step in way.steps if step.decides] == ["192.0.2.200"]


def test_a_ruleset_that_is_replaced_meanwhile_is_asked_anew(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old = enforced(tmp_path / "a", feed("f", listing(order("o"), "listed.example")))
    new = enforced(tmp_path / "b", feed("f", listing(order("n"), "other.example")))
    current = [old]
    worker = Worker(A=[f"{FREE} CNAME other.example."])

    def swap() -> None:
        if current[0] is old:
            current[0] = new
            old.close()

    worker.during = swap
    lookups = Lookups(
        World(settings_of(tmp_path), lambda: current[0], worker, lambda: NOW, HeldBack(Versions(tmp_path / "none")))
    )
    result = asyncio.run(lookups.look_up(LookupQuery(FREE, resolve=True)))
    assert result.to_json()["verdict"] == "sinkhole"


def test_an_address_has_no_aliases(tmp_path: Path) -> None:
    worker = Worker()
    result = look(tmp_path, enforced(tmp_path, feed("f", listing(order("o"), "192.0.2.0/24"))), worker, "192.0.2.1")
    told = result.to_json()
    assert (told["kind"], told["verdict"], told["why"]) == (
        "address",
        "sinkhole",
        "an order in force covers the address",
    )
    assert (result.aliases is not None and result.aliases.why, worker.asked) == (
        "an address and a network have no aliases", [],
    )  # fmt: skip


def test_before_a_first_list_a_resolver_that_refuses_is_not_said_to_resolve(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, at_first_start="refuse")
    lookups = Lookups(World(settings, lambda: None, Worker(), lambda: NOW, HeldBack(Versions(tmp_path))))
    told = asyncio.run(lookups.look_up(LookupQuery(FREE))).to_json()
    assert (told["verdict"], told["why"]) == ("servfail", "no list was enforced yet")
    assert not told["blocked"]


def test_wrong_names_and_lookups_of_another_node_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadName):
        look(tmp_path, None, Worker(), "a..b")
    with pytest.raises(BadName):
        look(tmp_path, None, Worker(), "a..b", at=1.0)
    with pytest.raises(CommandError, match="another state folder"):
        look(tmp_path, None, Worker(), state_dir="/elsewhere")


def test_where_no_worker_listens_there_is_no_answer() -> None:
    asker = WorkerAsker([SocketAddress("127.0.0.1", free_port())], SelfTestKey.make(secrets.token_bytes), 5.0)
    with pytest.raises(NoAnswer, match="no worker takes questions"):
        asyncio.run(asker.ask(DomainName.from_text(FREE).key, [types.A], unjudged=False))


def test_a_worker_that_is_silent_or_hangs_up_is_not_waited_for() -> None:
    async def check() -> None:
        ended = asyncio.Event()

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not ended.is_set():
                await ended.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        key = DomainName.from_text(FREE).key
        asker = WorkerAsker([SocketAddress("127.0.0.1", port)], SelfTestKey.make(secrets.token_bytes), 0.05)
        assert await asker.ask(key, [types.A], unjudged=True) == {}
        ended.set()
        patient = WorkerAsker([SocketAddress("127.0.0.1", port)], SelfTestKey.make(secrets.token_bytes), 20.0)
        with pytest.raises(NoAnswer, match="ended the connection"):
            await patient.ask(key, [types.A], unjudged=True)
        server.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("records", "rcode", "reason"),
    [
        ([f"{FREE} CNAME listed.example."], 0, Reason.LISTED),
        ([f"{FREE} A 192.0.2.9"], 0, Reason.LISTED),
        ([f"{FREE} A 198.51.100.9"], 0, Reason.NOT_LISTED),
        ([], 2, None),
    ],
)
def test_a_visitor_of_the_block_page_is_told_what_stops_the_name(
    tmp_path: Path, records: list[str], rcode: int, reason: Reason | None
) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "listed.example", "192.0.2.0/24")))
    worker = Worker(A=records)
    worker.rcode = rcode
    found = asyncio.run(Visitors(lambda: subject, worker).where_it_leads(key_from_text(FREE)))
    assert (found.reason if found else None) is reason
    assert all(unjudged for _, unjudged in worker.asked)


def test_workers_are_asked_for_some_visitors_a_second_only(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "listed.example")))
    now = [5.0]

    async def check() -> int:
        visitors = Visitors(lambda: subject, Worker(), lambda: now[0])
        known = 0
        for _ in range(1000):
            now[0] += 0.001
            known += await visitors.where_it_leads(key_from_text(FREE)) is not None
        return known

    assert 1.0 / INTERVAL <= asyncio.run(check()) <= 1.0 / INTERVAL + MAX_VISITORS + 2


def test_visitors_of_the_block_page_do_not_wait_for_each_other(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "listed.example")))

    full = asyncio.Event()

    class Stuck(Worker):
        async def ask(self, key: bytes, qtypes: Collection[int], *, unjudged: bool) -> dict[int, bytes]:
            self.asked.append((0, unjudged))
            if len(self.asked) == MAX_VISITORS:
                full.set()
            await asyncio.Event().wait()
            raise AssertionError("it is never told")

    async def check() -> None:
        worker = Stuck()
        visitors = Visitors(lambda: subject, worker, iter(range(100)).__next__)
        tasks = [asyncio.create_task(visitors.where_it_leads(key_from_text(FREE))) for _ in range(MAX_VISITORS)]
        await full.wait()
        assert await visitors.where_it_leads(key_from_text(FREE)) is None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(check())
