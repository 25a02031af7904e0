"""What is measured of one server, each figure in a trial of its own with a server started anew."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.hostile.upstreams import SILENT, TLS_NAME, Faulty, TlsUpstream, faulty
from tests.bench.load import Delays, Load, ask
from tests.bench.measure import cpu_seconds
from tests.bench.names import REAL, SINKHOLE, Names
from tests.bench.programs import ProgramFailed
from tests.bench.server import Place, Server, Upstreams

START_TIME = 30.0  # seconds
CALM = 0.05  # of a core: a server that uses less, for CALM_TIME seconds, has done what it does at its start
CALM_TIME = 0.5
CACHED = 500  # names that are in the cache before an upstream fails
FAILING_RATE = 1500  # failing names a second, each asked for once
FLOOD_RATE = 5000  # the same in a flood
STEADY_RATE = 1000  # questions a second for blocked and cached names meanwhile
REPEATED = 1000  # failing names that are asked for REPETITIONS times in as many seconds
REPETITIONS = 5
SLOW = 0.9  # seconds that a slow upstream takes
SLOW_RATE = 50
DEAD_RATE = 150  # missed names a second with a dead upstream in front of a living one
TLS_RATE = 300
LATE = 0.5  # seconds
SETTLED = 2.0  # seconds for what is still under way when the load ends


@dataclass(frozen=True, slots=True)
class Bench:
    """What every trial uses."""

    core: int  # of the server
    load: Load
    load_core: int
    faulty: Path
    folder: Path
    names: Names
    seconds: float  # of one run
    mixed: float  # seconds of the mixed load
    numbers: Iterator[int]

    @contextlib.contextmanager
    def serving(self, kind: type[Server], upstreams: Upstreams) -> Iterator[Server]:
        """Run a server until the end of the block, once it blocks."""
        folder = self.folder / f"{kind.name}-{next(self.numbers)}"
        folder.mkdir()
        server = kind(Place(folder, self.core, upstreams, self.names))
        try:
            server.prepare()
            server.start()
            deadline = time.monotonic() + START_TIME
            while ask(server.port, self.names.blocked[0], 0.2) != SINKHOLE:
                server.daemon.check()
                if time.monotonic() > deadline:
                    raise ProgramFailed(f"{kind.name} blocks nothing: {server.daemon.tail()}")
            while not is_calm(server) and time.monotonic() < deadline:
                server.daemon.check()
            yield server
        finally:
            server.stop()

    def new_names(self, zone: str) -> Iterator[str]:
        """Yield names below a zone that no trial has asked for."""
        run = next(self.numbers)
        return (f"n{number}.r{run}.{zone}" for number in itertools.count())

    def questions(self, names: Iterator[str], count: float) -> Path:
        """Write the first names into a file."""
        return self.load.questions(itertools.islice(names, int(count)))


def is_calm(server: Server) -> bool:
    """Return after CALM_TIME seconds whether a server has done nothing much: its start is no question's cost."""
    begun = cpu_seconds(server.daemon.pid)
    time.sleep(CALM_TIME)
    return cpu_seconds(server.daemon.pid) - begun <= CALM * CALM_TIME


@dataclass(frozen=True, slots=True)
class Failing:
    """How a server bears failing names, and how the blocked and cached ones fare that are asked for meanwhile."""

    lost: float  # share of the blocked and cached names
    p99: float  # milliseconds, of these
    cpu: float  # microseconds for each failing name


def failing(bench: Bench, kind: type[Server], zone: str, *, gone: bool = False, rate: int = FAILING_RATE) -> Failing:
    """Ask for names below a zone that fails, alone and beside others; with `gone` the upstream has ended."""
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        cached = list(itertools.islice(bench.new_names("cached.example"), CACHED))
        warm(server, cached)
        if gone:
            upstream.kill()
        steady = bench.load.questions(
            itertools.chain.from_iterable(zip(bench.names.blocked, itertools.cycle(cached), strict=False))
        )
        amount = rate * bench.seconds
        begun = cpu_seconds(server.daemon.pid)
        alone = bench.load.delays(server.port, bench.questions(bench.new_names(zone), amount), rate, bench.seconds)
        cpu = (cpu_seconds(server.daemon.pid) - begun) / alone.asked * 1e6
        asked = bench.questions(bench.new_names(zone), 2 * amount)
        with bench.load.asking(server.port, asked, rate, bench.seconds) as hostile:
            beside = bench.load.delays(server.port, steady, STEADY_RATE, bench.seconds - 0.5)
            hostile.end()
        return Failing(beside.lost / beside.asked, beside.p99, cpu)


