"""Clients that ask without a break while something happens to the daemon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import dns.message

from tests.daemon.answer import Answer
from tests.daemon.harness import PATIENCE, Daemon, until

PACE = 0.002  # seconds between two questions of one client: hundreds a second from all, which loopback never loses
LOST = 8.0  # seconds after which a question counts as lost
_SOCKETS = 8  # for each client, so that the kernel spreads its questions over all workers


class Asking:
    """Asks each of `questions` (a name, and the addresses that are the only right answer) in a thread of its own."""

    def __init__(self, daemon: Daemon, questions: Sequence[tuple[str, Sequence[str]]]) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self.wrong: list[str] = []
        self._daemon = daemon
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(name, list(right)), daemon=True) for name, right in questions
        ]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(50)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more questions have been answered."""
        goal = self.answered + count
        until(lambda: self.answered >= goal, "questions are answered")

    def during(self, happening: Callable[[], object]) -> None:
        """Let something happen, and go on asking for a while behind it."""
        happening()
        self.wait_for_more(100)

    def assert_nothing_lost_or_wrong(self) -> None:
        """No question went without its answer, and no answer was another than the right one."""
        assert self.lost == []
        assert self.wrong == []
        assert self.answered > 100

    def _ask(self, name: str, right: list[str]) -> None:
        sockets = [_connected(self._daemon.dns_port) for _ in range(_SOCKETS)]
        number = 0
        try:
            while not self._stop.is_set():
                number += 1
                self._ask_once(sockets[number % _SOCKETS], name, right)
                self._stop.wait(PACE)
        finally:
            for sock in sockets:
                sock.close()

    def _ask_once(self, sock: socket.socket, name: str, right: list[str]) -> None:
        query = dns.message.make_query(name, "A")
        sock.send(query.to_wire())
        try:
            answer = Answer(dns.message.from_wire(sock.recv(4096)))
        except TimeoutError:
            self.lost.append(name)
            return
        wrong = not query.is_response(answer.message) or answer.rcode != "NOERROR" or answer.addresses != right
        with self._lock:
            self.answered += 1
            if wrong:
                self.wrong.append(answer.message.to_text())


def _connected(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(LOST)
    sock.connect(("127.0.0.1", port))
    return sock
