"""Connections in plain text: kept, pipelined, replaced, and bounded whatever the upstream does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from blockd.resolver.streams import Stream, StreamOptions
from blockd.resolver.streams.connection import MAX_STRAYS
from blockd.settings import Upstream
from tests.resolver.streams.happenings import Happenings, Heard, run
from tests.resolver.streams.servers import StreamServer, Visit, answer, framed, question

QUICK = StreamOptions(tick=0.01, first_backoff=0.01)


class Scene:
    """A stream, its listener and the upstream that it is connected to."""

    def __init__(self, options: StreamOptions = QUICK) -> None:
        self.happenings = Happenings()
        self.server = StreamServer(self.happenings)
        self.heard = Heard(self.happenings)
        self.options = options
        self.stream: Stream

    @asynccontextmanager
    async def played(self) -> AsyncIterator[Scene]:
        """Serve and connect inside the block."""
        async with self.server.serving():
            self.stream = Stream(Upstream("127.0.0.1", self.server.port, over_tcp=True), self.heard, self.options)
            try:
                yield self
            finally:
                self.stream.close()

    @property
    def label(self) -> str:
        return f"tcp://127.0.0.1:{self.server.port}"


def test_many_questions_share_one_connection_and_are_answered_in_any_order(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            waiting: list[bytes] = []

            def respond(visit: Visit, message: bytes) -> None:
                waiting.append(message)
                if len(waiting) == 500:
                    visit.say(*map(answer, reversed(waiting)))

            scene.server.respond = respond
            for identifier in range(500):
                scene.stream.ask(question(identifier, f"n{identifier}.example"))
            await scene.heard.count(500)
            assert scene.heard.ids == list(reversed(range(500)))
            assert scene.heard.answers[0] == answer(question(499, "n499.example"))
            assert (len(scene.server.visits), scene.heard.failures) == (1, [])

    run(loop, body)


def test_a_connection_is_kept_for_the_next_question(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            for number in range(1, 4):
                scene.stream.ask(question(number))
                await scene.heard.count(number)
            assert len(scene.server.visits) == 1
            assert scene.stream.counts.connections == 1

    run(loop, body)


def test_questions_in_plain_text_are_not_padded(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.server.messages == [question(1)]

    run(loop, body)


def test_an_upstream_asked_over_udp_is_asked_over_tcp(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            stream = Stream(Upstream("127.0.0.1", scene.server.port), scene.heard, QUICK)
            stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.ids == [1]
            stream.close()

    run(loop, body)


def test_equal_ids_are_told_apart_on_the_wire(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.stream.ask(question(65535, "one.example"))
            scene.stream.ask(question(65535, "other.example"))
            await scene.heard.count(2)
            assert sorted(scene.heard.answers) == sorted(
                answer(question(65535, name)) for name in ("one.example", "other.example")
            )
            assert len({message[:2] for message in scene.server.messages}) == 2

    run(loop, body)


def test_an_idle_connection_is_ended(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, idle_time=0.05)).played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            await scene.happenings.until(lambda: scene.server.open == 0)
            assert scene.stream.connections == 0
            scene.stream.ask(question(2))
            await scene.heard.count(2)
            assert (len(scene.server.visits), scene.heard.failures) == (2, [])

    run(loop, body)


def test_a_second_connection_is_made_only_while_the_first_is_full(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, max_asked=10)).played() as scene:
            held: list[tuple[Visit, bytes]] = []
            scene.server.respond = lambda visit, message: held.append((visit, message))
            for identifier in range(10):
                scene.stream.ask(question(identifier))
            await scene.happenings.until(lambda: len(held) == 10)
            assert len(scene.server.visits) == 1
            for identifier in range(10, 50):
                scene.stream.ask(question(identifier))
            await scene.happenings.until(lambda: len(held) == 20)
            assert len(scene.server.visits) == 2
            scene.server.respond = lambda visit, message: visit.say(answer(message))
            for visit, message in held:
                visit.say(answer(message))
            await scene.heard.count(50)
            assert sorted(scene.heard.ids) == list(range(50))
            assert scene.server.most_at_once == 2

    run(loop, body)


def test_too_many_questions_fail_at_once_and_say_so(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, max_questions=20)).played() as scene:
            scene.server.respond = lambda _visit, _message: None
            for identifier in range(25):
                scene.stream.ask(question(identifier))
            await scene.heard.count(5)
            why = f"too many questions are waiting for {scene.label}"
            assert scene.heard.failures == [(identifier, "full", why) for identifier in range(20, 25)]

    run(loop, body)


def test_too_many_octets_fail_at_once(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, max_octets=100_000)).played() as scene:
            large = question(1) + bytes(60_000)
            scene.stream.ask(large)
            scene.stream.ask(large[:1] + b"\2" + large[2:])
            await scene.heard.count(2)
            assert [one[:2] for one in scene.heard.failures] == [(2, "full")]
            assert scene.heard.ids == [1]

    run(loop, body)


def test_an_upstream_that_reads_nothing_is_not_sent_ever_more(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, max_octets=200_000, max_questions=1_000_000)).played() as scene:
            scene.server.greet = lambda visit: visit.transport.pause_reading()
            number = 0
            while not any(kind == "full" for _, kind, _ in scene.heard.failures):
                scene.stream.ask(question(number % 65536) + bytes(1000))
                number += 1
                if number % 100 == 0:
                    await scene.happenings.until(lambda: True)
                    await _turn()
            assert sum(one.unsent for one in scene.stream._connections) <= 200_000

    run(loop, body)


async def _turn() -> None:
    """Let the event loop have one turn."""
    await asyncio.sleep(0)


@pytest.mark.parametrize("size", [0, 11, 65536])
def test_what_is_not_a_message_is_not_sent(loop: str, size: int) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            message = (question(7) + bytes(65536))[:size]
            scene.stream.ask(message)
            await scene.heard.count(1)
            why = f"a message of {size} octets cannot be sent to {scene.label}"
            assert scene.heard.failures == [(7 if size else 0, "malformed", why)]
            assert scene.server.visits == []

    run(loop, body)


def test_the_longest_message_goes_both_ways(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            message = question(7) + bytes(65535 - len(question(7)))
            scene.stream.ask(message)
            await scene.heard.count(1)
            assert scene.heard.answers == [answer(message)]

    run(loop, body)


def test_a_refused_connection_fails_what_waits_and_what_comes_soon_after() -> None:
    async def body() -> None:
        with socket.socket() as taken:  # bound, and nobody listens
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            happenings = Happenings()
            heard = Heard(happenings)
            stream = Stream(Upstream("127.0.0.1", port, over_tcp=True), heard, replace(QUICK, first_backoff=1000))
            stream.ask(question(1))
            stream.ask(question(2))
            await heard.count(2)
            stream.ask(question(3))
            await heard.count(3)
            why = f"tcp://127.0.0.1:{port} cannot be connected to (connection refused)"
            assert heard.failures == [(number, "connect", why) for number in (1, 2, 3)]
            assert stream.counts.failures == 1
            stream.close()

    run("uvloop", body)


def test_it_connects_again_after_a_while_that_grows() -> None:
    times: list[float] = [1000.0]

    async def body() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            happenings = Happenings()
            heard = Heard(happenings)
            options = StreamOptions(first_backoff=1.0, last_backoff=3.0)
            stream = Stream(Upstream("127.0.0.1", port, over_tcp=True), heard, options, lambda: times[0])
            waits = [1.0, 2.0, 3.0, 3.0]
            number = 0
            for tries, wait in enumerate(waits):
                number += 1
                stream.ask(question(number))
                await heard.count(number)
                assert stream.counts.failures == tries + 1
                times[0] += wait - 0.01
                number += 1
                stream.ask(question(number))
                await heard.count(number)
                assert stream.counts.failures == tries + 1
                times[0] += 0.02
            taken.listen()
            server = StreamServer(happenings)
            taken.close()
            async with server.serving(port=port):
                stream.ask(question(99))
                await happenings.until(lambda: heard.ids == [99])
                stream.close()

    run("uvloop", body)


def test_a_link_local_upstream_whose_interface_does_not_exist_is_a_sentence(loop: str) -> None:
    async def body() -> None:
        happenings = Happenings()
        heard = Heard(happenings)
        stream = Stream(Upstream("fe80::1%nosuchiface0", 53, over_tcp=True), heard, QUICK)
        stream.ask(question(1))
        await heard.count(1)
        why = "tcp://[fe80::1%nosuchiface0]:53 cannot be reached: the machine has no interface nosuchiface0"
        assert heard.failures == [(1, "connect", why)]
        stream.close()

    run(loop, body)


@pytest.mark.parametrize("helps", [True, False])
def test_what_is_unanswered_when_a_connection_dies_is_asked_once_more(loop: str, helps: bool) -> None:
    async def body() -> None:
        async with Scene().played() as scene:

            def respond(visit: Visit, message: bytes) -> None:
                if visit is not scene.server.visits[0]:
                    if helps:
                        visit.say(answer(message))
                    elif len(scene.server.messages) == 5:
                        visit.transport.abort()
                elif len(scene.server.messages) == 3:
                    visit.say(answer(message))
                    visit.transport.abort()

            scene.server.respond = respond
            for identifier in range(1, 4):
                scene.stream.ask(question(identifier))
            await scene.heard.count(3)
            assert scene.heard.ids == ([3, 1, 2] if helps else [3])
            assert [one[:2] for one in scene.heard.failures] == ([] if helps else [(1, "closed"), (2, "closed")])
            assert helps or f"{scene.label} ended the connection" in scene.heard.failures[0][2]

    run(loop, body)


def test_a_question_that_meets_the_end_of_a_kept_connection_is_asked_once_more(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            first = scene.server.visits[0]
            scene.server.respond = lambda visit, message: (
                visit.transport.close() if visit is first else visit.say(answer(message))
            )
            scene.stream.ask(question(2))
            await scene.heard.count(2)
            assert (scene.heard.ids, scene.heard.failures) == ([1, 2], [])
            assert scene.stream.counts.moved == 1

    run(loop, body)


def test_it_is_asked_no_third_time(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            scene.server.respond = lambda visit, _message: visit.transport.close()
            scene.stream.ask(question(2))
            await scene.heard.count(2)
            assert [one[:2] for one in scene.heard.failures] == [(2, "closed")]
            assert len(scene.server.messages) == 3

    run(loop, body)


def test_an_upstream_that_accepts_and_ends_every_connection_is_not_connected_to_at_once_again() -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, first_backoff=1000)).played() as scene:
            scene.server.greet = lambda visit: visit.transport.abort()
            for number in range(1, 6):
                scene.stream.ask(question(number))
                await scene.heard.count(number)
            assert len(scene.server.visits) == 1
            assert {kind for _, kind, _ in scene.heard.failures} == {"closed"}

    run("uvloop", body)


def test_a_half_open_connection_is_replaced_and_a_late_answer_is_still_heard(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, silence=0.05)).played() as scene:
            scene.server.respond = lambda visit, message: (
                None if visit is scene.server.visits[0] else visit.say(answer(message))
            )
            scene.stream.ask(question(1))
            await scene.happenings.until(lambda: scene.stream._connections and scene.stream._connections[0].is_retiring)
            scene.stream.ask(question(2))
            await scene.heard.count(1)
            assert scene.heard.ids == [2]
            assert (len(scene.server.visits), scene.server.open) == (2, 2)
            scene.server.visits[0].say(answer(scene.server.messages[0]))
            await scene.heard.count(2)
            assert scene.heard.ids == [2, 1]
            await scene.happenings.until(lambda: scene.server.visits[0].is_over)  # it has done its work
            assert not scene.server.visits[1].is_over

    run(loop, body)


def test_a_question_without_an_answer_is_given_up_and_a_late_answer_reaches_nobody(loop: str) -> None:
    async def body() -> None:
        async with Scene(replace(QUICK, answer_time=0.05, silence=1000)).played() as scene:
            held: list[bytes] = []
            scene.server.respond = lambda _visit, message: held.append(message)
            scene.stream.ask(question(1, "slow.example"))
            await scene.heard.count(1)
            assert scene.heard.failures == [(1, "silent", f"{scene.label} has not answered for long")]
            scene.server.respond = lambda visit, message: visit.say(answer(held[0]), answer(message))
            scene.stream.ask(question(1, "other.example"))
            await scene.heard.count(2)
            assert scene.heard.answers == [answer(question(1, "other.example"))]
            assert len(scene.server.visits) == 1
            assert scene.stream.counts.strays == 0

    run(loop, body)


@pytest.mark.parametrize("size", [0, 1, 11])
def test_a_frame_too_short_for_a_message_ends_the_connection(loop: str, size: int) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.server.respond = lambda visit, _message: visit.say(bytes(size))
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.failures == [(1, "malformed", f"{scene.label} sent a message of {size} octets")]
            await scene.happenings.until(lambda: scene.server.open == 0)

    run(loop, body)


def test_answers_to_no_question_are_counted_and_ignored(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.server.respond = lambda visit, message: visit.say(
                answer(question(4711)), message, b"\0\0" + answer(message)[2:], answer(message)
            )  # another ID, a question in place of an answer, another ID
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.answers == [answer(question(1))]
            assert scene.stream.counts.strays == 3

    run(loop, body)


def test_an_upstream_that_sends_without_being_asked_is_left(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.server.respond = lambda visit, _message: visit.say(*[answer(question(2))] * 100_000)
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            why = f"{scene.label} sent more than {MAX_STRAYS} messages that answer no question"
            assert scene.heard.failures == [(1, "malformed", why)]
            assert scene.stream.counts.strays == MAX_STRAYS + 1
            await scene.happenings.until(lambda: scene.server.open == 0)

    run(loop, body)


def test_an_answer_may_come_octet_by_octet(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:

            def respond(visit: Visit, message: bytes) -> None:
                for octet in framed(answer(message)):
                    visit.transport.write(bytes((octet,)))

            scene.server.respond = respond
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.answers == [answer(question(1))]

    run(loop, body)


def test_a_connection_that_ends_within_a_message_is_a_failure(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:

            def respond(visit: Visit, message: bytes) -> None:
                visit.transport.write(framed(answer(message))[:-1])
                visit.transport.close()

            scene.server.respond = respond
            scene.stream.ask(question(1))
            await scene.heard.count(1)
            assert scene.heard.failures == [(1, "closed", f"{scene.label} ended the connection")]

    run(loop, body)


def test_nothing_is_reported_after_the_end(loop: str) -> None:
    async def body() -> None:
        async with Scene().played() as scene:
            scene.server.respond = lambda _visit, _message: None
            scene.stream.ask(question(1))
            await scene.happenings.until(lambda: scene.server.messages)
            scene.stream.ask(question(2))
            scene.stream.close()
            scene.stream.ask(question(3))
            await scene.happenings.until(lambda: scene.server.open == 0)
            assert (scene.heard.answers, scene.heard.failures) == ([], [])

    run(loop, body)
