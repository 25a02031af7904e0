"""Questions over streams that wait for upstreams: in the engine, if it is the native one, else in the pipeline."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.orders import Action
from blockd.resolver import engine_name, places
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.waiting import TOO_MANY
from blockd.transports import DotServer, TcpServer
from tests.resolver.rig import HASTY, Rig, order, question
from tests.transports.connections import LISTED, Client, Serving, framed, numbered, serving
from tests.transports.loops import Run, until
from tests.transports.same_questions import prepare, questions
from tests.transports.test_dot import over_tls, secured
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
RECORD = f"{NAME}. 300 IN A 198.51.100.1"

native = pytest.mark.skipif(engine_name() != "native", reason="the native engine does not run here")


def flights(rig: Rig) -> Any:
    return rig.resolver.engine.forwarding.flights  # type: ignore[union-attr]


def taken(rig: Rig) -> int:
    """Return how many places are taken."""
    return len(rig.resolver._waiting.places)


def reset(client: Client) -> None:
    """End a connection in both directions: a client that ends its own half alone still reads answers."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


def assert_nothing_is_kept(rig: Rig) -> None:
    assert taken(rig) == 0
    assert rig.resolver._waiting.places.keys == 0
    if engine_name() == "native":
        assert flights(rig).waiting == 0


@native
@pytest.mark.parametrize("kind", [TcpServer, DotServer])
def test_it_waits_in_the_engine_without_a_task(
    rig: Rig, upstream: UpstreamSimulator, run: Run, kind: type[TcpServer]
) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def main() -> None:
        async with over_tls(rig) if kind is DotServer else serving(rig) as served:
            client = await (secured(served) if kind is DotServer else served.connect())
            tasks = len(asyncio.all_tasks())
            with upstream.held():
                client.send(*numbered([NAME] * 5))
                await until(lambda: flights(rig).waiting == 5)
                assert len(asyncio.all_tasks()) == tasks
                assert taken(rig) == 5
            for _ in range(5):
                assert (await client.receive()).answer[0][0].to_text() == "198.51.100.1"
            await until(lambda: not taken(rig))
        assert_nothing_is_kept(rig)

    run(main())
    assert len(upstream.seen) == 1
    assert rig.counters.queries()[Transport.DOT if kind is DotServer else Transport.TCP] == 5
    assert rig.counters.answers()[dns.rcode.NOERROR] == 5
    assert rig.counters.cache_misses() == 5


