"""How upstreams are asked: EDNS and without, the case of names, cookies, ports, and probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.settings import Upstream
from tests.resolver.forwarding.scene import SHORT, Scene, play, until
from tests.upstream import Fault, UpstreamSimulator

NAME = "www.example"
ADDRESS = "300 198.51.100.1"
LONG_NAME = "a-name-of-many-letters.www.example"  # at least one will be in upper case


@pytest.fixture
def upstream(upstream: UpstreamSimulator) -> UpstreamSimulator:
    upstream.plan(NAME, "A", f"{NAME}. 300 IN A 198.51.100.1")
    upstream.plan(LONG_NAME, "A", f"{LONG_NAME}. 300 IN A 198.51.100.1")
    return upstream


@pytest.mark.parametrize("fault", [Fault.FORMERR_ON_EDNS, Fault.NOTIMP_ON_EDNS, Fault.BADVERS_ON_EDNS])
def test_an_upstream_without_edns_is_asked_without(tmp_path: Path, upstream: UpstreamSimulator, fault: Fault) -> None:
    upstream.faults = {fault}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).records == [ADDRESS]
        asked = len(upstream.seen)
        assert asked <= 2
        for number in range(5):
            assert (await scene.ask(f"{number}.example")).rcode == "NXDOMAIN"
        assert len(upstream.seen) == asked + 5, "it is known now"
        assert upstream.seen[-1].message.edns == -1

    play(tmp_path, [upstream.upstream], test)


def test_the_case_of_names_is_drawn(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    async def test(scene: Scene) -> None:
        for number in range(5):
            answer = await scene.ask(f"{number}.{LONG_NAME}")
            assert answer.message.question[0].name.to_text() == f"{number}.{LONG_NAME}."
        asked = [seen.asked for seen in upstream.seen]
        assert all(name != name.lower() for name in asked)
        assert len({name[2:] for name in asked}) > 1

    play(tmp_path, [upstream.upstream], test, mixed_case=True)


def test_an_answer_in_another_case_is_asked_for_again_over_tcp(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.OTHER_CASE_OVER_UDP}

    async def test(scene: Scene) -> None:
        for _ in range(2):
            assert (await scene.ask(LONG_NAME)).records == [ADDRESS]
        assert [seen.transport for seen in upstream.seen] == ["udp", "tcp"]

    play(tmp_path, [upstream.upstream], test, mixed_case=True)


@pytest.mark.parametrize("over_tcp", [{Fault.OTHER_CASE}, {Fault.HANG_UP}])
def test_an_upstream_that_does_not_keep_the_case_is_asked_in_lower_case(
    tmp_path: Path, upstream: UpstreamSimulator, over_tcp: set[Fault]
) -> None:
    upstream.faults = {Fault.OTHER_CASE_OVER_UDP, *over_tcp}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(LONG_NAME)).records == [ADDRESS]
        asked = len(upstream.seen)
        assert (await scene.ask(f"next.{LONG_NAME}")).rcode == "NXDOMAIN"
        assert [seen.transport for seen in upstream.seen[asked:]] == ["udp"]
        assert upstream.seen[-1].asked == f"next.{LONG_NAME}"

    play(tmp_path, [upstream.upstream], test, mixed_case=True)


def test_cookies_are_exchanged(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.COOKIES}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).records == [ADDRESS]
        assert (await scene.ask(LONG_NAME)).records == [ADDRESS]
        first, second = (seen.cookie for seen in upstream.seen)
        assert second == first[:8] + upstream.cookie

    play(tmp_path, [upstream.upstream], test, cookies=True)


def test_upstreams_get_different_client_cookies(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    with UpstreamSimulator() as other:
        other.faults = {Fault.SERVFAIL}
        upstream.faults = {Fault.SERVFAIL}

        async def test(scene: Scene) -> None:
            await scene.ask(NAME)
            (mine,), (theirs,) = upstream.seen, other.seen
            assert len(mine.cookie) == len(theirs.cookie) == 8
            assert mine.cookie != theirs.cookie

        play(tmp_path, [upstream.upstream, other.upstream], test, cookies=True)


def test_the_cookie_of_another_is_a_stray(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.COOKIES, Fault.COOKIE_OF_ANOTHER}

    async def test(scene: Scene) -> None:
        answer = await scene.ask(NAME)
        assert answer.rcode == "SERVFAIL"
        assert answer.error is not None
        assert answer.error[0] == 22

    play(tmp_path, [upstream.upstream], test, cookies=True, timeout=SHORT)


def test_an_answer_that_lacks_the_usual_cookie_is_asked_for_again_over_tcp(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.COOKIES}

    async def test(scene: Scene) -> None:
        await scene.ask("first.example")
        upstream.faults = set()
        assert (await scene.ask(NAME)).records == [ADDRESS]
        assert (await scene.ask("last.example")).rcode == "NXDOMAIN"
        assert [seen.transport for seen in upstream.seen] == ["udp", "udp", "tcp", "udp"]

    play(tmp_path, [upstream.upstream], test, cookies=True)


def test_an_upstream_that_insists_on_its_cookie_gets_it(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    upstream.faults = {Fault.COOKIES_REQUIRED}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).records == [ADDRESS]
        upstream.cookie = b"another one"
        assert (await scene.ask(LONG_NAME)).records == [ADDRESS]
        assert {seen.transport for seen in upstream.seen} == {"udp"}
        assert upstream.seen[-1].cookie[8:] == b"another one"
        assert len(upstream.seen) <= 4

    play(tmp_path, [upstream.upstream], test, cookies=True)


def test_without_cookies_none_is_sent(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    async def test(scene: Scene) -> None:
        await scene.ask(NAME)
        assert [seen.cookie for seen in upstream.seen] == [b""]

    play(tmp_path, [upstream.upstream], test, cookies=False)


def test_questions_leave_from_many_ports_and_never_from_one_to_avoid(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    async def test(scene: Scene) -> None:
        await scene.ask_all([f"{number}.example" for number in range(100)])
        ports = {seen.port for seen in (*upstream.seen, *upstream.probes)}
        assert len(ports) > 40
        assert min(ports) >= 55_000

    play(tmp_path, [upstream.upstream], test, avoid_ports=(range(1024, 50_000), range(50_000, 55_000)))


def test_upstreams_are_probed_without_a_client(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    async def test(_: Scene) -> None:
        await until(lambda: len(upstream.probes) >= 1)
        assert upstream.seen == []
        assert upstream.probes[0].type == "SOA"
        assert upstream.probes[0].asked != upstream.probes[0].name, "it tells whether case is kept"

    play(tmp_path, [upstream.upstream], test, mixed_case=True)


PATIENT = 1.6  # seconds that a client waits: longer than until a datagram that may be lost is sent again


@pytest.mark.parametrize("over_tcp", [True, False])
def test_what_tcp_carries_is_not_sent_again(tmp_path: Path, upstream: UpstreamSimulator, over_tcp: bool) -> None:
    upstream.faults = {Fault.SILENCE_OVER_TCP} if over_tcp else {Fault.TRUNCATED, Fault.SILENCE_OVER_TCP}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(NAME)).rcode == "SERVFAIL"
        assert [seen.transport for seen in upstream.seen] == (["tcp"] if over_tcp else ["udp", "tcp"])

    play(tmp_path, [Upstream("127.0.0.1", upstream.port, over_tcp=over_tcp)], test, timeout=PATIENT)


def test_a_question_in_another_case_is_asked_without_if_tcp_is_silent(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    upstream.faults = {Fault.OTHER_CASE_OVER_UDP, Fault.SILENCE_OVER_TCP}

    async def test(scene: Scene) -> None:
        assert (await scene.ask(LONG_NAME)).records == [ADDRESS]
        assert [seen.asked == LONG_NAME for seen in upstream.seen] == [False, False, True]

    play(tmp_path, [upstream.upstream], test, mixed_case=True)
