"""The self-test's client, which asks every worker. Runs in a thread for a limited time; never waits for an upstream.

The kernel spreads clients over the workers' sockets by their ports. So the client asks from one port after the other,
first for the index of the worker there, until each worker has answered all questions or the time is over.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from blockd.dns import types
from blockd.metrics import Transport
from blockd.resolver import SelfTestKey
from blockd.selftest.expectations import SelfTestQuestion, answer_text
from blockd.settings import SocketAddress

SECONDS = 0.9  # in all; usually it takes some milliseconds
PATIENCE = 0.1  # seconds to wait for an answer before asking again
TRIES = 3  # of one question over UDP, where it may be lost
ROUNDS = 2  # without an answer until a question counts as unanswered: UDP may reorder answers
PORTS_PER_WORKER = 16  # asked from at most: with this many, a worker is missed once in ten million times
BATCH = 32  # questions sent at once: their answers fit every receive buffer
FEW = 6  # questions at a worker's further sockets, where the same engine answers


@dataclass(slots=True)
class ClientOutcome:
    """The outcome; `failure` says who was asked what, what was expected, and what was received."""

    failure: str = ""
    answers: int = 0  # number of right answers
    workers: set[int] = field(default_factory=set)  # that have answered everything at one socket or more
    skipped: list[str] = field(default_factory=list)  # what could not be tested, and why


class _NoAnswer(Exception):
    """No answer has come."""


def ask_workers(
    asked: Mapping[Transport, Sequence[SelfTestQuestion]],
    addresses: Sequence[SocketAddress],
    workers: Collection[int],
    selftest_key: SelfTestKey,
    clock: Callable[[], float] = time.monotonic,
) -> ClientOutcome:
    """Ask every one of `workers` the questions for each transport, at every address."""
    outcome = ClientOutcome()
    deadline = clock() + SECONDS
    for transport, questions in asked.items():
        complete = False  # whether all questions were asked at an address
        for address in addresses:
            part = questions[:FEW] if complete else questions
            missing = set(workers)
            try:
                _ask_at(address, transport, part, missing, selftest_key, outcome, deadline, clock)
            except OSError as error:
                outcome.skipped.append(f"{address} over {transport.name}: {error.strerror or error}")
                continue
            if outcome.failure:
                return outcome
            if missing:
                outcome.skipped.append(f"{address} over {transport.name}: workers {sorted(missing)} were not reached")
            complete = complete or not missing
    return outcome


def _ask_at(
    address: SocketAddress,
    transport: Transport,
    questions: Sequence[SelfTestQuestion],
    missing: set[int],
    selftest_key: SelfTestKey,
    outcome: ClientOutcome,
    deadline: float,
    clock: Callable[[], float],
) -> None:
    """Ask at one address until no worker is missing."""
    for _ in range(PORTS_PER_WORKER * len(missing)):
        if not missing or clock() >= deadline:
            return
        try:
            with _WorkerSocket(address, transport, selftest_key, deadline, clock) as worker_socket:
                worker = worker_socket.worker()
                if worker not in missing:
                    continue
                trouble = worker_socket.put(questions)
        except (_NoAnswer, ConnectionError, TimeoutError):
            continue  # a worker that is being restarted, or an overloaded machine: not a fault of the ruleset
        if trouble:
            outcome.failure = f"worker {worker}, asked at {address} over {transport.name}, {trouble}"
            return
        missing.discard(worker)
        outcome.workers.add(worker)
        outcome.answers += len(questions)


class _WorkerSocket:
    """A socket with a port of its own, connected to one worker."""

    def __init__(
        self,
        address: SocketAddress,
        transport: Transport,
        selftest_key: SelfTestKey,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        host = ipaddress.ip_address(address.host)
        is_stream = transport is not Transport.UDP
        family = socket.AF_INET if host.version == 4 else socket.AF_INET6
        self._selftest_key = selftest_key
        self._deadline = deadline
        self._clock = clock
        self._tries = 1 if is_stream else TRIES
        self._is_stream = is_stream
        self._buffer = b""
        self._socket = socket.socket(family, socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(PATIENCE)
            loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
            self._socket.connect((loopback if host.is_unspecified else address.host, address.port))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> _WorkerSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def worker(self) -> int:
        """Return the index of the worker at the other end; raises _NoAnswer if none answers."""
        self._send(self._selftest_key.identity_question)
        message = self._receive(self._clock() + PATIENCE)
        worker = None if message is None else self._selftest_key.worker(message)
        if worker is None:
            raise _NoAnswer
        return worker

    def put(self, questions: Sequence[SelfTestQuestion]) -> str:
        """Ask all questions; return what is wrong with an answer, empty if all are right.

        Raises _NoAnswer if the worker no longer answers at all, which is not a fault of the ruleset.
        """
        for start in range(0, len(questions), BATCH):
            trouble = self._put_batch(questions[start : start + BATCH])
            if trouble:
                return trouble
        return ""

    def _put_batch(self, questions: Sequence[SelfTestQuestion]) -> str:
        pending = dict(enumerate(questions, 1))
        unanswered: SelfTestQuestion | None = None
        for _ in range(ROUNDS):
            if trouble := self._collect(pending):
                return trouble
            unanswered = _unanswered(pending)
            if unanswered is None:
                break
        return _trouble(unanswered, "no answer") if unanswered else ""

    def _collect(self, pending: dict[int, SelfTestQuestion]) -> str:
        """Ask pending questions until the worker has sent all its answers; return what is wrong with one."""
        for _ in range(self._tries):
            for number, question in pending.items():
                self._send(number.to_bytes(2) + question.packet[2:])
            until = self._clock() + PATIENCE
            while _unanswered(pending) and (message := self._receive(until)) is not None:
                if trouble := _check(message, pending):
                    return trouble
            if not _unanswered(pending):
                break
        self._send(self._selftest_key.identity_question)  # last: a worker that has answered this has seen the others
        while (message := self._receive(self._clock() + PATIENCE)) is not None:
            if self._selftest_key.worker(message) is not None:
                return ""
            if trouble := _check(message, pending):
                return trouble
        raise _NoAnswer
        return ""

    def _send(self, packet: bytes) -> None:
        self._socket.sendall(len(packet).to_bytes(2) + packet if self._is_stream else packet)

    def _receive(self, until: float) -> bytes | None:
        """Return the next message; None if none has come in time."""
        while True:
            if self._is_stream and len(self._buffer) >= 2:
                size = 2 + int.from_bytes(self._buffer[:2])
                if len(self._buffer) >= size:
                    message, self._buffer = self._buffer[2:size], self._buffer[size:]
                    return message
            self._socket.settimeout(max(min(until, self._deadline) - self._clock(), 0.0))  # 0: read what has arrived
            try:
                data = self._socket.recv(types.MAX_TCP)
            except (TimeoutError, BlockingIOError):
                return None
            if not self._is_stream and len(data) >= types.HEADER_SIZE:
                return data
            if self._is_stream and not data:
                raise _NoAnswer
            self._buffer += data


def _unanswered(pending: Mapping[int, SelfTestQuestion]) -> SelfTestQuestion | None:
    """Return a question whose answer is still missing; None if there is none."""
    return next((question for question in pending.values() if question.wanted is not None), None)


def _check(message: bytes, pending: dict[int, SelfTestQuestion]) -> str:
    """Close the question of an answer; return what is wrong with the answer, empty if it is right."""
    asked = pending.pop(int.from_bytes(message[:2]), None)
    return "" if asked is None or asked.is_answered_by(message) else _trouble(asked, answer_text(message))


def _trouble(question: SelfTestQuestion, received: str) -> str:
    return f"was asked for {question.name} (type {question.qtype}): expected {question.expected}, got {received}"
