"""What is measured over a longer time: mixed hostile load, and faults of processes and files."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.hostile.trials import CACHED, STEADY_RATE, Bench, warm
from tests.bench.hostile.upstreams import faulty
from tests.bench.measure import memory_mb
from tests.bench.programs import pinned
from tests.bench.server import Server, Upstreams
from tests.places import ROOT
from tests.soak.faults import FAULTS, Course
from tests.soak.stand import Stand

MEASURED = (  # faults that a figure is told of
    "SIGSTOP of a worker",
    "SIGSTOP of the page process",
    "SIGSTOP of control",
    "ruleset cut to half",
    "kill -9 of a worker",
    "kill -9 of all",
)
RATE = 200.0  # questions a second while faults are done
LOST = 40.0  # seconds


@dataclass(frozen=True, slots=True)
class Mixed:
    """How a server bears hostile load of all kinds at once, and the blocked and cached names meanwhile."""

    lost: float  # share of the blocked and cached names
    p99: float  # milliseconds, of these
    early: float  # MB after the first tenth of the time
    late: float  # MB at the end


def mixed(bench: Bench, kind: type[Server]) -> Mixed:
    """Let everything at once come over a server, and look at its memory."""
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        cached = [f"c{number}.cached.example" for number in range(CACHED)]
        warm(server, cached)
        steady = bench.load.questions(
            itertools.chain.from_iterable(zip(bench.names.blocked, itertools.cycle(cached), strict=False))
        )
        web = server.others if len(server.others) == 3 else [0, 0, 0]  # of blockd alone
        with _enemies(bench, [server.port, *web]):
            time.sleep(bench.mixed / 10)
            early = memory_mb(server.daemon.pid)
            seen = bench.load.delays(server.port, steady, STEADY_RATE, bench.mixed * 0.9)
            late = memory_mb(server.daemon.pid)
        return Mixed(seen.lost / seen.asked, seen.p99, early, late)


def faults(bench: Bench) -> dict[str, Course]:
    """Do what is in MEASURED to a daemon, one after the other; return what came of each."""
    chance = random.Random(1)  # noqa: S311 - a benchmark repeats itself
    folder = bench.folder / f"faults-{next(bench.numbers)}"
    with Stand(folder, bench.faulty, bench.load_core, RATE, LOST, chance).running() as stand:
        return {fault.name: fault.run(stand) for fault in FAULTS if fault.name in MEASURED}


@contextmanager
def _enemies(bench: Bench, ports: list[int]) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.soak.enemies", *map(str, ports)]
    process = subprocess.Popen(pinned(bench.load_core, command), cwd=ROOT)  # noqa: S603
    try:
        yield
    finally:
        process.kill()
        process.wait()
