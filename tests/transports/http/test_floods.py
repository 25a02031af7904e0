"""Floods of HTTP/2 frames, each with its bound: the connection ends by GOAWAY with ENHANCE_YOUR_CALM."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import pytest

from blockd.transports.http import frames as bounds
from blockd.transports.http.limits import MAX_BODIES, MAX_FIELDS, MAX_HEADERS, MAX_KEPT, MAX_MESSAGE, MAX_STREAMS
from tests.transports.http import raw
from tests.transports.http.raw import (
    ACK,
    CALM,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MESSAGE,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    MakeSession,
    RawClient,
    frame,
    get_fields,
    post_fields,
)

UNKNOWN = 0xBE
FLOW_CONTROL_ERROR = 3
LEAST = 32  # frames of any kind that a client that means well may send at once


def pings(_: RawClient) -> Iterator[bytes]:
    while True:
        yield frame(PING, payload=bytes(8))


def ping_answers(_: RawClient) -> Iterator[bytes]:
    while True:
        yield frame(PING, payload=bytes(8), flags=ACK)


def empty_settings(_: RawClient) -> Iterator[bytes]:
    while True:
        yield frame(SETTINGS)


def priorities(_: RawClient) -> Iterator[bytes]:
    for stream in range(1, 1 << 30, 2):
        yield frame(PRIORITY, stream, struct.pack("!IB", 0, 15))


def windows(_: RawClient) -> Iterator[bytes]:
    while True:
        yield frame(WINDOW_UPDATE, payload=(1).to_bytes(4))


def unknown_frames(_: RawClient) -> Iterator[bytes]:
    while True:
        yield frame(UNKNOWN, payload=b"x")


def empty_data(client: RawClient) -> Iterator[bytes]:
    stream = client.stream()
    yield client.headers(post_fields(None), False, stream)
    while True:
        yield frame(DATA, stream)


def padding_alone(client: RawClient) -> Iterator[bytes]:
    stream = client.stream()
    yield client.headers(post_fields(None), False, stream)
    while True:
        yield frame(DATA, stream, b"\x03" + bytes(3), PADDED)


def single_octets(client: RawClient) -> Iterator[bytes]:
    stream = client.stream()
    yield client.headers(post_fields(None), False, stream)
    while True:
        yield frame(DATA, stream, b"x")


def continuations(client: RawClient) -> Iterator[bytes]:
    """A header block without an end (CVE-2024-27316)."""
    stream = client.stream()
    block = client.encoder.encode(get_fields(), huffman=False)
    yield frame(HEADERS, stream, block, END_STREAM)
    while True:
        yield frame(CONTINUATION, stream)


def rapid_resets(client: RawClient) -> Iterator[bytes]:
    """Requests that are taken back at once (CVE-2023-44487)."""
    while True:
        request = client.get()
        yield request + frame(RST_STREAM, client.next_stream - 2, (8).to_bytes(4))


def provoked_resets(client: RawClient) -> Iterator[bytes]:
    """Requests that the server has to reset (CVE-2025-8671): a window is opened too far."""
    while True:
        request = client.headers(post_fields(None), False)
        yield request + frame(WINDOW_UPDATE, client.next_stream - 2, (0x7FFFFFFF).to_bytes(4))


Flood = Callable[[RawClient], Iterator[bytes]]
# Each with the frames, or requests, within which it has to end.
FLOODS: tuple[tuple[Flood, float], ...] = (
    (pings, bounds.BUDGET),
    (ping_answers, bounds.BUDGET),
    (empty_settings, bounds.BUDGET),
    (priorities, bounds.BUDGET),
    (windows, bounds.BUDGET),
    (unknown_frames, bounds.BUDGET),
    (empty_data, bounds.BUDGET),
    (padding_alone, bounds.BUDGET),
    (single_octets, bounds.BUDGET),
    (continuations, bounds.MAX_CONTINUATIONS + 1),
    (rapid_resets, bounds.RESETS),
    (provoked_resets, bounds.RESETS),
)


def goodbye(client: RawClient, before: Sequence[Frame] = ()) -> Frame:
    """Return the GOAWAY that a session ends with; nothing is taken any more."""
    said = [one for one in (*before, *client.taken()) if one.kind == GOAWAY]
    assert len(said) == 1
    assert client.session.is_over
    assert client.send(client.get()) == []
    assert client.taken() == []
    return said[0]


@pytest.mark.parametrize(("flood", "bound"), FLOODS, ids=[flood.__name__ for flood, _ in FLOODS])
def test_a_flood_ends_the_connection_within_its_bound(make: MakeSession, flood: Flood, bound: float) -> None:
    client = RawClient(make)
    client.greet()
    said: list[Frame] = []
    for number, octets in enumerate(flood(client)):
        client.send(octets)
        if client.session.is_over:
            break
        said += client.taken()
        assert number <= bound + 1, "it goes on"
    assert goodbye(client, said).code == CALM
    assert client.session.is_flooded


@pytest.mark.parametrize("flood", [flood for flood, _ in FLOODS if flood is not continuations])
def test_what_a_client_that_means_well_may_send_is_no_flood(make: MakeSession, flood: Flood) -> None:
    client = RawClient(make)
    client.greet()
    for octets, _ in zip(flood(client), range(LEAST), strict=False):
        client.send(octets)
        client.taken()
    assert not client.session.is_over
    assert len(client.send(client.post())) == 1


def test_requests_pay_for_the_frames_that_go_with_them(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    for _ in range(int(bounds.BUDGET)):
        (request,) = client.send(frame(PING, payload=bytes(8)) + client.post() + frame(WINDOW_UPDATE, 0, b"\0\0\1\0"))
        client.session.respond(request, 200, raw.SESSION_FIELDS, MESSAGE)
        client.taken()
    assert not client.session.is_over


def test_time_pays_for_frames_and_for_resets(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    for _ in range(int(bounds.BUDGET)):
        client.now += 1 / bounds.RESETS_PER_SECOND
        client.send(frame(PING, payload=bytes(8)) + client.get())
        client.send(frame(RST_STREAM, client.next_stream - 2, (8).to_bytes(4)))
        client.taken()
    assert not client.session.is_over
    assert client.session.resets == int(bounds.BUDGET)
    assert client.session.open_requests == 0


def test_a_header_list_that_unpacks_to_too_much_ends_the_connection(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    client.send(client.headers([*get_fields(), ("x", "y" * 3000)]))
    client.taken()
    indexed = bytes((0x80 | 62,)) * 16  # the field above, each time by one octet
    block = client.encoder.encode(get_fields(), huffman=False) + indexed
    assert client.send(frame(HEADERS, client.stream(), block, END_HEADERS | END_STREAM)) == []
    assert goodbye(client).code == CALM
    assert client.session.is_flooded


def test_a_header_list_within_the_bound_is_read(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    fields = [(f"x-{number}", "y" * 100) for number in range(MAX_FIELDS - 4)]
    (request,) = client.send(client.headers([*get_fields(), *fields]))
    assert request.target == b"/dns-query?dns=AAAB"


def test_too_many_header_fields_end_the_connection(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    fields = [(f"x{number}", "") for number in range(MAX_FIELDS)]
    assert client.send(client.headers([*get_fields(), *fields])) == []
    assert goodbye(client).code == CALM


def test_a_header_block_of_too_many_octets_ends_the_connection(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    block = client.encoder.encode(get_fields(), huffman=False)
    client.send(frame(HEADERS, client.stream(), block, END_STREAM))
    client.send(frame(CONTINUATION, client.next_stream - 2, b"\0\1x\x7f\x82\x7e" + bytes(MAX_HEADERS - 6)))
    assert goodbye(client).code == CALM


def test_a_frame_that_is_too_long_is_not_waited_for(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    client.send(frame(PING, payload=bytes(bounds.MAX_PAYLOAD + 1))[: bounds.HEAD])
    assert goodbye(client).code == bounds.FRAME_SIZE_ERROR


def test_more_streams_than_are_allowed_are_refused(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    requests = []
    for _ in range(MAX_STREAMS):
        requests += client.send(client.get())
    assert len(requests) == MAX_STREAMS
    assert client.send(client.get()) == []
    assert client.session.open_requests <= MAX_STREAMS
    told = [one for one in client.taken() if one.kind in (RST_STREAM, GOAWAY)]
    assert len(told) == 1


def test_responses_that_windows_hold_back_are_counted_until_they_open(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet(s4=0)
    for _ in range(10):
        (request,) = client.send(client.get())
        client.session.respond(request, 200, raw.SESSION_FIELDS, MESSAGE)
    assert [one.kind for one in client.taken()] == [HEADERS] * 10
    assert client.session.held == 10 * len(MESSAGE)
    client.send(raw.settings(s4=100))
    assert sum(len(one.payload) for one in client.taken() if one.kind == DATA) == 10 * len(MESSAGE)
    assert client.session.held == 0
    assert client.session.open_requests == 0


def test_a_stream_that_is_reset_holds_nothing_any_more(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet(s4=0)
    (request,) = client.send(client.get())
    client.session.respond(request, 200, raw.SESSION_FIELDS, MESSAGE)
    client.taken()
    client.send(frame(RST_STREAM, request.stream, (8).to_bytes(4)))
    assert (client.session.held, client.session.open_requests) == (0, 0)


def test_header_lists_of_requests_that_do_not_end_are_bounded(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    fields = [*get_fields("/" + "y" * 1000), ("content-type", "x" * 2000)]
    size = 3 + 1001 + 2000
    streams = []
    for _ in range(MAX_KEPT // size):
        streams.append(client.next_stream)
        client.send(client.headers(fields, False))
    assert not client.session.is_over
    for stream in streams[:3]:
        client.send(frame(DATA, stream, b"", END_STREAM))
    client.send(frame(RST_STREAM, streams[3], bytes(4)))
    for _ in range(4):
        client.send(client.headers(fields, False))
    assert not client.session.is_over, "those that have come whole, and those that were taken back, do not count"
    client.send(client.headers(fields, False))
    assert client.session.is_flooded


def test_bodies_that_do_not_end_are_bounded_by_the_connections_window(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    said: list[Frame] = []
    for _ in range(MAX_BODIES // MAX_MESSAGE):
        assert not client.session.is_over
        stream = client.stream()
        client.send(client.headers(post_fields(None), False, stream) + frame(DATA, stream, bytes(MAX_MESSAGE)))
        said += client.taken()
    assert goodbye(client, said).code == FLOW_CONTROL_ERROR


def test_a_body_that_has_come_whole_opens_the_window_again(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    opened = 0
    for _ in range(3 * MAX_BODIES // MAX_MESSAGE):
        (request,) = client.send(client.post(bytes(MAX_MESSAGE)))
        client.session.respond(request, 200, raw.SESSION_FIELDS, MESSAGE)
        opened += sum(
            int.from_bytes(one.payload) for one in client.taken() if one.kind == WINDOW_UPDATE and not one.stream
        )
    assert not client.session.is_over
    assert opened >= 2 * MAX_BODIES


def test_a_request_that_does_not_come_whole_is_known_since_it_began(make: MakeSession) -> None:
    client = RawClient(make)
    client.greet()
    began = client.now
    stream = client.stream()
    client.send(client.headers(post_fields(None), False, stream))
    client.now += 5
    client.send(frame(DATA, stream, MESSAGE[:5]) + client.headers(post_fields(None), False))
    assert client.session.oldest == began
    assert len(client.send(frame(DATA, stream, MESSAGE[5:], END_STREAM))) == 1
    assert client.session.oldest == client.now
