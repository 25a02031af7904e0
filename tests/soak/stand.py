"""A daemon under load, and what is asked of it while something is done to it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.message

from tests.bench.hostile.upstreams import Faulty
from tests.bench.names import REAL
from tests.daemon.harness import Daemon, Feed, write_list
from tests.soak.steady import SOCKETS, Steady

NAMES = 5_000  # so many that each step of taking them in lasts a while
CACHED = 50
SINKHOLE = "127.0.0.1"
ALWAYS = [f"always-{number}.example" for number in range(20)]
PERIOD = 1.0  # seconds between two lists
PATIENCE = 60.0  # seconds after which what is waited for counts as never
GLANCE = 0.5  # seconds in which each socket must have its answer for blocks to hold
LOOK = 0.02  # seconds between two looks
FEED: Feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}


@dataclass
class Stand:
    """The daemon in `folder` with a list that changes all the time, and a client that asks for what it blocks."""

    folder: Path
    faulty: Path  # the program of the upstream
    core: int  # where the upstream runs
    rate: float  # questions a second of the steady client
    lost: float  # seconds after which one of them is lost
    chance: random.Random
    enforced_in: list[float] = field(default_factory=list)  # seconds from a list to its enforcement
    never: list[int] = field(default_factory=list)  # rounds that were not enforced in time
    round: int = 0  # of the lists, the one that is to be enforced
    restarts: int = 0  # of the whole daemon, by this program as a service manager does it

    @contextlib.contextmanager
    def running(self) -> Iterator[Stand]:
        """Run all of it until the end of the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.publish()
        self.upstream = Faulty(self.faulty, self.core)
        self.daemon = Daemon(
            self.folder, FEED, upstream=f"127.0.0.1:{self.upstream.port}", gate={"max_shrink": "100%"}, fresh=True
        )
        right = dict.fromkeys(ALWAYS, SINKHOLE) | {f"c{number}.cached.example": REAL for number in range(CACHED)}
        stop = threading.Event()
        changing = threading.Thread(target=self._change, args=(stop,), name="changing", daemon=True)
        try:
            with self.daemon:
                for name in right:
                    self.daemon.ask(name)
                with Steady(self.daemon.dns_port, right, self.rate, self.lost) as self.steady:
                    changing.start()
                    try:
                        yield self
                    finally:
                        stop.set()
                        changing.join()
        finally:
            self.upstream.kill()

    def publish(self) -> None:
        """Put a list in place that has the name of the round, and no longer that of the one before."""
        names = [f"name-{place}.example" for place in range(NAMES)]
        write_list(self.folder / "list", [*ALWAYS, f"round-{self.round}.example", *names])

    def fill_caches(self) -> bool:
        """Whether every worker has in its cache what the steady client asks, and can do without the upstream."""
        return all(self._answers(f"c{number}.cached.example", REAL) for number in range(CACHED))

    def blocks(self, name: str = ALWAYS[0]) -> bool:
        """Whether a name is answered with the sinkhole at once by every worker."""
        return self._answers(name, SINKHOLE)

    def _answers(self, name: str, expected: str) -> bool:
        """Whether a name is answered with an address at once, from as many ports as reach every worker."""
        query = dns.message.make_query(name, "A").to_wire()
        address = socket.inet_aton(expected)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(SOCKETS)]
            for sock in socks:
                sock.connect(("127.0.0.1", self.daemon.dns_port))
                sock.send(query)
            deadline = time.monotonic() + GLANCE
            for sock in socks:
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                if not sock.recv(512).endswith(address):
                    return False
            return True
        return False

    def is_whole(self) -> bool:
        """Whether every part of the daemon does its work."""
        return self.blocks() and self.says("/healthz", 200) and self.says("/readyz", 200)

    def says(self, path: str, status: int) -> bool:
        """Whether the admin port answers a path with a status."""
        with contextlib.suppress(OSError, EOFError, Exception):
            return self.daemon.get(path)[0] == status
        return False

    def processes(self, kind: str) -> list[int]:
        """Return the process ids of a kind: `worker`, `control`, `page`, or `child` for what control has started."""
        found: dict[str, list[int]] = {"worker": [], "control": [], "page": [], "child": []}
        for pid in self.daemon.processes():
            with contextlib.suppress(OSError):
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip().removeprefix("blockd: ")
                if pid == self.daemon.pid:
                    continue
                word = "worker" if name[:1] == "w" and name[1:].isdecimal() else name
                found.get(word, found["child"]).append(pid)
        return found[kind]

    def send(self, kind: str, number: signal.Signals) -> int:
        """Send a signal to a process of a kind; return its process id, 0 if there is none."""
        pids = self.processes(kind)
        if not pids:
            return 0
        pid = self.chance.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def seconds_until(self, condition: Callable[[], bool], begun: float) -> float:
        """Wait for a condition; return the seconds since `begun`, infinity if it does not come in PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                return float("inf")
            time.sleep(LOOK)
        return time.monotonic() - begun

    def _change(self, stop: threading.Event) -> None:
        """Publish one list after the other, as soon as the one before is enforced."""
        while not stop.wait(PERIOD):
            self.round += 1
            self.publish()
            begun = time.monotonic()
            while not self.blocks(f"round-{self.round}.example") and not stop.is_set():
                if time.monotonic() - begun > PATIENCE:
                    self.never.append(self.round)
                    break
                time.sleep(LOOK)
            else:
                self.enforced_in.append(time.monotonic() - begun)
