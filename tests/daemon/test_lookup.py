"""Lookups of a daemon in process: where a name leads, what is unknown, and what is not told."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
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

from blockd.cli.lookup.lines import lines
from blockd.daemon.lookup.asking import NoAnswer, WorkerAsker
from blockd.daemon.lookup.following import VISITORS, Visitors
from blockd.daemon.lookup.online import Lookups, World
from blockd.daemon.lookup.result import LookupResult
from blockd.daemon.lookup.way import MAX_STEPS
from blockd.daemon.report.held_back import HeldBack
from blockd.dns import types
from blockd.errors import BadName, CommandError
from blockd.names import DomainName, client_key, hashed_key, key_from_text, name_digest
from blockd.orders import Action, Reason, Scope, Verdict
from blockd.resolver import SelfTestKey
from blockd.ruleset import NOT_LISTED, Enforced, FeedInput, Listing, Versions
from blockd.ruleset.lookup_query import LookupQuery
from blockd.settings import Settings, SocketAddress
from tests.daemon.harness import free_port
from tests.ruleset.lists import NOW, enforced, feed, groups, listing, order

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
    for path in ("a\0b", "/proc/self/cwd", "x" * 5000):  # which nobody looks up in the file system
        with pytest.raises(CommandError, match="another state folder"):
            look(tmp_path, None, Worker(), state_dir=path)


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
    found = asyncio.run(Visitors(lambda: subject, worker).where_it_leads(key_from_text(FREE), b""))
    assert (found.reason if found else None) is reason
    assert all(unjudged for _, unjudged in worker.asked)


class Stuck(Worker):
    """One whose upstreams are silent; the names that end in `open.example` are told at once."""

    async def ask(self, key: bytes, qtypes: Collection[int], *, unjudged: bool) -> dict[int, bytes]:
        if DomainName(key).text.endswith("open.example"):
            return await super().ask(key, qtypes, unjudged=unjudged)
        self.asked.append((0, unjudged))
        await asyncio.Event().wait()
        raise AssertionError("it is never told")


def test_one_visitor_takes_where_it_leads_from_nobody_else(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "listed.example")))
    now = [5.0]

    async def check() -> None:
        worker = Stuck()
        visitors = Visitors(lambda: subject, worker, lambda: now[0])

        async def visit(name: str, host: str) -> Verdict | None:
            return await visitors.where_it_leads(key_from_text(name), ipaddress.ip_address(host).packed)

        greedy = [asyncio.create_task(visit(f"n{number}.silent.example", "127.0.0.1")) for number in range(100)]
        while len(worker.asked) < VISITORS.at_once:  # noqa: ASYNC110 - until all places are taken
            await asyncio.sleep(0)
        now[0] += 1.0
        for host in ("127.0.0.2", "127.0.1.1", "2001:db8::1"):
            assert await visit("www.open.example", host) is NOT_LISTED
        for task in greedy:
            task.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)

    asyncio.run(check())


GROUPS = groups(offices=["law"], probe=[])
OFFICE, PROBED = "127.0.1.9", "127.0.2.9"


def of_two_lists(folder: Path) -> Enforced:
    law = feed("law", listing(order("law"), "law.example", "192.0.2.0/24"), priority=10)
    adult = feed("adult", listing(order("adult", Action.NXDOMAIN), "adult.example", "both.example"), priority=20)
    also = feed("also", listing(order("also"), "both.example"), priority=30)
    return enforced(folder, law, adult, also, groups=GROUPS)


def told_of(result: LookupResult) -> tuple[object, ...]:
    told = result.to_json()
    return told["verdict"], told["blocked"], told.get("group"), told.get("groups")


def test_a_client_is_told_the_verdict_of_its_group_and_which_claims_do_not_apply(tmp_path: Path) -> None:
    subject = of_two_lists(tmp_path)
    worker = Worker(A=[f"{FREE} A 198.51.100.1"])
    offices = {"name": "offices", "feeds": ["law"]}
    result = look(tmp_path, subject, worker, "adult.example", client=OFFICE)
    assert told_of(result) == ("resolved", False, offices, None)
    told: Any = result.to_json()
    (claim,) = told["claims"]
    assert (claim["feed"], claim["decides"], claim["because"]) == ("adult", False, "feed adult does not apply to it")
    assert "\n".join(lines(result.to_json())).startswith(
        f"adult.example: resolved for the client {OFFICE} (no order covers the name)\n"
        "group:        offices, to which apply: law\n"
    )
    assert told_of(look(tmp_path, subject, worker, "law.example", client=OFFICE)) == ("sinkhole", True, offices, None)
    probe = look(tmp_path, subject, worker, "law.example", client=PROBED)
    assert told_of(probe) == ("resolved", False, {"name": "probe", "feeds": []}, None)
    assert "group:        probe, which is exempt: no feed applies to it" in list(lines(probe.to_json()))
    assert told_of(look(tmp_path, subject, worker, "adult.example", client="127.0.0.1")) == (
        "nxdomain",
        True,
        None,
        None,
    )
    subject.close()


def test_without_a_client_groups_that_differ_are_told(tmp_path: Path) -> None:
    subject = of_two_lists(tmp_path)
    worker = Worker()
    *_, others = told_of(look(tmp_path, subject, worker, "adult.example"))
    assert others == [
        {"group": "offices", "verdict": "resolved", "why": "feed adult does not apply to it, by the name alone"},
        {"group": "probe", "verdict": "resolved", "why": "no feed applies to group probe"},
    ]
    text = list(lines(look(tmp_path, subject, worker, "adult.example").to_json()))
    assert "group offices: resolved (feed adult does not apply to it, by the name alone)" in text
    *_, others = told_of(look(tmp_path, subject, worker, "law.example"))
    assert others == [{"group": "probe", "verdict": "resolved", "why": "no feed applies to group probe"}]
    assert told_of(look(tmp_path, subject, worker, "192.0.2.7"))[3] == others
    assert told_of(look(tmp_path, subject, worker, "innocent.example", resolve=False)) == (
        "resolved",
        False,
        None,
        None,
    )
    subject.close()


def test_where_a_name_leads_is_judged_for_each_group(tmp_path: Path) -> None:
    subject = of_two_lists(tmp_path)
    worker = Worker(A=[f"{FREE} CNAME adult.example.", "adult.example A 198.51.100.1"])
    verdict, blocked, _, others = told_of(look(tmp_path, subject, worker))
    assert (verdict, blocked) == ("nxdomain", True)
    assert others == [
        {"group": "offices", "verdict": "resolved", "why": "feed adult does not apply to it"},
        {"group": "probe", "verdict": "resolved", "why": "no feed applies to group probe"},
    ]
    assert told_of(look(tmp_path, subject, worker, client=OFFICE))[:2] == ("resolved", False)
    worker.asked.clear()
    result = look(tmp_path, subject, worker, client=OFFICE)
    assert all(unjudged for _, unjudged in worker.asked), "workers tell what clients in no group get"
    assert result.aliases is not None
    assert result.aliases.why == "workers were not asked what this client gets: they tell what clients in no group get"
    worker = Worker(A=[f"{FREE} A 192.0.2.7"])
    assert told_of(look(tmp_path, subject, worker, client=OFFICE))[:2] == ("sinkhole", True)
    subject.close()


def test_the_block_page_follows_a_name_by_the_visitors_group(tmp_path: Path) -> None:
    subject = of_two_lists(tmp_path)
    visitors = Visitors(lambda: subject, Worker(A=[f"{FREE} CNAME adult.example."]), itertools.count().__next__)

    def followed(host: str) -> Verdict | None:
        return asyncio.run(visitors.where_it_leads(key_from_text(FREE), ipaddress.ip_address(host).packed))

    stopped = followed("127.0.0.1")
    assert stopped is not None
    assert stopped.action is Action.NXDOMAIN
    assert [followed(host) for host in (OFFICE, PROBED)] == [NOT_LISTED, NOT_LISTED]
    subject.close()


def test_a_client_that_is_asked_about_is_told_with_its_group(tmp_path: Path) -> None:
    rule = order("stranger", Action.NXDOMAIN)
    zone = FeedInput(
        "zone", "rpz", 5, "", [rule], [Listing(rule, Scope.BOTH, [client_key(bytes((127, 0, 0, 0)), 8)])],
        asks_client=True,
    )  # fmt: skip
    subject = enforced(tmp_path, zone, feed("law", listing(order("law"), "a.example")), groups=GROUPS)
    for asked, verdict, name in (
        (OFFICE, "resolved", "offices"),
        ("127.0.0.1", "nxdomain", None),
        ("127.0.1.0/24", "resolved", "offices"),
        ("127.0.0.0/16", "nxdomain", None),
    ):
        told: Any = look(tmp_path, subject, Worker(), asked).to_json()
        as_client = told["as_client"]
        assert (as_client["verdict"], as_client.get("group", {}).get("name")) == (verdict, name), asked
        assert ("  in group offices, to which apply: law" in list(lines(told))) == (name is not None)
    subject.close()


def test_what_clients_get_that_read_structured_errors(tmp_path: Path) -> None:
    made = replace(order("o"), contact="objections@example.net")
    dropped = order("d", Action.DROP)
    subject = enforced(tmp_path, feed("f", listing(made, "listed.example"), listing(dropped, "drop.example")))
    more = {"structured_errors": {"answer": "nodata", "database": "sample"}, "operator": {"name": "Sample Net"}}
    encrypted = settings_of(tmp_path, listen={"dot": ["127.0.0.1:8853"]}, **more)

    def told(settings: Settings, name: str, worker: Worker, **query: Any) -> dict[str, object]:
        held = HeldBack(Versions(tmp_path / "none"))
        lookups = Lookups(World(settings, lambda: subject, worker, lambda: NOW, held))
        return asyncio.run(lookups.look_up(LookupQuery(name, resolve=True, **query))).to_json()

    text = {
        "c": ["mailto:objections@example.net"],
        "fdbs": [{"db": "sample", "id": "o"}],
        "l": "en",
        "j": "order o, Sample Authority",
        "o": "Sample Net",
    }
    error = {"action": "nodata", "code": 16, "text": text}
    assert told(encrypted, "listed.example", Worker())["structured_error"] == error
    leading = Worker(A=[f"{FREE} CNAME listed.example."])
    assert told(encrypted, FREE, leading)["structured_error"] == error, "of what the name leads to"
    assert '"fdbs"' in "\n".join(lines(told(encrypted, "listed.example", Worker())))
    assert "structured_error" not in told(encrypted, FREE, Worker())
    assert "structured_error" not in told(encrypted, "drop.example", Worker())
    assert "structured_error" not in told(settings_of(tmp_path, **more), "listed.example", Worker())
    assert "structured_error" in told(encrypted, "listed.example", Worker(), client="127.0.0.1")
    assert "structured_error" not in told(encrypted, "listed.example", Worker(), client="203.0.113.1"), "not served"
