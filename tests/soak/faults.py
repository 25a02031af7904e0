"""What is done to a daemon under load, one after the other, and how soon it is whole again."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Course:
    """What came of one fault, in seconds: until it was told in /healthz, until blocks held, until all was whole."""

    told: float | None
    blocks: float
    whole: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `may_lose` is how many questions may be lost with it: those in the hands of what is killed."""

    name: str
    do: Callable[[Stand], object]
    may_lose: int = 0
    is_told: bool = False  # whether it is waited for /healthz to tell

    def run(self, stand: Stand) -> Course:
        """Do it, and wait until all is whole."""
        begun = time.monotonic()
        self.do(stand)
        told = stand.seconds_until(lambda: stand.says("/healthz", 503), begun) if self.is_told else None
        return Course(told, stand.seconds_until(stand.blocks, begun), stand.seconds_until(stand.is_whole, begun))


def _killed(kind: str) -> Callable[[Stand], object]:
    return lambda stand: stand.send(kind, signal.SIGKILL)


def _stopped(kind: str) -> Callable[[Stand], object]:
    return lambda stand: stand.send(kind, signal.SIGSTOP)


def _kill_all(stand: Stand) -> None:
    """Kill the supervisor, and start again as a service manager does."""
    stand.restarts += 1
    stand.daemon.destroy()
    stand.daemon.launch()


def _lose_upstream(stand: Stand) -> None:
    port = stand.upstream.port
    stand.upstream.kill()
    time.sleep(OUTAGE)
    stand.upstream = Faulty(stand.faulty, stand.core, 0.0, port)


def _lose_descriptors(stand: Stand) -> None:
    """Take from every worker what descriptors it may still open."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in stand.processes("worker")}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))
    time.sleep(OUTAGE)
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)


def _cut(stand: Stand) -> None:
    """Cut the ruleset in force to half, as a failing disk or a careless hand may."""
    version = stand.daemon.status()["ruleset"]["version"]
    path = stand.daemon.state_dir / "rulesets" / f"{version:06}.ruleset"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _bad_list(stand: Stand) -> None:
    """Put what is no list in the place of the list, for a moment."""
    put(stand.folder / "list", stand.chance.randbytes(200_000))
    time.sleep(OUTAGE)


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
