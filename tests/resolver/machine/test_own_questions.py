"""Questions of blockd's own that come back to a client socket get SERVFAIL at once, and are counted."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import dns.edns
import dns.message
import pytest

from blockd.dns.types import OWN_OPTION
from blockd.metrics import Transport
from blockd.resolver.forwarding.upstream_groups import Group
from blockd.resolver.machine.loop_token import LoopToken
from blockd.resolver.machine.own_questions import OwnQuestions
from blockd.settings import Upstream
from tests.resolver.forwarding.scene import Scene, play, until
from tests.resolver.rig import Rig, question
from tests.upstream import Fault, UpstreamSimulator

TOKEN = LoopToken.make(os.urandom)
COOKIE = dns.edns.OptionType.COOKIE


def with_cookie(name: str, cookie: bytes, *before: dns.edns.Option, code: int = COOKIE) -> bytes:
    options = [*before, dns.edns.GenericOption(dns.edns.OptionType.make(code), cookie)]
    return question(name, "A", use_edns=0, options=options).to_wire()


def test_a_client_cookie_is_of_one_upstream_and_one_daemon() -> None:
    first, second = Upstream("192.0.2.1", 53), Upstream("192.0.2.2", 53)
    assert TOKEN.cookie_for(first) == TOKEN.cookie_for(first)
    assert TOKEN.cookie_for(first) != TOKEN.cookie_for(second)
    assert LoopToken.make(os.urandom).cookie_for(first) != TOKEN.cookie_for(first)
    own = OwnQuestions(TOKEN, [first])
    assert own.takes(TOKEN.cookie_for(first))
    assert not own.takes(TOKEN.cookie_for(second))
    own.use([second])
    assert own.takes(TOKEN.cookie_for(second))
    assert own.counts == {first.text: 1, second.text: 1}


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize(
    ("code", "server"),
    [(COOKIE, b""), (COOKIE, bytes(8)), (COOKIE, bytes(32)), (OWN_OPTION, b"")],
    ids=["cookie", "shortest", "longest", "mark"],
)
def test_a_question_that_comes_back_is_answered_at_once(
    tmp_path: Path, transport: Transport, code: int, server: bytes
) -> None:
    with UpstreamSimulator() as upstream:
        own = OwnQuestions(TOKEN, [upstream.upstream])
        rig = Rig(tmp_path, upstream.upstream, own=own)
        cookie = TOKEN.cookie_for(upstream.upstream)
        answer = rig.resolver.begin(with_cookie("a.example", cookie + server, code=code), "127.0.0.1", transport)
        assert isinstance(answer, bytes)
        told = dns.message.from_wire(answer)
        assert told.rcode() == dns.rcode.SERVFAIL
        assert [option.to_text() for option in told.options] == [
            "EDE 23 (Network Error): questions loop: an upstream leads back to blockd"
        ]
        assert own.counts == {upstream.upstream.text: 1}
        assert not upstream.seen


@pytest.mark.parametrize(
    "packet",
    [
        with_cookie("a.example", os.urandom(8)),
        with_cookie("a.example", b"short", code=OWN_OPTION),
        with_cookie("a.example", b"", code=OWN_OPTION),
        with_cookie("a.example", os.urandom(8), code=OWN_OPTION),
        with_cookie("a.example", TOKEN.cookie_for(Upstream("192.0.2.7", 53)), code=OWN_OPTION - 1),
        with_cookie("a.example", os.urandom(40), dns.edns.GenericOption(dns.edns.OptionType.PADDING, b"x")),
        question("a.example", "A").to_wire(),
    ],
    ids=["another", "short", "empty", "another mark", "another option", "long", "none"],
)
def test_questions_of_others_are_answered_as_ever(tmp_path: Path, packet: bytes) -> None:
    with UpstreamSimulator() as upstream:
        own = OwnQuestions(TOKEN, [upstream.upstream])
        rig = Rig(tmp_path, upstream.upstream, own=own)
        assert not isinstance(rig.resolver.begin(packet, "127.0.0.1", Transport.UDP), bytes), "an upstream is asked"
        assert own.counts == {}


def test_what_upstreams_are_shown_is_what_is_known(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    own = OwnQuestions(TOKEN, [upstream.upstream])
    upstream.plan("a.example", "A", "a.example. 300 IN A 192.0.2.1")
    upstream.faults.add(Fault.COOKIES)

    async def test(scene: Scene) -> None:
        await scene.ask("a.example")
        await until(lambda: bool(upstream.seen))
        (cookie,) = [option for option in upstream.seen[0].message.options if option.otype == COOKIE]
        assert cookie.to_wire()[:8] == TOKEN.cookie_for(upstream.upstream)

    play(tmp_path, [upstream.upstream], test, own=own, cookies=True, cookie_for=TOKEN.cookie_for)


@pytest.mark.parametrize(("transport", "cookies"), [("udp", False), ("tcp", False), ("tcp", True)])
def test_without_a_cookie_another_option_marks_them(
    tmp_path: Path, upstream: UpstreamSimulator, transport: str, cookies: bool
) -> None:
    asked = replace(upstream.upstream, over_tcp=transport == "tcp")
    upstream.plan("a.example", "A", "a.example. 300 IN A 192.0.2.1")

    async def test(scene: Scene) -> None:
        assert (await scene.ask("a.example")).rcode == "NOERROR"
        (mark,) = upstream.seen[0].message.options
        assert (mark.otype, mark.to_wire()) == (OWN_OPTION, TOKEN.cookie_for(asked))

    play(tmp_path, [asked], test, own=OwnQuestions(TOKEN, [asked]), cookies=cookies, cookie_for=TOKEN.cookie_for)


@pytest.mark.parametrize("cookies", [True, False])
def test_a_real_loop_ends_at_its_first_turn(tmp_path: Path, cookies: bool) -> None:
    """What blockd sends comes back to its own client socket, from an address that nobody knew of."""
    own = OwnQuestions(TOKEN, [])

    async def test(scene: Scene) -> None:
        host, port = scene.served
        here = Upstream(host, port)
        scene.rig.resolver.use([Group(b"", (here,))])
        answer = await scene.ask("a.example")
        assert answer.rcode == "SERVFAIL"
        assert "questions loop" in str(answer.message.options[0])
        assert 1 <= own.counts[here.text] <= 4, "a question and the probes of a start"
        assert scene.rig.resolver.looped == own.counts

    play(tmp_path, [], test, own=own, cookies=cookies, cookie_for=TOKEN.cookie_for)
