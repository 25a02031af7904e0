"""The options that an answer has for its client: a server cookie, and how long a connection may be idle."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import Network
from blockd.orders import Action
from blockd.resolver import Outcome, QueryContext
from blockd.resolver.clients import packed_host
from blockd.resolver.edge.cookie_sizes import KNOWN, SECRET
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.settings.encrypted import MAX_SERVER_ID
from tests.resolver.rig import STRANGER, Rig, order, question
from tests.upstream import UpstreamSimulator

CLIENT_COOKIE = b"8octets!"
SUBSCRIBER = "192.0.2.200"
SERVED = (Network.from_text("127.0.0.0/8"), Network.from_text("192.0.2.0/24"), Network.from_text("2001:db8:1::/48"))
COOKIES = ServerCookies([bytes(range(SECRET))])
NOW = 1_800_000_000
NSID, COOKIE, SUBNET, KEEPALIVE, PADDING = 3, 10, 8, 11, 12
IDLE = 10.0


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator) -> Rig:
    return rig_with(tmp_path, upstream)


def rig_with(folder: Path, upstream: UpstreamSimulator, limits: RateLimits | None = None, **serving: Any) -> Rig:
    limiter = RateLimiter(limits, bytes(range(SEED))) if limits else None
    rig = Rig(
        folder, upstream.upstream, serving={"networks": SERVED, "limiter": limiter, "cookies": COOKIES, **serving}
    )
    rig.enforce([(order(contact="c" * 300), ["listed.example"]), (order("order-2", Action.REFUSED), ["no.example"])])
    rig.wall_clock.now = NOW
    return rig


def asking(name: str, *options: tuple[int, bytes], **edns: Any) -> dns.message.Message:
    """Return a question with EDNS options, each a code and its content."""
    generic = [dns.edns.GenericOption(dns.edns.OptionType(code), content) for code, content in options]
    return question(name, use_edns=0, options=generic, **edns)


def ask(
    rig: Rig,
    query: dns.message.Message,
    host: str = SUBSCRIBER,
    transport: Transport = Transport.UDP,
    idle: float = 0,
) -> dns.message.Message:
    async def resolved() -> bytes | None:
        begun = rig.resolver.begin(query.to_wire(), host, transport, idle)
        if isinstance(begun, QueryContext):
            return await rig.resolver.finish(begun)
        return begun if isinstance(begun, bytes) else None

    wire = asyncio.run(resolved())
    assert wire is not None
    return dns.message.from_wire(wire)


def content(message: dns.message.Message, code: int) -> bytes | None:
    """Return the content of an answer's option; None if it has none."""
    found = [option.to_wire() for option in message.options if option.otype == code]
    assert len(found) < 2
    return found[0] if found else None


def cookie_of(message: dns.message.Message) -> bytes:
    found = content(message, COOKIE)
    assert found is not None
    return found


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("host", [SUBSCRIBER, "127.0.0.1", "2001:db8:1::7"])
@pytest.mark.parametrize("name", ["listed.example", "no.example", "www.example", "absent.example"])
def test_client_cookie_is_answered_with_a_whole_one(rig: Rig, name: str, host: str, transport: Transport) -> None:
    for _ in range(2):  # the second answer is from the cache, if it may be
        answer = ask(rig, asking(name, (COOKIE, CLIENT_COOKIE)), host, transport)
        cookie = cookie_of(answer)
        packed = packed_host(host)
        assert (cookie[:8], len(cookie)) == (CLIENT_COOKIE, 24)
        assert COOKIES.judge(cookie, 24, packed, len(packed), NOW) >= KNOWN
        assert answer.rcode() != dns.rcode.BADCOOKIE


def test_cookie_is_kept_until_it_is_old_and_then_renewed(rig: Rig) -> None:
    first = cookie_of(ask(rig, asking("listed.example", (COOKIE, CLIENT_COOKIE))))
    rig.wall_clock.now += 1800
    assert cookie_of(ask(rig, asking("listed.example", (COOKIE, first)))) == first
    rig.wall_clock.now += 1
    second = cookie_of(ask(rig, asking("listed.example", (COOKIE, first))))
    assert second != first
    rig.wall_clock.now += 3600
    assert cookie_of(ask(rig, asking("listed.example", (COOKIE, first)))) not in (first, second)


@pytest.mark.parametrize("cookie", [CLIENT_COOKIE + bytes(8), CLIENT_COOKIE + bytes(16), CLIENT_COOKIE + bytes(32)])
def test_a_cookie_that_is_not_ours_is_answered_like_none(rig: Rig, cookie: bytes) -> None:
    answer = ask(rig, asking("www.example", (COOKIE, cookie)))
    assert (answer.rcode(), len(cookie_of(answer))) == (dns.rcode.NXDOMAIN, 24)


