"""A server that only sends back what it is sent, asked all the time: what it takes long for, the machine is behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import deque

PAUSE = 0.004  # seconds between two questions to it
STALL = 0.005  # seconds above which an answer of it, beside the pause, says that there was no processor
MAX_STALLS = 100_000  # that are remembered


class Witness:
    """Asks such a server, a process of its own, within `with`; forked before threads are started."""

    def __init__(self) -> None:
        self._stalls: deque[tuple[float, float]] = deque(maxlen=MAX_STALLS)
        self._stop = threading.Event()
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._ask)
        self._pid = 0

    def __enter__(self) -> Witness:
        self._pid = os.fork()
        if self._pid == 0:
            self._ours.close()
            try:
                while octets := self._theirs.recv(16):
                    self._theirs.send(octets)
            finally:
                os._exit(0)
        self._theirs.close()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._ours.close()

    def stalled(self, begun: float, ended: float) -> float:
        """Return for how many seconds between two moments it gave no answer that it owed."""
        return sum(max(min(ended, one[1]) - max(begun, one[0]), 0.0) for one in list(self._stalls))

    def _ask(self) -> None:
        while not self._stop.is_set():
            begun = time.time()
            self._ours.send(b"?")
            self._ours.recv(16)
            time.sleep(PAUSE)
            ended = time.time()
            if ended - begun > PAUSE + STALL:
                self._stalls.append((begun, ended))
