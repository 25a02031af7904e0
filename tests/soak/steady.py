"""A client that asks at a steady rate for names with one right answer, and keeps account of every question."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import dns.message

SOCKETS = 16  # the kernel spreads them over all workers
LATE = 1.0  # seconds after which an answer is late
NAP = 0.02  # seconds of waiting at once, at most
NOERROR = 0


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the questions asked within some time."""

    asked: int
    late: int
    lost: int
    wrong: int
    open: int  # neither answered nor lost yet


class Steady:
    """Asks in a thread, each question once, until the end of the block."""

    def __init__(self, port: int, right: Mapping[str, str], rate: float, lost: float) -> None:
        """`right` has names with the address that each must be answered with, `rate` the questions a second.

        A question is lost after `lost` seconds.
        """
        self._port = port
        self._rate = rate
        self._lost = lost
        self._questions = [
            (dns.message.make_query(name, "A").to_wire()[2:], ipaddress.ip_address(address).packed)
            for name, address in right.items()
        ]
        self._counts: dict[str, Counter[int]] = {key: Counter() for key in ("asked", "late", "lost", "wrong", "done")}
        self.examples: list[str] = []  # of wrong answers
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._is_asking = True
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="steady", daemon=True)

    def __enter__(self) -> Steady:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def finish(self) -> None:
        """Ask no more, and wait until every question is answered or lost."""
        self._is_asking = False
        while self.account().open:
            time.sleep(NAP)

    def account(self, since: float = 0.0, until: float = float("inf")) -> Account:
        """Return what became of the questions asked between two times of the monotonic clock, in whole seconds."""
        with self._lock:
            sums = {
                key: sum(count for second, count in counts.items() if since - 1 < second + self._begun <= until)
                for key, counts in self._counts.items()
            }
        return Account(sums["asked"], sums["late"], sums["lost"], sums["wrong"], sums["asked"] - sums["done"])

    def _run(self) -> None:
        chance = random.Random(1)  # noqa: S311 - a soak repeats itself
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(SOCKETS)]
            out: list[dict[int, tuple[float, int]]] = [{} for _ in socks]  # by identifier: when, and which question
            for index, sock in enumerate(socks):
                sock.setblocking(False)
                sock.connect(("127.0.0.1", self._port))
                selector.register(sock, selectors.EVENT_READ, index)
            due, swept = time.monotonic(), time.monotonic()
            while not self._stop.is_set():
                now = time.monotonic()
                due = max(due, now - 1.0)  # what was not asked while this machine paused is not asked at once
                while due <= now and self._is_asking:
                    due += 1 / self._rate
                    self._ask(socks, out, chance)
                for key, _ in selector.select(min(NAP, max(0.0, due - time.monotonic()))):
                    self._read(socks[key.data], out[key.data])
                if now - swept > 1.0:
                    swept = now
                    self._sweep(out, now)

    def _ask(self, socks: list[socket.socket], out: list[dict[int, tuple[float, int]]], chance: random.Random) -> None:
        index, question, number = (
            chance.randrange(SOCKETS),
            chance.randrange(len(self._questions)),
            chance.randrange(1 << 16),
        )
        if number in out[index]:
            return
        try:
            socks[index].send(number.to_bytes(2) + self._questions[question][0])
        except OSError:  # nobody has the port, between the end of a killed blockd and the next start
            return
        now = time.monotonic()
        out[index][number] = now, question
        self._note("asked", now)

    def _read(self, sock: socket.socket, out: dict[int, tuple[float, int]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                answer = sock.recv(4096)
                sent, question = out.pop(int.from_bytes(answer[:2]), (0.0, -1))
                if question < 0:
                    continue
                self._note("done", sent)
                if time.monotonic() - sent > LATE:
                    self._note("late", sent)
                if len(answer) < 12 or answer[3] & 15 != NOERROR or self._questions[question][1] not in answer[12:]:
                    self._note("wrong", sent)
                    self.examples.append(answer.hex())

    def _sweep(self, out: list[dict[int, tuple[float, int]]], now: float) -> None:
        for asked in out:
            for number in [number for number, (sent, _) in asked.items() if now - sent > self._lost]:
                sent, _ = asked.pop(number)
                self._note("lost", sent)
                self._note("done", sent)

    def _note(self, key: str, sent: float) -> None:
        with self._lock:
            self._counts[key][int(sent - self._begun)] += 1
