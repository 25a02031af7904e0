"""DNS over HTTPS: what is asked, what is taken for an answer, and what an upstream cannot do to the worker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from blockd.resolver.streams import Stream, StreamOptions, padded
from blockd.settings.addresses import upstream_from_text
from tests.resolver.streams.certificates import NAME, Authority, Certificate
from tests.resolver.streams.doh import GOOD, DohServer, DohVisit, frame
from tests.resolver.streams.happenings import Happenings, Heard, run
from tests.resolver.streams.servers import answer, question

QUICK = StreamOptions(tick=0.01, first_backoff=0.01)
HTML = ((":status", "200"), ("content-type", "text/html"))


@pytest.fixture
def scene(authority: Authority, certificate: Certificate) -> Callable[[], Scene]:
    """What makes a scene; to be called in the event loop."""
    return lambda: Scene(authority, certificate)


class Scene:
    """A stream to an upstream over HTTPS."""

    def __init__(self, authority: Authority, certificate: Certificate) -> None:
        self.happenings = Happenings()
        self.server = DohServer(self.happenings)
        self.heard = Heard(self.happenings)
        self.options = replace(QUICK, authorities=authority.path)
        self.certificate = certificate
        self.alpn: tuple[str, ...] = ("h2",)
        self.stream: Stream

    @asynccontextmanager
    async def played(self) -> AsyncIterator[Scene]:
        """Serve and connect inside the block."""
        async with self.server.serving(self.certificate.context(*self.alpn)):
            upstream = upstream_from_text(f"https://127.0.0.1:{self.server.port}/a/path#{NAME}")
            self.stream = Stream(upstream, self.heard, self.options)
            try:
                yield self
            finally:
                self.stream.close()

    def whole(self, sentence: str) -> str:
        return f"{self.stream.upstream.label} {sentence}"

    async def failing(self, kind: str) -> str:
        """Ask once, expect a failure of a kind, and return its sentence without the upstream's name."""
        self.stream.ask(question(1))
        await self.heard.count(1)
        assert self.heard.answers == []
        ((identifier, found, why),) = self.heard.failures
        assert (identifier, found) == (1, kind)
        assert why.startswith(self.whole(""))
        return why.removeprefix(self.whole(""))


Make = Callable[[], Scene]