def test_nobody_gets_a_cookie_unasked_and_strangers_get_none(rig: Rig) -> None:
    assert ask(rig, asking("listed.example")).options[0].otype == types.EDE_OPTION
    assert content(ask(rig, asking("listed.example")), COOKIE) is None
    assert not ask(rig, asking("listed.example", (COOKIE, CLIENT_COOKIE)), STRANGER).options
    plain = ask(rig, question("listed.example"))
    assert plain.edns == -1


@pytest.mark.parametrize("cookie", [CLIENT_COOKIE, CLIENT_COOKIE + bytes(16)])
def test_a_message_without_a_question_is_answered_with_a_cookie(rig: Rig, cookie: bytes) -> None:
    query = asking("x", (COOKIE, cookie))
    query.question = []
    answer = ask(rig, query)
    assert (answer.rcode(), answer.question, len(cookie_of(answer))) == (dns.rcode.NOERROR, [], 24)
    assert rig.begin(query.to_wire(), host=STRANGER) is None


@pytest.mark.parametrize("options", [(), ((PADDING, b""),)])
def test_a_message_without_a_question_or_a_cookie_is_malformed(
    rig: Rig, options: tuple[tuple[int, bytes], ...]
) -> None:
    query = asking("x", *options)
    query.question = []
    assert ask(rig, query).rcode() == dns.rcode.FORMERR


@pytest.mark.parametrize("transport", list(Transport)[:4])
@pytest.mark.parametrize("name", ["listed.example", "no.example", "www.example", "absent.example"])
def test_who_asks_is_told_which_server_answers(
    tmp_path: Path, upstream: UpstreamSimulator, name: str, transport: Transport
) -> None:
    rig = rig_with(tmp_path, upstream, server_id=b"node-7")
    assert content(ask(rig, asking(name, (NSID, b"")), transport=transport), NSID) == b"node-7"
    assert content(ask(rig, asking(name, (NSID, b"ignored")), transport=transport), NSID) == b"node-7"
    assert content(ask(rig, asking(name), transport=transport), NSID) is None
    assert not ask(rig, asking(name, (NSID, b"")), STRANGER, transport).options


def test_a_server_without_an_id_tells_none(rig: Rig) -> None:
    assert content(ask(rig, asking("listed.example", (NSID, b""))), NSID) is None


def test_the_longest_name_is_answered_in_512_octets_with_all_options(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    rig = rig_with(tmp_path, upstream, server_id=b"n" * MAX_SERVER_ID)
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 46, "listed.example"])
    answer = ask(rig, asking(name, (COOKIE, CLIENT_COOKIE), (NSID, b""), payload=512))
    assert answer.wire is not None
    assert len(answer.wire) <= 512
    assert answer.answer
    assert not answer.flags & dns.flags.TC
    assert content(answer, NSID) == b"n" * MAX_SERVER_ID


def test_an_answer_that_is_limited_is_truncated_where_its_client_has_no_cookie(
    tmp_path: Path, upstream: UpstreamSimulator
) -> None:
    rig = rig_with(tmp_path, upstream, RateLimits(1, 1, 1, slip=1), server_id=b"node-7")
    answers = [ask(rig, asking("listed.example", (NSID, b""))) for _ in range(3)]
    assert [bool(answer.flags & dns.flags.TC) for answer in answers] == [False, True, True]
    assert {content(answer, NSID) for answer in answers} == {b"node-7"}


