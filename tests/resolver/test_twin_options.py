"""Both engines read the EDNS options of questions alike, and give answers the same ones: errors, NSID, padding."""

from __future__ import annotations

import itertools

import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.dns import types
from blockd.metrics import Transport
from blockd.orders import Action
from blockd.orders.structured import StructuredReply
from blockd.resolver.answers import Sinkhole
from blockd.resolver.composing.padding import ANSWER_BLOCK
from blockd.resolver.edge.cookie_sizes import SECRET
from blockd.resolver.edge.server_cookies import ServerCookies
from tests.effort import LONG, tries
from tests.resolver import corpus
from tests.resolver.rig import SINKHOLE
from tests.resolver.twins import SERVED, Twins

pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")

CLIENT_OPTION = 65_432
SERVER_ID = b"node-7.example"
COOKIE = (10, b"8octets!")
OPTIONS = (
    ((CLIENT_OPTION, b""),),
    ((15, b"\0\0"),),
    ((12, b""),),
    ((12, bytes(99)), (CLIENT_OPTION, b"")),
    ((3, b""), COOKIE, (11, b""), (12, b""), (15, b"\0\0")),
    ((3, b"x"), COOKIE),
    ((CLIENT_OPTION, b"x"), (15, b"\0\1"), (15, b"\0\0x")),
)
TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.DOT, Transport.DOH)
WITH_OPT = [packet for packet in corpus.questions() if packet.endswith(b"\0\0") and packet[-11:-8] == b"\0\0\x29"]
ALIAS = corpus.ALIASED[0]


def with_options(packet: bytes, options: tuple[tuple[int, bytes], ...]) -> bytes:
    """Return a question that ends with an OPT record without options with some."""
    wire = b"".join(code.to_bytes(2) + len(content).to_bytes(2) + content for code, content in options)
    return packet[:-2] + len(wire).to_bytes(2) + wire


def serving() -> dict[str, object]:
    return {"cookies": ServerCookies([bytes(SECRET)]), "client_option": CLIENT_OPTION, "server_id": SERVER_ID}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    with pytest.MonkeyPatch.context() as patch:
        reply = StructuredReply(Action.NODATA, "sample")
        given = Sinkhole(SINKHOLE.ipv4, SINKHOLE.ipv6, SINKHOLE.ttl, structured=reply)
        patch.setattr("tests.resolver.twins.SINKHOLE", given)
        made = Twins(tmp_path_factory.mktemp("options"), serving=serving)
    made.enforce(corpus.feeds())
    made.pass_time(corpus.SOON - 20.5, *range(0, len(made.orders), 3))
    for message in corpus.responses():
        made.fill(message)
    return made


def is_of_another_version(answer: bytes) -> bool:
    """Return whether an answer says that options were not read, being of a version that is not known here."""
    return dns.message.from_wire(answer).rcode() == dns.rcode.BADVERS


def test_every_question_of_the_corpus_with_options(twins: Twins) -> None:
    structured = padded = named = 0
    packets = WITH_OPT if LONG else WITH_OPT[::9]
    for packet, options, transport in itertools.product(packets, OPTIONS, TRANSPORTS):
        answer = twins.ask(with_options(packet, options), SERVED[0], transport, 7.5 if transport else 0)
        if not isinstance(answer, bytes) or is_of_another_version(answer):
            continue
        is_encrypted = transport in (Transport.DOT, Transport.DOH)
        codes = {code for code, _ in options}
        assert (b'{"' in answer) <= (is_encrypted and not codes.isdisjoint((CLIENT_OPTION, 15)))
        assert (SERVER_ID in answer) <= (3 in codes)
        structured += b'{"' in answer
        named += SERVER_ID in answer
        if 12 in codes and is_encrypted:
            assert len(answer) % ANSWER_BLOCK == 0
            padded += 1
    assert min(structured, padded, named) > 100, (structured, padded, named)


option = st.tuples(
    st.one_of(st.sampled_from((3, 8, 10, 11, 12, 15, CLIENT_OPTION, 65_001)), st.integers(0, 0xFFFF)),
    st.one_of(st.sampled_from((b"", b"\0\0", b"8octets!")), st.binary(max_size=40)),
)


@settings(max_examples=tries(400, 4_000))
@given(
    packet=st.sampled_from(WITH_OPT),
    options=st.lists(option, max_size=6).map(tuple),
    cut=st.integers(0, 2),
    transport=st.sampled_from(TRANSPORTS),
)
def test_any_options(
    twins: Twins, packet: bytes, options: tuple[tuple[int, bytes], ...], cut: int, transport: Transport
) -> None:
    packet = with_options(packet, options)
    twins.ask(packet[: len(packet) - cut], SERVED[0], transport)


@pytest.mark.parametrize("room", [*range(-4, 8), *range(60, 80), 140, 200, 500, 1_000])
def test_errors_and_padding_never_cost_records_behind_an_alias(twins: Twins, room: int) -> None:
    """What is left beside the records decides what is said; both engines leave out the same, and never truncate."""
    target = corpus.TARGETS[0]
    alias = 12 + len(corpus.TARGET_WIRES[0])
    fixed = 12 + len(corpus.question(ALIAS, "TXT")) - 12 + 11 + alias
    size = types.MAX_TCP - fixed - 12 - room
    message = corpus.raw_response(target, "TXT", [corpus.record(16, bytes(size))], [], [corpus.OPT])
    packet = corpus.question(ALIAS, "TXT", use_edns=0)
    with twins.unchanged():
        assert twins.fill(message) is not None
        for options in (((12, b""), (CLIENT_OPTION, b"")), ((15, b"\0\0"),), ((12, b""),), ()):
            answer = twins.ask(with_options(packet, options), SERVED[0], Transport.DOT)
            assert isinstance(answer, bytes)
            assert len(answer) <= types.MAX_TCP
            assert bool(answer[2] & types.TC >> 8) == (room < 0)
            assert dns.message.from_wire(answer).edns == 0