def test_a_question_is_a_post_with_the_id_zero_and_padding(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.stream.ask(question(4711))
            await one.heard.count(1)
            message = padded(question(4711))
            assert one.heard.answers == [answer(message)]
            (visit,) = one.server.visits
            assert visit.bodies[1] == b"\0\0" + message[2:]
            assert visit.requests[1] == [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", f"{NAME}:{one.server.port}"),
                (":path", "/a/path"),
                ("accept", "application/dns-message"),
                ("content-type", "application/dns-message"),
                ("content-length", "128"),
            ]

    run(loop, body)


def test_many_questions_are_streams_of_one_connection_and_answered_in_any_order(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            held: list[tuple[int, bytes]] = []

            def respond(visit: DohVisit, stream: int, message: bytes) -> None:
                held.append((stream, message))
                if len(held) == 100:
                    for mark, late in reversed(held):
                        visit.say(mark, GOOD, answer(late))

            one.server.respond = respond
            for number in range(100):
                one.stream.ask(question(number, f"n{number}.example"))
            await one.heard.count(100)
            assert one.heard.ids == list(reversed(range(100)))
            assert one.heard.answers[0] == answer(padded(question(99, "n99.example")))
            assert len(one.server.visits) == 1

    run(loop, body)


def test_no_more_streams_are_open_than_the_upstream_allows(loop: str, scene: Make) -> None:
    async def body() -> None:
        one = scene()
        one.server.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 3}
        held: list[tuple[DohVisit, int, bytes]] = []
        most: dict[int, int] = {}

        def respond(visit: DohVisit, stream: int, message: bytes) -> None:
            held.append((visit, stream, message))
            most[id(visit)] = max(most.get(id(visit), 0), visit.http.open_inbound_streams)

        one.server.respond = respond
        async with one.played():
            one.stream.ask(question(0))
            await one.happenings.until(lambda: held)
            for number in range(1, 60):
                one.stream.ask(question(number))
            for _ in range(60):
                await one.happenings.until(lambda: held)
                visit, stream, message = held.pop(0)
                visit.say(stream, GOOD, answer(message))
            await one.heard.count(60)
            assert (sorted(one.heard.ids), one.heard.failures) == (list(range(60)), [])
            assert max(most.values()) == 3
            assert one.server.most_at_once == 2  # the first one was full

    run(loop, body)


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
def test_an_upstream_that_does_not_choose_http2_gets_no_question(loop: str, scene: Make, alpn: tuple[str, ...]) -> None:
    async def body() -> None:
        one = scene()
        one.alpn = alpn
        async with one.played():
            assert await one.failing("tls") == (
                "does not speak HTTP/2 (it agreed to no protocol by ALPN), which DNS over HTTPS needs"
            )
            assert one.server.messages == []

    run(loop, body)


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(6, 0, 0, bytes(8)), b"\xff" * 64, b"\0\0\0\1" + bytes(60)]
)
def test_an_upstream_that_agrees_to_http2_and_speaks_something_else_is_named(
    loop: str, scene: Make, greeting: bytes
) -> None:
    async def body() -> None:
        one = scene()
        one.server.is_http2 = False
        one.server.greet = lambda visit: visit.transport.write(greeting)
        async with one.played():
            assert await one.failing("http") == "does not speak HTTP/2, which DNS over HTTPS needs"
            await one.happenings.until(lambda: one.server.open == 0)

    run(loop, body)


@pytest.mark.parametrize("status", ["204", "301", "400", "404", "415", "429", "500", "503"])
def test_another_status_than_200_fails_the_question_and_keeps_the_connection(
    loop: str, scene: Make, status: str
) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, message: visit.say(
                stream, ((":status", status), ("content-type", "application/dns-message")), answer(message)
            )
            assert await one.failing("http") == f"answered with the HTTP status {status}"
            one.server.respond = lambda visit, stream, message: visit.say(stream, GOOD, answer(message))
            one.stream.ask(question(2))
            await one.heard.count(2)
            assert (one.heard.ids, len(one.server.visits)) == ([2], 1)

    run(loop, body)


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (HTML, "answered over HTTPS with text/html instead of application/dns-message"),
        (((":status", "200"),), "answered over HTTPS with no content type instead of application/dns-message"),
        (
            ((":status", "200"), ("content-type", "text/" + "y" * 500)),
            f"answered over HTTPS with text/{'y' * 54}… instead of application/dns-message",
        ),
    ],
)
def test_another_content_type_is_not_an_answer(
    loop: str, scene: Make, headers: tuple[tuple[str, str], ...], sentence: str
) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, message: visit.say(stream, headers, answer(message))
            assert await one.failing("http") == sentence

    run(loop, body)


@pytest.mark.parametrize("content_type", ["application/dns-message; charset=utf-8", "Application/DNS-Message"])
def test_the_content_type_may_have_parameters_and_any_case(loop: str, scene: Make, content_type: str) -> None:
    async def body() -> None:
        async with scene().played() as one:
            headers = ((":status", "200"), ("content-type", content_type), ("x-more", "x" * 3000))
            one.server.respond = lambda visit, stream, message: visit.say(stream, headers, answer(message))
            one.stream.ask(question(1))
            await one.heard.count(1)
            assert one.heard.ids == [1]

    run(loop, body)


@pytest.mark.parametrize("size", [0, 1, 11])
def test_a_body_too_short_for_a_message_is_not_an_answer(loop: str, scene: Make, size: int) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, _message: visit.say(stream, GOOD, bytes(size))
            assert await one.failing("malformed") == f"sent a message of {size} octets"

    run(loop, body)


