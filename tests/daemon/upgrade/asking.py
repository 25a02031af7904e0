"""Questions all the time, over UDP and TCP, each from a port of its own: what is lost, how long one took at most."""

from __future__ import annotations

import threading
import time

import dns.exception

from tests.daemon.harness import PATIENCE, Daemon

ASKING = 2  # threads for each transport


class Load:
    """Asks a daemon as long as it is used as a context; afterwards all is known."""

    def __init__(self, daemon: Daemon, name: str = "listed.example", address: str = "127.0.0.1") -> None:
        self.lost: list[str] = []
        self.asked = 0
        self.longest = 0.0  # seconds
        self._daemon = daemon
        self._name = name
        self._addresses = [address]
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(tcp,)) for tcp in (False, True) * ASKING]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, tcp: bool) -> None:
        while not self._over.is_set():
            begun, failure = time.monotonic(), ""
            try:
                answer = self._daemon.ask(self._name, tcp=tcp, timeout=PATIENCE)
                if answer.addresses != self._addresses:
                    failure = f"{answer.rcode} {answer.addresses}"
            except (OSError, EOFError, dns.exception.DNSException) as error:
                failure = repr(error)
            with self._lock:
                self.asked += 1
                self.longest = max(self.longest, time.monotonic() - begun)
                if failure:
                    self.lost.append(f"{'TCP' if tcp else 'UDP'}: {failure}")
