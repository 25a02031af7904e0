"""What is done to a daemon under load, one after the other, and how soon it is whole again.

What lasts, such as an upstream that is gone, is taken back after a while: blocks must hold meanwhile, and what is not
whole then counts.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.hostile.upstreams import Faulty
from tests.daemon.harness import put
from tests.soak.stand import Stand

OUTAGE = 3.0  # seconds without an upstream, or without descriptors
IN_ONE_DRAIN = 64  # questions that a worker may have read when it is killed, and that die with it


Undo = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Course:
    """What came of one fault, in seconds.

    Until it was told in /healthz, and until blocks held, since it was done; until all was whole, since it was over.
    """

    told: float | None
    blocks: float
    whole: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `may_lose` is how many questions may be lost with it: those in the hands of what is killed."""

    name: str
    do: Callable[[Stand], Undo | None]  # returns what ends a fault that lasts
    may_lose: int = 0
    is_told: bool = False  # whether it is waited for /healthz to tell

    def run(self, stand: Stand) -> Course:
        """Do it, once workers of the fault before have their caches again, and wait until all is whole."""
        stand.seconds_until(stand.fill_caches, time.monotonic())
        begun = time.monotonic()
        undo = self.do(stand)
        told = stand.seconds_until(lambda: stand.says("/healthz", 503), begun) if self.is_told else None
        blocks = stand.seconds_until(stand.blocks, begun)
        if undo is not None:
            time.sleep(OUTAGE)
            undo()
            begun = time.monotonic()
        return Course(told, blocks, stand.seconds_until(stand.is_whole, begun))


def _sent(kind: str, number: signal.Signals) -> Callable[[Stand], None]:
    def do(stand: Stand) -> None:
        stand.send(kind, number)

    return do


def _killed(kind: str) -> Callable[[Stand], None]:
    return _sent(kind, signal.SIGKILL)


def _stopped(kind: str) -> Callable[[Stand], None]:
    return _sent(kind, signal.SIGSTOP)


def _kill_all(stand: Stand) -> None:
    """Kill the supervisor, and start again as a service manager does."""
    stand.restarts += 1
    stand.daemon.destroy()
    stand.daemon.launch()


def _lose_upstream(stand: Stand) -> Undo:
    port = stand.upstream.port
    stand.upstream.kill()

    def undo() -> None:
        stand.upstream = Faulty(stand.faulty, stand.core, 0.0, port)

    return undo


def _lose_descriptors(stand: Stand) -> Undo:
    """Take from every worker what descriptors it may still open."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in stand.processes("worker")}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))

    def undo() -> None:
        for pid, limit in limits.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)

    return undo


def _cut(stand: Stand) -> None:
    """Cut the ruleset in force to half, as a failing disk or a careless hand may."""
    version = stand.daemon.status()["ruleset"]["version"]
    path = stand.daemon.state_dir / "rulesets" / f"{version:06}.ruleset"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _bad_list(stand: Stand) -> Undo:
    """Put what is no list in the place of the list."""
    put(stand.folder / "list", stand.chance.randbytes(200_000))
    return stand.publish


FAULTS: tuple[Fault, ...] = (
    Fault("kill -9 of a worker", _killed("worker"), may_lose=IN_ONE_DRAIN),
    Fault("kill -9 of control", _killed("control")),
    Fault("kill -9 of the page process", _killed("page")),
    Fault("kill -9 of a child of control", _killed("child")),
    Fault("kill -9 of all", _kill_all, may_lose=10_000),
    Fault("SIGSTOP of a worker", _stopped("worker"), may_lose=IN_ONE_DRAIN, is_told=True),
    Fault("SIGSTOP of control", _stopped("control")),
    Fault("SIGSTOP of the page process", _stopped("page"), is_told=True),
    Fault("ruleset cut to half", _cut, may_lose=2 * IN_ONE_DRAIN),
    Fault("upstream gone", _lose_upstream),
    Fault("no descriptors", _lose_descriptors),
    Fault("a list that is none", _bad_list),
)
