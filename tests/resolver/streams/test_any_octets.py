"""Whatever octets an upstream sends: no error escapes, every question has at most one end, and nothing piles up.

Much at once is done in several turns of the event loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import given
from hypothesis import strategies as st

from blockd.resolver.streams import FailureKind, Stream, StreamOptions
from blockd.resolver.streams.connection import BUDGET, PART, StreamQuestion, UpstreamConnection
from blockd.resolver.streams.framed import FramedConnection
from blockd.resolver.streams.http2 import Http2Connection
from blockd.resolver.streams.listener import StreamListener
from blockd.resolver.streams.options import StreamCounts
from blockd.settings import Upstream
from tests.resolver.streams.doh import GOOD, frame
from tests.resolver.streams.servers import answer, framed, question

UPSTREAM = Upstream("192.0.2.1", 443, "dns.example", "/dns-query")
QUESTIONS = 5
MANY = 200


class Owner:
    """Counts what became of each question."""

    def __init__(self) -> None:
        self.counts = StreamCounts()
        self.ends: list[bytes] = []
        self.over_with = 0

    def took(self, question: StreamQuestion, answer: bytes) -> None:
        self.ends.append(question.id)

    def lost(self, questions: Sequence[StreamQuestion], _kind: FailureKind, _why: str, *, unread: bool) -> None:
        self.ends += [one.id for one in questions]

    def over(self, _connection: UpstreamConnection, _kind: FailureKind, _why: str) -> None:
        self.over_with += 1

    def has_room(self) -> None:
        return


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_over = self.is_paused = False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def abort(self) -> None:
        self.is_over = True

    close = abort

    def set_write_buffer_limits(self, _high: int) -> None:
        return

    def get_write_buffer_size(self) -> int:
        return 0


def asked(make: Callable[[Owner], UpstreamConnection], greeting: bytes) -> tuple[Owner, Wire, UpstreamConnection]:
    """Return a connection on which some questions are unanswered."""
    owner, wire = Owner(), Wire()
    connection = make(owner)
    connection.connection_made(cast(asyncio.Transport, wire))
    connection.data_received(greeting)
    for number in range(QUESTIONS):
        connection.send(StreamQuestion(question(number), number.to_bytes(2), 0.0))
    connection.push()
    return owner, wire, connection


def fed(owner: Owner, wire: Wire, connection: UpstreamConnection, pieces: Sequence[bytes]) -> None:
    """Feed octets as the event loop would, end the connection, and check what is left."""
    for piece in pieces:
        if wire.is_over:
            break
        connection.data_received(piece)
        assert len(wire.written) < 1_000_000
    if not wire.is_over:
        connection.connection_lost(None)
    connection.data_received(b"late")
    assert sorted(owner.ends) == [number.to_bytes(2) for number in range(QUESTIONS)]
    assert (owner.over_with, connection.questions) == (1, {})


def still() -> float:
    """Return the time of a clock that stands still, by which all octets are taken at once."""
    return 0.0


def plain(owner: Owner) -> UpstreamConnection:
    return FramedConnection(owner, StreamOptions(), None, still)


def web(owner: Owner) -> UpstreamConnection:
    return Http2Connection(owner, StreamOptions(), None, still, UPSTREAM)


def greeting() -> tuple[H2Connection, bytes]:
    """Return a server's side and its first octets."""
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    return server, server.data_to_send()


_MESSAGES = st.integers(0, QUESTIONS + 1).map(lambda number: framed(answer(question(number))))
_FRAMES = st.builds(
    frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 12), st.binary(max_size=40)
) | st.sampled_from([frame(1, 4, 2 * number + 1, b"\x88") for number in range(QUESTIONS)])


@pytest.fixture(autouse=True)
def with_loop() -> Any:
    """An event loop, which connections ask for nothing but an event."""
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@given(st.lists(_MESSAGES | st.binary(max_size=80), max_size=12))
def test_any_octets_instead_of_messages(pieces: list[bytes]) -> None:
    fed(*asked(plain, b""), pieces)


@given(st.lists(_FRAMES | st.binary(max_size=60), max_size=12))
def test_any_octets_instead_of_frames(pieces: list[bytes]) -> None:
    fed(*asked(web, greeting()[1]), pieces)


@given(st.data())
def test_responses_with_wrong_octets_in_them(data: st.DataObject) -> None:
    server, first = greeting()
    owner, wire, connection = asked(web, first)
    server.receive_data(wire.written)
    for number in range(QUESTIONS):
        server.send_headers(2 * number + 1, list(GOOD))
        server.send_data(2 * number + 1, answer(question(number)), end_stream=True)
    octets = bytearray(server.data_to_send())
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(octets)))
    fed(owner, wire, connection, [bytes(octets[:cut]), bytes(octets[cut:])])


@pytest.mark.parametrize("seconds", [0.0, BUDGET])
def test_many_answers_at_once_are_taken_in_several_turns_if_they_take_long(seconds: float) -> None:
    wire, now = Wire(), 0.0

    class Slow(Owner):
        def took(self, question: StreamQuestion, answer: bytes) -> None:
            nonlocal now
            now += seconds
            super().took(question, answer)

    owner = Slow()
    connection = FramedConnection(owner, StreamOptions(), None, lambda: now)
    ends: list[int] = []

    async def main() -> None:
        connection.connection_made(cast(asyncio.Transport, wire))
        for number in range(MANY):
            connection.send(StreamQuestion(question(number), number.to_bytes(2), 0.0))
        connection.data_received(b"".join(framed(answer(question(number))) for number in range(MANY)))
        ends.append(len(owner.ends))
        while len(owner.ends) < MANY:
            assert wire.is_paused, "nothing more is read meanwhile"
            await asyncio.sleep(0)
            ends.append(len(owner.ends))

    asyncio.run(main())
    assert not wire.is_paused
    assert owner.ends == [number.to_bytes(2) for number in range(MANY)]
    assert (len(ends) == 1) is (seconds == 0)
    steps = [after - before for before, after in itertools.pairwise([0, *ends])]
    assert seconds == 0 or max(steps) <= PART // len(framed(answer(question(0)))) + 1


@pytest.mark.parametrize("seconds", [0.0, BUDGET / 3.5])
def test_many_questions_that_wait_are_sent_in_several_turns_if_they_take_long(seconds: float) -> None:
    now, sent = 0.0, list[int]()

    class Slow(FramedConnection):
        def send(self, question: StreamQuestion) -> None:
            nonlocal now
            now += seconds
            super().send(question)

    async def main() -> None:
        stream = Stream(UPSTREAM, cast(StreamListener, None), clock=lambda: now)
        connection = Slow(Owner(), StreamOptions(), None, lambda: now)
        connection.connection_made(cast(asyncio.Transport, Wire()))
        stream._connections.append(connection)
        for number in range(MANY):
            stream.ask(question(number))
        while len(connection.questions) < MANY:
            before = len(connection.questions)
            await asyncio.sleep(0)
            sent.append(len(connection.questions) - before)
        assert [one.id for one in connection.questions.values()] == [number.to_bytes(2) for number in range(MANY)]
        stream.close()

    asyncio.run(main())
    assert max(sent) == (4 if seconds else MANY)
