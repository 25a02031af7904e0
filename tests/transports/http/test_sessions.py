"""What HTTP/2 sessions take and give, whichever library they are made with."""

from __future__ import annotations

import contextlib
import gc
import weakref

import hypothesis
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from blockd.transports.http import frames as codes
from blockd.transports.http.choice import http2_session
from blockd.transports.http.http2 import MAX_TABLE, Http2Session
from blockd.transports.http.limits import MAX_HEADERS, MAX_MESSAGE, MAX_STREAMS
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import HttpSession
from tests.transports.http.raw import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MESSAGE,
    PREFACE,
    RST_STREAM,
    SESSION_FIELDS,
    SETTINGS,
    WINDOW_UPDATE,
    MakeSession,
    RawClient,
    frame,
    frames,
    get_fields,
    post_fields,
    settings,
)

MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6


def test_the_session_begins_with_its_settings(make: MakeSession) -> None:
    client = RawClient(make)
    first, *_ = client.greet()
    assert (first.kind, first.flags) == (SETTINGS, 0)
    pairs = {
        int.from_bytes(first.payload[at : at + 2]): int.from_bytes(first.payload[at + 2 : at + 6])
        for at in range(0, len(first.payload), 6)
    }
    assert pairs[MAX_CONCURRENT_STREAMS] == MAX_STREAMS
    assert pairs[MAX_HEADER_LIST_SIZE] == MAX_HEADERS
    assert pairs.get(2, 0) == 0  # it pushes nothing