def test_known_clients_have_no_limit(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    rig = rig_with(tmp_path, upstream, RateLimits(2, 2, 2))
    for name in ("listed.example", "no.example"):
        known = cookie_of(ask(rig, asking(name, (COOKIE, CLIENT_COOKIE))))
        for _ in range(20):
            answer = ask(rig, asking(name, (COOKIE, known)))
            assert answer.rcode() == (dns.rcode.NOERROR if name[0] == "l" else dns.rcode.REFUSED)
            assert not answer.flags & dns.flags.TC
    assert sum(map(sum, rig.counters.limited())) == 0
    others = asking("listed.example", (COOKIE, known)).to_wire()
    said = [rig.begin(others, host="192.0.2.201") for _ in range(5)]
    assert None in said, "the cookie of another address does not count"


@pytest.mark.parametrize(("name", "rcode"), [("listed.example", "NOERROR"), ("no.example", "REFUSED")])
def test_a_limited_client_that_sends_a_cookie_gets_badcookie_in_turn(
    tmp_path: Path, upstream: UpstreamSimulator, name: str, rcode: str
) -> None:
    rig = rig_with(tmp_path, upstream, RateLimits(1, 1, 1))
    wire = asking(name, (COOKIE, CLIENT_COOKIE)).to_wire()
    said = [rig.begin(wire, host=SUBSCRIBER) for _ in range(5)]
    assert said[1] is said[3] is None
    told = [dns.message.from_wire(one) for one in said if one is not None]
    assert [dns.rcode.to_text(one.rcode()) for one in told] == [rcode, "BADCOOKIE", "BADCOOKIE"]
    assert len(said[2] or b"") == len(wire) + 16, "the server's part of the cookie is all that is added"
    again = ask(rig, asking(name, (COOKIE, cookie_of(told[1]))))
    assert dns.rcode.to_text(again.rcode()) == rcode
    place = 0 if rcode == "NOERROR" else 1
    assert rig.counters.limited()[place] == [2, 0, 2]
    assert rig.counters.answers()[types.BADCOOKIE] == 2


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.DOT])
@pytest.mark.parametrize(("idle", "said"), [(10.0, 100), (0.25, 2), (0.05, 0), (1e9, 65_535)])
def test_client_that_asks_learns_how_long_its_connection_may_be_idle(
    rig: Rig, transport: Transport, idle: float, said: int
) -> None:
    for name in ("listed.example", "www.example"):
        answer = ask(rig, asking(name, (KEEPALIVE, b"")), transport=transport, idle=idle)
        assert content(answer, KEEPALIVE) == (said.to_bytes(2) if said else None)


def test_keepalive_is_for_connections_and_on_request(rig: Rig) -> None:
    assert content(ask(rig, asking("listed.example", (KEEPALIVE, b""))), KEEPALIVE) is None
    assert content(ask(rig, asking("listed.example"), transport=Transport.TCP, idle=IDLE), KEEPALIVE) is None
    with_time = asking("listed.example", (KEEPALIVE, b"\0\1"))
    assert content(ask(rig, with_time, transport=Transport.TCP, idle=IDLE), KEEPALIVE) is None


def test_cookie_and_keepalive_go_together(rig: Rig) -> None:
    query = asking("listed.example", (KEEPALIVE, b""), (COOKIE, CLIENT_COOKIE))
    answer = ask(rig, query, transport=Transport.TCP, idle=IDLE)
    assert [int(option.otype) for option in answer.options] == [types.EDE_OPTION, COOKIE, KEEPALIVE]


@pytest.mark.parametrize("payload", range(512, 860, 3))
def test_options_push_no_answer_over_its_limit(rig: Rig, payload: int) -> None:
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 40, "listed.example"])
    answer = ask(rig, asking(name, (COOKIE, CLIENT_COOKIE), payload=payload))
    assert answer.wire is not None
    assert len(answer.wire) <= payload
    assert len(cookie_of(answer)) == 24
    assert answer.answer, "the record goes last"
    ede = content(answer, types.EDE_OPTION)
    assert ede is not None
    whole = 12 + len(name) + 2 + 4 + 16 + 11 + 28
    text = len(ede) - 2
    assert (text == 0) == (payload < whole + 4 + 2 + len(content(full(rig, name), types.EDE_OPTION) or b"") - 2)


def full(rig: Rig, name: str) -> dns.message.Message:
    return ask(rig, asking(name, payload=4096))


@pytest.mark.parametrize("over", [0, 1])
def test_records_that_fit_without_the_cookie_alone_are_left_for_tcp(
    rig: Rig, upstream: UpstreamSimulator, over: int
) -> None:
    name = f"{over}.example"
    room = 512 - 12 - len(name) - 2 - 4 - 11 - 28 - 12 - 2  # octets of text, in two pieces
    text = "x" * (room + over)
    upstream.plan(name, "TXT", f"{name}. 300 IN TXT {text[:255]} {text[255:]}")
    query = asking(name, (COOKIE, CLIENT_COOKIE), payload=512)
    query.question = question(name, "TXT").question
    for _ in range(2):
        answer = ask(rig, query)
        assert answer.wire is not None
        assert (len(answer.wire) == 512, bool(answer.flags & dns.flags.TC)) == (not over, bool(over))
        assert len(cookie_of(answer)) == 24


def test_silence_stays_silence(rig: Rig) -> None:
    rig.enforce([(order(action=Action.DROP), ["listed.example"])])
    wire = asking("listed.example", (COOKIE, CLIENT_COOKIE)).to_wire()
    assert rig.resolver.begin(wire, SUBSCRIBER, Transport.UDP) is Outcome.SILENCE