def test_a_question_is_not_an_answer(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, message: visit.say(stream, GOOD, message)
            assert await one.failing("malformed") == "answered with a question"

    run(loop, body)


@pytest.mark.parametrize("said", [True, False])
def test_a_body_longer_than_a_message_is_cut_off(loop: str, scene: Make, said: bool) -> None:
    async def body() -> None:
        async with scene().played() as one:
            length = (("content-length", "200000"),) if said else ()
            one.server.respond = lambda visit, stream, _message: visit.say(stream, GOOD + length, bytes(200000))
            assert await one.failing("malformed") == "sent a message of more than 65535 octets"
            await one.happenings.until(lambda: one.server.visits[0].resets == [1])
            one.server.respond = lambda visit, stream, message: visit.say(stream, GOOD, answer(message))
            one.stream.ask(question(2))
            await one.heard.count(2)
            assert (one.heard.ids, len(one.server.visits)) == ([2], 1)

    run(loop, body)


def test_the_longest_message_goes_both_ways_however_small_the_windows_are(loop: str, scene: Make) -> None:
    async def body() -> None:
        one = scene()
        one.server.settings = {SettingCodes.INITIAL_WINDOW_SIZE: 100, SettingCodes.MAX_CONCURRENT_STREAMS: 100}
        async with one.played():
            one.stream.ask(question(1))
            await one.heard.count(1)
            message = question(2) + bytes(65535 - len(question(2)))
            one.stream.ask(message)
            one.stream.ask(question(3))
            await one.heard.count(3)
            assert sorted(one.heard.answers) == sorted(
                [answer(padded(question(1))), answer(message), answer(padded(question(3)))]
            )

    run(loop, body)


def test_long_answers_one_after_the_other_pass_the_window_of_the_connection(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, message: visit.say(
                stream, GOOD, answer(message) + bytes(65535 - len(message))
            )
            for number in range(60):
                one.stream.ask(question(number))
            await one.heard.count(60)
            assert (sorted(one.heard.ids), one.heard.failures) == (list(range(60)), [])

    run(loop, body)


def test_a_goaway_ends_the_connection_after_what_was_read_and_the_rest_is_asked_again(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            held: list[tuple[int, bytes]] = []

            def respond(visit: DohVisit, stream: int, message: bytes) -> None:
                if visit is not one.server.visits[0]:
                    visit.say(stream, GOOD, answer(message))
                    return
                held.append((stream, message))
                if len(held) == 10:
                    visit.transport.write(frame(7, 0, 0, (9).to_bytes(4) + bytes(4)))  # streams 1 to 9 were read

            one.server.respond = respond
            for number in range(10):
                one.stream.ask(question(number))
            await one.heard.count(5)
            assert one.heard.ids == [5, 6, 7, 8, 9]
            first = one.server.visits[0]
            for stream, message in held[:5]:
                first.say(stream, GOOD, answer(message))
            await one.heard.count(10)
            assert (one.heard.ids[5:], one.heard.failures) == ([0, 1, 2, 3, 4], [])
            await one.happenings.until(lambda: first.is_over)
            assert (len(one.server.visits), one.stream.counts.moved) == (2, 5)

    run(loop, body)


def test_a_goaway_for_all_is_not_asked_again_for_ever(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, _stream, _message: visit.transport.write(
                frame(7, 0, 0, bytes(4) + int(ErrorCodes.ENHANCE_YOUR_CALM).to_bytes(4))
            )
            assert await one.failing("closed") == "ended the HTTP/2 connection (ENHANCE_YOUR_CALM)"
            assert len(one.server.messages) == 2

    run(loop, body)


@pytest.mark.parametrize(
    ("code", "asked", "name"), [(8, 1, "CANCEL"), (7, 2, "REFUSED_STREAM"), (4711, 1, "error 4711")]
)
def test_a_reset_stream_is_asked_again_only_if_it_was_refused(
    loop: str, scene: Make, code: int, asked: int, name: str
) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, stream, _message: visit.transport.write(
                frame(3, 0, stream, code.to_bytes(4))
            )
            assert await one.failing("http") == f"reset the HTTP/2 stream ({name})"
            assert len(one.server.messages) == asked

    run(loop, body)


PING = frame(6, 0, 0, bytes(8))
SETTINGS = frame(4, 0, 0, (3).to_bytes(2) + (100).to_bytes(4))
MANY_SETTINGS = frame(4, 0, 0, ((3).to_bytes(2) + (100).to_bytes(4)) * 2730)
PRIORITY = frame(2, 0, 99, bytes(4) + b"\1")
WINDOW_UPDATE = frame(8, 0, 0, (1).to_bytes(4))
UNKNOWN = frame(0xBB, 0, 0, bytes(16384))
EMPTY_DATA = frame(0, 0, 1)
PADDED_DATA = frame(0, 8, 1, b"\xff" + bytes(255))


@pytest.mark.parametrize(
    "flood",
    [PING, SETTINGS, MANY_SETTINGS, PRIORITY, WINDOW_UPDATE, UNKNOWN, EMPTY_DATA, PADDED_DATA],
    ids=["ping", "settings", "many settings", "priority", "window update", "unknown", "empty data", "padded data"],
)
def test_a_flood_of_frames_ends_the_connection_soon(loop: str, scene: Make, flood: bytes) -> None:
    async def body() -> None:
        async with scene().played() as one:

            def respond(visit: DohVisit, stream: int, _message: bytes) -> None:
                if flood[3] == 0:
                    visit.http.send_headers(stream, list(GOOD))
                    visit.push()
                visit.transport.write(flood * 50_000 if len(flood) < 1000 else flood * 200)

            one.server.respond = respond
            before = time.process_time()
            assert await one.failing("http") == "sent a flood of HTTP/2 frames"
            await one.happenings.until(lambda: one.server.open == 0)
            assert time.process_time() - before < 5.0  # all of these frames would take much longer

    run(loop, body)


def test_huge_headers_end_the_connection(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            headers = (*GOOD, *((f"x-{number}", "y" * 3000) for number in range(100)))
            one.server.respond = lambda visit, stream, message: visit.say(stream, headers, answer(message))
            assert (await one.failing("http")).startswith(
                ("sent a flood of HTTP/2 frames", "sent what HTTP/2 does not")
            )

    run(loop, body)


def test_headers_that_unpack_to_much_end_the_connection(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            # A header of 4,000 octets is put into the table, then named 4,000 times with an octet each (CVE-2016-6581).
            block = b"\x88\x40\1x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * 4000

            def respond(visit: DohVisit, stream: int, _message: bytes) -> None:
                visit.transport.write(frame(1, 4, stream, block))

            one.server.respond = respond
            assert await one.failing("http") == "sent what HTTP/2 does not allow (DenialOfServiceError)"

    run(loop, body)


def test_headers_without_an_end_end_the_connection(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:

            def respond(visit: DohVisit, stream: int, _message: bytes) -> None:
                visit.transport.write(frame(1, 0, stream, b"\x88") + frame(9, 0, stream, b"") * 100_000)

            one.server.respond = respond
            why = await one.failing("http")
            assert why.startswith(("sent what HTTP/2 does not allow", "sent a flood of HTTP/2 frames"))

    run(loop, body)


@pytest.mark.parametrize(
    "garbage",
    [
        frame(1, 5, 1, b"\xff\xff\xff\xff\xff"),  # HPACK
        frame(0, 0, 0, b"data"),  # DATA on the connection
        frame(5, 4, 1, (2).to_bytes(4) + b"\x88"),  # PUSH_PROMISE, which was declined
        frame(8, 0, 0, bytes(4)),  # a window grown by nothing
        frame(4, 1, 0, b"\0"),  # an acknowledgement with content
        frame(1, 5, 2, b"\x88"),  # a response on a stream of its own
        frame(0, 1, 1, bytes(12)),  # a body without headers
    ],
    ids=["hpack", "data", "push", "window", "settings", "own stream", "no headers"],
)
def test_what_http2_does_not_allow_ends_the_connection(loop: str, scene: Make, garbage: bytes) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, _stream, _message: visit.transport.write(garbage)
            assert (await one.failing("http")).startswith("sent what HTTP/2 does not allow (")
            await one.happenings.until(lambda: one.server.open == 0)

    run(loop, body)


def test_a_frame_longer_than_allowed_ends_the_connection(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:
            one.server.respond = lambda visit, _stream, _message: visit.transport.write(frame(0xBB, 0, 0, bytes(16385)))
            assert await one.failing("http") == "does not speak HTTP/2, which DNS over HTTPS needs"

    run(loop, body)


def test_an_answer_may_come_octet_by_octet(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:

            def respond(visit: DohVisit, stream: int, message: bytes) -> None:
                visit.http.send_headers(stream, list(GOOD))
                for octet in answer(message)[:-1]:
                    visit.http.send_data(stream, bytes((octet,)))
                visit.http.send_data(stream, answer(message)[-1:], end_stream=True)
                for octet in visit.http.data_to_send():
                    visit.transport.write(bytes((octet,)))

            one.server.respond = respond
            one.stream.ask(question(1))
            await one.heard.count(1)
            assert one.heard.answers == [answer(padded(question(1)))]

    run(loop, body)


def test_a_connection_that_ends_within_a_response_is_a_failure(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:

            def respond(visit: DohVisit, stream: int, message: bytes) -> None:
                visit.http.send_headers(stream, list(GOOD))
                visit.http.send_data(stream, answer(message))
                visit.push()
                visit.transport.close()

            one.server.respond = respond
            assert await one.failing("closed") == "ended the connection"

    run(loop, body)


def test_a_question_without_an_answer_is_given_up_and_its_stream_reset(loop: str, scene: Make) -> None:
    async def body() -> None:
        one = scene()
        one.options = replace(one.options, answer_time=1.0, silence=1000)
        one.server.respond = lambda _visit, _stream, _message: None
        async with one.played():
            assert await one.failing("silent") == "has not answered for long"
            await one.happenings.until(lambda: one.server.visits[0].resets == [1])
            held = one.server.messages[0]
            one.server.respond = lambda visit, stream, message: visit.say(stream, GOOD, answer(message))
            one.stream.ask(question(2))
            await one.heard.count(2)
            assert (one.heard.ids, len(one.server.visits)) == ([2], 1)
            assert held[:2] == b"\0\0"

    run(loop, body)


def test_interim_responses_and_trailers_are_passed_over(loop: str, scene: Make) -> None:
    async def body() -> None:
        async with scene().played() as one:

            def respond(visit: DohVisit, stream: int, message: bytes) -> None:
                visit.http.send_headers(stream, [(":status", "103")])
                visit.http.send_headers(stream, list(GOOD))
                visit.http.send_data(stream, answer(message))
                visit.http.send_headers(stream, [("x-trailer", "1")], end_stream=True)
                visit.push()

            one.server.respond = respond
            one.stream.ask(question(1))
            await one.heard.count(1)
            assert one.heard.ids == [1]

    run(loop, body)


def test_no_stream_at_all_is_a_failure_in_the_end(loop: str, scene: Make) -> None:
    async def body() -> None:
        one = scene()
        one.options = replace(one.options, answer_time=0.1)
        one.server.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 0}
        async with one.played():
            assert await one.failing("full") == "takes no more questions"
            assert one.server.most_at_once <= 2

    run(loop, body)
