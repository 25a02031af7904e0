"""A delayed worker and a self-test: late answers count as answers, and lasting silence as none."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import DomainName
from blockd.resolver import SelfTestKey
from blockd.resolver.query import Query
from blockd.resolver.selftest_key import asks_for_identity, identity_answer
from blockd.selftest import client as asking
from blockd.selftest.client import ClientOutcome, ask_workers
from blockd.selftest.expectations import SelfTestQuestion
from blockd.settings import SocketAddress
from tests.upstream import bound

SELFTEST_KEY = SelfTestKey.make(os.urandom)
WORKER = 3
RIGHT, WRONG = b"\x85\x80 as expected", b"\x85\x80 and not so"

Behaviour = Callable[[list[bytes]], list[bytes]]  # from the questions so far to the answers that are sent


def question(name: str) -> SelfTestQuestion:
    packet = SELFTEST_KEY.question(DomainName.from_text(name), types.A)
    return SelfTestQuestion(name, types.A, packet, b"\0\0" + RIGHT, "a block")


QUESTIONS = [question("one.example"), question("two.example")]


def answered(packet: bytes, content: bytes = RIGHT) -> bytes:
    query = Query(packet, Transport.UDP)
    return identity_answer(query, WORKER) if asks_for_identity(query) else packet[:2] + content


def identities(seen: list[bytes]) -> int:
    return sum(asks_for_identity(Query(packet, Transport.UDP)) for packet in seen)


def late(content: bytes) -> Behaviour:
    """Answer nothing until the worker's identity is asked for the second time, and then everything in order."""

    def behave(seen: list[bytes]) -> list[bytes]:
        if len(seen) == 1:
            return [answered(seen[0])]
        return [answered(packet, content) for packet in seen[1:]] if identities(seen) == 2 else []

    return behave


def overtaken(seen: list[bytes]) -> list[bytes]:
    """Answer the question for the identity first, although it came last, and the rest when asked again."""
    if identities(seen[-1:]):
        return [answered(seen[-1])]
    return [answered(seen[-1])] if identities(seen) == 2 else []


def mute(seen: list[bytes]) -> list[bytes]:
    """Answer the question for the identity only."""
    return [answered(seen[-1])] if identities(seen[-1:]) else []


@contextlib.contextmanager
def worker(transport: Transport, behaviour: Behaviour) -> Iterator[SocketAddress]:
    """Run a worker in a thread until the block ends."""
    listening, datagrams = bound("127.0.0.1")
    address = SocketAddress("127.0.0.1", datagrams.getsockname()[1])

    def serve_datagrams() -> None:
        seen: dict[object, list[bytes]] = {}
        while packet := (got := datagrams.recvfrom(4096))[0]:
            seen.setdefault(got[1], []).append(packet)
            for made in behaviour(seen[got[1]]):
                datagrams.sendto(made, got[1])

    def serve_stream() -> None:
        while True:
            connection, _ = listening.accept()
            seen: list[bytes] = []
            with connection, contextlib.suppress(ConnectionError), connection.makefile("rb") as stream:
                while size := stream.read(2):
                    seen.append(stream.read(int.from_bytes(size)))
                    for made in behaviour(seen):
                        connection.sendall(len(made).to_bytes(2) + made)
            if not seen:
                return

    thread = threading.Thread(target=serve_datagrams if transport is Transport.UDP else serve_stream)
    thread.start()
    try:
        yield address
    finally:
        if transport is Transport.UDP:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address.host, address.port))
        else:
            socket.create_connection((address.host, address.port)).close()
        thread.join()
        listening.close()
        datagrams.close()


def outcome_of(transport: Transport, behaviour: Behaviour) -> ClientOutcome:
    with worker(transport, behaviour) as address:
        return ask_workers({transport: QUESTIONS}, [address], {WORKER}, SELFTEST_KEY)


@pytest.fixture(autouse=True)
def _much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 60.0)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_late_answers_that_are_right_are_no_failure(transport: Transport) -> None:
    outcome = outcome_of(transport, late(RIGHT))
    assert (outcome.failure, outcome.workers) == ("", {WORKER})


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_late_answers_that_are_wrong_are_a_failure(transport: Transport) -> None:
    assert "was asked for one.example" in outcome_of(transport, late(WRONG)).failure


def test_answer_that_was_overtaken_is_asked_for_again() -> None:
    outcome = outcome_of(Transport.UDP, overtaken)
    assert (outcome.failure, outcome.workers) == ("", {WORKER})


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_silence_that_lasts_is_a_failure(transport: Transport) -> None:
    assert outcome_of(transport, mute).failure.endswith("got no answer")
