"""The native engine does what the Python one does: the same octets, or the same silence, counted alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.metrics import Transport
from blockd.metrics.counters import _LIMITED
from blockd.names import Network
from blockd.resolver import Outcome
from blockd.resolver.clients import packed_host
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from blockd.resolver.edge.server_cookies import ServerCookies
from blockd.resolver.query import Query
from blockd.resolver.response import parse
from tests.effort import LONG, tries
from tests.resolver import corpus
from tests.resolver.reading_alike import both_read
from tests.resolver.rig import LAST
from tests.resolver.twins import SERVED, STRANGERS, Twins, question_size

reading = pytest.importorskip("blockd.resolver.engine._reading", reason="the native engine was not built")

QUESTIONS = corpus.questions()
RESPONSES = corpus.responses()
HOSTS = (*SERVED, *STRANGERS)
OPT_DO = corpus.OPT[:3] + b"\2\0" + b"\0\0\x80\0" + corpus.OPT[9:]
ANSWERED_FROM_CACHE = [packet for packet in QUESTIONS if b"-" in packet or b"open" in packet or b"svc" in packet]

Changes = list[tuple[int, int]]
changes = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4)
transports = st.sampled_from((Transport.UDP, Transport.TCP, Transport.DOT, Transport.DOH))
hosts = st.sampled_from(HOSTS)


def changed(message: bytes, changes: Changes, cut: int, tail: bytes) -> bytes:
    """Return a message with some octets replaced, `cut` octets less and others more."""
    octets = bytearray(message)
    for place, octet in changes:
        if octets:
            octets[place % len(octets)] = octet
    return bytes(octets[: max(len(octets) - cut, 0)]) + tail


def filled(twins: Twins) -> Twins:
    for message in RESPONSES:
        twins.fill(message)
    return twins


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    made = Twins(tmp_path_factory.mktemp("twins"))
    made.enforce(corpus.feeds())
    return filled(made)


def ask_everything(twins: Twins, packets: Sequence[bytes] = QUESTIONS) -> list[object]:
    return [
        twins.ask(packet, host, transport)
        for packet in packets
        for host, transport in (
            (SERVED[0], Transport.UDP),
            (SERVED[2], Transport.TCP),
            (STRANGERS[0], Transport.UDP),
        )
    ]


def test_every_question_of_the_corpus(twins: Twins) -> None:
    said = ask_everything(twins)
    answers = {answer for answer in said if isinstance(answer, bytes)}
    assert len(answers) > 600
    assert {answer[3] & 15 for answer in answers} == {0, 1, 2, 3, 4, 5, 6}
    assert Outcome.SILENCE in said
    assert any(not isinstance(one, bytes | Outcome) for one in said), "some wait for an upstream"


def with_option(packet: bytes, code: int, content: bytes) -> bytes:
    """Return a question with one more EDNS option, if its last record is an OPT record without any."""
    if not packet.endswith(b"\0\0") or packet[-11:-8] != b"\0\0\x29":
        return packet
    return packet[:-2] + (4 + len(content)).to_bytes(2) + code.to_bytes(2) + len(content).to_bytes(2) + content


def test_options_of_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = RateLimits(3, 2, 2, 1)
    cookies = ServerCookies([bytes(range(16)), bytes(16)])
    twins = Twins(
        tmp_path_factory.mktemp("options"),
        serving=lambda: {"cookies": cookies, "limiter": RateLimiter(limits, bytes(range(SEED)))},
    )
    twins.enforce(corpus.feeds())
    filled(twins)
    known = cookies.head(1)
    host = packed_host("192.0.2.129")
    shown = known.to_bytes(8, "little") + cookies.sign(1, b"8octets!", known, host, 4).to_bytes(8, "little")
    options = [(10, b"8octets!"), (10, b"8octets!" + bytes(16)), (10, b"8octets!" + shown), (10, b"short"), (11, b"")]
    said = []
    for packet in QUESTIONS if LONG else QUESTIONS[::3]:
        for code, content in options:
            for client in ("192.0.2.129", SERVED[2], STRANGERS[0]):
                question = with_option(packet, code, content)
                said += [twins.ask(question, client) for _ in range(3 if client == "192.0.2.129" else 1)]
                said.append(twins.ask(question, client, Transport.TCP, 7.5))
        twins.clock.now += 0.05
    answers = [one for one in said if isinstance(one, bytes)]
    assert sum(b"\0\x0a\0\x188octets!" in one for one in answers) > 1000
    assert sum(b"\0\x0b\0\2\0\x4b" in one for one in answers) > 100
    assert twins.python.row.numbers[_LIMITED + 2] > 100, "BADCOOKIE"


@pytest.mark.parametrize("slip", [0, 1, 2])
def test_rate_limits(tmp_path_factory: pytest.TempPathFactory, slip: int) -> None:
    limits = RateLimits(3, 2, 2, slip)
    twins = Twins(
        tmp_path_factory.mktemp("limits"),
        serving=lambda: {
            "limiter": RateLimiter(limits, bytes(range(SEED))),
            "front_ends": (Network.from_text("192.0.2.192/28"),),
        },
    )
    twins.enforce(corpus.feeds())
    filled(twins)
    said = []
    for packet in QUESTIONS if LONG else QUESTIONS[slip::3]:
        for host in ("192.0.2.129", "2001:db8:1::1", STRANGERS[0], STRANGERS[2], SERVED[0], SERVED[1]):
            said += [twins.ask(packet, host) for _ in range(2)]
        said.append(twins.ask(packet, "192.0.2.129", Transport.TCP))
        twins.clock.now += 0.05
    truncated = [one for one in said if isinstance(one, bytes) and one[2] & types.TC >> 8]
    assert len(truncated) > 50
    counted = [sum(twins.python.row.numbers[_LIMITED + kind * 3 : _LIMITED + kind * 3 + 3]) for kind in range(3)]
    assert [count > 100 for count in counted] == [True, slip != 1, True], "with a slip of 1 every error goes out"


@pytest.mark.parametrize("host", HOSTS)
def test_every_kind_of_client(twins: Twins, host: str) -> None:
    for packet in QUESTIONS[::7]:
        twins.ask(packet, host)


def test_each_transport_is_counted(twins: Twins) -> None:
    for transport in (Transport.UDP, Transport.TCP, Transport.DOT, Transport.DOH):
        for packet in QUESTIONS[::5]:
            twins.ask(packet, transport=transport)


def test_ttls_age_alike_until_nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = Twins(tmp_path_factory.mktemp("ageing"))
    twins.enforce(corpus.feeds())
    filled(twins)
    for step in (0.0, 0.999, 0.002, 7.5, 0.5, 11.0, 30.0, 10.0, 250.0, 2000.0, 80_000.0, 10_000.0):
        twins.clock.now += step
        for packet in ANSWERED_FROM_CACHE[::2]:
            twins.ask(packet)
    for packet in QUESTIONS:  # what has expired is forgotten by whoever is asked for it
        twins.ask(packet)
    assert len(twins.native.resolver.cache) == len(twins.python.resolver.cache)


def test_a_clock_that_goes_back_ages_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = Twins(tmp_path_factory.mktemp("back"))
    filled(twins)
    for step in (-1.0, -900.0):
        twins.clock.now += step
        for packet in ANSWERED_FROM_CACHE:
            twins.ask(packet)


def test_states_are_flipped_and_rulesets_swapped_under_a_full_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = Twins(tmp_path_factory.mktemp("swaps"))
    filled(twins)
    packets = QUESTIONS[::2]

    def ask_all() -> list[object]:
        return [twins.ask(packet) for packet in packets]

    resolved = ask_all()
    twins.enforce(corpus.feeds())
    enforced = ask_all()
    twins.pass_time(LAST)
    lifted = ask_all()
    twins.enforce(corpus.feeds()[1:])
    own = ask_all()
    twins.enforce([])
    assert ask_all() == resolved
    assert len({str(said) for said in (resolved, enforced, lifted, own)}) == 4


def test_no_ttl_outlasts_what_decided_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = Twins(tmp_path_factory.mktemp("soon"))
    twins.enforce(corpus.feeds())
    filled(twins)
    packets = [packet for packet in QUESTIONS if any(word in packet for word in (b"soon", b"ends", b"later"))]
    assert len(packets) > 60
    said = set()
    for now in (1, 1.001, 29.5, corpus.SOON - 1, corpus.SOON - 0.001, corpus.SOON, corpus.SOON + 5):
        twins.wall_clock.now = now  # and the control process is late: the states stay
        said.add(
            str([twins.ask(packet, transport=kind) for kind in (Transport.UDP, Transport.TCP) for packet in packets])
        )
    twins.pass_time(corpus.SOON)
    said.add(str([twins.ask(packet) for packet in packets]))
    assert len(said) == 6


def test_orders_that_were_not_renewed_in_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    twins = Twins(tmp_path_factory.mktemp("stale"))
    twins.enforce(corpus.feeds())
    filled(twins)
    packets = QUESTIONS if LONG else QUESTIONS[::3]
    before = ask_everything(twins, packets)
    twins.pass_time(1, *range(0, len(twins.orders), 2))
    after = ask_everything(twins, packets)
    told = [answer for answer in after if isinstance(answer, bytes) and b"; list not renewed in time" in answer]
    assert told
    assert not any(isinstance(answer, bytes) and b"renewed" in answer for answer in before)
    twins.pass_time(1)
    assert ask_everything(twins, packets) == before


@pytest.mark.parametrize("refuse_unready", [False, True])
def test_before_the_first_ruleset(tmp_path_factory: pytest.TempPathFactory, refuse_unready: bool) -> None:
    twins = Twins(tmp_path_factory.mktemp("unready"), refuse_unready=refuse_unready)
    filled(twins)
    ask_everything(twins)


@settings(max_examples=tries(500, 5_000))
@given(
    packet=st.sampled_from(QUESTIONS),
    changes=changes,
    cut=st.integers(0, 3),
    tail=st.binary(max_size=12),
    host=hosts,
    transport=transports,
)
def test_damaged_questions(
    twins: Twins, packet: bytes, changes: Changes, cut: int, tail: bytes, host: str, transport: Transport
) -> None:
    twins.ask(changed(packet, changes, cut, tail), host, transport)


@settings(max_examples=tries(200, 2_000))
@given(packet=st.binary(max_size=600), host=hosts, transport=transports)
def test_any_bytes(twins: Twins, packet: bytes, host: str, transport: Transport) -> None:
    twins.ask(packet, host, transport)


damaged = st.tuples(st.sampled_from(RESPONSES), changes, st.integers(0, 3), st.binary(max_size=12), st.floats(0, 90))


@settings(max_examples=tries(300, 3_000))
@given(responses=st.lists(damaged, min_size=1, max_size=2), transport=transports)
def test_damaged_responses_are_answered_from_alike(
    twins: Twins, responses: list[tuple[bytes, Changes, int, bytes, float]], transport: Transport
) -> None:
    asked = []
    with twins.unchanged():
        for message, changes, cut, tail, age in responses:
            message = changed(message, changes, cut, tail)
            size = question_size(message)
            if size is not None and twins.fill(message, age) is not None:
                asked.append(message[12 : 12 + size])
        for question in asked:
            for edns, octets in ((0, b""), (1, corpus.OPT), (1, OPT_DO)):
                twins.ask(b"\0\7\1\0\0\1\0\0\0\0\0" + bytes((edns,)) + question + octets, transport=transport)


def test_a_target_that_has_expired_is_fresh_for_no_question_that_leads_to_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The engine answers two of these from its own cache, and leaves one to the pipeline, which has another."""
    twins = Twins(tmp_path_factory.mktemp("target"))
    twins.enforce(corpus.feeds())
    packets = [corpus.question(name, "A") for name in ("info.example", "cname.ends.example", "at-cname.example")]
    for order in itertools.permutations(packets):
        filled(twins)
        for seconds, is_answered in ((19.5, True), (0.5, False)):  # its lowest TTL is 20
            twins.clock.now += seconds
            assert [isinstance(twins.ask(packet), bytes) for packet in order] == [is_answered] * len(order)