def test_a_request_is_returned_once_it_is_whole(make: MakeSession) -> None:
    client = RawClient(make, b"x-forwarded-for")
    client.greet()
    stream = client.stream()
    fields = [*post_fields(len(MESSAGE)), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")]
    octets = client.headers(fields, False, stream) + frame(DATA, stream, MESSAGE, END_STREAM)
    for place in range(len(octets) - 1):
        assert client.send(octets[place : place + 1]) == []
    (request,) = client.send(octets[-1:])
    assert (request.method, request.target) == (b"POST", b"/dns-query")
    assert (request.content_type, request.front) == (b"application/dns-message", b"192.0.2.1, 192.0.2.2")
    assert (request.body, request.refusal) == (MESSAGE, 0)
    assert client.session.open_requests == 1


def test_a_header_that_no_front_end_is_asked_for_is_not_kept(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.headers([*get_fields(), ("x-forwarded-for", "192.0.2.1")]))
    assert request.front == b""


def test_requests_are_answered_in_any_order_as_any_client_reads_it(make: MakeSession) -> None:
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    session = make(b"", lambda: 0.0)
    streams = (1, 3, 5)
    for stream in streams:
        client.send_headers(stream, post_fields(len(MESSAGE)))
        client.send_data(stream, MESSAGE, end_stream=True)
    session.feed(client.data_to_send())
    requests: list[HttpRequest] = []
    while (request := session.next_request()) is not None:
        requests.append(request)
    assert tuple(request.stream for request in requests) == streams
    for request in reversed(requests):
        session.respond(request, 200, SESSION_FIELDS, b"%d" % request.stream)
    events = client.receive_data(session.take(1 << 16))
    answers = [event for event in events if isinstance(event, ResponseReceived)]
    assert [dict(event.headers or ()) for event in answers] == [
        {
            b":status": b"200",
            b"content-type": b"application/dns-message",
            b"cache-control": b"max-age=60",
            b"content-length": b"1",
        }
    ] * 3
    bodies = {event.stream_id: event.data for event in events if isinstance(event, DataReceived)}
    assert bodies == {1: b"1", 3: b"3", 5: b"5"}
    assert {event.stream_id for event in events if isinstance(event, StreamEnded)} == set(streams)
    assert session.open_requests == 0


def test_a_response_may_be_empty(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.get())
    client.session.respond(request, 404, (), b"")
    (said,) = client.taken()
    assert (said.kind, said.flags & END_STREAM) == (HEADERS, END_STREAM)
    assert client.session.open_requests == 0


def test_long_responses_are_sent_as_the_client_reads_them(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.get())
    body = bytes(range(256)) * 200
    client.session.respond(request, 200, (), body)
    first = frames(client.session.take(1000))
    assert 0 < client.session.held < len(body)
    said = [*first, *client.taken()]
    assert b"".join(one.payload for one in said if one.kind == DATA) == body
    assert client.session.held == 0


def test_a_body_that_is_too_long_is_refused_before_it_ends(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    stream = client.stream()
    opening = client.headers(post_fields(None), False, stream)
    (request,) = client.send(opening + frame(DATA, stream, bytes(MAX_MESSAGE + 1)))
    assert (request.refusal, request.body) == (413, b"")
    client.session.respond(request, 413, (), b"too long")
    said = client.taken()
    assert [(one.payload, one.flags) for one in said if one.kind == DATA] == [(b"too long", END_STREAM)]
    for _ in range(3):
        assert client.send(frame(DATA, stream, bytes(10_000))) == []
        said += client.taken()
    assert client.send(frame(DATA, stream, bytes(10_000), END_STREAM)) == []
    assert not [one for one in said if one.kind == WINDOW_UPDATE and one.stream], "the client is not asked for more"
    assert sum(int.from_bytes(one.payload) for one in said if one.kind == WINDOW_UPDATE) > 30_000
    assert not client.session.is_over
    assert client.session.open_requests == 0
    assert len(client.send(client.get())) == 1


def test_a_response_to_head_has_no_body(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.headers([(":method", "HEAD"), *get_fields()[1:]]))
    client.session.respond(request, 404, SESSION_FIELDS, b"not here")
    said = client.taken()
    assert [one.kind for one in said if one.stream] == [HEADERS]
    assert [one.flags & END_STREAM for one in said if one.stream] == [END_STREAM]
    assert client.session.held == 0
    assert client.session.open_requests == 0


def test_what_a_client_would_keep_of_our_fields_does_not_make_them_dearer(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet(s1=1 << 31)
    blocks = []
    for number in range(1000):
        (request,) = client.send(client.get())
        client.session.respond(request, 404, ((b"x-%d" % number, b"y" * 100),), b"")
        blocks += [one.payload for one in client.taken() if one.kind == HEADERS]
    decoder = Decoder()
    decoder.max_allowed_table_size = 1 << 31
    for number, block in enumerate(blocks):
        fields = decoder.decode(block, raw=True)
        assert [value for name, value in fields if name == b"x-%d" % number] == [b"y" * 100]
    assert decoder.header_table._current_size <= MAX_TABLE


def test_a_request_that_is_dropped_is_reset(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.post())
    client.session.drop(request)
    (said,) = client.taken()
    assert (said.kind, said.stream, said.code) == (RST_STREAM, request.stream, codes.CANCEL)
    assert client.session.open_requests == 0
    client.session.respond(request, 200, (), MESSAGE)
    assert client.taken() == []


def test_a_request_that_was_taken_back_is_not_answered(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.post())
    client.send(frame(RST_STREAM, request.stream, (8).to_bytes(4)))
    assert not request.is_open
    client.session.respond(request, 200, (), MESSAGE)
    client.session.drop(request)
    assert client.taken() == []
    assert client.session.resets == 1


def test_a_request_that_is_taken_back_at_once_is_not_returned(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    request = client.post()
    octets = request + frame(RST_STREAM, client.next_stream - 2, (8).to_bytes(4))
    found = client.send(octets)
    assert not any(request.is_open for request in found)


def test_a_session_that_finishes_answers_what_it_has_taken(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.post())
    client.session.finish()
    assert client.send(client.post()) == []
    assert not client.session.is_over
    (goodbye,) = [one for one in client.taken() if one.kind == GOAWAY]
    assert (int.from_bytes(goodbye.payload[:4]), goodbye.code) == (request.stream, codes.NO_ERROR)
    client.session.respond(request, 200, (), MESSAGE)
    assert [one.payload for one in client.taken() if one.kind == DATA] == [MESSAGE]
    assert client.session.is_over
    assert not client.session.is_flooded


def test_a_session_that_leaves_answers_what_is_asked_until_the_client_knows(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    client.session.leave()
    client.session.leave()
    (notice,) = [one for one in client.taken() if one.kind == GOAWAY]
    assert (int.from_bytes(notice.payload[:4]), notice.code) == ((1 << 31) - 1, codes.NO_ERROR)
    (request,) = client.send(client.post())
    assert not client.session.is_over
    client.session.respond(request, 200, (), MESSAGE)
    assert [one.payload for one in client.taken() if one.kind == DATA] == [MESSAGE]
    client.session.finish()
    (goodbye,) = [one for one in client.taken() if one.kind == GOAWAY]
    assert (int.from_bytes(goodbye.payload[:4]), goodbye.code) == (request.stream, codes.NO_ERROR)
    assert client.session.is_over


def test_a_client_that_says_goodbye_gets_its_answers(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    (request,) = client.send(client.post())
    client.send(frame(GOAWAY, payload=bytes(8)))
    assert not client.session.is_over
    client.session.respond(request, 200, (), MESSAGE)
    assert [one.payload for one in client.taken() if one.kind == DATA] == [MESSAGE]
    assert client.session.is_over


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        PREFACE[:-1] + b"x",
        PREFACE + frame(DATA, 1, b"x"),
        PREFACE + settings() + frame(RST_STREAM, 1, bytes(4)),
        PREFACE + settings() + frame(HEADERS, 2, b"\x82", 5),
        PREFACE + settings() + frame(HEADERS, 1, b"\xff\xff\xff\xff\xff\xff", 5),
        PREFACE + settings(s4=1 << 31),
    ],
)
def test_what_is_not_http2_ends_the_session_with_an_error(make: MakeSession, octets: bytes) -> None:
    client = RawClient(make)
    assert client.send(octets) == []
    said = client.taken()
    assert client.session.is_over
    assert [one.code for one in said if one.kind == GOAWAY][-1] != codes.NO_ERROR
    assert not client.session.is_flooded


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_octets_raise_anything(make: MakeSession, data: st.DataObject) -> None:
    client = RawClient(make)
    client.greet()
    kinds = st.integers(0, 12)
    for _ in range(data.draw(st.integers(1, 12))):
        payload = data.draw(
            st.one_of(st.binary(max_size=40), st.just(client.encoder.encode(post_fields(None), huffman=False)))
        )
        kind, stream, flags = data.draw(
            st.tuples(kinds, st.sampled_from((0, 1, 2, 3, 5, 1 << 31)), st.integers(0, 255))
        )
        for request in client.send(frame(kind, stream, payload, flags)):
            if data.draw(st.booleans()):
                client.session.respond(request, 200, SESSION_FIELDS, MESSAGE)
            else:
                client.session.drop(request)
        client.taken()
    assert client.session.open_requests <= MAX_STREAMS
    client.session.finish()
    client.taken()


def test_a_session_is_freed_with_what_it_holds(make: MakeSession) -> None:
    class Now:
        def __call__(self) -> float:
            return 0.0

    now = Now()
    session = make(b"", now)
    client = RawClient(make)
    client.session = session
    client.greet(s4=0)
    (request,) = client.send(client.get())
    session.respond(request, 200, SESSION_FIELDS, MESSAGE)
    client.send(client.headers(post_fields(None), False))
    gone = weakref.ref(now)
    del now, session, client, request
    gc.collect()
    assert gone() is None


def test_the_library_is_chosen_as_the_engine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKD_ENGINE", "python")
    assert isinstance(http2_session(b"", lambda: 0.0), Http2Session)
    monkeypatch.setenv("BLOCKD_ENGINE", "")
    made: HttpSession = http2_session(b"", lambda: 0.0)
    with contextlib.suppress(ImportError):
        from blockd.transports.http._http2 import NativeHttp2Session

        assert isinstance(made, NativeHttp2Session)
