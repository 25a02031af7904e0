"""Asking every worker by its own sockets. Runs in a thread, with an end in time, and never waits for an upstream.

The kernel spreads clients over the workers' sockets by their ports. So it is asked from one port after the other,
first for the index of the worker there, until each worker has had all questions, or the time is over.
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
from blockd.selftest.expectations import SelfTestQuestion, heard_in_words
from blockd.settings import SocketAddress

SECONDS = 0.9  # for all of it; usually it takes some milliseconds
PATIENCE = 0.1  # seconds for an answer, before it is asked again
TRIES = 3  # of one question over UDP, which may lose it
HEARINGS = 2  # of a silence until it is believed: over UDP an answer may overtake those before it
PORTS_PER_WORKER = 16  # asked from at most: with so many a worker is missed once in ten million times
BATCH = 32  # questions sent at once: their answers fit every receive buffer
FEW = 6  # questions at a worker's further sockets, behind which the same engine answers


@dataclass(slots=True)
class ClientOutcome:
    """What came of it; a failure says who was asked what, what was expected, and what was heard."""

    failure: str = ""
    answers: int = 0  # that were right
    workers: set[int] = field(default_factory=set)  # that have answered everything at one socket at least
    skipped: list[str] = field(default_factory=list)  # what could not be tested, and why


class _Mute(Exception):
    """Nobody answers."""


def ask_workers(
    asked: Mapping[Transport, Sequence[SelfTestQuestion]],
    addresses: Sequence[SocketAddress],
    workers: Collection[int],
    selftest_key: SelfTestKey,
    clock: Callable[[], float] = time.monotonic,
) -> ClientOutcome:
    """Put the questions for each transport to every one of `workers` at every address."""
    outcome = ClientOutcome()
    deadline = clock() + SECONDS
    for transport, questions in asked.items():
        complete = False  # whether all questions were put at an address
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
    """Ask at one address until nobody is missing."""
    for _ in range(PORTS_PER_WORKER * len(missing)):
        if not missing or clock() >= deadline:
            return
        try:
            with _Line(address, transport, selftest_key, deadline, clock) as line:
                worker = line.worker()
                if worker not in missing:
                    continue
                trouble = line.put(questions)
        except (_Mute, ConnectionError, TimeoutError):
            continue  # a worker that is being started again, or a machine with too much to do: no fault of the ruleset
        if trouble:
            outcome.failure = f"worker {worker}, asked at {address} over {transport.name}, {trouble}"
            return
        missing.discard(worker)
        outcome.workers.add(worker)
        outcome.answers += len(questions)


class _Line:
    """A way to one worker: a socket with a port of its own."""

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

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def worker(self) -> int:
        """Give the index of the worker at the other end; raises _Mute where nobody tells."""
        self._send(self._selftest_key.identity_question)
        heard = self._hear(self._clock() + PATIENCE)
        worker = None if heard is None else self._selftest_key.worker(heard)
        if worker is None:
            raise _Mute
        return worker

    def put(self, questions: Sequence[SelfTestQuestion]) -> str:
        """Put all questions; give what is wrong with an answer, empty where nothing is.

        Raises _Mute where the worker has stopped answering anything, which is no fault of the ruleset.
        """
        for start in range(0, len(questions), BATCH):
            trouble = self._put_batch(questions[start : start + BATCH])
            if trouble:
                return trouble
        return ""

    def _put_batch(self, questions: Sequence[SelfTestQuestion]) -> str:
        open_ones = dict(enumerate(questions, 1))
        silent: SelfTestQuestion | None = None
        for _ in range(HEARINGS):
            if trouble := self._hear_out(open_ones):
                return trouble
            silent = _owed(open_ones)
            if silent is None:
                break
        return _trouble(silent, "nothing") if silent else ""

    def _hear_out(self, open_ones: dict[int, SelfTestQuestion]) -> str:
        """Ask what is open until the worker has said all that it will, and give what is wrong with that."""
        for _ in range(self._tries):
            for number, question in open_ones.items():
                self._send(number.to_bytes(2) + question.packet[2:])
            until = self._clock() + PATIENCE
            while _owed(open_ones) and (heard := self._hear(until)) is not None:
                if trouble := _taken(heard, open_ones):
                    return trouble
            if not _owed(open_ones):
                break
        self._send(self._selftest_key.identity_question)  # behind all others: whoever has answered this has seen them
        while (heard := self._hear(self._clock() + PATIENCE)) is not None and self._selftest_key.worker(heard) is None:
            if trouble := _taken(heard, open_ones):
                return trouble
        if heard is None:
            raise _Mute
        return ""

    def _send(self, packet: bytes) -> None:
        self._socket.sendall(len(packet).to_bytes(2) + packet if self._is_stream else packet)

    def _hear(self, until: float) -> bytes | None:
        """Give the next message; None where none has come in time."""
        while True:
            if self._is_stream and len(self._buffer) >= 2:
                size = 2 + int.from_bytes(self._buffer[:2])
                if len(self._buffer) >= size:
                    message, self._buffer = self._buffer[2:size], self._buffer[size:]
                    return message
            self._socket.settimeout(max(min(until, self._deadline) - self._clock(), 0.0))  # 0: what is there already
            try:
                heard = self._socket.recv(types.MAX_TCP)
            except (TimeoutError, BlockingIOError):
                return None
            if not self._is_stream and len(heard) >= types.HEADER_SIZE:
                return heard
            if self._is_stream and not heard:
                raise _Mute
            self._buffer += heard


def _owed(open_ones: Mapping[int, SelfTestQuestion]) -> SelfTestQuestion | None:
    """Give a question that an answer is still due to."""
    return next((question for question in open_ones.values() if question.wanted is not None), None)


def _taken(heard: bytes, open_ones: dict[int, SelfTestQuestion]) -> str:
    """Take an answer, which closes its question; give what is wrong with it."""
    asked = open_ones.pop(int.from_bytes(heard[:2]), None)
    return "" if asked is None or asked.is_answered_by(heard) else _trouble(asked, heard_in_words(heard))


def _trouble(question: SelfTestQuestion, heard: str) -> str:
    return f"was asked for {question.name} (type {question.qtype}): expected was {question.expected}, heard was {heard}"