@native
def test_of_a_connection_that_has_ended_nothing_waits(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def main() -> None:
        async with serving(rig) as served:
            leaving, staying = await served.connect(), await served.connect()
            with upstream.held():
                leaving.send(*numbered([NAME, "other.example", NAME, "free.example", NAME]))
                staying.send(question(NAME))
                await until(lambda: flights(rig).waiting == 6)
                reset(leaving)
                await until(lambda: flights(rig).waiting == 1)
                assert taken(rig) == 1
            assert (await staying.receive()).answer
            await until(lambda: not taken(rig))
        assert_nothing_is_kept(rig)

    run(main())
    assert rig.counters.queries()[Transport.TCP] == 6, "they are counted"
    assert sum(rig.counters.answers()) == 1, "but have no answer"
    assert rig.counters.cache_misses() == 6


def test_one_more_than_may_wait_takes_the_place_of_the_domain_that_has_most(
    rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MAX_WAITING", 3)

    async def main() -> None:
        async with serving(rig) as served:
            greedy, other = await served.connect(), await served.connect()
            with upstream.held():
                greedy.send(*numbered([f"{number}.slow.example" for number in range(3)]))
                await until(lambda: taken(rig) == 3)
                greedy.send(question("4.slow.example", use_edns=0))
                assert (await greedy.receive()).rcode() == dns.rcode.SERVFAIL
                other.send(question("www.quick.test"))
                lost = await greedy.receive()
                assert (lost.id, lost.rcode()) == (0, dns.rcode.SERVFAIL)
                assert taken(rig) == 3
            assert (await other.receive()).rcode() == dns.rcode.NXDOMAIN
            assert {(await greedy.receive()).id for _ in range(2)} == {1, 2}
            await until(lambda: not taken(rig))
        assert_nothing_is_kept(rig)

    run(main())
    assert rig.counters.queries()[Transport.TCP] == 5
    assert rig.counters.answers()[dns.rcode.SERVFAIL] == 2


def test_too_many_are_told_so(rig: Rig, upstream: UpstreamSimulator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_WAITING", 1)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question(NAME))
                await until(lambda: taken(rig) == 1)
                client.send(question(f"other.{NAME}", use_edns=0))
                refused = await client.receive()
                assert refused.rcode() == dns.rcode.SERVFAIL
                assert refused.options[0] == dns.edns.EDEOption(dns.edns.EDECode.NETWORK_ERROR, TOO_MANY)
            assert (await client.receive()).rcode() == dns.rcode.NXDOMAIN

    run(main())


def test_it_is_answered_by_what_is_enforced_then(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question(NAME))
                await until(lambda: len(upstream.seen) == 1)
                rig.enforce([(order(), [NAME])])
            assert (await client.receive()).answer[0][0].to_text() == "192.0.2.80"

    run(main())


def test_silence_that_is_enforced_meanwhile_ends_the_wait(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question(NAME))
                await until(lambda: len(upstream.seen) == 1)
                rig.enforce([(order(action=Action.DROP), [NAME])])
            await until(lambda: not taken(rig))
            client.send(question("other.example"))
            assert (await client.receive()).rcode() == dns.rcode.NXDOMAIN
        assert_nothing_is_kept(rig)

    run(main())


def test_what_leads_to_an_alias_that_is_ordered_is_answered_with_its_target(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    """The pipeline answers it, which asks for the target."""
    upstream.plan(NAME, "A", f"{NAME}. 300 IN CNAME {LISTED}.", f"{LISTED}. 300 IN A 203.0.113.9")
    upstream.plan("walled.example", "A", "walled.example. 300 IN A 198.51.100.9")
    rig.enforce([(order(action=Action.CNAME, cname="walled.example"), ["telegram.org"])])

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(*numbered([NAME, NAME]))
            for _ in range(2):
                assert (await client.receive()).answer[-1][0].to_text() == "198.51.100.9"
            await until(lambda: not taken(rig))
        assert_nothing_is_kept(rig)

    run(main())


def test_it_gets_what_has_expired_if_upstreams_take_long(tmp_path: Path, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan(NAME, "A", RECORD)
    rig = Rig(tmp_path, upstream.upstream, stale=86400, stale_after=0.05, is_tidy=False)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(question(NAME))
            assert (await client.receive()).answer[0].ttl == 300
            rig.clock.now += 1000
            with upstream.held():
                client.send(question(NAME, use_edns=0))
                stale = await client.receive()
                assert stale.answer[0].ttl == 30
                assert stale.options[0] == dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER)
        assert_nothing_is_kept(rig)

    run(main())


def test_a_failure_is_told_and_remembered(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    upstream.plan(NAME, "A", rcode="SERVFAIL")

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            for _ in range(2):
                client.send(question(NAME))
                assert (await client.receive()).rcode() == dns.rcode.SERVFAIL
        assert_nothing_is_kept(rig)

    run(main())
    assert len({seen.name for seen in upstream.seen}) == 1
    assert rig.counters.answers()[dns.rcode.SERVFAIL] == 2


def test_silent_upstreams_are_waited_for_no_longer_than_is_set(
    tmp_path: Path, upstream: UpstreamSimulator, run: Run
) -> None:
    upstream.faults = {Fault.SILENCE}
    rig = Rig(tmp_path, upstream.upstream, timeout=HASTY, is_tidy=False)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            client.send(*numbered([f"{number}.example" for number in range(20)]))
            assert {(await client.receive()).rcode() for _ in range(20)} == {dns.rcode.SERVFAIL}
        assert_nothing_is_kept(rig)

    run(main())


def test_who_waits_is_answered_when_forwarding_ends(rig: Rig, upstream: UpstreamSimulator, run: Run) -> None:
    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question(NAME))
                await until(lambda: len(upstream.seen) == 1)
                rig.resolver.close()
                assert (await client.receive()).rcode() == dns.rcode.SERVFAIL

    run(main())


def test_who_waits_is_answered_by_other_upstreams_if_these_are_set(
    rig: Rig, upstream: UpstreamSimulator, run: Run
) -> None:
    upstream.plan(NAME, "A", RECORD)

    async def main() -> None:
        async with serving(rig) as served:
            client = await served.connect()
            with upstream.held():
                client.send(question(NAME))
                await until(lambda: len(upstream.seen) == 1)
                rig.resolver.use([Group(b"", (upstream.upstream,))])
            assert (await client.receive()).answer

    run(main())


async def over_tcp(served: Serving, asked: list[bytes]) -> dict[int, bytes]:
    """Ask on one connection, some at a time; return the answers by their ID."""
    client = await served.connect()
    answers: dict[int, bytes] = {}
    for at in range(0, len(asked), 50):
        part = asked[at : at + 50]
        client.writer.write(b"".join(map(framed, part)))
        for _ in part:
            answer = await client.reader.readexactly(int.from_bytes(await client.reader.readexactly(2)))
            answers[int.from_bytes(answer[:2])] = answer
    return answers


@native
def test_the_engine_gives_the_pipelines_answers(tmp_path: Path, upstream: UpstreamSimulator, run: Run) -> None:
    said: list[dict[int, bytes]] = []
    counted: list[list[int]] = []
    for waits_in_engine in (True, False):
        folder = tmp_path / str(waits_in_engine)
        folder.mkdir()
        rig = Rig(folder, upstream.upstream, is_tidy=False, cache_size=0)
        prepare(rig, upstream)
        asked = questions(rig, 1000)
        before = rig.counters.queries()[Transport.TCP]

        async def main(rig: Rig = rig, asked: list[bytes] = asked, waits_in_engine: bool = waits_in_engine) -> None:
            async with serving(rig) as served:
                rig.resolver.engine.forwarding.is_started = waits_in_engine  # type: ignore[union-attr]
                said.append(await over_tcp(served, asked))

        run(main())
        counted.append([rig.counters.queries()[Transport.TCP] - before, rig.counters.cache_misses()])
    one, other = said
    assert len(one) == 1000
    assert {number: (one[number], other[number]) for number in one if one[number] != other[number]} == {}
    assert counted[0] == counted[1]
    assert counted[0][1] > 100, "upstreams were asked"