def read_alike(message: bytes) -> bool:
    """Fail if the native engine reads a message differently from the Python one; return whether it is an answer."""
    size = question_size(message)
    if size is None:
        return False
    said = [both_read(message, size, do=do)[0] for do in (False, True)]
    return bool(said[0] == reading.ANSWER)


def test_upstreams_answers_are_read_alike() -> None:
    taken = [read_alike(message) for message in RESPONSES]
    assert 150 < sum(taken) < len(taken), "some are answers, some are not"


@settings(max_examples=tries(600, 6_000))
@given(message=st.sampled_from(RESPONSES), changes=changes, cut=st.integers(0, 3), tail=st.binary(max_size=12))
def test_damaged_answers_of_upstreams_are_read_alike(message: bytes, changes: Changes, cut: int, tail: bytes) -> None:
    read_alike(changed(message, changes, cut, tail))


def test_a_service_parameter_without_its_value_is_refused() -> None:
    message = corpus.raw_response("raw.example", "HTTPS", [corpus.record(65, b"\0\1\0\0\4\0\4")])
    size = question_size(message)
    assert size is not None
    assert both_read(message, size)[0] == reading.MALFORMED
    with pytest.raises(BadMessage, match="shape"):
        parse(message, size)


def test_upstreams_answers_cut_anywhere_are_read_alike() -> None:
    for message in RESPONSES:
        for end in range(0, min(len(message), 400), 1 + len(message) // 200):
            read_alike(message[:end])


def allowed(packet: bytes, transport: Transport) -> int:
    """Return the octets of the longest answer: no more than the message has if it is not a question."""
    try:
        return Query(packet, transport).limit
    except BadMessage:
        return len(packet)


@settings(max_examples=tries(300, 3_000))
@given(packet=st.sampled_from(QUESTIONS), changes=changes, transport=transports, host=hosts)
def test_no_answer_is_longer_than_its_question_allows_and_none_goes_to_an_answer(
    twins: Twins, packet: bytes, changes: Changes, transport: Transport, host: str
) -> None:
    packet = changed(packet, changes, 0, b"")
    answer = twins.ask(packet, host, transport)
    if isinstance(answer, bytes):
        assert not packet[2] & 0x80
        assert answer[2] & 0x80
        assert answer[:2] == packet[:2]
        assert len(answer) <= (len(packet) if host in STRANGERS else allowed(packet, transport))


@settings(max_examples=tries(300, 3_000))
@given(
    answers=st.lists(st.sampled_from(corpus.PARTS), max_size=8),
    authorities=st.lists(st.sampled_from(corpus.PARTS), max_size=8),
    additional=st.lists(st.sampled_from(corpus.PARTS), max_size=8),
    payload=st.integers(0, 1400),
    do=st.booleans(),
    error=st.sampled_from((0, 1, 90)),
)
def test_what_does_not_fit_is_left_out_alike(
    twins: Twins,
    answers: list[bytes],
    authorities: list[bytes],
    additional: list[bytes],
    payload: int,
    do: bool,
    error: int,
) -> None:
    option = b"\0\x0f" + (1 + error).to_bytes(2) + b"\0\x09" + b"t" * (error - 1) if error else b""
    opt = corpus.OPT[:-2] + len(option).to_bytes(2) + option
    message = corpus.raw_response("size.example", "A", answers, authorities, [*additional, opt])
    asked = corpus.question("size.example", "A", use_edns=0, payload=payload, want_dnssec=do)
    with twins.unchanged():
        twins.fill(message)
        for packet in (asked, asked[:10] + b"\0\0" + asked[12:-11]):
            answer = twins.ask(packet)
            assert not isinstance(answer, bytes) or len(answer) <= allowed(packet, Transport.UDP)


TO_TARGETS = [message for message in RESPONSES if any(message[12:].startswith(wire) for wire in corpus.TARGET_WIRES)]


@settings(max_examples=tries(300, 3_000))
@given(
    message=st.sampled_from(TO_TARGETS),
    changes=changes,
    cut=st.integers(0, 3),
    age=st.floats(0, 90),
    transport=transports,
    do=st.booleans(),
)
def test_damaged_responses_for_a_target_are_moved_behind_its_alias_alike(
    twins: Twins, message: bytes, changes: Changes, cut: int, age: float, transport: Transport, do: bool
) -> None:
    message = message[:12] + changed(message[12:], changes, cut, b"")
    size = question_size(message)
    opt = corpus.OPT[:7] + (b"\x80" if do else b"\0") + corpus.OPT[8:]
    with twins.unchanged():
        if size is None or twins.fill(message, age) is None:
            return
        for name in corpus.ALIASED[:4]:
            asked = corpus.question(name, "A")[12:-4] + message[8 + size : 12 + size]
            twins.ask(b"\0\7\1\0\0\1\0\0\0\0\0\1" + asked + opt, transport=transport)


def test_aliases_to_what_is_cached_need_no_python(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise AssertionError("the pipeline was asked")

    filled(twins)
    monkeypatch.setattr(twins.native.resolver.pipeline, "begin", fail)
    for name in corpus.ALIASED[:4]:
        for kind in ("A", "AAAA", "TXT"):
            answer = twins.native.resolver.begin(corpus.question(name, kind, use_edns=0), SERVED[0], Transport.UDP)
            assert isinstance(answer, bytes)
            assert int.from_bytes(answer[6:8]) == {"A": 3, "AAAA": 1, "TXT": 3}[kind]