def warm(server: Server, names: list[str]) -> None:
    """Have names in the cache; raises ProgramFailed if one cannot be had."""
    for name in names:
        for _ in range(5):
            if ask(server.port, name, 1.0) == REAL:
                break
        else:
            raise ProgramFailed(f"{server.name} does not answer {name}: {server.daemon.tail()}")


def repeated(bench: Bench, kind: type[Server], zone: str, count: Callable[[dict[str, int]], int]) -> int:
    """Return the questions that reach the upstream for REPEATED failing names asked REPETITIONS times."""
    with faulty(bench.faulty, bench.load_core) as upstream, bench.serving(kind, Upstreams((upstream.port,))) as server:
        questions = bench.questions(bench.new_names(zone), REPEATED)
        bench.load.delays(server.port, questions, REPEATED, REPETITIONS)
        time.sleep(SETTLED)
        return count(upstream.end())


@dataclass(frozen=True, slots=True)
class Slow:
    """What came of names that a slow upstream answers."""

    answered: float  # share
    questions: float  # to the upstream, for each name


def slow(bench: Bench, kind: type[Server]) -> Slow:
    """Ask for new names while every answer of the upstream takes SLOW seconds."""
    with faulty(bench.faulty, bench.load_core, SLOW) as upstream:
        with bench.serving(kind, Upstreams((upstream.port,))) as server:
            seconds = 2 * bench.seconds
            names = bench.questions(bench.new_names("missed.example"), SLOW_RATE * seconds * 2)
            delays = bench.load.delays(server.port, names, SLOW_RATE, seconds)
            time.sleep(SETTLED)
        others = upstream.end()["others"]
        return Slow((delays.asked - delays.lost - delays.failed) / delays.asked, others / delays.asked)


def dead_first(bench: Bench, kind: type[Server], *, dies: bool) -> float:
    """Return the share of new names that take over LATE seconds, or fail, with the first of two upstreams dead.

    It says nothing from the start on, or with `dies` from the middle on.
    """
    with contextlib.ExitStack() as stack:
        second = stack.enter_context(faulty(bench.faulty, bench.load_core))
        first = Faulty(bench.faulty, bench.load_core, 0.0 if dies else SILENT)
        stack.callback(lambda: first.kill())
        server = stack.enter_context(bench.serving(kind, Upstreams((first.port, second.port))))
        seconds = 2 * bench.seconds
        names = bench.questions(bench.new_names("missed.example"), DEAD_RATE * seconds * 2)
        with bench.load.asking(server.port, names, DEAD_RATE, seconds, LATE) as asker:
            if dies:
                time.sleep(seconds / 2)
                first.kill()
                first = Faulty(bench.faulty, bench.load_core, SILENT, first.port)
            said = asker.end(wait=True)
        return (said.late + said.lost + said.failed) / said.asked


@dataclass(frozen=True, slots=True)
class OverTls:
    """What came of names that are asked over TLS."""

    failed: float  # share, unanswered ones included
    connections: int
    cpu: float  # microseconds for each name


def over_tls(bench: Bench, kind: type[Server]) -> OverTls:
    """Ask for new names with one upstream that is asked over TLS."""
    folder = bench.folder / f"tls-{next(bench.numbers)}"
    folder.mkdir()
    with TlsUpstream(folder) as upstream:
        with bench.serving(kind, Upstreams((upstream.port,), TLS_NAME, upstream.authority)) as server:
            warm(server, list(itertools.islice(bench.new_names("cached.example"), 1)))
            names = bench.questions(bench.new_names("missed.example"), TLS_RATE * bench.seconds * 2)
            begun = cpu_seconds(server.daemon.pid)
            said: Delays = bench.load.delays(server.port, names, TLS_RATE, bench.seconds)
            cpu = (cpu_seconds(server.daemon.pid) - begun) / said.asked * 1e6
        return OverTls((said.failed + said.lost) / said.asked, upstream.connections, cpu)
